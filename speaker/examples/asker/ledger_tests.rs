//! Requests and answers, one by one.

use proptest::prelude::*;

use super::*;
use crate::options::Pace;

const OWNER: Mac = Mac([2, 0, 0, 0, 0, 1]);
const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn ledger(targets: u8, senders: usize) -> Ledger {
    let targets: Vec<IpAddr> = (1..=targets).map(|host| [10, 0, 0, host].into()).collect();
    let sources = Sources { v4: [198, 18, 0, 1].into(), v6: "2001:2::1".parse().unwrap(), count: senders };
    Ledger::new(&Work {
        targets,
        sources,
        pace: Pace::Rate(1),
        count: None,
        duration_ns: None,
        until_stdin_closes: false,
        timeout_ns: 1_000,
        ready_line: false,
        gap_over_ns: 100,
        log: None,
    })
}

fn ask(ledger: &mut Ledger, now_ns: u64) -> Ask {
    let ask = ledger.next().unwrap();
    ledger.sent(ask, now_ns);
    ask
}

fn reply(ask: Ask, mac: Mac) -> Answer {
    Answer { address: ask.target, asker: ask.sender, mac }
}

#[test]
fn targets_take_turns_and_so_do_senders() {
    let mut ledger = ledger(2, 2);
    let asks: Vec<(String, String)> =
        (0..4).map(|now| ask(&mut ledger, now)).map(|ask| (ask.target.to_string(), ask.sender.to_string())).collect();
    let expected = [
        ("10.0.0.1", "198.18.0.1"),
        ("10.0.0.2", "198.18.0.1"),
        ("10.0.0.1", "198.18.0.2"),
        ("10.0.0.2", "198.18.0.2"),
    ];
    assert_eq!(asks, expected.map(|(target, sender)| (target.to_owned(), sender.to_owned())));
    assert_eq!(ledger.next(), None, "every pair waits");
    assert_eq!(ledger.in_flight(), 4);
}

#[test]
fn after_a_loss_the_next_answer_is_not_taken_for_the_lost_one() {
    let mut ledger = ledger(1, 4);
    let lost = ask(&mut ledger, 0);
    let next = ask(&mut ledger, 500);
    let ended = ledger.answered(&reply(next, OWNER), 510).unwrap();
    assert_eq!((ended.sequence, ended.sent_ns, ended.answer), (1, 500, Some((510, OWNER))));
    assert_eq!(ledger.expire(1_000), None, "its time is not over");
    assert_eq!(ledger.next_expiry_ns(), Some(1_001));
    let ended = ledger.expire(1_001).unwrap();
    assert_eq!((ended.sequence, ended.sender, ended.answer), (0, lost.sender, None));
    assert_eq!(ledger.expire(9_000), None);
    assert_eq!(ledger.counts, Counts { sent: 2, answered: 1, lost: 1, ..Counts::default() });
    assert_eq!(ledger.latencies_ns, [10]);
}

#[test]
fn an_answer_counts_by_its_arrival_not_by_when_it_is_read() {
    let mut ledger = ledger(1, 2);
    let slow = ask(&mut ledger, 0);
    assert!(ledger.answered(&reply(slow, OWNER), 1_000).is_some(), "just in time");
    let late = ask(&mut ledger, 2_000);
    assert_eq!(ledger.answered(&reply(late, OWNER), 3_001), None, "a nanosecond too late");
    assert_eq!(ledger.expire(3_001).unwrap().answer, None);
    assert_eq!(ledger.answered(&reply(late, OWNER), 3_500), None);
    assert_eq!(ledger.counts, Counts { sent: 2, answered: 1, lost: 1, late: 2, ..Counts::default() });
}

#[test]
fn a_second_answer_is_a_duplicate_and_both_answerers_are_known() {
    let mut ledger = ledger(1, 2);
    let first = ask(&mut ledger, 0);
    ledger.answered(&reply(first, OWNER), 10).unwrap();
    assert_eq!(ledger.answered(&reply(first, OTHER), 12), None);
    assert_eq!((ledger.counts.answered, ledger.counts.duplicates), (1, 1));
    assert_eq!(ledger.answerers, BTreeMap::from([(OWNER, 1), (OTHER, 1)]));
    assert!(ledger.changes.is_empty(), "who is second does not own the address");
}

#[test]
fn requests_that_two_nodes_answer_are_told_with_their_span() {
    let mut ledger = ledger(1, 8);
    for (now, answerers) in [
        (0, &[OWNER, OWNER][..]),
        (100, &[OWNER, OTHER, OTHER]),
        (200, &[OTHER, OWNER]),
        (300, &[OTHER]),
        (400, &[OWNER, OTHER]),
    ] {
        let ask = ask(&mut ledger, now);
        for (at, mac) in (now + 5..).step_by(5).zip(answerers) {
            ledger.answered(&reply(ask, *mac), at);
        }
    }
    // Too late to count as an answer at all.
    let late = ask(&mut ledger, 500);
    ledger.answered(&reply(late, OWNER), 505);
    ledger.answered(&reply(late, OTHER), 1_600);
    ledger.finish(2_000);
    assert_eq!((ledger.doubles.requests, ledger.doubles.count), (3, 2), "the same MAC twice is one answerer");
    let spans: Vec<_> =
        ledger.doubles.listed.iter().map(|span| (span.from_ns, span.length_ns, span.requests)).collect();
    assert_eq!(spans, [(100, 110, 2), (400, 10, 1)]);
    assert_eq!((ledger.doubles.longest_ns, ledger.doubles.total_ns), (110, 120));
}

#[test]
fn a_new_owner_is_noted() {
    let mut ledger = ledger(1, 2);
    for (now, mac) in [(0, OWNER), (100, OTHER), (200, OTHER)] {
        let ask = ask(&mut ledger, now);
        ledger.answered(&reply(ask, mac), now + 5).unwrap();
    }
    let [Change { at_ns: 105, from: Some(from), to, .. }] = &ledger.changes[..] else { panic!("{:?}", ledger.changes) };
    assert_eq!((from, to), (&OWNER.to_string(), &OTHER.to_string()));
}

#[test]
fn claims_and_answers_to_others_are_not_ours() {
    let mut ledger = ledger(1, 2);
    let asked = ask(&mut ledger, 0);
    let claim = Answer { asker: asked.target, ..reply(asked, OTHER) };
    let foreign = Answer { address: "10.0.0.99".parse().unwrap(), ..reply(asked, OTHER) };
    let unsent = Answer { asker: "198.18.0.2".parse().unwrap(), ..reply(asked, OTHER) };
    for unasked in [claim, foreign, unsent] {
        assert_eq!(ledger.answered(&unasked, 5), None);
    }
    assert_eq!((ledger.counts.unasked, ledger.counts.answered, ledger.answerers.len()), (3, 0, 0));
    assert_eq!(ledger.silent().count(), 1);
}

proptest! {
    #[test]
    fn every_request_ends_exactly_once(fates in prop::collection::vec((0u64..300, prop::option::of(0u64..1_500), any::<bool>()), 1..200)) {
        let mut ledger = ledger(3, 5);
        let (mut now, mut arrivals, mut skipped) = (0, vec![], 0);
        let (mut ends, mut in_time) = (vec![], 0);
        for (wait, latency, twice) in fates {
            now += wait;
            // What arrived until now is read, then what ran out is given up, then the next is sent: as the driver does.
            arrivals.sort_unstable_by_key(|(at, _)| *at);
            while let Some((at, answer)) = arrivals.first().copied().filter(|(at, _)| *at <= now) {
                arrivals.remove(0);
                ends.extend(ledger.answered(&answer, at));
            }
            ends.extend(std::iter::from_fn(|| ledger.expire(now)));
            let Some(ask) = ledger.next() else { skipped += 1; continue };
            ledger.sent(ask, now);
            if let Some(latency) = latency {
                in_time += u64::from(latency <= 1_000);
                arrivals.push((now + latency, reply(ask, OWNER)));
                // A second answerer, at the same moment.
                arrivals.extend(twice.then_some((now + latency, reply(ask, OTHER))));
            }
        }
        arrivals.sort_unstable_by_key(|(at, _)| *at);
        for (at, answer) in arrivals {
            ends.extend(ledger.answered(&answer, at));
        }
        ends.extend(std::iter::from_fn(|| ledger.expire(u64::MAX)));
        prop_assert_eq!(ledger.in_flight(), 0);
        let sequences: std::collections::BTreeSet<u64> = ends.iter().map(|ended| ended.sequence).collect();
        prop_assert_eq!((sequences.len(), ends.len()), (ends.len(), usize::try_from(ledger.counts.sent).unwrap()));
        prop_assert_eq!(ledger.counts.answered + ledger.counts.lost, ledger.counts.sent);
        // An answer that is later than the timeout may meet the next request of its pair only when the pair was reused
        // within the answer's delay; with enough senders that does not happen, and then all counts are exact.
        if skipped == 0 && ledger.counts.sent <= 15 {
            prop_assert_eq!(ledger.counts.answered, in_time);
        }
    }
}
