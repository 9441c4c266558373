//! Addresses that a machine holds as an interface address: nobody suppresses them and nobody claims them.
//!
//! An address without a subnet (/32, /128) is how services find theirs on `lo`, a dummy or kube-ipvs0: suppression is for
//! those. An address with a subnet is the machine's own, whatever the interface; so is one that a DHCP server leased, which for
//! IPv6 always comes as /128, and one on an interface that has none with a subnet: some providers give a machine a single /32.

use std::{
    collections::BTreeMap,
    fmt::{Display, Formatter, Result},
    net::IpAddr,
};

use ipnet::IpNet;

use super::Surroundings;
use crate::world::{Link, LinkKind, Links};

/// Who holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder<'w> {
    /// This node, on the interface of this name.
    Own(&'w str),
    /// The default gateway on the interface of this name.
    Gateway(&'w str),
    /// The API server.
    ApiServer,
}

/// Who holds which address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held<'w>(BTreeMap<IpAddr, Holder<'w>>);

impl<'w> Held<'w> {
    /// What is known of this node and of the machines around it.
    pub(super) fn new(links: &'w Links, surroundings: &Surroundings) -> Self {
        let api = surroundings.api_server.iter().map(|address| (*address, Holder::ApiServer));
        let gateways = surroundings.gateways.iter().filter_map(|(index, all)| Some((links.0.get(index)?, all)));
        let gateways =
            gateways.flat_map(|(link, all)| all.iter().map(|address| (*address, Holder::Gateway(&link.name))));
        let own = links.0.values().flat_map(|link| own(link).map(|address| (address, Holder::Own(&link.name))));
        // The last of several reasons counts: this node's own address is the surest.
        Self(api.chain(gateways).chain(own).collect())
    }

    /// Who holds the address.
    pub(super) fn by(&self, address: IpAddr) -> Option<Holder<'w>> {
        self.0.get(&address).copied()
    }
}

impl Display for Holder<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Own(interface) => write!(f, "this node's own address on {interface}"),
            Self::Gateway(interface) => write!(f, "the address of the default gateway on {interface}"),
            Self::ApiServer => write!(f, "the address of the API server"),
        }
    }
}

/// The addresses of an interface that are the node's own.
fn own(link: &Link) -> impl Iterator<Item = IpAddr> + '_ {
    let has_subnet = |net: &IpNet| net.prefix_len() < net.max_prefix_len();
    let for_services = link.loopback || link.noarp || link.kind == LinkKind::Other("dummy".to_owned());
    let alone = move |net: &IpNet| {
        let same = |other: &&IpNet| other.addr().is_ipv4() == net.addr().is_ipv4() && !is_link_local(other.addr());
        !link.addresses.iter().filter(same).any(has_subnet)
    };
    let owns = move |net: &&IpNet| has_subnet(net) || (!for_services && (link.leased.contains(*net) || alone(net)));
    link.addresses.iter().filter(owns).map(IpNet::addr)
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::world::testing::card;

    fn links(cards: Vec<Link>) -> Links {
        Links(cards.into_iter().map(|link| (link.index, link)).collect())
    }

    fn text(links: &Links, surroundings: &Surroundings, address: &str) -> Option<String> {
        Held::new(links, surroundings).by(address.parse().unwrap()).map(|holder| holder.to_string())
    }

    #[test]
    fn an_address_with_a_subnet_is_the_nodes_own_and_one_without_is_a_services() {
        let eth0 = card(2, "eth0", &["192.0.2.1/24", "192.0.2.10/32", "2001:db8::1/64", "2001:db8::10/128"]);
        let mut ipvs = card(3, "kube-ipvs0", &["192.0.2.11/32", "2001:db8::11/128"]);
        ipvs.noarp = true;
        let links = links(vec![eth0, ipvs]);
        let of = |address| text(&links, &Surroundings::default(), address);
        for address in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(of(address).as_deref(), Some("this node's own address on eth0"));
        }
        for address in ["192.0.2.10", "2001:db8::10", "192.0.2.11", "2001:db8::11", "192.0.2.12"] {
            assert_eq!(of(address), None, "{address}");
        }
    }

    #[test]
    fn the_only_address_of_an_interface_is_the_nodes_own_without_a_subnet_too() {
        let eth0 = card(2, "eth0", &["203.0.113.5/32", "2001:db8::5/128", "fe80::5/64"]);
        let eth1 = card(3, "eth1", &["192.0.2.1/24", "192.0.2.10/32", "2001:db8:1::10/128"]);
        let mut dummy = card(4, "dummy0", &["192.0.2.11/32"]);
        dummy.kind = LinkKind::Other("dummy".to_owned());
        let links = links(vec![eth0, eth1, dummy]);
        let of = |address| text(&links, &Surroundings::default(), address);
        for address in ["203.0.113.5", "2001:db8::5"] {
            assert_eq!(of(address).as_deref(), Some("this node's own address on eth0"));
        }
        assert_eq!(of("2001:db8:1::10").as_deref(), Some("this node's own address on eth1"), "by family");
        for address in ["192.0.2.10", "192.0.2.11"] {
            assert_eq!(of(address), None, "{address}");
        }
    }

    #[test]
    fn a_leased_address_is_the_nodes_own_without_a_subnet_too() {
        let mut eth0 = card(2, "eth0", &["2001:db8::5/128"]);
        eth0.leased = eth0.addresses.clone();
        let mut lo = card(1, "lo", &["2001:db8::6/128"]);
        (lo.loopback, lo.leased) = (true, lo.addresses.clone());
        let links = links(vec![lo, eth0]);
        let of = |address| text(&links, &Surroundings::default(), address);
        assert_eq!(of("2001:db8::5").as_deref(), Some("this node's own address on eth0"));
        assert_eq!(of("2001:db8::6"), None);
    }

    #[test]
    fn gateways_and_the_api_server_hold_theirs_and_an_own_address_is_the_surest() {
        let links = links(vec![card(2, "eth0", &["192.0.2.1/24"])]);
        let addresses = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<BTreeSet<IpAddr>>();
        let surroundings = Surroundings {
            gateways: [(2, addresses(&["192.0.2.254"])), (9, addresses(&["192.0.2.253"]))].into(),
            api_server: addresses(&["192.0.2.100", "192.0.2.1"]),
            ..Surroundings::default()
        };
        let of = |address| text(&links, &surroundings, address);
        assert_eq!(of("192.0.2.254").as_deref(), Some("the address of the default gateway on eth0"));
        assert_eq!(of("192.0.2.253"), None, "of an interface that is gone");
        assert_eq!(of("192.0.2.100").as_deref(), Some("the address of the API server"));
        assert_eq!(of("192.0.2.1").as_deref(), Some("this node's own address on eth0"));
    }
}
