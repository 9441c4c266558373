//! Heartbeats to one node: when it is found silent and when it must not be.

use std::net::IpAddr;

use super::*;

const MS: u64 = 1_000_000;
const PACE: Pace = Pace::DEFAULT;

fn place(host: u8) -> Place {
    (1, IpAddr::from([192, 0, 2, host]))
}

/// A watch, its clock, and a counter of frames that grows with every reading unless the node is deaf.
struct Bench {
    watch: Watch,
    hearing: Hearing,
    frames: u64,
    deaf: bool,
    now_ns: u64,
}

impl Bench {
    fn new(places: &[u8]) -> Self {
        let mut watch = Watch::new(None, 0, true);
        for host in places {
            watch.join(place(*host), false, 0);
        }
        Self { watch, hearing: Hearing::default(), frames: 0, deaf: false, now_ns: 0 }
    }

    /// Goes to the next time that the watch wants; `answers`: which addresses are answered.
    fn step(&mut self, answers: &[u8]) -> Vec<Finding> {
        self.now_ns = self.watch.due_ns(PACE).max(self.now_ns);
        self.frames += u64::from(!self.deaf);
        self.hearing.read(self.frames, self.now_ns);
        let findings = self.watch.step(PACE, &self.hearing, self.now_ns);
        for finding in &findings {
            if let Finding::Ask { place: asked, .. } = finding
                && answers.iter().any(|host| place(*host) == *asked)
            {
                self.watch.answered(Some(*asked), self.now_ns + MS / 10);
            }
        }
        findings
    }

    /// When it is found silent, if within ten seconds.
    fn silent_ns(&mut self) -> Option<u64> {
        let end_ns = self.now_ns + 10_000 * MS;
        while self.now_ns < end_ns {
            if self.step(&[]).iter().any(|finding| matches!(finding, Finding::Silent(_))) {
                return Some(self.now_ns);
            }
        }
        None
    }
}

#[test]
fn silence_is_found_within_the_bound() {
    let mut bench = Bench::new(&[10]);
    (0..20).for_each(|_| assert_eq!(bench.step(&[10]).len(), 1));
    let last_ns = bench.watch.answered_ns(place(10)).unwrap();
    let silent_ns = bench.silent_ns().unwrap();
    assert!(silent_ns - last_ns <= PACE.detection_ns(), "{}", silent_ns - last_ns);
    assert!(silent_ns - last_ns > PACE.interval_ns() * 2);
}

#[test]
fn a_deaf_node_finds_nobody_silent() {
    let mut bench = Bench::new(&[10]);
    (0..5).for_each(|_| drop(bench.step(&[10])));
    bench.deaf = true;
    assert_eq!(bench.silent_ns(), None);
    // It hears again, and the owner is there: the first heartbeat tells.
    bench.deaf = false;
    for _ in 0..20 {
        assert!(!bench.step(&[10]).iter().any(|finding| matches!(finding, Finding::Silent(_))));
    }
}

#[test]
fn a_process_that_was_stopped_misses_nothing() {
    let mut bench = Bench::new(&[10]);
    (0..5).for_each(|_| drop(bench.step(&[10])));
    bench.now_ns += 30_000 * MS;
    for _ in 0..20 {
        assert!(!bench.step(&[10]).iter().any(|finding| matches!(finding, Finding::Silent(_))));
    }
}

#[test]
fn addresses_take_turns_and_one_heartbeat_goes_out_an_interval() {
    let mut bench = Bench::new(&[10, 11, 12]);
    let mut asked = Vec::new();
    for _ in 0..6 {
        let findings = bench.step(&[10, 11, 12]);
        assert_eq!(findings.len(), 1);
        asked.extend(findings);
    }
    let places: Vec<_> = asked
        .iter()
        .map(|finding| if let Finding::Ask { place, .. } = finding { *place } else { panic!("{finding:?}") })
        .collect();
    assert_eq!(places, [10, 11, 12, 10, 11, 12].map(place));
    assert_eq!(bench.now_ns, 5 * PACE.interval_ns());
}

#[test]
fn one_address_that_is_not_answered_is_found_although_the_node_lives() {
    let mut bench = Bench::new(&[10, 11, 12]);
    let mut found = None;
    for _ in 0..20 {
        for finding in bench.step(&[10, 12]) {
            match finding {
                Finding::Lost(place, _) => found = Some(place),
                Finding::Silent(_) | Finding::Deserted(_) => panic!("it answers for the others"),
                Finding::Ask { .. } => {}
            }
        }
    }
    assert_eq!(found, Some(place(11)));
}

#[test]
fn who_returns_is_alive_again() {
    let mut bench = Bench::new(&[10]);
    bench.silent_ns().unwrap();
    assert!(!bench.watch.is_alive());
    assert!(bench.watch.answered(Some(place(10)), bench.now_ns + 1));
    assert!(bench.watch.is_alive());
    assert!(!bench.watch.answered(Some(place(10)), bench.now_ns + 2), "told once");
}

#[test]
fn those_far_behind_beat_slowly() {
    let mut watch = Watch::new(None, 0, true);
    watch.join(place(10), true, 0);
    watch.step(PACE, &Hearing::default(), 0);
    assert_eq!(watch.due_ns(PACE), PACE.slow_interval_ns());
    watch.join(place(11), false, MS);
    assert_eq!(watch.due_ns(PACE), PACE.interval_ns(), "somebody near the front joined");
}
