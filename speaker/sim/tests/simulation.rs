//! Two thousand schedules; a failure names the command that replays it.

use std::thread;

use arpeggio_speaker_sim::{Measured, Which};

/// Runs schedules `from..until` of the family 1 on all processors.
fn hold(from: u64, until: u64) -> Measured {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let work = |first: u64| {
        let mut measured = Measured::default();
        for schedule in (from + first..until).step_by(threads as usize) {
            let which = Which { seed: 1, schedule, faults: 8 };
            let outcome = which.run(0, false);
            assert_eq!(outcome.violation, None, "cargo xtask sim --seed 1 --schedule {schedule} shows it again");
            measured.merge(&outcome.measured);
        }
        measured
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        workers.into_iter().fold(Measured::default(), |mut all, worker| {
            all.merge(&worker.join().unwrap());
            all
        })
    })
}

#[test]
fn two_thousand_schedules_hold() {
    let measured = hold(0, 2_000);
    // Something happened: a simulation in which nothing changes proves nothing.
    assert!(measured.changes > 20_000, "{measured:?}");
    assert!(measured.two_ns > 0 && measured.nobody_ns > 0, "{measured:?}");
}

#[test]
fn a_schedule_is_the_same_every_time() {
    for schedule in 0..20 {
        let which = Which { seed: 7, schedule, faults: 8 };
        let (one, other) = (which.run(usize::MAX, true), which.run(usize::MAX, true));
        assert_eq!((one.events, one.trace), (other.events, other.trace), "schedule {schedule}");
    }
}
