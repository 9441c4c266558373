//! What three netlink families say about devices: XDP features, offloads, and who listens promiscuously.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use netlink_packet_core::{DefaultNla, NLA_F_NESTED, NLM_F_DUMP};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{BondMode, InfoBond, InfoData, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::facts::Offloads;
use crate::netlink::{Netlink, dump, value, values};

/// The XDP features of all devices (`Documentation/netlink/specs/netdev.yaml`, `dev-get`), by interface index; `None` when
/// the kernel does not tell (before 6.3).
///
/// # Errors
/// The error of the kernel.
pub(super) fn xdp_features() -> io::Result<Option<BTreeMap<u32, u64>>> {
    const DEV_GET: u8 = 1;
    Ok(dump("netdev", DEV_GET, &[])?.map(|answers| answers.iter().filter_map(|answer| xdp_feature(answer)).collect()))
}

fn xdp_feature(attributes: &[u8]) -> Option<(u32, u64)> {
    const IFINDEX: u16 = 1;
    const XDP_FEATURES: u16 = 3;
    let index = u32::from_ne_bytes(value(attributes, IFINDEX)?.try_into().ok()?);
    Some((index, u64::from_ne_bytes(value(attributes, XDP_FEATURES)?.try_into().ok()?)))
}

/// The offloads of all devices (`Documentation/networking/ethtool-netlink.rst`, `FEATURES_GET`), by interface index; `None`
/// when the kernel was built without ethtool's netlink.
///
/// # Errors
/// The error of the kernel.
pub(super) fn offloads() -> io::Result<Option<BTreeMap<u32, Offloads>>> {
    const FEATURES_GET: u8 = 11;
    const HEADER: u16 = 1;
    let header = DefaultNla::new(HEADER | NLA_F_NESTED, Vec::new());
    let answers = dump("ethtool", FEATURES_GET, &[header])?;
    Ok(answers.map(|answers| answers.iter().filter_map(|answer| offload(answer)).collect()))
}

fn offload(attributes: &[u8]) -> Option<(u32, Offloads)> {
    const HEADER: u16 = 1;
    const HEADER_INDEX: u16 = 1;
    const CHANGEABLE: u16 = 2;
    const ACTIVE: u16 = 4;
    let index = value(value(attributes, HEADER)?, HEADER_INDEX)?;
    let set = |kind| value(attributes, kind).map(set_bits).unwrap_or_default();
    let offloads = Offloads { active: set(ACTIVE), changeable: set(CHANGEABLE) };
    Some((u32::from_ne_bytes(index.try_into().ok()?), offloads))
}

/// The names in a bit set ("Bit sets" in the same document). Without a mask only the bits that are set are listed.
fn set_bits(bitset: &[u8]) -> BTreeSet<String> {
    const NO_MASK: u16 = 1;
    const BITS: u16 = 3;
    const BIT: u16 = 1;
    const BIT_NAME: u16 = 2;
    const BIT_VALUE: u16 = 3;
    let all_set = value(bitset, NO_MASK).is_some();
    value(bitset, BITS)
        .into_iter()
        .flat_map(|bits| values(bits, BIT))
        .filter(|bit| all_set || value(bit, BIT_VALUE).is_some())
        .filter_map(|bit| value(bit, BIT_NAME))
        .map(|name| String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned())
        .collect()
}

/// What a device does with frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    /// Something wants every frame.
    pub promiscuous: bool,
    /// Something wants every multicast frame.
    pub all_multicast: bool,
    /// A bond that writes the MACs of its members into ARP replies (balance-alb: `rlb_arp_xmit` of the bonding driver).
    pub rewrites_arp: bool,
}

/// The traits of all devices, by interface index.
///
/// # Errors
/// The error of the kernel.
pub(super) fn traits() -> io::Result<BTreeMap<u32, Traits>> {
    let mut netlink = Netlink::open(NETLINK_ROUTE)?;
    let answers = netlink.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)?;
    Ok(collect(
        answers.iter().filter_map(
            |answer| {
                if let RouteNetlinkMessage::NewLink(link) = answer { Some(link) } else { None }
            },
        ),
    ))
}

fn collect<'a>(links: impl Iterator<Item = &'a LinkMessage>) -> BTreeMap<u32, Traits> {
    let mut found: BTreeMap<u32, Traits> = BTreeMap::new();
    for link in links {
        let own = found.entry(link.header.index).or_default();
        own.promiscuous |= link.header.flags.contains(LinkFlags::Promisc);
        own.all_multicast |= link.header.flags.contains(LinkFlags::Allmulti);
        for attribute in &link.attributes {
            // The flags only show what user space asked for, the counts also what the kernel itself did.
            if let LinkAttribute::Promiscuity(count) = attribute {
                own.promiscuous |= *count > 0;
            } else if let LinkAttribute::AllMulticast(count) = attribute {
                own.all_multicast |= *count > 0;
            } else if let LinkAttribute::LinkInfo(info) = attribute {
                own.rewrites_arp |= info.iter().any(is_balance_alb);
            }
        }
    }
    found
}

fn is_balance_alb(info: &LinkInfo) -> bool {
    matches!(info, LinkInfo::Data(InfoData::Bond(bond)) if bond.contains(&InfoBond::Mode(BondMode::BalanceAlb)))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    fn nest(kind: u16, children: &[DefaultNla]) -> DefaultNla {
        let mut bytes = vec![0; children.buffer_len()];
        children.emit(&mut bytes);
        DefaultNla::new(kind | NLA_F_NESTED, bytes)
    }

    fn bytes(attributes: &[DefaultNla]) -> Vec<u8> {
        let mut bytes = vec![0; attributes.buffer_len()];
        attributes.emit(&mut bytes);
        bytes
    }

    fn flag(kind: u16) -> DefaultNla {
        DefaultNla::new(kind, vec![])
    }

    fn bit(name: &str, value: bool) -> DefaultNla {
        let name = DefaultNla::new(2, [name.as_bytes(), &[0]].concat());
        if value { nest(1, &[name, flag(3)]) } else { nest(1, &[name]) }
    }

    #[test]
    fn features_are_read_from_what_the_kernel_writes() {
        let answer = bytes(&[
            DefaultNla::new(1, 7u32.to_ne_bytes().into()),
            DefaultNla::new(3, 0x23u64.to_ne_bytes().into()),
            DefaultNla::new(6, 0u64.to_ne_bytes().into()),
        ]);
        assert_eq!(xdp_feature(&answer), Some((7, 0x23)));
        assert_eq!(xdp_feature(&answer[..8]), None);
    }

    #[test]
    fn offloads_are_read_with_and_without_a_mask() {
        let answer = bytes(&[
            nest(1, &[DefaultNla::new(1, 7u32.to_ne_bytes().into())]),
            nest(4, &[flag(1), nest(3, &[bit("rx-lro", false), bit("rx-gro-hw", false)])]),
            nest(2, &[nest(3, &[bit("rx-lro", true), bit("rx-gro-hw", false)])]),
        ]);
        let (index, offloads) = offload(&answer).unwrap();
        assert_eq!(index, 7);
        assert!(offloads.is_on("rx-lro") && offloads.is_on("rx-gro-hw"));
        assert!(offloads.is_changeable("rx-lro") && !offloads.is_changeable("rx-gro-hw"));
    }

    #[test]
    fn what_devices_do_with_frames_is_read() {
        let link = |index: u32, attributes: Vec<LinkAttribute>| {
            let mut link = LinkMessage::default();
            (link.header.index, link.attributes) = (index, attributes);
            link
        };
        let bond = |mode| {
            let data = InfoData::Bond(vec![InfoBond::MiiMon(100), InfoBond::Mode(mode)]);
            vec![LinkAttribute::LinkInfo(vec![LinkInfo::Data(data)])]
        };
        let links = [
            link(2, vec![LinkAttribute::Promiscuity(1), LinkAttribute::AllMulticast(0)]),
            link(3, vec![LinkAttribute::IfName("eth1".to_owned())]),
            link(4, bond(BondMode::BalanceAlb)),
            link(5, bond(BondMode::ActiveBackup)),
        ];
        let found = collect(links.iter());
        assert_eq!(found[&2], Traits { promiscuous: true, ..Traits::default() });
        assert_eq!(found[&3], Traits::default());
        assert_eq!((found[&4].rewrites_arp, found[&5].rewrites_arp), (true, false));
    }

    #[test]
    fn the_running_kernel_is_understood() {
        let devices: BTreeSet<u32> = traits().unwrap().into_keys().collect();
        assert!(devices.contains(&1), "the loopback device has index 1 in every namespace");
        if let Some(offloads) = offloads().unwrap() {
            assert_eq!(offloads.keys().copied().collect::<BTreeSet<_>>(), devices);
            assert!(!offloads[&1].active.is_empty(), "{offloads:?}");
        }
        if let Some(features) = xdp_features().unwrap() {
            assert_eq!(features.keys().copied().collect::<BTreeSet<_>>(), devices);
            assert_eq!(features[&1], 0, "the loopback device has no XDP of its own");
        }
    }
}
