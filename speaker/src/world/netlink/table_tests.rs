//! Messages as the kernel builds them, one after another.

use netlink_packet_route::address::AddressHeaderFlags;
use rstest::rstest;

use super::*;
use crate::world::testing::card;

const INDEX: u32 = 7;

fn link(attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = INDEX;
    message.header.link_layer_type = LinkLayerType::Ether;
    message.header.flags = LinkFlags::Up | LinkFlags::Broadcast | LinkFlags::LowerUp;
    message.attributes = attributes;
    message
}

fn whole(more: Vec<LinkAttribute>) -> LinkMessage {
    let mut attributes = vec![
        LinkAttribute::IfName("eth7".to_owned()),
        LinkAttribute::Mtu(1500),
        LinkAttribute::Carrier(1),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, 7]),
    ];
    attributes.extend(more);
    link(attributes)
}

fn address_message(address: &str, flags: AddressFlags) -> AddressMessage {
    let net: IpNet = address.parse().unwrap();
    let mut message = AddressMessage::default();
    message.header.index = INDEX;
    message.header.prefix_len = net.prefix_len();
    message.header.flags = AddressHeaderFlags::from_bits_retain(u8::try_from(flags.bits() & 0xff).unwrap());
    message.attributes = vec![AddressAttribute::Address(net.addr()), AddressAttribute::Flags(flags)];
    message
}

/// A table that knows `eth7` and one address of it.
fn table() -> Links {
    let mut links = Links::default();
    apply(&mut links, &RouteNetlinkMessage::NewLink(whole(vec![])));
    apply(&mut links, &RouteNetlinkMessage::NewAddress(address_message("192.0.2.1/24", AddressFlags::Permanent)));
    links
}

fn after(message: LinkMessage) -> Link {
    let mut links = table();
    apply(&mut links, &RouteNetlinkMessage::NewLink(message));
    links.0.remove(&INDEX).unwrap()
}

fn eth7() -> Link {
    card(7, "eth7", &["192.0.2.1/24"])
}

#[test]
fn an_interface_appears_and_vanishes() {
    let mut links = table();
    assert_eq!(links.0.values().collect::<Vec<_>>(), [&eth7()]);
    apply(&mut links, &RouteNetlinkMessage::DelLink(whole(vec![])));
    assert_eq!(links, Links::default());
    apply(&mut links, &RouteNetlinkMessage::DelLink(whole(vec![])));
    assert_eq!(links, Links::default(), "an interface that was never known may vanish");
}

#[rstest]
#[case::same(whole(vec![]), eth7())]
#[case::renamed(whole(vec![LinkAttribute::IfName("lan0".into())]), Link { name: "lan0".into(), ..eth7() })]
#[case::new_mac(whole(vec![LinkAttribute::Address(vec![2, 0, 0, 0, 0, 8])]), Link { mac: Some(Mac([2, 0, 0, 0, 0, 8])), ..eth7() })]
#[case::no_carrier(whole(vec![LinkAttribute::Carrier(0)]), Link { carrier: false, ..eth7() })]
#[case::enslaved(whole(vec![LinkAttribute::Controller(3)]), Link { enslaved: true, ..eth7() })]
#[case::mtu(whole(vec![LinkAttribute::Mtu(9000)]), Link { mtu: 9000, ..eth7() })]
#[case::veth(whole(vec![LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)])]), Link { kind: LinkKind::Veth, ..eth7() })]
#[case::vlan(
    whole(vec![LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan)])]),
    Link { kind: LinkKind::Other("vlan".into()), ..eth7() }
)]
#[case::vlan_of(
    whole(vec![LinkAttribute::Link(3), LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan)])]),
    Link { kind: LinkKind::Other("vlan".into()), vlan_of: Some(3), ..eth7() }
)]
#[case::vlan_of_a_device_elsewhere(
    whole(vec![
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan)]),
        LinkAttribute::Link(3),
        LinkAttribute::LinkNetNsId(0),
    ]),
    Link { kind: LinkKind::Other("vlan".into()), ..eth7() }
)]
#[case::peer_of_a_veth(
    whole(vec![LinkAttribute::Link(3), LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)])]),
    Link { kind: LinkKind::Veth, ..eth7() }
)]
#[case::macvlan(
    whole(vec![LinkAttribute::Link(3), LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan)])]),
    Link { kind: LinkKind::Other("macvlan".into()), ..eth7() }
)]
#[case::unknown_kind(
    whole(vec![LinkAttribute::LinkInfo(vec![LinkInfo::Kind("fancy".into())])]),
    Link { kind: LinkKind::Other("fancy".into()), ..eth7() }
)]
#[case::program(whole(vec![LinkAttribute::Xdp(vec![LinkXdp::ProgId(42)])]), Link { xdp_program: Some(42), ..eth7() })]
#[case::no_program(whole(vec![LinkAttribute::Xdp(vec![LinkXdp::ProgId(0)])]), eth7())]
#[case::two_programs(
    whole(vec![LinkAttribute::Xdp(vec![LinkXdp::SkbProgId(5), LinkXdp::DrvProgId(6)])]),
    Link { xdp_program: Some(6), ..eth7() }
)]
#[case::infiniband(whole(vec![LinkAttribute::Address(vec![1; 20])]), Link { mac: None, ..eth7() })]
#[case::zero_mac(whole(vec![LinkAttribute::Address(vec![0; 6])]), Link { mac: None, ..eth7() })]
fn an_interface_changes(#[case] message: LinkMessage, #[case] expected: Link) {
    assert_eq!(after(message), expected);
}

#[test]
fn what_a_whole_description_does_not_mention_is_gone() {
    let mut links = table();
    let more = vec![LinkAttribute::Controller(3), LinkAttribute::Xdp(vec![LinkXdp::ProgId(1)])];
    apply(&mut links, &RouteNetlinkMessage::NewLink(whole(more)));
    assert!(links.0[&INDEX].enslaved && links.0[&INDEX].xdp_program == Some(1));
    apply(&mut links, &RouteNetlinkMessage::NewLink(whole(vec![])));
    assert_eq!(links.0[&INDEX], eth7());
}

/// A VLAN device of this index on that device.
fn vlan(index: u32, below: u32) -> LinkMessage {
    let mut message =
        whole(vec![LinkAttribute::Link(below), LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan)])]);
    message.header.index = index;
    message
}

#[test]
fn vlans_are_followed_to_the_device_directly_below() {
    let mut links = table();
    let mut below_after = |message: RouteNetlinkMessage| -> Vec<u32> {
        apply(&mut links, &message);
        links.below_vlans().into_iter().collect()
    };
    assert_eq!(below_after(RouteNetlinkMessage::NewLink(whole(vec![]))), [0; 0]);
    assert_eq!(below_after(RouteNetlinkMessage::NewLink(vlan(8, 7))), [7]);
    assert_eq!(below_after(RouteNetlinkMessage::NewLink(vlan(9, 7))), [7]);
    assert_eq!(below_after(RouteNetlinkMessage::NewLink(vlan(10, 8))), [7, 8], "a VLAN in a VLAN");
    assert_eq!(below_after(RouteNetlinkMessage::DelLink(vlan(8, 7))), [7, 8], "the other VLAN still sits on it");
    let mut short = vlan(9, 7);
    short.attributes.retain(|attribute| matches!(attribute, LinkAttribute::IfName(_)));
    assert_eq!(below_after(RouteNetlinkMessage::NewLink(short)), [7, 8], "a short message says nothing about it");
    assert_eq!(below_after(RouteNetlinkMessage::DelLink(vlan(9, 7))), [8]);
    assert_eq!(below_after(RouteNetlinkMessage::DelLink(vlan(10, 8))), [0; 0]);
    assert_eq!(links, table());
}

#[rstest]
#[case::down(LinkFlags::Broadcast, Link { up: false, carrier: false, ..eth7() })]
#[case::noarp(LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Noarp, Link { noarp: true, broadcast: false, ..eth7() })]
fn a_short_message_changes_flags_only(#[case] flags: LinkFlags, #[case] expected: Link) {
    let mut message = link(vec![LinkAttribute::IfName("eth7".to_owned())]);
    message.header.flags = flags;
    assert_eq!(after(message.clone()), expected);
    let mut links = Links::default();
    apply(&mut links, &RouteNetlinkMessage::NewLink(message));
    assert_eq!(links, Links::default(), "too little to describe an interface nobody knows");
}

#[test]
fn the_loopback_device_has_no_mac() {
    let mut message = whole(vec![LinkAttribute::Address(vec![0; 6])]);
    message.header.link_layer_type = LinkLayerType::Loopback;
    message.header.flags |= LinkFlags::Loopback;
    let link = after(message);
    assert!(link.loopback && link.mac.is_none());
}

#[test]
fn leaving_a_bridge_is_not_vanishing() {
    let mut links = table();
    let mut port = whole(vec![LinkAttribute::Controller(3)]);
    port.header.interface_family = AddressFamily::Bridge;
    apply(&mut links, &RouteNetlinkMessage::DelLink(port.clone()));
    apply(&mut links, &RouteNetlinkMessage::NewLink(port));
    assert_eq!(links, table());
}

#[test]
fn addresses_come_and_go() {
    let mut links = table();
    let usable = address_message("fe80::1/64", AddressFlags::Permanent);
    let tentative = address_message("fe80::1/64", AddressFlags::Permanent | AddressFlags::Tentative);
    let taken =
        address_message("fe80::1/64", AddressFlags::Permanent | AddressFlags::Tentative | AddressFlags::Dadfailed);
    let net: IpNet = "fe80::1/64".parse().unwrap();
    for (message, there) in [(&tentative, false), (&usable, true), (&usable, true), (&taken, false), (&usable, true)] {
        apply(&mut links, &RouteNetlinkMessage::NewAddress(message.clone()));
        assert_eq!(links.0[&INDEX].addresses.contains(&net), there);
        assert_eq!(links.0[&INDEX].link_local().is_some(), there);
    }
    apply(&mut links, &RouteNetlinkMessage::DelAddress(usable.clone()));
    assert_eq!(links, table());
    apply(&mut links, &RouteNetlinkMessage::NewLink(whole(vec![])));
    assert_eq!(links, table(), "a new description of the interface leaves its addresses alone");
    apply(&mut links, &RouteNetlinkMessage::DelLink(whole(vec![])));
    apply(&mut links, &RouteNetlinkMessage::NewAddress(usable));
    assert_eq!(links, Links::default(), "addresses of unknown interfaces are not kept");
}

#[test]
fn flags_of_old_kernels_are_in_the_header() {
    let mut message = address_message("2001:db8::1/64", AddressFlags::Tentative);
    message.attributes.truncate(1);
    let mut links = table();
    apply(&mut links, &RouteNetlinkMessage::NewAddress(message));
    assert_eq!(links, table());
}

#[test]
fn on_a_point_to_point_link_the_peer_is_not_ours() {
    let mut message = address_message("192.0.2.9/32", AddressFlags::Permanent);
    message.attributes.insert(1, AddressAttribute::Local("192.0.2.8".parse().unwrap()));
    let mut links = table();
    apply(&mut links, &RouteNetlinkMessage::NewAddress(message));
    assert!(links.0[&INDEX].addresses.contains(&"192.0.2.8/32".parse().unwrap()));
    assert_eq!(links.0[&INDEX].addresses.len(), 2);
}
