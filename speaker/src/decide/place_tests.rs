//! Decisions over small worlds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arpeggio_common::{
    model::{Mode, NodeName},
    wire::Mac,
};

use super::*;
use crate::{
    succession::Pace,
    world::{Exclude, LeaseTimes, Links, SuccessionConfig, testing::card},
};

fn announcement(address: &str, candidates: &[&str], interfaces: &[&str]) -> Announcement {
    Announcement::new(
        address.parse().unwrap(),
        candidates.iter().map(|name| NodeName::try_from(*name).unwrap()).collect::<Vec<_>>(),
        interfaces.iter().map(|name| InterfaceName::try_from(*name).unwrap()).collect(),
        Mode::Exclusive,
    )
    .unwrap()
    .with_generation(9)
}

fn world(announcements: Vec<Announcement>, links: Vec<Link>) -> World {
    let config = Config {
        node: NodeName::try_from("node-a").unwrap(),
        cluster: "east".into(),
        generation: None,
        announcements: announcements
            .into_iter()
            .map(|announcement| (announcement.address(), announcement.into()))
            .collect(),
        pools: BTreeMap::new(),
        policies: BTreeMap::from([(InterfaceName::try_from("eth1").unwrap(), AttachPolicy::Tcx)]),
        refresh: None,
        lease: LeaseTimes::default(),
        succession: SuccessionConfig { pace: Pace::FAST, evacuate: true, ..SuccessionConfig::default() },
    };
    World {
        generation: 7,
        config: Arc::new(config),
        links: Arc::new(Links(links.into_iter().map(|link| (link.index, link)).collect())),
        exclude: Arc::new(Exclude::nothing()),
    }
}

fn two_cards() -> Vec<Link> {
    vec![card(2, "eth0", &["192.0.2.1/24", "fe80::1/64"]), card(3, "eth1", &["198.51.100.1/24"])]
}

/// The interfaces on which an address may be owned.
fn ordered(decision: &Decision, address: &str) -> Vec<u32> {
    let address: IpAddr = address.parse().unwrap();
    decision.orders.places.keys().filter(|(_, a)| *a == address).map(|(index, _)| *index).collect()
}

#[test]
fn an_address_begins_suppressed_and_may_be_owned_on_every_eligible_interface() {
    for candidates in [&["node-a", "node-b"][..], &["node-b", "node-a"], &["node-b"]] {
        let decision =
            decide(&world(vec![announcement("192.0.2.10", candidates, &[])], two_cards()), AttachPolicy::Auto);
        let suppressed = |index| DesiredVip {
            mac: Mac([2, 0, 0, 0, 0, index]),
            action: Action::Suppress,
            flags: Flags::NONE,
            buckets: 0,
            may_own: candidates.contains(&"node-a"),
        };
        let address: IpAddr = "192.0.2.10".parse().unwrap();
        assert_eq!(
            decision.desired.vips,
            BTreeMap::from([((2, address), suppressed(2)), ((3, address), suppressed(3))])
        );
        assert_eq!(decision.desired.generation, 7);
        assert!(decision.unplaced.is_empty());
        // Of others too: whoever was taken out of an order hands over first.
        let order = &decision.orders.places[&(3, address)];
        let ids: Vec<_> =
            candidates.iter().map(|name| NodeId::of("east", &NodeName::try_from(*name).unwrap())).collect();
        assert_eq!((order.candidates.as_ref(), order.mode, order.generation), (ids.as_slice(), Mode::Exclusive, 9));
        assert_eq!(ordered(&decision, "192.0.2.10"), [2, 3]);
    }
}

#[test]
fn pace_evacuation_and_carrier_are_part_of_the_orders() {
    let mut cards = two_cards();
    cards[1].carrier = false;
    let decision = decide(&world(vec![], cards), AttachPolicy::Auto);
    assert_eq!(decision.orders.usable, BTreeMap::from([(2, true), (3, false)]));
    assert_eq!((decision.orders.pace, decision.orders.evacuate), (Pace::FAST, true));
}

#[test]
fn where_it_is_not_announced_an_address_is_suppressed_for_good() {
    let decision =
        decide(&world(vec![announcement("192.0.2.10", &["node-a"], &["eth1"])], two_cards()), AttachPolicy::Auto);
    assert_eq!(ordered(&decision, "192.0.2.10"), [3]);
    assert_eq!(decision.desired.vips.len(), 2);
}

#[test]
fn ipv6_needs_a_link_local_address_and_every_candidate_joins_its_group_there() {
    for (candidates, joins) in [(&["node-a"][..], true), (&["node-b", "node-a"], true), (&["node-b"], false)] {
        let decision =
            decide(&world(vec![announcement("2001:db8::12:3456", candidates, &[])], two_cards()), AttachPolicy::Auto);
        assert_eq!(ordered(&decision, "2001:db8::12:3456"), [2]);
        let groups = BTreeSet::from([(2, "ff02::1:ff12:3456".parse().unwrap())]);
        assert_eq!(decision.desired.groups, if joins { groups } else { BTreeSet::new() });
    }
}

#[test]
fn addresses_without_a_place_say_why() {
    let limited = announcement("192.0.2.10", &["node-a"], &["eth7", "eth8"]);
    let deaf = announcement("2001:db8::1", &["node-a"], &["eth1"]);
    let decision = decide(&world(vec![limited.clone(), deaf], two_cards()), AttachPolicy::Auto);
    let reason = |address: &str| decision.unplaced[&address.parse::<IpAddr>().unwrap()].clone();
    assert!(reason("192.0.2.10").contains("(eth7, eth8)"), "{}", reason("192.0.2.10"));
    assert!(reason("2001:db8::1").contains("link-local"), "{}", reason("2001:db8::1"));
    let nowhere = decide(&world(vec![announcement("192.0.2.10", &["node-a"], &[])], vec![]), AttachPolicy::Auto);
    assert!(nowhere.unplaced.values().all(|reason| reason.contains("no eligible interface")));
}

#[test]
fn policies_are_taken_by_name_and_default_to_the_flag() {
    let decision = decide(&world(vec![], two_cards()), AttachPolicy::Generic);
    let policies: Vec<_> = decision.desired.interfaces.values().map(|interface| interface.policy).collect();
    assert_eq!(policies, [AttachPolicy::Generic, AttachPolicy::Tcx]);
}

#[test]
fn a_device_below_a_vlan_is_known_as_such_whether_or_not_the_vlan_is_used() {
    let mut links = two_cards();
    links.push(Link { vlan_of: Some(3), up: false, ..card(4, "eth1.5", &[]) });
    let decision = decide(&world(vec![], links), AttachPolicy::Auto);
    let carrying: Vec<_> = decision.desired.interfaces.iter().map(|(index, one)| (*index, one.carries_vlans)).collect();
    assert_eq!(carrying, [(2, false), (3, true)]);
}

#[test]
fn unusable_interfaces_carry_nothing_and_say_why() {
    let mut down = card(4, "eth2", &[]);
    down.up = false;
    let decision = decide(&world(vec![announcement("192.0.2.10", &["node-a"], &[])], vec![down]), AttachPolicy::Auto);
    assert!(decision.desired.interfaces.is_empty() && decision.desired.vips.is_empty());
    assert!(decision.ineligible[&4].contains("down"));
}
