//! The machine of one exclusive address: every change of hands, and that entry and machine always agree.

use std::net::{IpAddr, Ipv4Addr};

use arpeggio_common::{
    abi::{ALL_BUCKETS, SightingKind},
    wire::Mac,
};
use proptest::prelude::*;

use super::{
    super::{Answer, Happened, Role, To, peers::Peer},
    turn::handover_ns,
    *,
};

const ME: usize = 1;
const PLACE: Place = (1, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)));

fn id(node: usize) -> NodeId {
    NodeId::from_number(node as u64 + 1).unwrap()
}

fn voice(node: usize) -> Origin {
    Origin { mac: Mac([2, 0, 0, 0, 0, u8::try_from(node).unwrap()]), node: Some(id(node)) }
}

const fn silent(last_ns: u64) -> Event {
    Event::Silent { last_ns, heard: true }
}

const STRANGER: Origin = Origin { mac: Mac([6; 6]), node: None };

/// A machine of node 1 of three, with a clock.
struct Bench {
    machine: Machine,
    now_ns: u64,
    evacuate: bool,
    usable: bool,
    hears: bool,
    authenticated: bool,
    generation: u64,
    theirs: u64,
    candidates: Vec<NodeId>,
    peers: Peers,
}

impl Bench {
    fn new() -> Self {
        let candidates = vec![id(0), id(ME), id(2)];
        Self {
            machine: Machine::new(MS),
            now_ns: MS,
            evacuate: false,
            usable: true,
            hears: true,
            authenticated: false,
            generation: 0,
            theirs: 0,
            candidates,
            peers: Peers::default(),
        }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut hearing = Hearing::default();
        if self.hears {
            hearing.read(0, self.now_ns);
            hearing.read(1, self.now_ns);
        }
        let context = Context {
            place: PLACE,
            me: id(ME),
            candidates: &self.candidates,
            generation: self.generation,
            usable: self.usable,
            evacuate: self.evacuate,
            pace: Pace::DEFAULT,
            hearing,
            peers: &self.peers,
            owner_ns: None,
            may_react: true,
            authenticated: self.authenticated,
            now_ns: self.now_ns,
        };
        let (machine, effects) = self.machine.clone().step(event, &context);
        self.machine = machine;
        effects
    }

    fn ordered(&mut self) -> Vec<Effect> {
        self.tell(Event::Ordered { promoted: false })
    }

    fn seen(&mut self, voice: Origin, kind: SightingKind) -> Vec<Effect> {
        self.now_ns += MS;
        let (at_ns, generation) = (self.now_ns, self.theirs);
        match kind {
            SightingKind::Heartbeat => self.tell(Event::Answered(Answer { voice, asked_ns: at_ns, generation })),
            SightingKind::Claim | SightingKind::Reply | SightingKind::Use => {
                self.tell(Event::Observation(Observation { voice, kind, at_ns, generation }))
            }
        }
    }

    fn owner() -> Self {
        let mut bench = Self::new();
        bench.ordered();
        bench.seen(voice(0), SightingKind::Heartbeat);
        bench.now_ns += 200 * MS;
        bench.tell(silent(bench.now_ns - 150 * MS));
        assert_eq!(bench.machine.standing(), Standing::Owner);
        bench
    }
}

fn causes(effects: &[Effect]) -> Vec<(Happened, Cause)> {
    effects
        .iter()
        .filter_map(
            |effect| if let Effect::Report(report) = effect { Some((report.happened, report.cause)) } else { None },
        )
        .collect()
}

#[test]
fn the_second_in_line_takes_over_from_the_first_at_once() {
    let mut bench = Bench::new();
    bench.ordered();
    bench.seen(voice(0), SightingKind::Heartbeat);
    assert_eq!(bench.machine.watched(), Some(voice(0)));
    let effects = bench.tell(silent(0));
    // The entry before the claim: nobody is called to a node that does not answer.
    assert_eq!(
        effects[..3],
        [Effect::Set(PLACE, Role::OWNER), Effect::Claim(PLACE), Effect::Correct(PLACE, ALL_BUCKETS)]
    );
}

#[test]
fn who_is_not_next_waits_and_asks_before_it_claims() {
    let mut bench = Bench::new();
    bench.ordered();
    bench.seen(voice(2), SightingKind::Heartbeat);
    let started_ns = bench.now_ns;
    bench.tell(silent(started_ns));
    assert_eq!(bench.machine.standing(), Standing::Waiting);
    assert_eq!(bench.machine.due_ns(), Some(started_ns + Pace::DEFAULT.stagger_ns()));
    bench.now_ns = bench.machine.due_ns().unwrap();
    assert!(bench.tell(Event::Timer).iter().any(|effect| matches!(effect, Effect::Ask(_, To::All))));
    let mut answered = bench.machine.clone();
    bench.now_ns = bench.machine.due_ns().unwrap();
    assert_eq!(causes(&bench.tell(Event::Timer)), [(Happened::Took, Cause::OwnerSilent)]);
    // The same, but the one before it had claimed and its frames were lost.
    std::mem::swap(&mut bench.machine, &mut answered);
    let effects = bench.seen(voice(0), SightingKind::Heartbeat);
    assert_eq!(causes(&effects), [(Happened::Follows, Cause::Answered)]);
}

#[test]
fn the_better_candidate_wins_and_the_other_is_told_once() {
    let mut bench = Bench::owner();
    let effects = bench.seen(voice(2), SightingKind::Claim);
    assert_eq!(effects, [Effect::Ask(PLACE, To::One(voice(2).mac))], "anybody can send a claim");
    assert_eq!(bench.seen(voice(2), SightingKind::Claim), [], "the second frame of the same round");
    let told = [Effect::Claim(PLACE), Effect::Inform(PLACE, voice(2).mac)];
    assert_eq!(bench.seen(voice(2), SightingKind::Heartbeat), told);
    assert_eq!(bench.seen(voice(2), SightingKind::Claim), [], "it cannot have heard of it yet");
    let effects = bench.seen(voice(0), SightingKind::Claim);
    assert_eq!(effects, [Effect::Ask(PLACE, To::One(voice(0).mac))], "whether it hears");
    assert_eq!(bench.machine.tested(), Some((voice(0), bench.now_ns)));
    let effects = bench.seen(voice(0), SightingKind::Heartbeat);
    assert_eq!(causes(&effects), [(Happened::Lost, Cause::Outranked)]);
    assert!(effects.contains(&Effect::Heal(PLACE, voice(0).mac)));
    assert_eq!(bench.machine.watched(), Some(voice(0)));
}

#[test]
fn a_better_candidate_that_does_not_hear_is_not_yielded_to() {
    let mut bench = Bench::owner();
    for round in 0..6 {
        let claimed_ns = bench.now_ns + MS;
        assert_eq!(bench.seen(voice(0), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(0).mac))], "{round}");
        assert_eq!(bench.seen(voice(0), SightingKind::Claim), [], "the second frame of the same round");
        let old = Answer { voice: voice(0), asked_ns: claimed_ns - MS / 2, generation: 0 };
        assert_eq!(bench.tell(Event::Answered(old)), [], "an answer to an earlier question");
        // Looked at early once, so that one that hears is yielded to early.
        assert!(bench.machine.due_ns().unwrap() < claimed_ns + Pace::DEFAULT.reply_ns());
        assert_eq!(bench.tell(Event::Timer), []);
        assert_eq!(bench.machine.due_ns(), Some(claimed_ns + Pace::DEFAULT.reply_ns()));
        bench.now_ns = claimed_ns + Pace::DEFAULT.reply_ns();
        assert_eq!(bench.tell(Event::Timer), [Effect::Defend(PLACE)], "clients that heard it are called back");
        assert_eq!((bench.machine.standing(), bench.machine.due_ns()), (Standing::Owner, None));
        // As its rounds follow each other.
        bench.now_ns += (50 * MS) << round;
    }
}

#[test]
fn two_that_cannot_ask_each_other_do_not_call_their_clients_back_all_the_time() {
    let mut bench = Bench::owner();
    let mut calls = 0;
    for _ in 0..400 {
        bench.seen(voice(0), SightingKind::Claim);
        for _ in 0..2 {
            bench.now_ns += Pace::DEFAULT.reply_ns();
            calls += bench.tell(Event::Timer).iter().filter(|effect| matches!(effect, Effect::Defend(_))).count();
        }
        bench.now_ns += 29 * MS;
    }
    // Twenty seconds: seven in the first four, then one in two seconds.
    assert!((10..=17).contains(&calls), "{calls}");
}

#[test]
fn who_does_not_heed_two_defences_has_the_address_if_it_hears() {
    let mut bench = Bench::owner();
    for _ in 0..2 {
        bench.seen(voice(2), SightingKind::Claim);
        let told = [Effect::Claim(PLACE), Effect::Inform(PLACE, voice(2).mac)];
        assert_eq!(bench.seen(voice(2), SightingKind::Heartbeat), told);
        bench.now_ns += 150 * MS;
    }
    assert_eq!(bench.seen(voice(2), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(2).mac))]);
    let mut deaf = bench.machine.clone();
    assert_eq!(causes(&bench.seen(voice(2), SightingKind::Heartbeat)), [(Happened::Lost, Cause::Unheeded)]);
    std::mem::swap(&mut bench.machine, &mut deaf);
    bench.now_ns += Pace::DEFAULT.reply_ns();
    assert_eq!(bench.tell(Event::Timer), [Effect::Defend(PLACE)]);
    bench.now_ns += 1_000 * MS;
    assert_eq!(bench.seen(voice(2), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(2).mac))], "and again");
}

#[test]
fn a_better_candidate_comes_first_even_while_another_is_asked() {
    let mut bench = Bench::owner();
    for _ in 0..3 {
        bench.seen(voice(2), SightingKind::Claim);
        bench.now_ns += 150 * MS;
    }
    assert_eq!(bench.seen(voice(0), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(0).mac))]);
    assert_eq!(causes(&bench.seen(voice(0), SightingKind::Heartbeat)), [(Happened::Lost, Cause::Outranked)]);
}

#[test]
fn who_leaves_lets_go_to_whoever_answers_its_question() {
    let mut bench = Bench::owner();
    bench.evacuate = true;
    bench.ordered();
    assert_eq!(bench.seen(voice(2), SightingKind::Reply), [], "to a client, perhaps of before");
    assert_eq!(causes(&bench.seen(voice(2), SightingKind::Heartbeat)), [(Happened::Lost, Cause::Succeeded)]);
}

#[test]
fn what_was_seen_before_the_claim_is_the_former_owner() {
    let mut bench = Bench::owner();
    let since_ns = bench.machine.since_ns();
    let claim =
        |at_ns| Event::Observation(Observation { voice: voice(0), kind: SightingKind::Claim, at_ns, generation: 0 });
    assert_eq!(bench.tell(claim(since_ns - 150 * MS)), [], "of before its last answer");
    assert_eq!(bench.machine.standing(), Standing::Owner);
    // It was not dead after all, and its claim was read only now.
    assert_eq!(bench.tell(claim(since_ns - MS)), [Effect::Ask(PLACE, To::One(voice(0).mac))]);
    assert_eq!(causes(&bench.seen(voice(0), SightingKind::Heartbeat)), [(Happened::Lost, Cause::Outranked)]);
}

#[test]
fn a_link_that_flaps_sends_the_node_to_the_end_of_the_line() {
    let mut bench = Bench::new();
    for round in 0..FLAPS {
        bench.usable = true;
        bench.ordered();
        bench.seen(voice(0), SightingKind::Heartbeat);
        assert_eq!(causes(&bench.tell(silent(0))), [(Happened::Took, Cause::OwnerSilent)], "{round}");
        bench.usable = false;
        assert_eq!(causes(&bench.ordered()), [(Happened::Lost, Cause::LinkDown)]);
    }
    bench.usable = true;
    bench.ordered();
    bench.seen(voice(0), SightingKind::Heartbeat);
    let mut alone = bench.machine.clone();
    let other = Peer { mac: voice(2).mac, heard_ns: bench.now_ns, answered_ns: bench.now_ns };
    bench.peers.insert((PLACE.0, id(2)), other);
    assert_eq!(causes(&bench.tell(silent(0))), [(Happened::Suspects, Cause::OwnerSilent)]);
    let wait_ns = bench.machine.due_ns().unwrap() - bench.now_ns;
    assert_eq!(wait_ns, 3 * Pace::DEFAULT.stagger_ns(), "behind all three");
    // Nobody else was left: then it is better than nobody.
    for _ in 0..2 {
        bench.now_ns = bench.machine.due_ns().unwrap();
        bench.tell(Event::Timer);
    }
    assert_eq!(bench.machine.standing(), Standing::Owner);
    // Where no other candidate answers, nobody waits.
    bench.peers = Peers::default();
    std::mem::swap(&mut bench.machine, &mut alone);
    assert_eq!(causes(&bench.tell(silent(0))), [(Happened::Took, Cause::OwnerSilent)]);
}

#[test]
fn after_a_lapse_the_wire_is_asked_first() {
    let mut bench = Bench::owner();
    let effects = bench.tell(Event::LeaseLapsed);
    assert!(matches!(effects[0], Effect::Set(_, Role::SILENT)));
    assert_eq!(causes(&effects), [(Happened::Lost, Cause::LeaseLapsed)]);
    assert_eq!(bench.machine.standing(), Standing::Asking);
}

#[test]
fn who_was_dropped_lets_go_of_what_a_successor_claims_that_may_not_know_it() {
    for (authenticated, named, heir) in [(false, false, 2), (true, false, 2), (false, true, 2), (false, false, 1)] {
        let mut bench = Bench::owner();
        bench.authenticated = authenticated;
        if !named {
            bench.candidates = vec![id(0), id(2)];
        }
        bench.evacuate = true;
        bench.ordered();
        bench.seen(voice(if heir == 1 { 7 } else { heir }), SightingKind::Claim);
        bench.now_ns += Pace::DEFAULT.reply_ns();
        let lost = causes(&bench.tell(Event::Timer)) == [(Happened::Lost, Cause::Succeeded)];
        // With a key it would have answered; who is a candidate is known to it; and of a stranger nothing is believed.
        assert_eq!(lost, !authenticated && !named && heir == 2, "{authenticated} {named} {heir}");
    }
}

#[test]
fn an_evacuation_without_successor_goes_on_and_can_be_called_off() {
    let mut bench = Bench::owner();
    bench.evacuate = true;
    assert!(matches!(bench.ordered()[0], Effect::Set(_, Role::LEAVING)));
    let leaving = bench.machine.clone();
    let wait_ns = handover_ns(Pace::DEFAULT, 3);
    assert_eq!(bench.machine.due_ns(), Some(bench.now_ns + wait_ns));
    bench.now_ns += wait_ns;
    assert_eq!(causes(&bench.tell(Event::Timer)), [(Happened::Stays, Cause::NoSuccessor)]);
    assert_eq!((bench.machine.standing(), bench.machine.due_ns()), (Standing::Leaving, None));
    bench.machine = leaving;
    bench.evacuate = false;
    assert!(matches!(bench.ordered()[..], [Effect::Set(_, Role::OWNER), Effect::Defend(_)]));
}

#[test]
fn the_last_of_many_has_time_to_take_what_somebody_leaves() {
    let slow = Pace::new(std::time::Duration::from_secs(1), 3).unwrap();
    assert_eq!(handover_ns(Pace::DEFAULT, 2), 2_000 * MS);
    // Four heartbeats, an answer's patience, two turns, and a sign that it hears.
    assert_eq!(handover_ns(slow, 2), (4_000 + 10 + 6_000 + 1_000) * MS);
    assert_eq!(handover_ns(slow, 5), (40_000 + 10 + 15_000 + 1_000) * MS);
}

/// Where two nodes follow different orders, both by their own.
#[test]
fn the_newer_order_has_the_address_and_the_older_one_never_gets_it() {
    // Ours is the newer one: a candidate that ranks better, claims and answers is told again and again.
    let mut bench = Bench { generation: 8, theirs: 7, ..Bench::owner() };
    for _ in 0..5 {
        bench.now_ns += 100 * MS;
        assert_eq!(bench.seen(voice(0), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(0).mac))]);
        let told = [Effect::Claim(PLACE), Effect::Inform(PLACE, voice(0).mac)];
        assert_eq!(bench.seen(voice(0), SightingKind::Heartbeat), told);
    }
    // Ours is the older one: who ranks behind has it, as soon as it answers.
    bench.theirs = 9;
    bench.now_ns += 100 * MS;
    assert_eq!(bench.seen(voice(2), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(2).mac))]);
    assert_eq!(causes(&bench.seen(voice(2), SightingKind::Heartbeat)), [(Happened::Lost, Cause::NewerOrder)]);
}

#[test]
fn who_has_the_older_order_takes_nothing_back_until_it_has_the_newer_one() {
    let mut bench = Bench { generation: 7, theirs: 9, candidates: vec![id(ME), id(0)], ..Bench::owner() };
    // A node that is no candidate of ours, and proves what it says.
    bench.seen(voice(2), SightingKind::Claim);
    assert_eq!(causes(&bench.seen(voice(2), SightingKind::Heartbeat)), [(Happened::Lost, Cause::NewerOrder)]);
    assert_eq!(bench.ordered(), [], "we may be the heir by an old order");
    assert_eq!(bench.machine.due_ns(), None);
    // The order after that one puts us first: then it is ours to take, although we were first in our own old one.
    bench.generation = 10;
    assert_eq!(causes(&bench.ordered()), [(Happened::Took, Cause::Preferred)]);
}

#[test]
fn an_owner_that_was_dropped_keeps_the_address_until_the_heir_claims() {
    let mut heir = Bench { generation: 9, theirs: 7, candidates: vec![id(ME), id(2)], ..Bench::new() };
    heir.ordered();
    let effects = heir.seen(voice(0), SightingKind::Heartbeat);
    assert_eq!(causes(&effects), [(Happened::Follows, Cause::Answered)]);
    heir.now_ns = heir.machine.due_ns().unwrap();
    assert_eq!(causes(&heir.tell(Event::Timer)), [(Happened::Took, Cause::Preferred)]);
    // It goes on answering for a moment, by its old order.
    assert_eq!(heir.seen(voice(0), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(0).mac))]);
    assert!(causes(&heir.seen(voice(0), SightingKind::Heartbeat)).is_empty());
    assert_eq!(heir.machine.standing(), Standing::Owner);
}

#[test]
fn that_an_order_puts_this_node_first_is_not_forgotten() {
    for state in ["out", "asking", "waiting", "in use"] {
        let mut bench = Bench { candidates: vec![id(ME), id(0), id(2)], ..Bench::new() };
        let promoted = Event::Ordered { promoted: true };
        match state {
            "out" => {
                bench.usable = false;
                bench.tell(promoted);
                bench.usable = true;
                bench.ordered();
            }
            "asking" => {
                bench.ordered();
                bench.tell(promoted);
            }
            "in use" => {
                bench.ordered();
                bench.seen(STRANGER, SightingKind::Reply);
                bench.now_ns = bench.machine.due_ns().unwrap();
                bench.tell(Event::Timer);
                assert_eq!(bench.machine.standing(), Standing::InUse);
                bench.tell(promoted);
            }
            _ => {
                bench.ordered();
                bench.candidates = vec![id(2), id(0), id(ME)];
                bench.seen(voice(0), SightingKind::Heartbeat);
                bench.tell(silent(0));
                assert_eq!(bench.machine.standing(), Standing::Waiting);
                bench.candidates = vec![id(ME), id(0), id(2)];
                bench.tell(promoted);
            }
        }
        bench.seen(voice(2), SightingKind::Heartbeat);
        assert_eq!(bench.machine.standing(), Standing::Standby, "{state}");
        bench.now_ns = bench.machine.due_ns().unwrap();
        assert_eq!(causes(&bench.tell(Event::Timer)), [(Happened::Took, Cause::Preferred)], "{state}");
        assert!(!bench.machine.promoted, "{state}");
    }
}

#[test]
fn a_claim_is_only_a_reason_to_ask() {
    let mut bench = Bench::new();
    bench.ordered();
    bench.seen(voice(0), SightingKind::Heartbeat);
    let before = bench.machine.standing();
    assert_eq!(bench.seen(voice(2), SightingKind::Claim), [Effect::Ask(PLACE, To::One(voice(2).mac))]);
    for _ in 0..5 {
        assert_eq!(bench.seen(voice(2), SightingKind::Claim), [], "once, however often it is said");
    }
    bench.now_ns += Pace::DEFAULT.reply_ns();
    assert_eq!(bench.tell(Event::Timer), []);
    assert_eq!((bench.machine.standing(), bench.machine.watched()), (before, Some(voice(0))), "nobody answered");
    bench.seen(voice(2), SightingKind::Claim);
    assert_eq!(causes(&bench.seen(voice(2), SightingKind::Heartbeat)), [(Happened::Follows, Cause::Claimed)]);
}

#[test]
fn a_stranger_keeps_nobody_from_an_address_that_speakers_had() {
    let mut bench = Bench::owner();
    bench.tell(Event::LeaseLapsed);
    bench.seen(STRANGER, SightingKind::Reply);
    let mut told = Vec::new();
    while bench.machine.standing() == Standing::Asking {
        bench.now_ns = bench.machine.due_ns().unwrap();
        told.extend(causes(&bench.tell(Event::Timer)));
    }
    assert_eq!(told, [(Happened::AddressConflict, Cause::Stranger), (Happened::Took, Cause::Unclaimed)]);
    assert_eq!(bench.machine.standing(), Standing::Owner);
}

#[test]
fn one_of_two_takes_the_address_when_nothing_at_all_is_heard() {
    let deserted = Event::Silent { last_ns: 0, heard: false };
    let mut bench = Bench { hears: false, ..Bench::new() };
    bench.ordered();
    bench.seen(voice(0), SightingKind::Heartbeat);
    let three = bench.machine.clone();
    assert_eq!(bench.tell(deserted), [], "of three, one may hear what this one does not");
    bench.machine = three;
    bench.candidates.truncate(2);
    assert_eq!(causes(&bench.tell(deserted)), [(Happened::Took, Cause::OwnerSilent)]);
}

#[test]
fn nobody_follows_a_node_from_one_mac_to_another_while_the_first_answers() {
    let mut bench = Bench::new();
    bench.ordered();
    bench.seen(voice(0), SightingKind::Heartbeat);
    let other = Origin { mac: Mac([2, 9, 9, 9, 9, 9]), ..voice(0) };
    assert_eq!(bench.seen(other, SightingKind::Claim), [Effect::Ask(PLACE, To::One(other.mac))]);
    assert_eq!(causes(&bench.seen(other, SightingKind::Heartbeat)), [(Happened::Follows, Cause::Claimed)]);
    // The bench's owner never answers; where it does, the other MAC is only remembered.
    let mut machine = bench.machine.clone();
    machine.state = State::Standby { owner: voice(0), generation: 0, spare: Some((other, 5)), eager: None };
    bench.machine = machine;
    assert_eq!(causes(&bench.tell(silent(4))), [(Happened::Follows, Cause::Answered)]);
    assert_eq!(bench.machine.watched(), Some(other));
}

fn event() -> impl Strategy<Value = Event> {
    let seen = (0usize..4, 0usize..3, 0u64..2_000).prop_map(|(who, kind, at)| {
        let voice = if who == 3 { STRANGER } else { voice(who) };
        Event::Observation(Observation { voice, kind: SightingKind::ALL[kind], at_ns: at * MS, generation: at % 3 })
    });
    prop_oneof![
        4 => seen,
        1 => any::<bool>().prop_map(|promoted| Event::Ordered { promoted }),
        1 => (0u64..2_000, any::<bool>()).prop_map(|(last, heard)| Event::Silent { last_ns: last * MS, heard }),
        2 => (0usize..3, 0u64..2_000).prop_map(|(who, at)| {
            Event::Answered(Answer { voice: voice(who), asked_ns: at * MS, generation: at % 3 })
        }),
        1 => Just(Event::Alive),
        1 => Just(Event::LeaseLapsed),
        3 => Just(Event::Timer),
    ]
}

proptest! {
    /// Whatever happens: the entry says what the machine is, and nothing changes hands without a report.
    #[test]
    fn entry_and_machine_agree(events in prop::collection::vec((event(), 0u64..100, any::<[bool; 3]>()), 1..80)) {
        let mut bench = Bench { generation: 1, ..Bench::new() };
        let mut role = Role::SILENT;
        for (event, elapsed, [usable, stays, hears]) in events {
            bench.now_ns += elapsed * MS;
            if matches!(event, Event::Ordered { .. }) {
                bench.usable = usable;
                bench.evacuate = !stays;
            }
            bench.hears = hears;
            let owned = bench.machine.owns();
            let effects = bench.tell(event);
            for effect in &effects {
                if let Effect::Set(_, set) = effect {
                    role = *set;
                }
            }
            let wanted = match bench.machine.standing() {
                Standing::Owner => Role::OWNER,
                Standing::Leaving => Role::LEAVING,
                Standing::Out
                | Standing::Asking
                | Standing::Standby
                | Standing::Waiting
                | Standing::InUse
                | Standing::Sharing => Role::SILENT,
            };
            prop_assert_eq!(role, wanted);
            if owned != bench.machine.owns() {
                let moved = |(happened, _): &&(Happened, Cause)| matches!(happened, Happened::Took | Happened::Lost);
                let reports = causes(&effects);
                prop_assert_eq!(reports.iter().filter(moved).count(), 1, "{:?}", reports);
            }
            let claims = effects.iter().any(|effect| matches!(effect, Effect::Claim(_) | Effect::Defend(_) | Effect::Inform(..)));
            prop_assert!(!claims || bench.machine.standing() == Standing::Owner, "only an owner claims");
        }
    }
}

#[test]
fn who_is_told_to_leave_in_the_moment_of_a_claim_asks_the_claimant_at_once() {
    let asked = Effect::Ask(PLACE, To::One(voice(2).mac));
    let mut bench = Bench::owner();
    // As a rival, before it is told.
    assert_eq!(bench.seen(voice(2), SightingKind::Claim), std::slice::from_ref(&asked));
    bench.now_ns += MS;
    bench.evacuate = true;
    assert!(bench.ordered().contains(&asked));
    assert_eq!(bench.machine.due_ns(), Some(bench.now_ns + MS), "the answer is looked for at once");
    let before = Answer { voice: voice(2), asked_ns: bench.now_ns - MS, generation: 0 };
    assert_eq!(bench.tell(Event::Answered(before)), [], "that one may have let go since");
    let effects = bench.tell(Event::Answered(Answer { asked_ns: bench.now_ns, ..before }));
    assert_eq!(causes(&effects), [(Happened::Lost, Cause::Succeeded)]);
    // The claim came before the order, and is told after it.
    let mut bench = Bench::owner();
    let claim = Observation { voice: voice(2), kind: SightingKind::Claim, at_ns: bench.now_ns + 1, generation: 0 };
    bench.now_ns += 2;
    bench.evacuate = true;
    assert!(!bench.ordered().contains(&asked));
    assert_eq!(bench.tell(Event::Observation(claim)), [asked]);
}

#[test]
fn who_takes_over_behind_others_asks_each_of_them_before() {
    let mut bench = Bench::new();
    // Of eight candidates the last; the owner is the one before.
    let nodes = [0, 2, 3, 4, 5, 6, 7];
    bench.candidates = nodes.into_iter().chain([ME]).map(id).collect();
    for node in nodes {
        bench.peers.insert((PLACE.0, id(node)), Peer { mac: voice(node).mac, heard_ns: 1, answered_ns: 1 });
    }
    bench.ordered();
    bench.seen(voice(7), SightingKind::Heartbeat);
    bench.now_ns += 200 * MS;
    bench.tell(silent(bench.now_ns - 150 * MS));
    assert_eq!(bench.machine.standing(), Standing::Waiting);
    bench.now_ns = bench.machine.due_ns().unwrap();
    let effects = bench.tell(Event::Timer);
    for node in nodes {
        assert!(effects.contains(&Effect::Ask(PLACE, To::One(voice(node).mac))), "{node}: {effects:?}");
    }
}
