//! Decisions over small worlds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arpeggio_common::{
    model::{Mode, NodeName},
    wire::Mac,
};
use arpeggio_succession::Pace;

use super::*;
use crate::world::{Exclude, LeaseTimes, Links, SuccessionConfig, testing::card};

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
        bgp: Arc::default(),
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

/// Without anything around the node.
fn decided(world: &World, policy: AttachPolicy) -> Decision {
    decide(world, &Surroundings::default(), policy)
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
            decided(&world(vec![announcement("192.0.2.10", candidates, &[])], two_cards()), AttachPolicy::Auto);
        let suppressed = |index| DesiredVip {
            mac: Mac([2, 0, 0, 0, 0, index]),
            action: Action::Suppress,
            flags: Flags::NONE,
            buckets: 0,
            may_own: candidates.contains(&"node-a"),
            generation: 9,
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
    let decision = decided(&world(vec![], cards), AttachPolicy::Auto);
    assert_eq!(decision.orders.usable, BTreeMap::from([(2, true), (3, false)]));
    assert_eq!((decision.orders.pace, decision.orders.evacuate), (Pace::FAST, true));
}

#[test]
fn where_it_is_not_announced_an_address_is_suppressed_for_good() {
    let decision =
        decided(&world(vec![announcement("192.0.2.10", &["node-a"], &["eth1"])], two_cards()), AttachPolicy::Auto);
    assert_eq!(ordered(&decision, "192.0.2.10"), [3]);
    assert_eq!(decision.desired.vips.len(), 2);
}

#[test]
fn ipv6_needs_a_link_local_address_and_every_candidate_joins_its_group_there() {
    for (candidates, joins) in [(&["node-a"][..], true), (&["node-b", "node-a"], true), (&["node-b"], false)] {
        let decision =
            decided(&world(vec![announcement("2001:db8::12:3456", candidates, &[])], two_cards()), AttachPolicy::Auto);
        assert_eq!(ordered(&decision, "2001:db8::12:3456"), [2]);
        let groups = BTreeSet::from([(2, "ff02::1:ff12:3456".parse().unwrap())]);
        assert_eq!(decision.desired.groups, if joins { groups } else { BTreeSet::new() });
    }
}

#[test]
fn addresses_without_a_place_say_why() {
    let limited = announcement("192.0.2.10", &["node-a"], &["eth7", "eth8"]);
    let deaf = announcement("2001:db8::1", &["node-a"], &["eth1"]);
    let decision = decided(&world(vec![limited.clone(), deaf], two_cards()), AttachPolicy::Auto);
    let reason = |address: &str| decision.unplaced[&address.parse::<IpAddr>().unwrap()].clone();
    assert!(reason("192.0.2.10").contains("(eth7, eth8)"), "{}", reason("192.0.2.10"));
    assert!(reason("2001:db8::1").contains("link-local"), "{}", reason("2001:db8::1"));
    let nowhere = decided(&world(vec![announcement("192.0.2.10", &["node-a"], &[])], vec![]), AttachPolicy::Auto);
    assert!(nowhere.unplaced.values().all(|reason| reason.contains("no eligible interface")));
}

#[test]
fn policies_are_taken_by_name_and_default_to_the_flag() {
    let decision = decided(&world(vec![], two_cards()), AttachPolicy::Generic);
    let policies: Vec<_> = decision.desired.interfaces.values().map(|interface| interface.policy).collect();
    assert_eq!(policies, [AttachPolicy::Generic, AttachPolicy::Tcx]);
}

#[test]
fn a_device_below_a_vlan_is_known_as_such_whether_or_not_the_vlan_is_used() {
    let mut links = two_cards();
    links.push(Link { vlan_of: Some(3), up: false, ..card(4, "eth1.5", &[]) });
    let decision = decided(&world(vec![], links), AttachPolicy::Auto);
    let carrying: Vec<_> = decision.desired.interfaces.iter().map(|(index, one)| (*index, one.carries_vlans)).collect();
    assert_eq!(carrying, [(2, false), (3, true)]);
}

#[test]
fn unusable_interfaces_carry_nothing_and_say_why() {
    let mut down = card(4, "eth2", &[]);
    down.up = false;
    let decision = decided(&world(vec![announcement("192.0.2.10", &["node-a"], &[])], vec![down]), AttachPolicy::Auto);
    assert!(decision.desired.interfaces.is_empty() && decision.desired.vips.is_empty());
    assert!(decision.ineligible[&4].contains("down"));
}

/// No entry on any interface, no order, no group: the address is left to whoever holds it.
fn left_alone(decision: &Decision, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    let desired = &decision.desired;
    desired.vips.keys().all(|(_, one)| *one != address)
        && decision.orders.places.keys().all(|(_, one)| *one != address)
        && desired.groups.is_empty()
}

#[test]
fn an_address_of_this_node_is_left_alone_on_every_interface_and_says_why() {
    for candidates in [&["node-a", "node-b"][..], &["node-b"]] {
        for (own, text) in [("192.0.2.1", "eth0"), ("198.51.100.1", "eth1")] {
            let world = world(vec![announcement(own, candidates, &[])], two_cards());
            let decision = decided(&world, AttachPolicy::Auto);
            assert!(left_alone(&decision, own));
            let address: IpAddr = own.parse().unwrap();
            let reason = format!("{own} is this node's own address on {text}: not announced");
            assert_eq!(decision.held.get(&address), Some(&reason));
            // To others it is told by a candidate only.
            assert_eq!(decision.unplaced.contains_key(&address), candidates.contains(&"node-a"));
        }
    }
}

#[test]
fn an_address_that_a_service_finds_without_a_subnet_is_suppressed_as_ever() {
    let mut ipvs = card(5, "kube-ipvs0", &["192.0.2.10/32", "2001:db8::10/128"]);
    (ipvs.noarp, ipvs.up) = (true, false);
    let mut eth0 = card(2, "eth0", &["192.0.2.1/24", "192.0.2.10/32", "fe80::1/64"]);
    for (address, kept) in [("192.0.2.10", 1), ("2001:db8::10", 1)] {
        let world = world(vec![announcement(address, &["node-a"], &[])], vec![eth0.clone(), ipvs.clone()]);
        let decision = decided(&world, AttachPolicy::Auto);
        assert_eq!((decision.desired.vips.len(), decision.orders.places.len()), (kept, kept), "{address}");
        assert!(decision.held.is_empty());
    }
    // The same by mistake with the subnet of the interface: it is the node's own, and its kernel is to answer.
    eth0.addresses.insert("192.0.2.10/24".parse().unwrap());
    let world = world(vec![announcement("192.0.2.10", &["node-a"], &[])], vec![eth0, ipvs]);
    assert!(left_alone(&decided(&world, AttachPolicy::Auto), "192.0.2.10"));
}

#[test]
fn addresses_of_the_gateway_and_of_the_api_server_are_left_alone() {
    let surroundings = Surroundings {
        gateways: [(2, ["192.0.2.254".parse().unwrap()].into())].into(),
        api_server: ["192.0.2.100".parse().unwrap()].into(),
        ..Surroundings::default()
    };
    let announcements = ["192.0.2.10", "192.0.2.100", "192.0.2.254"].map(|one| announcement(one, &["node-a"], &[]));
    let decision = decide(&world(announcements.into(), two_cards()), &surroundings, AttachPolicy::Auto);
    assert!(left_alone(&decision, "192.0.2.254") && left_alone(&decision, "192.0.2.100"));
    assert_eq!(ordered(&decision, "192.0.2.10"), [2, 3]);
    let reasons: Vec<_> = decision.held.values().map(String::as_str).collect();
    assert_eq!(
        reasons,
        [
            "192.0.2.100 is the address of the API server: not announced",
            "192.0.2.254 is the address of the default gateway on eth0: not announced",
        ]
    );
}

#[test]
fn a_port_that_stands_by_suppresses_and_may_not_own() {
    let surroundings = Surroundings { standing_by: [(3, 2)].into(), ..Surroundings::default() };
    let announcements = vec![announcement("192.0.2.10", &["node-a"], &[])];
    let decision = decide(&world(announcements, two_cards()), &surroundings, AttachPolicy::Auto);
    let usable = |place: Place| decision.orders.is_usable(place);
    let address = "192.0.2.10".parse().unwrap();
    assert_eq!((usable((2, address)), usable((3, address))), (true, false));
    assert_eq!(ordered(&decision, "192.0.2.10"), [2, 3]);
    assert!(decision.desired.vips.values().all(|vip| vip.action == Action::Suppress));
}

#[test]
fn who_answers_for_a_segment_is_one_of_those_that_the_address_is_limited_to() {
    let surroundings = Surroundings { standing_by: [(3, 2)].into(), ..Surroundings::default() };
    let announcements = [("192.0.2.10", "eth1"), ("192.0.2.11", "eth0")];
    let announcements = announcements.map(|(address, only)| announcement(address, &["node-a"], &[only]));
    let decision = decide(&world(announcements.into(), two_cards()), &surroundings, AttachPolicy::Auto);
    for (address, index) in [("192.0.2.10", 3), ("192.0.2.11", 2)] {
        assert_eq!(ordered(&decision, address), [index]);
        assert!(decision.orders.is_usable((index, address.parse().unwrap())), "{address}");
    }
    // Two of three stand by for the third, which the address is not on.
    let segments = [(3, 2), (4, 2), (9, 8)].into();
    assert_eq!(standing_by(&[3, 4, 5], &segments), [(4, 3)].into());
    assert_eq!(standing_by(&[2, 3, 4, 8, 9], &segments), [(3, 2), (4, 2), (9, 8)].into());
}
