//! Schedules over simulated time, second by second and frame by frame.

use std::net::{Ipv4Addr, Ipv6Addr};

use arpeggio_common::abi::Flags;
use proptest::prelude::*;
use rstest::rstest;

use arpeggio_common::wire::ArpTag;

use super::*;
use crate::{
    decide::{DesiredInterface, DesiredVip},
    world::{AttachPolicy, LinkKind},
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// No time in the tests is zero, so that nothing works by accident.
const START: u64 = 5 * SECOND;

fn interface(carrier: bool) -> DesiredInterface {
    DesiredInterface { name: "eth0".into(), mac: MAC, kind: LinkKind::Physical, carrier, policy: AttachPolicy::Auto }
}

fn vip(action: Action, buckets: u64) -> DesiredVip {
    DesiredVip { mac: MAC, action, flags: Flags::NONE, buckets }
}

fn desired(keys: impl IntoIterator<Item = Key>) -> Desired {
    let vips: BTreeMap<Key, DesiredVip> = keys.into_iter().map(|key| (key, vip(Action::Answer, ALL_BUCKETS))).collect();
    let interfaces = vips.keys().map(|(ifindex, _)| (*ifindex, interface(true))).collect();
    Desired { vips, interfaces, ..Desired::default() }
}

fn v4(host: u32) -> Key {
    (1, Ipv4Addr::from_bits(0x0a00_0000 + host).into())
}

fn v6(host: u32) -> Key {
    (1, Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(host)).into())
}

fn node() -> NodeId {
    NodeId::from_number(0x1122_3344_5566_7788).unwrap()
}

/// The address a frame claims, and whether it is in reply form.
fn claimed(frame: &Frame) -> (Key, bool) {
    let bytes = frame.bytes();
    match bytes.len() {
        60 => {
            let mut copy: [u8; 42] = bytes[..42].try_into().unwrap();
            let mut trailer: [u8; 18] = bytes[42..].try_into().unwrap();
            assert_eq!(ArpTag(&mut trailer).node(), Some(node()));
            let arp = Arp(&mut copy);
            assert_eq!((arp.destination(), arp.sender_mac()), (Mac::BROADCAST, MAC));
            assert_eq!(arp.sender(), arp.target());
            let reply = arp.operation() == Some(arpeggio_common::wire::ArpOperation::Reply);
            ((frame.ifindex(), Ipv4Addr::from(arp.sender()).into()), reply)
        }
        102 => {
            assert_eq!(bytes[94..], node().number().to_be_bytes());
            let mut head: [u8; 78] = bytes[..78].try_into().unwrap();
            let neighbor = Neighbor(&mut head);
            assert_eq!(neighbor.ethernet_destination(), Mac::ALL_NODES);
            assert!(!neighbor.is_solicited());
            ((frame.ifindex(), Ipv6Addr::from(neighbor.target()).into()), true)
        }
        other => panic!("a frame of {other} bytes"),
    }
}

/// Steps whenever asked to until `end`; what was claimed and when, in nanoseconds after the start. Forms of one round count
/// once, after it was seen that both are there.
fn run(gratuitous: &mut Gratuitous, from: u64, end: u64) -> Vec<(u64, Key)> {
    let mut out = vec![];
    let mut now = from;
    loop {
        let step = gratuitous.step(now);
        let mut forms = step.frames.iter().map(claimed);
        while let Some((key, reply)) = forms.next() {
            if key.1.is_ipv4() {
                assert!(!reply, "the request form goes first");
                assert_eq!(forms.next(), Some((key, true)), "and the reply form right behind");
            }
            out.push((now - START, key));
        }
        match step.next_ns {
            Some(next) if next <= end => {
                assert!(next > now, "asked to call again at once");
                now = next;
            }
            _ => return out,
        }
    }
}

#[rstest]
#[case::ipv4(v4(9))]
#[case::ipv6(v6(9))]
fn an_address_is_claimed_in_six_exact_rounds(#[case] key: Key) {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    gratuitous.follow(&desired([key]), START);
    assert_eq!(gratuitous.pending(), 1);
    let sent = run(&mut gratuitous, START, START + 3_600 * SECOND);
    assert_eq!(sent, [0, 50 * MS, 200 * MS, SECOND, 2 * SECOND, 4 * SECOND].map(|at| (at, key)));
    assert_eq!(gratuitous.pending(), 0);
    assert_eq!(gratuitous.step(START + 4_000 * SECOND), GratuitousStep::default());
}

#[test]
fn a_late_caller_does_not_shift_the_schedule_nor_bunch_it() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    gratuitous.follow(&desired([v4(1)]), START);
    assert_eq!(gratuitous.step(START).frames.len(), 2);
    // The second round, due at 50 ms, goes out at 190 ms; the third was due at 200 ms and keeps its distance.
    let step = gratuitous.step(START + 190 * MS);
    assert_eq!((step.frames.len(), step.next_ns), (2, Some(START + 240 * MS)));
    let step = gratuitous.step(START + 240 * MS);
    assert_eq!((step.frames.len(), step.next_ns), (2, Some(START + SECOND)));
}

#[test]
fn following_the_same_again_changes_nothing() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    let wanted = desired([v4(1), v6(1)]);
    gratuitous.follow(&wanted, START);
    let mut sent = run(&mut gratuitous, START, START + 100 * MS);
    gratuitous.follow(&Desired { generation: 9, ..wanted }, START + 100 * MS);
    sent.extend(run(&mut gratuitous, START + 100 * MS, START + 60 * SECOND));
    assert_eq!(sent.len(), 2 * CLAIM_ROUNDS_NS.len());
    assert_eq!(sent.iter().filter(|(at, _)| *at == 200 * MS).count(), 2);
}

#[test]
fn an_address_that_is_given_up_is_not_claimed_again() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), Some(Duration::from_secs(10)));
    gratuitous.follow(&desired([v4(1), v4(2)]), START);
    run(&mut gratuitous, START, START + 300 * MS);
    let mut without = desired([v4(1), v4(2)]);
    without.vips.insert(v4(1), vip(Action::Suppress, 0));
    gratuitous.follow(&without, START + 300 * MS);
    let later = run(&mut gratuitous, START + 300 * MS, START + 100 * SECOND);
    assert!(later.iter().all(|(_, key)| *key == v4(2)), "{later:?}");
    gratuitous.follow(&Desired::default(), START + 100 * SECOND);
    assert_eq!(gratuitous.step(START + 100 * SECOND), GratuitousStep::default());
}

#[rstest]
#[case::shared(vip(Action::Answer, 0xff))]
#[case::no_bucket(vip(Action::Answer, 0))]
#[case::observed(vip(Action::Observe, ALL_BUCKETS))]
#[case::suppressed(vip(Action::Suppress, ALL_BUCKETS))]
fn only_what_is_answered_alone_is_claimed(#[case] vip: DesiredVip) {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), Some(Duration::from_secs(1)));
    let wanted = Desired { vips: BTreeMap::from([(v4(1), vip)]), ..desired([v4(1)]) };
    gratuitous.follow(&wanted, START);
    assert_eq!(gratuitous.step(START), GratuitousStep::default());
}

#[test]
fn an_evacuating_owner_goes_on_claiming() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    gratuitous.follow(&desired([v4(1)]), START);
    run(&mut gratuitous, START, START);
    let evacuating = DesiredVip { flags: Flags::EVACUATING, ..vip(Action::Answer, ALL_BUCKETS) };
    gratuitous.follow(&Desired { vips: BTreeMap::from([(v4(1), evacuating)]), ..desired([v4(1)]) }, START + MS);
    assert_eq!(run(&mut gratuitous, START + MS, START + 60 * SECOND).len(), CLAIM_ROUNDS_NS.len() - 1);
}

#[test]
fn carrier_that_comes_up_starts_again() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    let (up, mut down) = (desired([v4(1)]), desired([v4(1)]));
    down.interfaces.insert(1, interface(false));
    gratuitous.follow(&down, START);
    assert_eq!(gratuitous.step(START), GratuitousStep::default(), "no claims into a dead wire");
    for flap in [0, 100 * SECOND] {
        gratuitous.follow(&up, START + flap);
        let sent = run(&mut gratuitous, START + flap, START + flap + 150 * MS);
        assert_eq!(sent, [(flap, v4(1)), (flap + 50 * MS, v4(1))]);
        gratuitous.follow(&down, START + flap + 150 * MS);
        assert_eq!(gratuitous.step(START + flap + SECOND), GratuitousStep::default());
    }
}

#[test]
fn a_flap_between_two_looks_starts_its_interface_again_and_no_other() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    let other = (2, v4(1).1);
    gratuitous.follow(&desired([v4(1), other]), START);
    run(&mut gratuitous, START, START + 60 * SECOND);
    gratuitous.restart(1, START + 60 * SECOND);
    let again = run(&mut gratuitous, START + 60 * SECOND, START + 120 * SECOND);
    assert_eq!(again, CLAIM_ROUNDS_NS.map(|at| (60 * SECOND + at, v4(1))));
}

#[test]
fn a_new_mac_is_claimed_from_the_start() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    let mut old = desired([v4(1)]);
    old.vips.values_mut().for_each(|vip| vip.mac = Mac([2, 0, 0, 0, 0, 9]));
    gratuitous.follow(&old, START);
    assert_eq!(gratuitous.step(START).frames.len(), 2);
    gratuitous.follow(&desired([v4(1)]), START + 10 * MS);
    let sent = run(&mut gratuitous, START + 10 * MS, START + 60 * SECOND);
    assert_eq!(sent, CLAIM_ROUNDS_NS.map(|at| (10 * MS + at, v4(1))));
}

#[test]
fn ten_thousand_addresses_keep_the_pace_and_every_one_gets_its_six_rounds() {
    let keys: Vec<Key> = (0..5_000).map(v4).chain((0..5_000).map(v6)).collect();
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    gratuitous.follow(&desired(keys.iter().copied()), START);
    let sent = run(&mut gratuitous, START, START + 600 * SECOND);
    assert_eq!(sent.len(), 6 * keys.len());
    let mut times: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
    sent.iter().for_each(|(at, key)| times.entry(*key).or_default().push(*at));
    assert!(times.keys().eq(keys.iter().copied().collect::<BTreeSet<_>>().iter()));
    for (key, times) in times {
        assert_eq!(times.len(), 6);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= LEAST_DISTANCE_NS), "{key:?} {times:?}");
    }
    // 15,000 frames a round at 4,000 a second.
    let first_round_over = sent.iter().take(keys.len()).map(|(at, _)| *at).max().unwrap();
    assert!((3_700 * MS..3_800 * MS).contains(&first_round_over), "{first_round_over}");
    let firsts: BTreeSet<Key> = sent.iter().take(keys.len()).map(|(_, key)| *key).collect();
    assert_eq!(firsts.len(), keys.len(), "no second round before all first ones");
    let over = sent.last().unwrap().0;
    assert!((22_000 * MS..23_500 * MS).contains(&over), "{over}");
}

#[test]
fn a_new_address_goes_before_the_later_rounds_of_old_ones() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    gratuitous.follow(&desired((0..4_000).map(v4)), START);
    // All first rounds are out after 2 s; second rounds are waiting by the thousand.
    run(&mut gratuitous, START, START + 2_100 * MS);
    gratuitous.follow(&desired((0..4_001).map(v4)), START + 2_100 * MS);
    let sent = run(&mut gratuitous, START + 2_100 * MS, START + 2_200 * MS);
    assert_eq!(sent[0].1, v4(4_000), "{:?}", &sent[..3]);
    assert!(sent[0].0 <= 2_110 * MS, "{:?}", sent[0]);
}

#[test]
fn refreshing_is_spread_evenly() {
    let count = 500;
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), Some(Duration::from_secs(60)));
    gratuitous.follow(&desired((0..count).map(v4)), START);
    run(&mut gratuitous, START, START + 10 * SECOND);
    let sent = run(&mut gratuitous, START + 10 * SECOND, START + 130 * SECOND);
    assert!((995..=1_001).contains(&sent.len()), "two refreshes each, {} seen", sent.len());
    for second in 10..129 {
        let within = sent.iter().filter(|(at, _)| (second * SECOND..(second + 1) * SECOND).contains(at)).count();
        assert!((8..=9).contains(&within), "{within} in second {second}");
    }
    let at: Vec<u64> = sent.iter().filter(|(_, key)| *key == v4(77)).map(|(at, _)| *at).collect();
    assert!(at.windows(2).all(|pair| pair[1].abs_diff(pair[0] + 60 * SECOND) <= REFRESH_TICK_NS), "{at:?}");
}

#[test]
fn a_caller_that_slept_is_not_answered_with_a_burst_of_refreshes() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), Some(Duration::from_secs(10)));
    gratuitous.follow(&desired((0..1_000).map(v6)), START);
    run(&mut gratuitous, START, START + 20 * SECOND);
    // One every 10 ms; asleep for ten seconds, a thousand would be due.
    let step = gratuitous.step(START + 30 * SECOND);
    assert!(step.frames.len() <= 11, "{}", step.frames.len());
}

#[test]
fn one_address_alone_is_refreshed_on_its_own_interval() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), Some(Duration::from_secs(30)));
    gratuitous.follow(&desired([v6(1)]), START);
    let sent = run(&mut gratuitous, START, START + 95 * SECOND);
    let refreshes: Vec<u64> = sent.iter().skip(6).map(|(at, _)| *at).collect();
    assert_eq!(refreshes, [30 * SECOND, 60 * SECOND, 90 * SECOND]);
}

#[test]
fn what_a_restarted_agent_finds_answered_is_not_claimed_again_but_refreshed() {
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    let wanted = desired([v4(1), v4(2)]);
    gratuitous.adopt(&wanted, &BTreeSet::from([v4(1), v4(9)]));
    gratuitous.follow(&wanted, START);
    let sent = run(&mut gratuitous, START, START + 60 * SECOND);
    assert_eq!(sent, CLAIM_ROUNDS_NS.map(|at| (at, v4(2))), "only the new one");
    gratuitous.set_refresh(Some(Duration::from_secs(10)));
    let refreshed: BTreeSet<Key> =
        run(&mut gratuitous, START + 60 * SECOND, START + 71 * SECOND).into_iter().map(|(_, key)| key).collect();
    assert_eq!(refreshed, [v4(1), v4(2)].into());
    gratuitous.set_refresh(None);
    assert_eq!(gratuitous.step(START + 80 * SECOND), GratuitousStep::default());
    // Without carrier at the start, the adopted one is claimed once carrier comes: the switch has forgotten it.
    let mut gratuitous = Gratuitous::new(node(), Pace::default(), None);
    let mut down = desired([v4(1)]);
    down.interfaces.insert(1, interface(false));
    gratuitous.adopt(&down, &BTreeSet::from([v4(1)]));
    gratuitous.follow(&down, START);
    gratuitous.follow(&desired([v4(1)]), START + SECOND);
    assert_eq!(run(&mut gratuitous, START + SECOND, START + 60 * SECOND).len(), CLAIM_ROUNDS_NS.len());
}

/// What can happen to a schedule, with the time until it happens.
#[derive(Clone, Debug)]
enum Input {
    Follow(BTreeSet<u32>),
    Restart,
    Wait(u64),
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let input = prop_oneof![
        prop::collection::btree_set(0u32..40, 0..40).prop_map(Input::Follow),
        Just(Input::Restart),
        (0u64..3_000).prop_map(|ms| Input::Wait(ms * MS)),
    ];
    prop::collection::vec(input, 1..40)
}

proptest! {
    #[test]
    fn only_announced_addresses_are_claimed_and_never_too_fast(inputs in inputs(), refresh in prop::option::of(1u64..20)) {
        let pace = Pace::new(200.try_into().unwrap(), 10.try_into().unwrap());
        let mut gratuitous = Gratuitous::new(node(), pace, refresh.map(Duration::from_secs));
        let mut now = START;
        let mut announced = BTreeSet::new();
        let mut times = vec![];
        for input in inputs {
            let until = match input {
                Input::Follow(hosts) => {
                    announced = hosts.into_iter().map(v4).collect();
                    gratuitous.follow(&desired(announced.iter().copied()), now);
                    now
                }
                Input::Restart => {
                    gratuitous.restart(1, now);
                    now
                }
                Input::Wait(ns) => now + ns,
            };
            for (at, key) in run(&mut gratuitous, now, until) {
                prop_assert!(announced.contains(&key));
                times.push(at);
            }
            now = until;
        }
        // Two frames a round: 10 at once, then one round every 10 ms.
        for (first, start) in times.iter().enumerate() {
            for (count, at) in times[first..].iter().enumerate() {
                prop_assert!(u64::try_from(count + 1).unwrap() <= 5 + (at - start) / (10 * MS));
            }
        }
    }
}
