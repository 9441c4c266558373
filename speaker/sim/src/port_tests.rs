//! Nodes with two ports on one segment, and switches that inspect and count ARP, on a wire where nothing else happens.

use arpeggio_succession::Pace;

use crate::{
    named_tests::{MS, SECOND, both, plain},
    scenario::{Attack, Fabric, Fault, Scenario},
    wire::only,
};

/// So many nodes, of which the first one has a second port; and that port.
fn double(nodes: usize) -> (Scenario, usize) {
    (Scenario { doubles: vec![0], ..plain(nodes) }, nodes)
}

#[test]
fn one_port_of_a_node_answers_and_the_other_one_costs_nothing() {
    for nodes in [1, 3] {
        let (scenario, second) = double(nodes);
        for fault in [Fault::Pull(second), Fault::Deaf(second), Fault::Mute(second), Fault::Crash(0), Fault::Pause(0)] {
            let (with, calm) = both(&scenario.clone().with(0, SECOND, fault), 1);
            assert_eq!((with.changes, with.two_ns, with.flips), (0, 0, 0), "{with:?}");
            assert_eq!(with.nobody_ns, calm.nobody_ns);
        }
    }
}

#[test]
fn the_second_port_takes_over_when_the_first_one_loses_its_carrier_or_hears_nothing() {
    let (scenario, _) = double(1);
    // Three probes, as of an address that it never had.
    let (with, calm) = both(&scenario.clone().with(0, 20 * SECOND, Fault::Pull(0)), 1);
    assert!(with.nobody_ns <= calm.nobody_ns.max(650 * MS), "{with:?}");
    let (with, _) = both(&scenario.with(0, 20 * SECOND, Fault::Deaf(0)), 1);
    assert!((5 * SECOND..8 * SECOND).contains(&with.deaf_ns), "{with:?}");
    // Where others are, they are quicker.
    for fault in [Fault::Pull(0), Fault::Deaf(0)] {
        let (with, calm) = both(&double(3).0.with(0, 20 * SECOND, fault), 1);
        assert!(with.nobody_ns <= calm.nobody_ns.max(165 * MS), "{with:?}");
    }
}

#[test]
fn a_restart_goes_on_with_the_port_that_answers() {
    for nodes in [1, 3] {
        let (scenario, _) = double(nodes);
        // The second port has it from then on, or another node.
        let moved = scenario.with(0, SECOND, Fault::Pull(0));
        let (with, calm) = both(&moved.clone().with(8 * SECOND, SECOND, Fault::Crash(0)), 2);
        assert!(with.changes == 0 && with.two_ns == 0, "{with:?}");
        assert!(with.nobody_ns <= calm.nobody_ns.max(650 * MS), "{with:?}");
    }
}

#[test]
fn ports_that_were_apart_find_each_other() {
    for (nodes, seed) in [(1, 1), (2, 2), (3, 3)] {
        for fabric in [
            Fabric::Floods,
            Fabric::Suppresses { own_address: true },
            Fabric::Suppresses { own_address: false },
            Fabric::Inspects(0),
        ] {
            let (scenario, second) = double(nodes);
            let scenario = Scenario { fabric, ..scenario };
            // Alone with the second half of the segment when the node starts, and with the first one.
            let gateway = scenario.gateway();
            let apart = Fault::Cut(only(second) | only(gateway), !(only(second) | only(gateway)), true);
            let scenario = scenario.with(0, 10 * SECOND, apart).with(SECOND, 2 * SECOND, Fault::Reboot(0));
            let (with, _) = both(&scenario, seed);
            assert!(with.changes >= 1 && with.two_ns > 0, "{fabric:?}: {with:?}");
            assert!(with.two_ns <= 2_100 * MS, "{fabric:?}: {with:?}");
        }
    }
}

#[test]
fn who_asks_from_an_address_of_its_own_is_not_hindered_by_inspection() {
    let scenario = |fabric| Scenario { fabric, ..plain(3) }.with(0, 10 * SECOND, Fault::Reboot(0));
    for seed in 0..5 {
        let (with, calm) = both(&scenario(Fabric::Inspects(0)), seed);
        assert_eq!((with, calm), both(&scenario(Fabric::Floods), seed));
    }
}

#[test]
fn who_is_not_heard_when_it_asks_leaves_nobody_unanswered_and_does_not_shout() {
    for nameless in [0b001, 0b010, 0b111] {
        for seed in 0..3 {
            let scenario = Scenario { fabric: Fabric::Inspects(nameless), ..plain(3) };
            let (with, calm) = both(&scenario.with(0, 10 * SECOND, Fault::Reboot(0)), seed);
            assert!(with.nobody_ns <= calm.nobody_ns.max(165 * MS), "{nameless:b}: {with:?}");
            assert!(with.claims <= 32, "{nameless:b}: {with:?}");
        }
    }
}

#[test]
fn whose_answers_a_switch_drops_is_replaced_and_gives_way_or_goes_on_afterwards() {
    for seed in 0..5 {
        let (with, calm) = both(&plain(3).with(0, 8 * SECOND, Fault::Unbound(0)), seed);
        assert!(with.nobody_ns <= calm.nobody_ns.max(165 * MS) && with.changes <= 2, "{with:?}");
        assert!(with.two_ns <= 1_100 * MS, "{with:?}");
    }
}

#[test]
fn a_port_that_a_switch_shuts_is_replaced_as_one_that_is_unplugged() {
    for seed in 0..5 {
        // The answers to twenty heartbeats a second are more.
        let (with, calm) = both(&plain(3).with(0, 8 * SECOND, Fault::Limit(0, 15, Some(4 * SECOND))), seed);
        assert!(with.shut >= 1, "{with:?}");
        assert!(with.nobody_ns <= calm.nobody_ns.max(165 * MS) && with.two_ns == 0, "{with:?}");
    }
}

#[test]
fn a_quiet_node_does_not_send_more_than_switches_let_pass() {
    for nodes in [2, 3, 5, 9] {
        let mut scenario = Scenario { pace: Pace::QUIET, ..plain(nodes) };
        for port in 0..nodes {
            scenario = scenario.with(60 * SECOND, 60 * SECOND, Fault::Limit(port, 15, Some(SECOND)));
        }
        // Clients' requests are no speaker's matter.
        scenario.client_ns = SECOND;
        let (with, _) = both(&scenario, 1);
        assert_eq!((with.shut, with.changes), (0, 0), "{nodes} nodes: {with:?}");
    }
}

#[test]
fn nobody_who_forges_the_name_or_the_mac_of_a_port_makes_the_node_change() {
    for attack in [Attack::Twin(0), Attack::Forge, Attack::Replay, Attack::Duplicate] {
        let (scenario, _) = double(3);
        let (with, calm) = both(&scenario.with(0, 4 * SECOND, Fault::Attack(attack, 100)), 3);
        assert_eq!((with.changes, with.nobody_ns, with.two_ns), (0, calm.nobody_ns, calm.two_ns), "{attack:?}");
    }
}
