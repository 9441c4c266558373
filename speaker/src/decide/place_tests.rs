//! Decisions over small worlds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arpeggio_common::{
    abi::ALL_BUCKETS,
    model::{Mode, NodeName},
    wire::Mac,
};

use super::*;
use crate::world::{Exclude, LeaseTimes, Links, testing::card};

fn announcement(address: &str, candidates: &[&str], interfaces: &[&str]) -> Announcement {
    Announcement::new(
        address.parse().unwrap(),
        candidates.iter().map(|name| NodeName::try_from(*name).unwrap()).collect(),
        interfaces.iter().map(|name| InterfaceName::try_from(*name).unwrap()).collect(),
        Mode::Exclusive,
    )
    .unwrap()
}

fn world(announcements: Vec<Announcement>, links: Vec<Link>) -> World {
    let config = Config {
        node: NodeName::try_from("node-a").unwrap(),
        announcements: announcements.into_iter().map(|announcement| (announcement.address(), announcement)).collect(),
        pools: BTreeMap::new(),
        policies: BTreeMap::from([(InterfaceName::try_from("eth1").unwrap(), AttachPolicy::Tcx)]),
        refresh: None,
        lease: LeaseTimes::default(),
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

fn actions(decision: &Decision, address: &str) -> Vec<(u32, Action)> {
    let address: IpAddr = address.parse().unwrap();
    decision
        .desired
        .vips
        .iter()
        .filter(|((_, a), _)| *a == address)
        .map(|((index, _), vip)| (*index, vip.action))
        .collect()
}

#[test]
fn an_owned_address_is_answered_on_every_eligible_interface() {
    let decision =
        decide(&world(vec![announcement("192.0.2.10", &["node-a", "node-b"], &[])], two_cards()), AttachPolicy::Auto);
    assert_eq!(actions(&decision, "192.0.2.10"), [(2, Action::Answer), (3, Action::Answer)]);
    let vip = decision.desired.vips[&(3, "192.0.2.10".parse().unwrap())];
    assert_eq!((vip.mac, vip.buckets), (Mac([2, 0, 0, 0, 0, 3]), ALL_BUCKETS));
    assert_eq!(decision.desired.generation, 7);
    assert!(decision.unplaced.is_empty());
}

#[test]
fn what_others_own_is_suppressed_everywhere() {
    for candidates in [&["node-b", "node-a"][..], &["node-b"], &[]] {
        let decision =
            decide(&world(vec![announcement("192.0.2.10", candidates, &["eth0"])], two_cards()), AttachPolicy::Auto);
        assert_eq!(actions(&decision, "192.0.2.10"), [(2, Action::Suppress), (3, Action::Suppress)]);
        assert!(decision.desired.vips.values().all(|vip| vip.buckets == 0));
        assert!(decision.unplaced.is_empty(), "what is not ours needs no place");
    }
}

#[test]
fn an_address_of_ours_is_suppressed_where_it_is_not_announced() {
    let decision =
        decide(&world(vec![announcement("192.0.2.10", &["node-a"], &["eth1"])], two_cards()), AttachPolicy::Auto);
    assert_eq!(actions(&decision, "192.0.2.10"), [(2, Action::Suppress), (3, Action::Answer)]);
}

#[test]
fn ipv6_needs_a_link_local_address_and_joins_its_group_there() {
    let decision =
        decide(&world(vec![announcement("2001:db8::12:3456", &["node-a"], &[])], two_cards()), AttachPolicy::Auto);
    assert_eq!(actions(&decision, "2001:db8::12:3456"), [(2, Action::Answer), (3, Action::Suppress)]);
    assert_eq!(decision.desired.groups, BTreeSet::from([(2, "ff02::1:ff12:3456".parse().unwrap())]));
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
fn unusable_interfaces_carry_nothing_and_say_why() {
    let mut down = card(4, "eth2", &[]);
    down.up = false;
    let decision = decide(&world(vec![announcement("192.0.2.10", &["node-a"], &[])], vec![down]), AttachPolicy::Auto);
    assert!(decision.desired.interfaces.is_empty() && decision.desired.vips.is_empty());
    assert!(decision.ineligible[&4].contains("down"));
}
