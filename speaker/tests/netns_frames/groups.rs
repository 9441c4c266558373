//! Solicited-node groups as the kernel lists them.

use std::{collections::BTreeSet, fs, net::Ipv6Addr, time::Instant};

use arpeggio_common::wire::solicited_node_group;
use arpeggio_speaker::frames::{CHANGES_PER_CALL, GROUPS_PER_SOCKET, Groups, Membership};

use super::lab::{Namespace, Wire};

/// Groups of 2001:db8:…:host for every host.
fn wanted(ifindex: u32, hosts: impl IntoIterator<Item = u32>) -> BTreeSet<Membership> {
    let group = |host: u32| solicited_node_group(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(host)).octets());
    hosts.into_iter().map(|host| (ifindex, group(host).into())).collect()
}

/// The groups of `ff02::1:ff00:0/104` that the kernel lists on an interface; no address of the tests makes any by itself
/// but the link-local one.
fn listed(ifindex: u32) -> BTreeSet<Membership> {
    let text = fs::read_to_string("/proc/thread-self/net/igmp6").unwrap();
    text.lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[0] == ifindex.to_string())
        .map(|fields| (ifindex, Ipv6Addr::from_bits(u128::from_str_radix(fields[2], 16).unwrap())))
        .filter(|(_, group)| group.to_string().starts_with("ff02::1:ff") && *group != own_group())
        .collect()
}

/// The group of the link-local address made from the MAC of `near0`.
fn own_group() -> Ipv6Addr {
    "ff02::1:ff00:a01".parse().unwrap()
}

/// Calls until nothing remains; the number of joins and leaves.
fn settle(groups: &mut Groups, desired: &BTreeSet<Membership>) -> (usize, usize) {
    let (mut joins, mut leaves) = (0, 0);
    loop {
        let report = groups.apply(desired);
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        assert!(report.joins + report.leaves <= CHANGES_PER_CALL);
        joins += report.joins;
        leaves += report.leaves;
        if report.remaining == 0 {
            return (joins, leaves);
        }
    }
}

#[test]
fn five_thousand_groups_are_joined_changed_and_left() {
    let wire = Wire::new();
    let ifindex = wire.near.ifindex("near0");
    wire.near.enter(|| {
        let mut groups = Groups::default();
        let all = wanted(ifindex, 1_000_000..1_005_000);
        #[expect(clippy::disallowed_methods, reason = "the time it takes is part of the result")]
        let begun = Instant::now();
        let changes = settle(&mut groups, &all);
        println!("5,000 groups joined in {:?} on {} sockets", begun.elapsed(), groups.sockets());
        assert_eq!(changes, (5_000, 0));
        assert_eq!(listed(ifindex), all);
        assert_eq!(groups.sockets(), 5_000usize.div_ceil(GROUPS_PER_SOCKET));
        assert_eq!(groups.verify().unwrap(), 0);

        assert_eq!(settle(&mut groups, &all), (0, 0), "the second run does nothing");

        let other = wanted(ifindex, 1_004_000..1_006_000);
        assert_eq!(settle(&mut groups, &other), (1_000, 4_000));
        assert_eq!(listed(ifindex), other);

        assert_eq!(settle(&mut groups, &BTreeSet::new()), (0, 2_000));
        assert_eq!((groups.len(), groups.sockets()), (0, 0));
        assert_eq!(listed(ifindex), BTreeSet::new());
    });
}

#[test]
fn a_full_socket_makes_room_for_another() {
    let wire = Wire::new();
    let ifindex = wire.near.ifindex("near0");
    wire.near.enter(|| {
        // Option memory for a good hundred groups a socket. The sysctl is the namespace's own since Linux 6.8; before that it
        // does not exist inside, and the small default of those kernels is what fills the sockets.
        let lowered = fs::write("/proc/sys/net/core/optmem_max", "8192").is_ok();
        let mut groups = Groups::default();
        let all = wanted(ifindex, 1..1_001);
        settle(&mut groups, &all);
        assert_eq!(listed(ifindex), all);
        println!("1,000 groups on {} sockets", groups.sockets());
        let least = 1_000usize.div_ceil(if lowered { 150 } else { GROUPS_PER_SOCKET });
        assert!(groups.sockets() >= least, "{} sockets", groups.sockets());
        // Places that become free are taken again.
        let sockets = groups.sockets();
        settle(&mut groups, &wanted(ifindex, 501..1_001));
        settle(&mut groups, &wanted(ifindex, 501..1_501));
        assert_eq!(listed(ifindex), wanted(ifindex, 501..1_501));
        assert!(groups.sockets() <= sockets + 1, "{} sockets", groups.sockets());
    });
}

#[test]
fn an_interface_that_is_gone_is_forgotten_and_one_that_comes_back_is_joined_again() {
    let wire = Wire::new();
    let ifindex = wire.near.ifindex("near0");
    let all = wanted(ifindex, 7..17);
    let mut groups = wire.near.enter(|| {
        let mut groups = Groups::default();
        assert_eq!(groups.apply(&all).joins, 10);
        groups
    });
    wire.near.ip("link del near0");
    wire.near.enter(|| {
        assert_eq!(groups.verify().unwrap(), 10, "the kernel lost them with the interface");
        let report = groups.apply(&all);
        let (count, error) = &report.failed[&ifindex];
        assert_eq!((*count, report.joins), (10, 0));
        assert!(error.to_string().contains(&format!("interface {ifindex}")), "{error}");
        assert_eq!((groups.len(), groups.sockets()), (0, 0));
    });
    // The same index again, which the caller hears of before anything else is done.
    wire.near.ip(&format!("link add near0 index {ifindex} type bridge"));
    wire.near.ip("link set near0 up");
    wire.near.enter(|| {
        assert_eq!(groups.apply(&all).joins, 10);
        assert!(listed(ifindex).is_superset(&all));
    });
    wire.near.ip("link del near0");
    wire.near.ip(&format!("link add near0 index {ifindex} type bridge"));
    wire.near.ip("link set near0 up");
    wire.near.enter(|| {
        assert_eq!(groups.apply(&all).joins, 0, "nobody said that it was away");
        groups.forget(ifindex);
        assert_eq!(groups.apply(&all).joins, 10);
        assert!(listed(ifindex).is_superset(&all));
    });
}

#[test]
fn groups_of_two_interfaces_are_told_apart() {
    let host = Namespace::new();
    for name in ["one", "two"] {
        host.ip(&format!("link add {name} type bridge"));
        host.ip(&format!("link set {name} up"));
    }
    let (one, two) = (host.ifindex("one"), host.ifindex("two"));
    host.enter(|| {
        let mut groups = Groups::default();
        let both: BTreeSet<Membership> = wanted(one, 1..5).into_iter().chain(wanted(two, 3..9)).collect();
        assert_eq!(groups.apply(&both).joins, 10);
        assert!(listed(one).is_superset(&wanted(one, 1..5)) && listed(two).is_superset(&wanted(two, 3..9)));
        groups.forget(one);
        assert!(listed(one).is_disjoint(&wanted(one, 1..5)));
        assert_eq!(groups.len(), 6);
    });
}
