//! Devices that answer for every address of a segment (proxy ARP): what they say about one address means nothing.
//!
//! When a stranger answers for an address of ours, two others of its subnet are asked for that nobody is known to have, at
//! random. Who answers for both of them answers for everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use arpeggio_common::wire::Mac;
use arpeggio_succession::Proxy;
use ipnet::IpNet;

use crate::world::Link;

/// One interface and one family are not asked about more often than this, in nanoseconds.
const AGAIN_NS: u64 = 10_000_000_000;
/// What is known is asked for again after this long, in nanoseconds: proxies are reconfigured.
const KNOWN_NS: u64 = 300_000_000_000;
/// The subnet of an address that is in none of its interface's: as most are.
const USUAL_BITS: (u8, u8) = (24, 64);
/// Random numbers that are tried for one address before the subnet counts as full.
const ATTEMPTS: usize = 64;

/// What is known of proxies, and what is being asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    known: BTreeMap<Proxy, u64>,
    /// When an interface and family were last asked about, and the address that gave rise to it.
    asked: BTreeMap<(u32, bool), (u64, IpAddr)>,
}

impl Proxies {
    /// A stranger answered for the address on this interface. Tells whether to ask for others now.
    pub fn suspect(&mut self, ifindex: u32, address: IpAddr, now_ns: u64) -> bool {
        let key = (ifindex, address.is_ipv4());
        if self.asked.get(&key).is_some_and(|(at_ns, _)| now_ns.saturating_sub(*at_ns) < AGAIN_NS) {
            return false;
        }
        self.asked.insert(key, (now_ns, address));
        true
    }

    /// Where to ask again because what is known is old: interface, and the address that gave rise to it.
    pub fn due(&mut self, now_ns: u64) -> Vec<(u32, IpAddr)> {
        let old = self.known.iter().filter(|(_, at_ns)| now_ns.saturating_sub(**at_ns) >= KNOWN_NS);
        let keys: BTreeSet<_> = old.map(|(proxy, _)| (proxy.ifindex, proxy.ipv4)).collect();
        let of = |key: &(u32, bool)| self.asked.get(key).map(|(_, address)| (key.0, *address));
        let places: Vec<_> = keys.iter().filter_map(of).collect();
        places.into_iter().filter(|(ifindex, address)| self.suspect(*ifindex, *address, now_ns)).collect()
    }

    /// Who answered for each of the unused addresses. Tells whether other proxies are known now.
    pub fn answered(&mut self, (ifindex, ipv4): (u32, bool), answers: &[BTreeSet<Mac>; 2], now_ns: u64) -> bool {
        let before: Vec<Proxy> = self.known.keys().copied().collect();
        let [first, second] = answers;
        self.known.retain(|proxy, _| (proxy.ifindex, proxy.ipv4) != (ifindex, ipv4));
        let found = first.intersection(second).map(|mac| (Proxy { ifindex, ipv4, mac: *mac }, now_ns));
        self.known.extend(found);
        !self.known.keys().eq(&before)
    }

    /// Those that are known.
    pub fn known(&self) -> BTreeSet<Proxy> {
        self.known.keys().copied().collect()
    }
}

/// Two addresses of the subnet of `address` on this interface that are neither `taken` nor the address itself, by random
/// numbers; `None` where there are none.
pub fn unused(
    link: &Link,
    address: IpAddr,
    taken: impl Fn(IpAddr) -> bool,
    mut random: impl FnMut() -> u64,
) -> Option<[IpAddr; 2]> {
    let subnet = subnet(link, address)?;
    let own = |one: IpAddr| link.addresses.iter().any(|net| net.addr() == one);
    let mut pick = |but: Option<IpAddr>| {
        let candidates = (0..ATTEMPTS).filter_map(|_| member(&subnet, random()));
        let free = |one: &IpAddr| *one != address && Some(*one) != but && !own(*one) && !taken(*one);
        candidates.into_iter().find(free)
    };
    let first = pick(None)?;
    Some([first, pick(Some(first))?])
}

/// The narrowest subnet of the interface that the address is in, else the usual one around it.
fn subnet(link: &Link, address: IpAddr) -> Option<IpNet> {
    let around = link.addresses.iter().filter(|net| net.prefix_len() < net.max_prefix_len() && net.contains(&address));
    let bits = if address.is_ipv4() { USUAL_BITS.0 } else { USUAL_BITS.1 };
    around.max_by_key(|net| net.prefix_len()).copied().or_else(|| IpNet::new(address, bits).ok())
}

/// A host's address of the subnet by a number; `None` for those that no host has.
fn member(subnet: &IpNet, number: u64) -> Option<IpAddr> {
    match subnet {
        IpNet::V4(net) => {
            let host = u32::try_from(number & u64::from(u32::MAX)).ok()? & u32::from(net.hostmask());
            let address = Ipv4Addr::from(u32::from(net.network()) | host);
            (address != net.network() && address != net.broadcast()).then_some(address.into())
        }
        IpNet::V6(net) => {
            let host = u128::from(number) & u128::from(net.hostmask());
            // The first addresses of a subnet are those of routers, and what anycast is for (RFC 4291 section 2.6.1).
            (host > 255).then(|| Ipv6Addr::from(u128::from(net.network()) | host).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::card;

    const SECOND: u64 = 1_000_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    #[test]
    fn who_answers_for_both_is_a_proxy_until_it_does_not() {
        let mut proxies = Proxies::default();
        assert!(proxies.suspect(2, address("192.0.2.10"), SECOND));
        assert!(!proxies.suspect(2, address("192.0.2.11"), 2 * SECOND), "that is being found out");
        assert!(proxies.suspect(2, address("2001:db8::1"), 2 * SECOND) && proxies.suspect(3, address("192.0.2.10"), 1));
        // One host that has one of the two by chance is none.
        assert!(!proxies.answered((2, true), &[[mac(7)].into(), BTreeSet::new()], 3 * SECOND));
        assert!(proxies.answered((2, true), &[[mac(7), mac(9)].into(), [mac(9)].into()], 3 * SECOND));
        assert_eq!(proxies.known(), [Proxy { ifindex: 2, ipv4: true, mac: mac(9) }].into());
        assert!(!proxies.answered((2, true), &[[mac(9)].into(), [mac(9)].into()], 4 * SECOND), "known");
        assert_eq!(proxies.due(300 * SECOND), []);
        assert_eq!(proxies.due(304 * SECOND), [(2, address("192.0.2.10"))]);
        assert_eq!(proxies.due(305 * SECOND), [], "asked already");
        assert!(proxies.answered((2, true), &[BTreeSet::new(), BTreeSet::new()], 306 * SECOND));
        assert!(proxies.known().is_empty());
    }

    /// Numbers that count up from this one.
    fn counting(from: u64) -> impl FnMut() -> u64 {
        let mut next = from;
        move || {
            next += 1;
            next
        }
    }

    #[test]
    fn unused_addresses_are_of_the_subnet_and_nobodys() {
        let eth0 = card(2, "eth0", &["192.0.2.1/24", "192.0.0.1/16", "2001:db8::1/64"]);
        let taken = |one: IpAddr| one == address("192.0.2.3");
        let found = unused(&eth0, address("192.0.2.2"), taken, counting(0xffff)).unwrap();
        // .0 is no host's, .1 the node's own, .2 what is asked for, .3 taken.
        assert_eq!(found, [address("192.0.2.4"), address("192.0.2.5")]);
        let found = unused(&eth0, address("2001:db8::10"), |_| false, counting(250)).unwrap();
        assert_eq!(found, [address("2001:db8::100"), address("2001:db8::101")]);
        let elsewhere = unused(&eth0, address("203.0.113.9"), |_| false, counting(40)).unwrap();
        assert_eq!(elsewhere, [address("203.0.113.41"), address("203.0.113.42")]);
    }

    #[test]
    fn a_subnet_without_room_is_not_asked() {
        let eth0 = card(2, "eth0", &["192.0.2.1/30"]);
        assert_eq!(unused(&eth0, address("192.0.2.2"), |_| false, counting(0)), None);
        assert_eq!(unused(&card(2, "eth0", &["192.0.2.1/24"]), address("192.0.2.2"), |_| true, counting(0)), None);
    }
}
