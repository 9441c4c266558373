//! Why nobody may announce an address, in one line that names what is in the way.

use std::{fmt::Write as _, net::IpAddr};

use super::{
    Holding,
    eligible::{Ground, Terms},
    topology::Host,
};
use crate::cluster::{Refusal, ServiceKey};

/// Reason of the condition where no node may.
pub(super) const NO_NODE: &str = "NoEligibleNode";

/// Reason of the condition where no advertisement is for the Service.
pub(super) const NO_ADVERTISEMENT: &str = "NoAdvertisement";

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

/// Why no node may announce the address; `None` if no agent lives at all, which is no matter of a Service.
pub(super) fn no_node(ground: &mut Ground, terms: &Terms, holding: &Holding, address: IpAddr) -> Option<Refusal> {
    if ground.topology.live() == 0 {
        return None;
    }
    let coverage = ground.coverage(terms);
    let hosts: Vec<_> = ground.topology.hosts().iter().enumerate().collect();
    let covered: Vec<_> =
        hosts.iter().filter_map(|(number, host)| Some((*number, *host, coverage.get(*number)?.as_ref()?))).collect();
    let ads = terms.ads.iter().flatten().copied().collect();
    let ads = list(ground.advertisements.names(&ads));
    let serving = |number: usize| terms.local.as_ref().is_none_or(|local| local.hosts.contains(&number));
    let served: Vec<_> = covered.iter().filter(|(number, ..)| serving(*number)).collect();
    let reached: Vec<_> = served.iter().filter(|(_, host, cover)| cover.allowed.on(host).next().is_some()).collect();
    let what = if covered.is_empty() && terms.ads.len() > 1 {
        let services = list(holding.services.iter().map(ToString::to_string));
        format!("Services {services} share it, and L2Advertisements {ads} allow no node to announce all of them")
    } else if covered.is_empty() {
        format!("L2Advertisements {ads} select no node that could announce; look at their nodeSelectors")
    } else if served.is_empty() {
        let nodes = names(covered.iter().map(|(_, host, _)| *host));
        format!(
            "externalTrafficPolicy is Local, and no endpoint is on a node that L2Advertisements {ads} select ({nodes})"
        )
    } else if reached.is_empty() {
        let interfaces = served.iter().filter_map(|(_, _, cover)| cover.allowed.named()).flatten();
        let interfaces: std::collections::BTreeSet<_> = interfaces.map(ToString::to_string).collect();
        let nodes = names(served.iter().map(|(_, host, _)| *host));
        if interfaces.is_empty() && served.iter().any(|(_, _, cover)| cover.allowed.named().is_some()) {
            format!("no interface can have the names that L2Advertisements {ads} ask for; see their status")
        } else if interfaces.is_empty() {
            format!("none of the nodes {nodes} reports an interface that can announce")
        } else {
            format!(
                "none of the nodes {nodes} has interface {}, which L2Advertisements {ads} ask for",
                list(interfaces)
            )
        }
    } else {
        format!("the speakers on {} are not alive", names(reached.iter().map(|(_, host, _)| *host)))
    };
    Some(Refusal { reason: NO_NODE.to_owned(), message: format!("{address} is not announced: {what}") })
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
