//! Shares of clients: complete, disjoint, and moved by nothing but a loss.

use arpeggio_common::{abi::ALL_BUCKETS, wire::Mac};
use proptest::prelude::*;

use super::{
    super::peers::{Peer, Peers},
    *,
};

fn id(node: u64) -> NodeId {
    NodeId::from_number((node + 1) * 0x1234_5678_9abc_def1).unwrap()
}

fn address() -> IpAddr {
    [192, 0, 2, 10].into()
}

proptest! {
    #[test]
    fn shares_are_complete_and_disjoint(count in 1u64..12) {
        let nodes: Vec<_> = (0..count).map(id).collect();
        let masks: Vec<_> = nodes.iter().map(|node| buckets(address(), &nodes, |_| true, *node)).collect();
        prop_assert_eq!(masks.iter().fold(0, |all, mask| all | mask), ALL_BUCKETS);
        prop_assert_eq!(masks.iter().map(|mask| mask.count_ones()).sum::<u32>(), BUCKETS);
    }

    #[test]
    fn a_lost_node_moves_only_its_own_shares(count in 2u64..12, lost in 0u64..12) {
        let lost = id(lost % count);
        let nodes: Vec<_> = (0..count).map(id).collect();
        for node in nodes.iter().filter(|node| **node != lost) {
            let had = buckets(address(), &nodes, |_| true, *node);
            let has = buckets(address(), &nodes, |other| other != lost, *node);
            prop_assert_eq!(had & has, had, "a share was lost");
        }
    }
}

#[test]
fn addresses_are_divided_differently() {
    let nodes: Vec<_> = (0..3).map(id).collect();
    let mask = |host| buckets([192, 0, 2, host].into(), &nodes, |_| true, nodes[0]);
    assert_ne!(mask(10), mask(11));
    assert!((10..=33).contains(&mask(10).count_ones()));
}

/// Of the first node.
fn context<'a>(candidates: &'a [NodeId], peers: &'a Peers) -> Context<'a> {
    Context {
        place: (1, address()),
        me: id(0),
        candidates,
        generation: 1,
        usable: true,
        evacuate: false,
        pace: Pace::DEFAULT,
        hearing: super::super::hearing::Hearing::default(),
        peers,
        owner_ns: None,
        may_react: true,
        authenticated: false,
        now_ns: 0,
    }
}

/// Nobody else was there when it began.
fn sharing(context: &mut Context<'_>) -> Machine {
    let mut machine = Machine::new(0);
    let mut event = Event::Ordered;
    while machine.standing() != Standing::Sharing {
        machine = machine.step(event, context).0;
        context.now_ns = machine.due_ns().unwrap_or(context.now_ns);
        event = Event::Timer;
    }
    machine
}

#[test]
fn who_was_dropped_lets_go_to_a_successor_that_started_later_and_does_not_know_it() {
    let (nodes, heirs) = ([id(0), id(1)], [id(1)]);
    for authenticated in [false, true] {
        let nobody = Peers::default();
        let mut before = context(&nodes, &nobody);
        let mut machine = sharing(&mut before);
        let mut context = Context { authenticated, candidates: &heirs, ..before };
        machine = machine.step(Event::Ordered, &context).0;
        for _ in 0..9 {
            context.now_ns = machine.due_ns().unwrap();
            machine = machine.step(Event::Timer, &context).0;
        }
        assert_eq!((machine.standing(), machine.buckets()), (Standing::Leaving, ALL_BUCKETS), "nobody else is there");
        // The heir asks now. Who knows the key gets an answer from it; to others it never gives one.
        let heard_ns = context.now_ns + 1;
        let mut peers = Peers::default();
        peers.insert((1, id(1)), Peer { mac: Mac([2, 0, 0, 0, 0, 1]), heard_ns, answered_ns: 0 });
        context.peers = &peers;
        while machine.standing() == Standing::Leaving && context.now_ns < heard_ns + 5_000_000_000 {
            context.now_ns = machine.due_ns().unwrap();
            machine = machine.step(Event::Timer, &context).0;
        }
        let took_ns = context.now_ns - heard_ns;
        if authenticated {
            assert_eq!(machine.standing(), Standing::Leaving);
        } else {
            assert_eq!(machine.standing(), Standing::Out);
            assert!((600_000_000..900_000_000).contains(&took_ns), "not before the heir answers: {took_ns}");
        }
    }
}

#[test]
fn a_member_that_leaves_answers_until_the_others_have_noticed() {
    let nodes: Vec<_> = (0..2).map(id).collect();
    let peers = Peers::default();
    let mut context = context(&nodes, &peers);
    let mut machine = sharing(&mut context);
    let mine = machine.clone().step(Event::Alive(nodes[1]), &context).0.buckets();
    machine = machine.step(Event::Alive(nodes[1]), &context).0;
    assert_eq!(mine.count_ones() + buckets(address(), &nodes, |_| true, nodes[1]).count_ones(), BUCKETS);
    context.evacuate = true;
    let (machine, effects) = machine.step(Event::Ordered, &context);
    let role = Role { action: Action::Answer, flags: Flags::EVACUATING, buckets: mine };
    assert_eq!(effects[0], Effect::Set(context.place, role));
    context.now_ns = machine.due_ns().unwrap();
    // The other one went at the same moment: then nobody would be left.
    let alone = machine.clone().step(Event::Silent(nodes[1]), &context).0;
    let (alone, effects) = alone.step(Event::Timer, &context);
    assert!(matches!(effects[..], [Effect::Set(..), .., Effect::Report(Report { happened: Happened::Stays, .. })]));
    assert_eq!((alone.standing(), alone.buckets()), (Standing::Leaving, ALL_BUCKETS));
    let (machine, effects) = machine.step(Event::Timer, &context);
    assert_eq!((machine.standing(), &effects[0]), (Standing::Out, &Effect::Set(context.place, Role::SILENT)));
}
