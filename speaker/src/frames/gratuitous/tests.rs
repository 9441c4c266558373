//! Schedules over simulated time, second by second and frame by frame.

use std::net::{Ipv4Addr, Ipv6Addr};

use arpeggio_common::{
    model::NodeId,
    wire::{Arp, Neighbor},
};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// No time in the tests is zero, so that nothing works by accident.
const START: u64 = 5 * SECOND;

fn schedule(refresh: Option<Duration>) -> Gratuitous {
    let signer = Signer { node: NodeId::from_number(7).unwrap(), key: None };
    Gratuitous::new(signer, Pace::default(), refresh)
}

fn claim(gratuitous: &mut Gratuitous, keys: impl IntoIterator<Item = Key>, now: u64) {
    keys.into_iter().for_each(|key| gratuitous.claim(key, MAC, now));
}

fn v4(host: u32) -> Key {
    (1, Ipv4Addr::from_bits(0x0a00_0000 + host).into())
}

fn v6(host: u32) -> Key {
    (1, Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(host)).into())
}

/// The address a frame claims, and whether it is in reply form.
fn claimed(frame: &Frame) -> (Key, bool) {
    let bytes = frame.bytes();
    match bytes.len() {
        42 | 82 => {
            let mut copy: [u8; 42] = bytes[..42].try_into().unwrap();
            let arp = Arp(&mut copy);
            assert_eq!((arp.destination(), arp.sender_mac()), (Mac::BROADCAST, MAC));
            assert_eq!(arp.sender(), arp.target());
            let reply = arp.operation() == Some(arpeggio_common::wire::ArpOperation::Reply);
            ((frame.ifindex(), Ipv4Addr::from(arp.sender()).into()), reply)
        }
        86 | 126 => {
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

#[test]
fn a_late_caller_does_not_shift_the_schedule_nor_bunch_it() {
    let mut gratuitous = schedule(None);
    claim(&mut gratuitous, [v4(1)], START);
    assert_eq!(gratuitous.step(START).frames.len(), 2);
    // The second round, due at 50 ms, goes out at 190 ms; the third was due at 200 ms and keeps its distance.
    let step = gratuitous.step(START + 190 * MS);
    assert_eq!((step.frames.len(), step.next_ns), (2, Some(START + 240 * MS)));
    let step = gratuitous.step(START + 240 * MS);
    assert_eq!((step.frames.len(), step.next_ns), (2, Some(START + SECOND)));
}

#[test]
fn refreshing_is_spread_evenly() {
    let count = 500;
    let mut gratuitous = schedule(Some(Duration::from_secs(60)));
    claim(&mut gratuitous, (0..count).map(v4), START);
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
    let mut gratuitous = schedule(Some(Duration::from_secs(10)));
    claim(&mut gratuitous, (0..1_000).map(v6), START);
    run(&mut gratuitous, START, START + 20 * SECOND);
    // One every 10 ms; asleep for ten seconds, a thousand would be due.
    let step = gratuitous.step(START + 30 * SECOND);
    assert!(step.frames.len() <= 11, "{}", step.frames.len());
}

#[test]
fn one_address_alone_is_refreshed_on_its_own_interval() {
    let mut gratuitous = schedule(Some(Duration::from_secs(30)));
    claim(&mut gratuitous, [v6(1)], START);
    let sent = run(&mut gratuitous, START, START + 95 * SECOND);
    let refreshes: Vec<u64> = sent.iter().skip(6).map(|(at, _)| *at).collect();
    assert_eq!(refreshes, [30 * SECOND, 60 * SECOND, 90 * SECOND]);
}

#[rstest]
#[case::ipv4(v4(9))]
#[case::ipv6(v6(9))]
fn an_address_is_claimed_in_six_exact_rounds(#[case] key: Key) {
    let mut gratuitous = schedule(None);
    claim(&mut gratuitous, [key], START);
    assert_eq!(gratuitous.pending(), 1);
    let sent = run(&mut gratuitous, START, START + 3_600 * SECOND);
    assert_eq!(sent, [0, 50 * MS, 200 * MS, SECOND, 2 * SECOND, 4 * SECOND].map(|at| (at, key)));
    assert_eq!(gratuitous.pending(), 0);
    assert_eq!(gratuitous.step(START + 4_000 * SECOND), GratuitousStep::default());
}

#[test]
fn an_address_that_is_lost_is_not_claimed_again() {
    let mut gratuitous = schedule(Some(Duration::from_secs(10)));
    claim(&mut gratuitous, [v4(1), v4(2)], START);
    run(&mut gratuitous, START, START + 300 * MS);
    gratuitous.defend(v4(1));
    gratuitous.quiet(v4(1));
    let later = run(&mut gratuitous, START + 300 * MS, START + 100 * SECOND);
    assert!(later.iter().all(|(_, key)| *key == v4(2)), "{later:?}");
    gratuitous.quiet(v4(2));
    assert_eq!(gratuitous.step(START + 100 * SECOND), GratuitousStep::default());
}

#[test]
fn a_defence_is_one_round_now_and_leaves_the_schedule_alone() {
    let mut gratuitous = schedule(None);
    claim(&mut gratuitous, [v4(1)], START);
    run(&mut gratuitous, START, START + 10 * MS);
    gratuitous.defend(v4(1));
    gratuitous.defend(v4(2));
    let sent = run(&mut gratuitous, START + 10 * MS, START + 60 * SECOND);
    let rounds = [10 * MS, 50 * MS, 200 * MS, SECOND, 2 * SECOND, 4 * SECOND];
    assert_eq!(sent, rounds.map(|at| (at, v4(1))), "what is not ours is not defended");
}

#[test]
fn a_new_mac_is_claimed_from_the_start_on_its_interface_only() {
    let mut gratuitous = schedule(None);
    gratuitous.claim(v4(1), Mac([2, 0, 0, 0, 0, 9]), START);
    gratuitous.claim((2, v4(1).1), MAC, START);
    gratuitous.step(START + 5_000 * SECOND);
    for _ in 0..9 {
        gratuitous.step(START + 5_000 * SECOND);
    }
    gratuitous.quiet((2, v4(1).1));
    gratuitous.adopt((2, v4(1).1), MAC);
    for ifindex in [1, 2] {
        gratuitous.moved(ifindex, MAC, START + 9_000 * SECOND);
    }
    let sent = run(&mut gratuitous, START + 9_000 * SECOND, START + 9_060 * SECOND);
    assert_eq!(sent, CLAIM_ROUNDS_NS.map(|at| (9_000 * SECOND + at, v4(1))));
}

#[test]
fn ten_thousand_addresses_keep_the_pace_and_every_one_gets_its_six_rounds() {
    let keys: Vec<Key> = (0..5_000).map(v4).chain((0..5_000).map(v6)).collect();
    let mut gratuitous = schedule(None);
    claim(&mut gratuitous, keys.iter().copied(), START);
    let sent = run(&mut gratuitous, START, START + 600 * SECOND);
    assert_eq!(sent.len(), 6 * keys.len());
    let mut times: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
    sent.iter().for_each(|(at, key)| times.entry(*key).or_default().push(*at));
    assert!(times.keys().eq(keys.iter().copied().collect::<BTreeSet<_>>().iter()));
    let mut firsts = Vec::new();
    for (key, times) in times {
        assert_eq!(times.len(), 6);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= LEAST_DISTANCE_NS), "{key:?} {times:?}");
        firsts.push(times[0]);
    }
    // 15,000 frames at 100,000 a second, with a burst at the beginning.
    let over = firsts.into_iter().max().unwrap();
    assert!((130 * MS..145 * MS).contains(&over), "{over}");
    // The other rounds are five times as many, at 4,000 a second.
    let over = sent.last().unwrap().0;
    assert!((18_000 * MS..19_500 * MS).contains(&over), "{over}");
}

#[test]
fn a_new_address_goes_before_the_later_rounds_of_old_ones() {
    let mut gratuitous = schedule(None);
    claim(&mut gratuitous, (0..4_000).map(v4), START);
    // All first rounds are out; second rounds are waiting by the thousand.
    run(&mut gratuitous, START, START + 300 * MS);
    claim(&mut gratuitous, [v4(4_000)], START + 300 * MS);
    let sent = run(&mut gratuitous, START + 300 * MS, START + 400 * MS);
    assert_eq!(sent[0], (300 * MS, v4(4_000)), "{:?}", &sent[..3]);
}

#[test]
fn what_was_ours_all_along_is_not_claimed_but_refreshed() {
    let mut gratuitous = schedule(None);
    gratuitous.adopt(v4(1), MAC);
    claim(&mut gratuitous, [v4(2)], START);
    let sent = run(&mut gratuitous, START, START + 60 * SECOND);
    assert_eq!(sent, CLAIM_ROUNDS_NS.map(|at| (at, v4(2))), "only the new one");
    gratuitous.set_refresh(Some(Duration::from_secs(10)));
    let refreshed: BTreeSet<Key> =
        run(&mut gratuitous, START + 60 * SECOND, START + 71 * SECOND).into_iter().map(|(_, key)| key).collect();
    assert_eq!(refreshed, [v4(1), v4(2)].into());
    gratuitous.set_refresh(None);
    assert_eq!(gratuitous.step(START + 80 * SECOND), GratuitousStep::default());
}

/// What can happen to a schedule, with the time until it happens.
#[derive(Clone, Debug)]
enum Input {
    Claim(u32),
    Quiet(u32),
    Defend(u32),
    Wait(u64),
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let input = prop_oneof![
        (0u32..40).prop_map(Input::Claim),
        (0u32..40).prop_map(Input::Quiet),
        (0u32..40).prop_map(Input::Defend),
        (0u64..3_000).prop_map(|ms| Input::Wait(ms * MS)),
    ];
    prop::collection::vec(input, 1..40)
}

proptest! {
    #[test]
    fn only_announced_addresses_are_claimed_and_never_too_fast(inputs in inputs(), refresh in prop::option::of(1u64..20)) {
        let pace = Pace::new(200.try_into().unwrap(), 10.try_into().unwrap());
        let signer = Signer { node: NodeId::from_number(7).unwrap(), key: None };
        let mut gratuitous = Gratuitous::new(signer, pace, refresh.map(Duration::from_secs));
        let mut now = START;
        let mut announced = BTreeSet::new();
        let mut times = vec![];
        for input in inputs {
            let mut until = now;
            match input {
                Input::Claim(host) => {
                    announced.insert(v4(host));
                    gratuitous.claim(v4(host), MAC, now);
                    // First rounds have a pace of their own.
                    let first = gratuitous.step(now);
                    prop_assert!(claimed(&first.frames[0]) == (v4(host), false));
                    times.extend(first.frames[2..].chunks(2).map(|_| now));
                }
                Input::Quiet(host) => {
                    announced.remove(&v4(host));
                    gratuitous.quiet(v4(host));
                }
                Input::Defend(host) => gratuitous.defend(v4(host)),
                Input::Wait(ns) => until = now + ns,
            }
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
