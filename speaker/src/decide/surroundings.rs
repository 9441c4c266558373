//! What the agent found out about the network around the node, beside what the configuration and the interfaces say.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_succession::Proxy;

/// The machines and segments around this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The default gateways, by interface index.
    pub gateways: BTreeMap<u32, BTreeSet<IpAddr>>,
    /// The addresses of the API server, as far as they are known.
    pub api_server: BTreeSet<IpAddr>,
    /// Interfaces that stand by, and which other one answers for their segment, by index.
    pub standing_by: BTreeMap<u32, u32>,
    /// Devices that answer for every address.
    pub proxies: BTreeSet<Proxy>,
}

impl Surroundings {
    /// These gateways were found just now. A gateway whose route went stays known while its interface is there and has no other
    /// of its family: its address is not free because the route, or the machine, is away. Tells whether that changes anything.
    pub fn found_gateways(&mut self, found: &BTreeMap<u32, BTreeSet<IpAddr>>, is_there: impl Fn(u32) -> bool) -> bool {
        let mut now = found.clone();
        for (index, before) in self.gateways.iter().filter(|(index, _)| is_there(**index)) {
            let gateways = now.entry(*index).or_default();
            let missed = before.iter().filter(|old| gateways.iter().all(|new| new.is_ipv4() != old.is_ipv4()));
            let missed: Vec<_> = missed.copied().collect();
            gateways.extend(missed);
        }
        let changed = now != self.gateways;
        self.gateways = now;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(gateways: &[(u32, &[&str])]) -> BTreeMap<u32, BTreeSet<IpAddr>> {
        let addresses = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect();
        gateways.iter().map(|(index, all)| (*index, addresses(all))).collect()
    }

    #[test]
    fn a_gateway_stays_known_until_there_is_another_or_its_interface_goes() {
        let mut around = Surroundings::default();
        let there = |index| index != 3;
        assert!(around.found_gateways(&found(&[(2, &["192.0.2.254", "fe80::1"]), (3, &["198.51.100.1"])]), there));
        assert!(around.found_gateways(&found(&[(2, &["fe80::1"])]), there), "an interface is gone");
        assert!(!around.found_gateways(&found(&[]), there), "the routes are away");
        assert_eq!(around.gateways, found(&[(2, &["192.0.2.254", "fe80::1"])]));
        assert!(around.found_gateways(&found(&[(2, &["192.0.2.253"])]), there));
        assert_eq!(around.gateways, found(&[(2, &["192.0.2.253", "fe80::1"])]));
    }
}
