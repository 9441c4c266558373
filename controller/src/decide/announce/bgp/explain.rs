//! Why BGP peers do not get a route for an address, in one line.

use std::{collections::BTreeSet, net::IpAddr};

use arpeggio_common::model::{BgpAdvertisement, NodeName};

use super::{
    ground::{Ad, Reach, Tellers},
    nodes::Nodes,
};
use crate::{
    cluster::{Refusal, ServiceKey},
    decide::announce::explain::list,
};

/// Reason where no node announces it, the same as at layer 2.
const NO_NODE: &str = "NoEligibleNode";

/// Reason where advertisements contradict each other, as MetalLB calls it.
const CONFLICT: &str = "ConflictingAdvertisements";

/// Reason where no peer can get the route.
const NO_PEER: &str = "NoPeer";

/// Reason where no speaker tells BGP peers anything.
pub(in crate::decide::announce) const NO_SPEAKER: &str = "NoBgpSpeaker";

/// The reasons that only BGP has.
pub(in crate::decide::announce) const REASONS: [&str; 3] = [CONFLICT, NO_PEER, NO_SPEAKER];

/// Two advertisements that would give one route two local preferences.
pub(super) struct Conflict<'a> {
    pub(super) ads: [&'a BgpAdvertisement; 2],
    /// Where both are in force.
    pub(super) nodes: Nodes,
}

/// Advertisements contradict each other (MetalLB behaviour 3.2).
pub(super) fn conflicts(address: IpAddr, service: &ServiceKey, conflicts: &[Conflict<'_>]) -> Option<Refusal> {
    let sentence = |Conflict { ads: [one, other], nodes }: &Conflict<'_>| {
        let on = nodes.as_ref().map(|nodes| format!(" on {}", names(nodes))).unwrap_or_default();
        format!(
            "advertisements '{}' and '{}' have conflicting LOCAL_PREF ({} vs {}){on}",
            one.name, other.name, one.local_pref, other.local_pref
        )
    };
    let what = list(conflicts.iter().map(sentence));
    let message = format!(
        "{address} is not announced to BGP peers: {what}, and both are for Service {service}; give both the same localPref, or \
         different peers, nodes or Services"
    );
    (!conflicts.is_empty()).then(|| Refusal { reason: CONFLICT.to_owned(), message })
}

/// Its routes are decided, and nobody tells them to peers. `ads`: none where it is not known which are in force.
pub(super) fn no_speaker(address: IpAddr, ads: &[&Ad], tellers: Tellers) -> Refusal {
    let which = list(ads.iter().map(|ad| ad.spec.name.as_str()));
    let select = if ads.is_empty() { String::new() } else { format!("BGPAdvertisements {which} select it, but ") };
    let what = match tellers {
        Tellers::None => "no speaker tells BGP peers: none drives FRR; install the component manifests/frr",
        Tellers::Dead | Tellers::Live => "no speaker that tells BGP peers is alive",
    };
    let message = format!("{address} is not announced to BGP peers: {select}{what}");
    Refusal { reason: NO_SPEAKER.to_owned(), message }
}

/// Why no peer gets it; `None`: one does. `reached`: how far its routes got; `None`: there is none. `local`: where it has to be
/// served.
pub(super) fn short(
    address: IpAddr,
    ads: &[&Ad],
    reached: Option<Reach>,
    local: Option<&BTreeSet<NodeName>>,
) -> Option<Refusal> {
    let which = list(ads.iter().map(|ad| ad.spec.name.as_str()));
    let (reason, what) = match (reached, local) {
        (Some(Reach::Peer), _) => return None,
        (Some(Reach::NoPeer), _) => (
            NO_PEER,
            format!("no BGPPeer in force has a session with a node that announces it by BGPAdvertisements {which}"),
        ),
        (Some(Reach::NoNode), _) => (
            NO_NODE,
            format!(
                "every node that BGPAdvertisements {which} select is excluded from load balancers, has the condition \
                 NetworkUnavailable, or runs no speaker that tells BGP peers"
            ),
        ),
        (None, Some(nodes)) => (
            NO_NODE,
            format!(
                "externalTrafficPolicy is Local, and BGPAdvertisements {which} select no node with an endpoint ({})",
                names(nodes)
            ),
        ),
        (None, None) => (NO_NODE, format!("BGPAdvertisements {which} select no node; look at their nodeSelectors")),
    };
    Some(Refusal { reason: reason.to_owned(), message: format!("{address} is not announced to BGP peers: {what}") })
}

fn names(nodes: &BTreeSet<NodeName>) -> String {
    list(nodes.iter().map(NodeName::as_str))
}
