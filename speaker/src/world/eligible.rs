//! Pure: which interfaces announcements may use (MetalLB behaviour 4.5 to 4.7).

use super::{Exclude, Link};

/// What an interface can be used for; at least one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eligible {
    /// IPv4 addresses can be announced: it can broadcast.
    pub arp: bool,
    /// IPv6 addresses can be announced: it has a link-local address that passed duplicate address detection.
    pub ndp: bool,
}

/// Why an interface is not used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Ineligible {
    /// IFF_LOOPBACK.
    #[error("it is the loopback interface")]
    Loopback,
    /// A pattern of the exclude file is found in its name.
    #[error("its name matches the exclude pattern {0:?}")]
    Excluded(String),
    /// It has a master.
    #[error("it is a port of a bridge or a member of a bond, which is announced on instead")]
    Enslaved,
    /// It has no Ethernet address to answer with.
    #[error("it has no Ethernet address")]
    NoMac,
    /// IFF_NOARP.
    #[error("address resolution is switched off on it (NOARP)")]
    NoArp,
    /// Not IFF_UP.
    #[error("it is administratively down")]
    Down,
    /// Neither IFF_BROADCAST nor a link-local address.
    #[error("it can neither broadcast (ARP) nor has it an IPv6 link-local address (neighbour discovery)")]
    Mute,
}

/// What the interface can be used for, or the first reason against it. Lasting reasons come before passing ones, so that
/// the status does not change its mind when an excluded interface goes down. The carrier does not count: the program stays
/// attached while the cable is out.
pub fn eligible(link: &Link, exclude: &Exclude) -> Result<Eligible, Ineligible> {
    if link.loopback {
        return Err(Ineligible::Loopback);
    }
    if let Some(pattern) = exclude.excludes(&link.name) {
        return Err(Ineligible::Excluded(pattern.to_owned()));
    }
    if link.enslaved {
        return Err(Ineligible::Enslaved);
    }
    if link.mac.is_none() {
        return Err(Ineligible::NoMac);
    }
    if link.noarp {
        return Err(Ineligible::NoArp);
    }
    if !link.up {
        return Err(Ineligible::Down);
    }
    let eligible = Eligible { arp: link.broadcast, ndp: link.link_local().is_some() };
    if eligible.arp || eligible.ndp { Ok(eligible) } else { Err(Ineligible::Mute) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;
    use crate::world::{LinkKind, testing::card};

    /// An ordinary network card that can do everything.
    fn eth0() -> Link {
        card(2, "eth0", &["192.0.2.1/24", "fe80::1/64"])
    }

    fn with(change: impl FnOnce(&mut Link)) -> Link {
        let mut link = eth0();
        change(&mut link);
        link
    }

    #[rstest]
    #[case::ordinary(eth0(), true, true)]
    #[case::no_carrier(with(|link| link.carrier = false), true, true)]
    #[case::no_address(with(|link| link.addresses = BTreeSet::new()), true, false)]
    #[case::no_ipv4_address(with(|link| _ = link.addresses.remove(&"192.0.2.1/24".parse().unwrap())), true, true)]
    #[case::global_ipv6_only(with(|link| link.addresses = ["2001:db8::1/64".parse().unwrap()].into()), true, false)]
    #[case::no_broadcast(with(|link| link.broadcast = false), false, true)]
    #[case::bridge(with(|link| (link.name, link.kind) = ("br0".into(), LinkKind::Other("bridge".into()))), true, true)]
    #[case::foreign_program(with(|link| link.xdp_program = Some(7)), true, true)]
    fn usable(#[case] link: Link, #[case] arp: bool, #[case] ndp: bool) {
        assert_eq!(eligible(&link, &Exclude::metallb()), Ok(Eligible { arp, ndp }));
    }

    #[rstest]
    #[case::loopback(with(|link| (link.loopback, link.name) = (true, "lo".into())), Ineligible::Loopback)]
    #[case::excluded(with(|link| link.name = "cali7".into()), Ineligible::Excluded("^cali.*".into()))]
    #[case::enslaved(with(|link| link.enslaved = true), Ineligible::Enslaved)]
    #[case::no_mac(with(|link| link.mac = None), Ineligible::NoMac)]
    #[case::noarp(with(|link| link.noarp = true), Ineligible::NoArp)]
    #[case::down(with(|link| link.up = false), Ineligible::Down)]
    #[case::mute(with(|link| (link.broadcast, link.addresses) = (false, BTreeSet::new())), Ineligible::Mute)]
    #[case::lasting_first(with(|link| (link.up, link.name) = (false, "veth9".into())), Ineligible::Excluded("^veth.*".into()))]
    fn unusable(#[case] link: Link, #[case] reason: Ineligible) {
        assert_eq!(eligible(&link, &Exclude::metallb()), Err(reason));
    }

    #[test]
    fn a_veth_is_used_when_no_pattern_speaks_against_it() {
        let link = with(|link| (link.name, link.kind) = ("veth0".into(), LinkKind::Veth));
        assert_eq!(eligible(&link, &Exclude::nothing()), Ok(Eligible { arp: true, ndp: true }));
    }
}
