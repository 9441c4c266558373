//! What orders promise: everybody a share, nothing moved without need, few standbys.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn node(number: u32) -> NodeId {
    NodeId::from_number(u64::from(number).wrapping_mul(0x2545_f491_4f6c_dd1d) | 1).unwrap()
}

fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + number))
}

fn fleet(count: u32) -> Vec<Eligible> {
    (0..count).map(|number| Eligible { node: node(number), weight: 1 }).collect()
}

/// Orders of addresses `0..count` that are owned as `owned` says.
fn hand_out(
    eligible: &[Eligible],
    count: u32,
    owned: &BTreeMap<IpAddr, NodeId>,
    balance: Balance,
) -> BTreeMap<IpAddr, Vec<NodeId>> {
    let wish = |number| Wish { address: address(number), eligible, owner: owned.get(&address(number)).copied() };
    orders(&(0..count).map(wish).collect::<Vec<_>>(), balance)
}

fn owners(orders: &BTreeMap<IpAddr, Vec<NodeId>>) -> BTreeMap<IpAddr, NodeId> {
    orders.iter().filter_map(|(address, order)| Some((*address, *order.first()?))).collect()
}

fn loads(orders: &BTreeMap<IpAddr, Vec<NodeId>>) -> BTreeMap<NodeId, usize> {
    owners(orders).into_values().fold(BTreeMap::new(), |mut loads, owner| {
        *loads.entry(owner).or_default() += 1;
        loads
    })
}

#[test]
fn nobody_eligible_means_nobody_listed() {
    assert_eq!(hand_out(&[], 1, &BTreeMap::new(), Balance::Even), BTreeMap::from([(address(0), vec![])]));
}

#[test]
fn the_preferred_come_first_then_the_owner() {
    let mut fleet = fleet(6);
    fleet[2].weight = 5;
    fleet[4].weight = 5;
    for owner in [node(4), node(2)] {
        let orders = hand_out(&fleet, 1, &BTreeMap::from([(address(0), owner)]), Balance::Sticky);
        let order = &orders[&address(0)];
        assert_eq!(order[0], owner, "a preferred owner stays");
        assert!([node(2), node(4)].contains(&order[1]), "{order:?}");
    }
    let orders = hand_out(&fleet, 1, &BTreeMap::from([(address(0), node(0))]), Balance::Sticky);
    assert!([node(2), node(4)].contains(&orders[&address(0)][0]), "weight beats possession: {orders:?}");
}

#[test]
fn what_a_node_leaves_is_spread_over_its_near_successors() {
    let orders = hand_out(&fleet(30), 3_000, &BTreeMap::new(), Balance::Even);
    for gone in (0..30).map(node) {
        let mut heirs: BTreeMap<NodeId, usize> = BTreeMap::new();
        for order in orders.values().filter(|order| order[0] == gone) {
            *heirs.entry(order[1]).or_default() += 1;
        }
        assert_eq!(heirs.len(), NEAR);
        assert!(heirs.values().all(|share| (10..=45).contains(share)), "a quarter of 100 each: {heirs:?}");
    }
}

#[test]
fn an_order_stays_unless_somebody_has_to_move() {
    let fleet = |weights: &[u32]| -> Vec<Eligible> {
        (0..).zip(weights).map(|(number, weight)| Eligible { node: node(number), weight: *weight }).collect()
    };
    let list = |numbers: &[u32]| -> Vec<NodeId> { numbers.iter().copied().map(node).collect() };
    let cases: [(&[u32], &[u32], bool, &str); 10] = [
        (&[0, 1, 2], &[1, 1, 1], true, "all of them"),
        (&[2, 0, 1], &[1, 1, 1], true, "in whichever order"),
        (&[0, 1, 3], &[1, 1, 1], false, "one is not eligible"),
        (&[0, 1], &[1, 1, 1], false, "one came, and few are listed"),
        (&[0, 1, 2, 3, 4], &[1, 1, 1, 1, 1, 1], true, "one came, and enough are listed"),
        (&[0, 1, 2], &[1, 5, 1], false, "one is preferred to the one before it"),
        (&[1, 0, 2], &[1, 5, 1], true, "the preferred one comes first"),
        (&[0, 1, 2, 3, 4], &[1, 1, 1, 1, 1, 2], false, "one that is not listed is preferred"),
        (&[], &[], true, "nobody, and nobody is eligible"),
        (&[], &[1], false, "nobody, but somebody is eligible"),
    ];
    for (order, weights, stays, why) in cases {
        assert_eq!(holds(&list(order), &fleet(weights)), stays, "{why}");
    }
}

#[test]
fn the_same_everywhere_and_always() {
    // Two controllers that follow each other must not move anything: these orders must never change.
    let orders = hand_out(&fleet(5), 3, &BTreeMap::new(), Balance::Even);
    let index = |id: &NodeId| (0..5).position(|number| node(number) == *id).unwrap();
    let indices: Vec<Vec<usize>> = orders.values().map(|order| order.iter().map(index).collect()).collect();
    assert_eq!(indices, FIRST_ORDERS);
}

const FIRST_ORDERS: [[usize; 5]; 3] = [[4, 2, 0, 1, 3], [0, 3, 1, 4, 2], [2, 3, 0, 4, 1]];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nobody_owns_too_much_and_every_order_is_whole(nodes in 1u32..40, count in 0u32..200) {
        let orders = hand_out(&fleet(nodes), count, &BTreeMap::new(), Balance::Even);
        let most = (count as usize).div_ceil(nodes as usize) + 1;
        prop_assert!(loads(&orders).values().all(|load| *load <= most));
        for order in orders.values() {
            prop_assert_eq!(order.len(), DEPTH.min(nodes as usize));
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), order.len(), "nobody twice");
        }
    }

    #[test]
    fn doing_it_again_changes_nothing(nodes in 1u32..20, count in 0u32..150, even in any::<bool>()) {
        let balance = if even { Balance::Even } else { Balance::Sticky };
        let first = hand_out(&fleet(nodes), count, &BTreeMap::new(), Balance::Even);
        prop_assert_eq!(&hand_out(&fleet(nodes), count, &owners(&first), balance), &first);
    }

    #[test]
    fn who_comes_takes_nothing_from_sticky_owners_and_little_from_even_ones(nodes in 2u32..20, count in 1u32..150) {
        let before = owners(&hand_out(&fleet(nodes), count, &BTreeMap::new(), Balance::Even));
        let moved = |balance| {
            let after = owners(&hand_out(&fleet(nodes + 1), count, &before, balance));
            after.iter().filter(|(address, owner)| before[*address] != **owner).count()
        };
        prop_assert_eq!(moved(Balance::Sticky), 0);
        // What is above the new bound, and no more.
        let bound = (count as usize).div_ceil(nodes as usize + 1) + 1;
        let mut above = 0;
        for owner in before.values().collect::<BTreeSet<_>>() {
            above += before.values().filter(|other| *other == owner).count().saturating_sub(bound);
        }
        prop_assert_eq!(moved(Balance::Even), above);
    }

    #[test]
    fn whoever_takes_over_stays(nodes in 3u32..20, count in 1u32..150, gone in 0u32..20) {
        let gone = node(gone % nodes);
        let before = hand_out(&fleet(nodes), count, &BTreeMap::new(), Balance::Even);
        let taken: BTreeMap<_, _> =
            before.iter().map(|(address, order)| (*address, order[usize::from(order[0] == gone)])).collect();
        let left: Vec<_> = fleet(nodes).into_iter().filter(|eligible| eligible.node != gone).collect();
        prop_assert_eq!(owners(&hand_out(&left, count, &taken, Balance::Sticky)), taken);
    }

    #[test]
    fn every_order_holds_for_whom_it_was_made(weights in proptest::collection::vec(0u32..4, 0..20), owner in 0u32..25) {
        let fleet: Vec<Eligible> =
            (0..).zip(weights).map(|(number, weight)| Eligible { node: node(number), weight }).collect();
        let orders = hand_out(&fleet, 1, &BTreeMap::from([(address(0), node(owner))]), Balance::Sticky);
        prop_assert!(holds(&orders[&address(0)], &fleet), "{orders:?}");
    }

    #[test]
    fn one_by_one_nobody_owns_too_much_either(nodes in 1u32..20, count in 0u32..100) {
        let fleet = fleet(nodes);
        let mut load = Load::default();
        for number in 0..count {
            load.bound(number as usize + 1, nodes as usize);
            let owner = newcomer(address(number), &fleet, &load, 1).unwrap();
            load.add(owner);
            prop_assert!(load.of(owner) <= load.most());
        }
        for number in 0..nodes {
            (0..load.of(node(number))).for_each(|_| load.remove(node(number)));
            prop_assert_eq!(load.of(node(number)), 0);
        }
    }

    #[test]
    fn few_nodes_stand_next_to_an_owner(nodes in 2u32..40, count in 1u32..200) {
        let orders = hand_out(&fleet(nodes), count, &BTreeMap::new(), Balance::Even);
        let mut near: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        let mut all = near.clone();
        for order in orders.values() {
            near.entry(order[0]).or_default().extend(order.iter().skip(1).take(2));
            all.entry(order[0]).or_default().extend(order.iter().skip(1));
        }
        prop_assert!(near.values().all(|near| near.len() <= NEAR));
        prop_assert!(all.values().all(|all| all.len() < DEPTH));
    }
}
