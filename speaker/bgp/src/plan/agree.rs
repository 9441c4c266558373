//! What can be had beside foreign configuration.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::routers::{peer_name, router_name};
use crate::{
    config::{Attribute, Config, Neighbor, Router, Setting, Vrf},
    marks,
    observe::is_our_neighbor,
};

/// Foreign configuration stands in the way of something. It stays as it is, and that something is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Conflict {
    /// One number for each VRF.
    #[error(
        "{router} of FRR has the number {there} and is not ours; the peers with myASN {asn} have no session: use its number"
    )]
    Asn {
        /// In FRR's words.
        router: String,
        /// Its number.
        there: u32,
        /// Ours.
        asn: u32,
    },
    /// A change would reset foreign sessions.
    #[error("{router} of FRR is not ours; the routerID of peers is not set: it would reset sessions that are not ours")]
    RouterId {
        /// In FRR's words.
        router: String,
    },
    /// Somebody else's session.
    #[error("peer {peer}: FRR has a neighbour {key} that is not ours; remove it from FRR's configuration, or the peer")]
    Neighbor {
        /// Of the object.
        peer: String,
        /// In FRR's words.
        key: String,
    },
    /// Somebody else's network.
    #[error(
        "{prefix}: FRR has a network {prefix} that is not ours; it is not announced: remove it from FRR's configuration"
    )]
    Network {
        /// Of the route.
        prefix: IpNet,
    },
}

pub(super) struct Agreed {
    pub(super) wanted: Config,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) awaiting: BTreeSet<String>,
}

pub(super) fn agree(wanted: &Config, observed: &Config, up: &BTreeSet<(Vrf, String)>) -> Agreed {
    let mut agreed = Agreed { wanted: wanted.clone(), conflicts: Vec::new(), awaiting: BTreeSet::new() };
    let Agreed { wanted, conflicts, awaiting } = &mut agreed;
    wanted.routers.retain(|vrf, router| {
        let there = observed.routers.get(vrf);
        let possible = there.is_none_or(|there| there.asn == router.asn || is_only_ours(there));
        if let (false, Some(there)) = (possible, there) {
            conflicts.push(Conflict::Asn { router: router_name(vrf), there: there.asn, asn: router.asn });
            for key in router.neighbors.keys() {
                wanted.maps.remove(&marks::in_map(key, vrf.as_deref()));
                wanted.maps.remove(&marks::out_map(key, vrf.as_deref()));
            }
        }
        possible
    });
    for (vrf, router) in &mut wanted.routers {
        if let Some(there) = observed.routers.get(vrf).filter(|there| there.asn == router.asn) {
            share(vrf, router, there, conflicts);
        }
        let there = observed.routers.get(vrf);
        for (key, neighbor) in &mut router.neighbors {
            let has = there.and_then(|there| there.neighbors.get(key)).map(|there| &there.attributes);
            let has = has.is_some_and(|there| there.contains_key(&Attribute::Bfd));
            if neighbor.attributes.contains_key(&Attribute::Bfd) && !has && !up.contains(&(vrf.clone(), key.clone())) {
                neighbor.attributes.remove(&Attribute::Bfd);
                neighbor.attributes.remove(&Attribute::BfdProfile);
                awaiting.insert(peer_name(neighbor).to_owned());
            }
        }
    }
    agreed
}

/// Leaves out what a router that others use too cannot have.
fn share(vrf: &Vrf, router: &mut Router, there: &Router, conflicts: &mut Vec<Conflict>) {
    if !there.is_ours() && !is_blank(there) {
        let id = router.settings.get(&Setting::RouterId);
        if id.is_some() && id != there.settings.get(&Setting::RouterId) {
            conflicts.push(Conflict::RouterId { router: router_name(vrf) });
        }
        // Without it nothing is announced that the kernel has no route to.
        router.settings.retain(|setting, _| *setting == Setting::NoImportCheck);
    }
    router.neighbors.retain(|key, neighbor| {
        let foreign = there.neighbors.get(key).is_some_and(|there| !is_our_neighbor(there) && !is_begun(there));
        if foreign {
            conflicts.push(Conflict::Neighbor { peer: peer_name(neighbor).to_owned(), key: key.clone() });
        }
        !foreign
    });
    router.networks.retain(|prefix, _| {
        let foreign = there.networks.get(prefix).is_some_and(|map| !is_our_network(map.as_deref()));
        if foreign {
            conflicts.push(Conflict::Network { prefix: *prefix });
        }
        !foreign
    });
}

/// A neighbour of which only the first line was written, by us or by others: there is nothing in it to be lost.
fn is_begun(neighbor: &Neighbor) -> bool {
    let no_maps = neighbor.families.values().all(|carried| carried.map_in.is_none() && carried.map_out.is_none());
    !neighbor.foreign && no_maps && neighbor.attributes.keys().all(|attribute| *attribute == Attribute::RemoteAs)
}

fn is_blank(router: &Router) -> bool {
    let Router { asn: _, settings, neighbors, networks, foreign } = router;
    settings.is_empty() && neighbors.is_empty() && networks.is_empty() && !foreign
}

pub(super) fn is_our_network(map: Option<&str>) -> bool {
    map.is_some_and(|map| marks::class_of(map).is_some())
}

/// Whether nobody loses anything with the router.
pub(super) fn is_only_ours(router: &Router) -> bool {
    let Router { asn: _, settings: _, neighbors, networks, foreign } = router;
    let ours = router.is_ours()
        && neighbors.values().all(is_our_neighbor)
        && networks.values().all(|map| is_our_network(map.as_deref()))
        && !foreign;
    ours || is_blank(router)
}

/// Which of the neighbours that are there are ours.
pub(super) fn our_neighbors(router: &Router) -> BTreeMap<&str, &Neighbor> {
    let ours = router.neighbors.iter().filter(|(_, neighbor)| is_our_neighbor(neighbor));
    ours.map(|(key, neighbor)| (key.as_str(), neighbor)).collect()
}
