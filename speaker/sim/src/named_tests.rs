//! The faults that were found in the field, one by one: what they cost, on a wire where nothing else happens.

use std::sync::Arc;

use arpeggio_common::model::{Mode, NodeId};
use arpeggio_succession::{Order, Pace};
use fastrand::Rng;

use crate::{
    measured::Measured,
    node::Lease,
    scenario::{Attack, Fabric, Fault, Scenario, Trouble},
    trace::Trace,
    wire::{Quality, Station},
    world::World,
};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;
/// Everything has started and stands still by then.
const SETTLED: u64 = 10 * SECOND;

fn id(station: Station) -> NodeId {
    NodeId::from_number(station as u64 + 1).unwrap()
}

fn order(stations: &[Station]) -> Order {
    let candidates: Arc<[_]> = stations.iter().map(|station| id(*station)).collect();
    Order { generation: 1, candidates, mode: Mode::Exclusive }
}

/// So many nodes with an address each for which the first one comes first, and a key.
pub(crate) fn plain(nodes: usize) -> Scenario {
    let all: Vec<Station> = (0..nodes).collect();
    Scenario {
        nodes: all.iter().map(|station| id(*station)).collect(),
        doubles: Vec::new(),
        pace: Pace::DEFAULT,
        lease: Lease { length_ns: 2 * SECOND, renewal_ns: 200 * MS },
        key: true,
        fabric: Fabric::Floods,
        silent: false,
        mode: Mode::Exclusive,
        orders: vec![order(&all)],
        quality: Quality { delay_ns: 50_000, jitter_ns: 20_000, twice_per_mille: 0 },
        late_ns: MS / 5,
        // The first one first.
        starts_ns: all.iter().map(|station| *station as u64 * SECOND).collect(),
        client_ns: 100 * MS,
        troubles: Vec::new(),
        end_ns: 15 * SECOND,
    }
}

impl Scenario {
    pub(crate) fn with(mut self, after_ns: u64, length_ns: u64, fault: Fault) -> Self {
        let at_ns = SETTLED + after_ns;
        self.troubles.push(Trouble { at_ns, end_ns: at_ns + length_ns, fault });
        self.end_ns = self.end_ns.max(at_ns + length_ns + 6 * SECOND);
        self
    }

    /// Nothing must be that the judge forbids.
    fn runs(&self, seed: u64) -> Measured {
        let outcome = World::new(self.clone(), Rng::with_seed(seed), Trace::last(100, false)).run();
        let lines = outcome.trace.join("\n");
        assert_eq!(outcome.violation, None, "seed {seed}: {self:#?}\n{lines}");
        outcome.measured
    }
}

/// What comes of it, and what the same schedule costs without the fault.
pub(crate) fn both(scenario: &Scenario, seed: u64) -> (Measured, Measured) {
    let calm = Scenario { troubles: Vec::new(), ..scenario.clone() };
    (scenario.runs(seed), calm.runs(seed))
}

#[test]
fn two_orders_at_once_cost_no_request_and_a_moment_of_two_answerers() {
    for (seed, skew_ns) in [MS, 200 * MS, SECOND, 10 * SECOND, 60 * SECOND].into_iter().enumerate() {
        for orders in [&[1, 0][..], &[1], &[2, 1], &[2]] {
            let change = Fault::Order(vec![(0, Some(order(orders)))]);
            // All are named by both orders: then a key makes no difference.
            let scenario = Scenario { key: seed % 2 == 0, ..plain(3) };
            let (with, calm) = both(&scenario.with(0, skew_ns, change), seed as u64);
            assert!((1..=3).contains(&with.changes), "{orders:?}: {with:?}");
            assert_eq!(with.nobody_ns, calm.nobody_ns, "nobody waits but for the start: {orders:?}");
            assert!(with.two_ns < 5 * MS, "{orders:?}: {with:?}");
        }
    }
}

#[test]
fn an_address_goes_back_and_forth_while_orders_are_late() {
    for seed in 0..10 {
        let change = |orders: &[Station]| Fault::Order(vec![(0, Some(order(orders)))]);
        let scenario =
            plain(3).with(0, 30 * SECOND, change(&[1, 0, 2])).with(3 * SECOND, 20 * SECOND, change(&[0, 1, 2]));
        let (with, calm) = both(&scenario.with(9 * SECOND, SECOND, change(&[2, 1])), seed);
        assert_eq!(with.nobody_ns, calm.nobody_ns);
        assert!(with.two_ns < 5 * MS, "{with:?}");
    }
}

#[test]
fn nobody_without_the_key_moves_an_address_or_silences_its_owner() {
    for key in [true, false] {
        for attack in [Attack::Replay, Attack::Forge, Attack::Duplicate, Attack::Twin(0), Attack::Twin(1)] {
            for rate in [20, 300] {
                let scenario = Scenario { key, ..plain(3) };
                let (with, calm) = both(&scenario.with(0, 4 * SECOND, Fault::Attack(attack, rate)), 3);
                assert_eq!((with.changes, with.nobody_ns, with.two_ns), (0, calm.nobody_ns, calm.two_ns), "{attack:?}");
            }
        }
    }
}

#[test]
fn nobody_without_the_key_hides_a_dead_owner() {
    for attack in [Attack::Replay, Attack::Forge, Attack::Duplicate] {
        for seed in 0..5 {
            let scenario = plain(3).with(0, 4 * SECOND, Fault::Attack(attack, 100));
            let measured = scenario.with(SECOND, 10 * SECOND, Fault::Reboot(0)).runs(seed);
            assert_eq!(measured.changes, 1, "{attack:?}: {measured:?}");
            let calm = plain(3).with(SECOND, 10 * SECOND, Fault::Reboot(0)).runs(seed);
            assert!(measured.nobody_ns <= calm.nobody_ns.max(165 * MS), "{attack:?}: {measured:?}");
        }
    }
}

#[test]
fn who_repeats_true_answers_across_a_cut_is_a_wire() {
    for seed in 0..5 {
        // Nobody hears the second node, which answers beside the first one: only the attacker tells the first one so.
        let scenario =
            plain(3).with(0, 8 * SECOND, Fault::Mute(1)).with(2 * SECOND, 5 * SECOND, Fault::Cut(1, 8, true));
        scenario.with(SECOND, 6 * SECOND, Fault::Attack(Attack::Replay, 300)).runs(seed);
    }
}

#[test]
fn a_segment_without_anybody_else_is_no_reason_to_wait_for_ever() {
    let silent = |nodes| Scenario { silent: true, ..plain(nodes) };
    for nodes in [3, 4] {
        let (with, calm) = both(&silent(nodes).with(0, 15 * SECOND, Fault::Reboot(0)), 1);
        assert!(with.nobody_ns <= calm.nobody_ns.max(170 * MS), "they hear each other: {with:?}");
        assert_eq!(with.changes, 1);
    }
    let (with, calm) = both(&silent(2).with(0, 15 * SECOND, Fault::Reboot(0)), 1);
    assert!(with.nobody_ns <= calm.nobody_ns.max(1_150 * MS), "a second, and a heartbeat: {with:?}");
    assert_eq!(with.changes, 1);
}

#[test]
fn whoever_is_to_leave_goes_on_while_nobody_else_is_there() {
    let slow = Pace::new(std::time::Duration::from_secs(1), 3).unwrap();
    for pace in [Pace::DEFAULT, slow] {
        let alone = Scenario { pace, ..plain(2) }.with(0, 60 * SECOND, Fault::Reboot(1));
        let (with, calm) = both(&alone.with(2 * SECOND, 30 * SECOND, Fault::Evacuate(0)), 1);
        assert_eq!((with.changes, with.nobody_ns), (0, calm.nobody_ns), "{with:?}");
        // A successor has all the time that its pace needs.
        let (with, calm) = both(&Scenario { pace, ..plain(2) }.with(0, 40 * SECOND, Fault::Evacuate(0)), 1);
        assert_eq!((with.changes, with.nobody_ns), (1, calm.nobody_ns), "{with:?}");
    }
}

#[test]
fn where_frames_to_everybody_are_suppressed_two_owners_find_each_other() {
    for own_address in [true, false] {
        let scenario = Scenario { fabric: Fabric::Suppresses { own_address }, starts_ns: vec![0; 3], ..plain(3) };
        let measured = scenario.with(0, 10 * SECOND, Fault::Reboot(0)).runs(2);
        assert!(measured.changes >= 1, "{measured:?}");
        let scenario = Scenario { fabric: Fabric::Suppresses { own_address }, ..plain(3) };
        let (with, calm) = both(&scenario.with(0, 5 * SECOND, Fault::Cut(0b001, 0b110, true)), 2);
        assert!(with.two_ns <= 1_600 * MS && with.nobody_ns >= calm.nobody_ns, "{with:?}");
    }
}

#[test]
fn who_was_dropped_from_a_shared_address_notices_a_successor_that_started_later() {
    let share = |stations: &[Station]| Order { mode: Mode::Shared, ..order(stations) };
    let scenario = Scenario { key: false, mode: Mode::Shared, orders: vec![share(&[0])], ..plain(2) };
    // The successor is off when it is named, and never hears who was there before.
    let change = Fault::Order(vec![(0, Some(share(&[1])))]);
    let scenario = scenario.with(0, 10 * SECOND, Fault::Reboot(1)).with(SECOND, SECOND, change);
    let measured = scenario.runs(1);
    assert!(measured.two_ns > 0 && measured.two_ns < SECOND, "{measured:?}");
}

#[test]
fn who_leaves_through_a_port_that_switches_do_not_let_answer_may_still_ask() {
    let share = |stations: &[Station]| Order { mode: Mode::Shared, ..order(stations) };
    let orders = vec![share(&[0, 1, 2])];
    let scenario = Scenario { mode: Mode::Shared, orders, doubles: vec![2], ..plain(3) };
    let change = Fault::Order(vec![(0, Some(share(&[0, 1])))]);
    scenario.with(0, 4 * SECOND, Fault::Unbound(2)).with(SECOND, SECOND, change).runs(1);
}

#[test]
fn two_that_are_to_leave_both_go_when_somebody_can_have_it() {
    let change = Fault::Order(vec![(0, Some(order(&[2])))]);
    let scenario = plain(3).with(0, 20 * SECOND, Fault::Reboot(2)).with(SECOND, 4 * SECOND, Fault::Cut(1, 2, true));
    let measured = scenario.with(2 * SECOND, SECOND, change).runs(1);
    // Neither answers what the other one asks, so that they find each other only then.
    assert!((14 * SECOND..20 * SECOND).contains(&measured.two_ns), "{measured:?}");
}

#[test]
fn who_cannot_read_what_it_heard_takes_nothing() {
    for station in [0, 1, 2] {
        let (with, calm) = both(&plain(3).with(0, 3 * SECOND, Fault::Unread(station)), 1);
        assert_eq!((with.changes, with.nobody_ns), (0, calm.nobody_ns), "{with:?}");
    }
}
