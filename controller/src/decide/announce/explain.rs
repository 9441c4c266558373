//! Why nobody may announce an address, in one line that names what is in the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::api::names::EXCLUDE;

use super::{
    Holding, bgp,
    cover::{Ads, Cover},
    eligible::{Ground, Terms},
    topology::{Host, Outside},
};
use crate::cluster::{Refusal, ServiceKey};

/// Reason of the condition where no node may.
const NO_NODE: &str = "NoEligibleNode";

/// Reason of the condition where nodes may, and no agent of them lives.
const NO_LIVE_SPEAKER: &str = "NoLiveSpeaker";

/// Reason of the condition where no advertisement is for the Service.
pub(super) const NO_ADVERTISEMENT: &str = "NoAdvertisement";

/// Reason of the condition where the Service cannot be served anywhere.
pub(super) const NO_ENDPOINTS: &str = "NoEndpoints";

/// Whether a reason is one that the controller gives: what it wrote into an Announcement is no news of speakers.
pub(super) fn is_ours(reason: &str) -> bool {
    [NO_NODE, NO_LIVE_SPEAKER, NO_ADVERTISEMENT, NO_ENDPOINTS].contains(&reason) || bgp::REASONS.contains(&reason)
}

/// Names that are spelt out in a message; the rest is counted.
const NAMED: usize = 5;

/// No advertisement is for the Service.
pub(super) fn no_advertisement(service: &ServiceKey, address: IpAddr, pool: &str) -> Refusal {
    let message = format!(
        "{address} is not announced: no L2Advertisement or BGPAdvertisement covers pool {pool} and the labels of Service \
         {service}; create one, or widen its ipAddressPools, ipAddressPoolSelectors or serviceSelectors"
    );
    Refusal { reason: NO_ADVERTISEMENT.to_owned(), message }
}

/// The Service has an address and cannot be served.
pub(super) fn no_endpoints(service: &ServiceKey, address: IpAddr, is_local: bool) -> Refusal {
    let which = if is_local { " on a known node, which externalTrafficPolicy Local asks for" } else { "" };
    let message =
        format!("{address} is not announced: Service {service} has no endpoint that is ready or serving{which}");
    Refusal { reason: NO_ENDPOINTS.to_owned(), message }
}

/// Several as one, with the reason of the first.
pub(super) fn together(refusals: impl IntoIterator<Item = Refusal>) -> Option<Refusal> {
    refusals
        .into_iter()
        .reduce(|first, then| Refusal { reason: first.reason, message: format!("{}; {}", first.message, then.message) })
}

/// Why no node may announce the address.
pub(super) fn no_node(ground: &mut Ground, terms: &Terms, holding: &Holding, address: IpAddr) -> Refusal {
    let coverage = ground.coverage(terms);
    let ads: Ads = terms.ads.iter().flatten().copied().collect();
    let outside = outside(ground, &ads);
    let hosts = ground.topology.hosts().iter().enumerate();
    let covered: Vec<Covered<'_>> =
        hosts.filter_map(|(number, host)| Some((number, host, coverage.get(number)?.as_ref()?))).collect();
    let mut clauses = outside.to_vec();
    let (mut reason, selected) = (NO_NODE, list(ground.advertisements.names(&ads)));
    if covered.is_empty() && terms.ads.len() > 1 {
        let services = list(holding.services.iter().map(ToString::to_string));
        clauses.push(format!(
            "Services {services} share it, and L2Advertisements {selected} allow no node to announce all of them"
        ));
    } else if covered.is_empty() && ground.topology.hosts().is_empty() && clauses.is_empty() {
        clauses.push("no speaker runs on any node".to_owned());
    } else if covered.is_empty() && clauses.is_empty() {
        clauses.push(format!(
            "L2Advertisements {selected} select no node that could announce; look at their nodeSelectors"
        ));
    } else if !covered.is_empty() {
        let clause;
        (reason, clause) = of_hosts(&covered, terms, &selected);
        clauses.insert(0, clause);
    }
    Refusal { reason: reason.to_owned(), message: format!("{address} is not announced: {}", clauses.join("; ")) }
}

/// A node that advertisements select, and what it may do.
type Covered<'a> = (usize, &'a Host, &'a Cover);

/// What keeps selected nodes from announcing before anything else is asked. Thousands of addresses have the same advertisements.
fn outside(ground: &mut Ground, ads: &Ads) -> Arc<[String]> {
    if let Some(known) = ground.outside.get(ads) {
        return Arc::clone(known);
    }
    let mut kinds: BTreeMap<Outside, Vec<&str>> = BTreeMap::new();
    for (node, why) in ground.topology.outside() {
        if ground.advertisements.select(ads, &node.labels) {
            kinds.entry(*why).or_default().push(node.name.as_str());
        }
    }
    let clause = |(why, nodes): (Outside, Vec<&str>)| match why {
        Outside::Excluded => format!("the label {EXCLUDE} keeps out {}", list(nodes)),
        Outside::Unreachable => format!("the condition NetworkUnavailable keeps out {}", list(nodes)),
        Outside::NoAgent => format!("no speaker runs on {}", list(nodes)),
    };
    let clauses: Arc<[String]> = kinds.into_iter().map(clause).collect();
    ground.outside.insert(ads.clone(), Arc::clone(&clauses));
    clauses
}

/// What is wrong with all hosts that are selected, and the reason that has.
fn of_hosts(covered: &[Covered<'_>], terms: &Terms, ads: &str) -> (&'static str, String) {
    let serving = |number: usize| terms.local.as_ref().is_none_or(|local| local.hosts.contains(&number));
    let served: Vec<_> = covered.iter().filter(|(number, ..)| serving(*number)).collect();
    if served.is_empty() {
        let nodes = names(covered.iter().map(|(_, host, _)| *host));
        return (
            NO_NODE,
            format!(
                "externalTrafficPolicy is Local, and no endpoint is on a node that L2Advertisements {ads} select ({nodes})"
            ),
        );
    }
    let reached: Vec<_> = served.iter().filter(|(_, host, cover)| cover.allowed.on(host).next().is_some()).collect();
    if !reached.is_empty() {
        let nodes = names(reached.iter().map(|(_, host, _)| *host));
        return (
            NO_LIVE_SPEAKER,
            format!(
                "the speakers on {nodes} are not alive: they do not renew their leases, and no node is known to answer (a \
                 speaker that only lost the API server answers on)"
            ),
        );
    }
    let interfaces = served.iter().filter_map(|(_, _, cover)| cover.allowed.named()).flatten();
    let interfaces: BTreeSet<_> = interfaces.map(ToString::to_string).collect();
    let nodes = names(served.iter().map(|(_, host, _)| *host));
    let what = if interfaces.is_empty() && served.iter().any(|(_, _, cover)| cover.allowed.named().is_some()) {
        format!("no interface can have the names that L2Advertisements {ads} ask for; see their status")
    } else if interfaces.is_empty() {
        format!("none of the nodes {nodes} reports an interface that can announce")
    } else {
        format!("none of the nodes {nodes} has interface {}, which L2Advertisements {ads} ask for", list(interfaces))
    };
    (NO_NODE, what)
}

fn names<'a>(hosts: impl Iterator<Item = &'a Host>) -> String {
    list(hosts.map(|host| host.name().as_str()))
}

/// The first few, and how many more there are.
pub(super) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let mut text = String::new();
    for name in names.by_ref().take(NAMED) {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{}", name.as_ref());
    }
    let more = names.count();
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_counted() {
        assert_eq!(list(["a"]), "a");
        assert_eq!(list(["a", "b", "c", "d", "e"]), "a, b, c, d, e");
        assert_eq!(list(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
