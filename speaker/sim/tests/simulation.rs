//! Two thousand schedules; a failure names the command that replays it.

use std::thread;

use arpeggio_speaker_sim::{Measured, Which};

#[test]
fn two_thousand_schedules_hold() {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = |first: usize| {
        (0..2_000u64).skip(first).step_by(threads).fold(Measured::default(), |mut measured, schedule| {
            let outcome = Which { seed: 1, schedule, faults: 8 }.run(0, false);
            assert_eq!(outcome.violation, None, "cargo xtask sim --seed 1 --schedule {schedule} shows it again");
            measured.merge(&outcome.measured);
            measured
        })
    };
    let mut all = Measured::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        for worker in workers {
            all.merge(&worker.join().unwrap());
        }
    });
    // Something happened: a simulation in which nothing changes proves nothing.
    assert!(all.changes > 20_000, "{all:?}");
    assert!(all.two_ns > 0 && all.nobody_ns > 0, "{all:?}");
}

#[test]
fn a_schedule_is_the_same_every_time() {
    for schedule in 0..20 {
        let which = Which { seed: 7, schedule, faults: 8 };
        let (one, other) = (which.run(usize::MAX, true), which.run(usize::MAX, true));
        assert_eq!((one.events, one.trace), (other.events, other.trace), "schedule {schedule}");
    }
}
