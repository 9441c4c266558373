//! Runs schedules on all processors, or one with everything that happens in it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use arpeggio_speaker_sim::{Measured, Which, orders};
use arpeggio_succession::Pace;
use clap::Parser;
use indicatif::ProgressBar;

/// Lines that are shown of a schedule that failed.
const TAIL: usize = 60;

/// Where there is no terminal to draw on, a line after so many schedules.
const PLAIN: u64 = 5_000;

/// Simulate the succession.
#[derive(Parser)]
struct Args {
    /// How many schedules.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    schedules: u64,
    /// Of which family.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Only this one, with everything that happens in it.
    #[arg(long, value_name = "K")]
    schedule: Option<u64>,
    /// With it, every frame as well.
    #[arg(long, requires = "schedule")]
    frames: bool,
    /// No schedule, but what the orders of 10,000 addresses cost fleets of 3, 30 and 300 nodes.
    #[arg(long, conflicts_with = "schedule")]
    orders: bool,
    /// Faults in a schedule at most.
    #[arg(long, value_name = "N", default_value_t = 8)]
    faults: usize,
    /// Processors to use [default: all].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Failures to look for before stopping.
    #[arg(long, value_name = "N", default_value_t = 1)]
    failures: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.orders {
        println!("{}", orders::table(&[3, 30, 300], 10_000, Pace::DEFAULT));
        return ExitCode::SUCCESS;
    }
    let good = match args.schedule {
        Some(schedule) => replay(&args, schedule),
        None => search(&args),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(args: &Args, schedule: u64) -> bool {
    let which = Which { seed: args.seed, schedule, faults: args.faults };
    let (scenario, _) = which.scenario();
    println!("{scenario:#?}");
    let outcome = which.run(usize::MAX, args.frames);
    for line in &outcome.trace {
        println!("{line}");
    }
    match &outcome.violation {
        Some(violation) => println!("violation at {} ns: {}", violation.at_ns, violation.text),
        None => println!("{:?}", outcome.measured),
    }
    outcome.violation.is_none()
}

fn search(args: &Args) -> bool {
    let (next, stop, failures) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    let threads = args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let bar = ProgressBar::new(args.schedules);
    let work = || {
        let (mut measured, mut events, mut run) = (Measured::default(), 0, 0);
        while !stop.load(Ordering::Relaxed) {
            let schedule = next.fetch_add(1, Ordering::Relaxed);
            if schedule >= args.schedules {
                break;
            }
            let which = Which { seed: args.seed, schedule, faults: args.faults };
            let outcome = which.run(0, false);
            measured.merge(&outcome.measured);
            events += outcome.events;
            run += 1;
            bar.inc(1);
            if bar.is_hidden() && bar.position().is_multiple_of(PLAIN) {
                println!("{} schedules", bar.position());
            }
            if outcome.violation.is_some() {
                failure(&which);
                if failures.fetch_add(1, Ordering::Relaxed) + 1 >= args.failures {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
        (measured, events, run)
    };
    let (mut measured, mut events, mut run) = (Measured::default(), 0u64, 0u64);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            if let Ok((theirs, more, count)) = worker.join() {
                measured.merge(&theirs);
                events += more;
                run += count;
            }
        }
    });
    bar.finish_and_clear();
    println!("{run} schedules, {events} events, {measured:#?}");
    let failed = failures.into_inner();
    println!("{} passed, {failed} failed", run - failed);
    failed == 0 && run > 0
}

/// Runs it again with a trace.
fn failure(which: &Which) {
    let outcome = which.run(TAIL, false);
    let Which { seed, schedule, faults } = which;
    let mut text = outcome.trace.join("\n");
    if let Some(violation) = outcome.violation {
        text += &format!("\nviolation: {}", violation.text);
    }
    println!("{text}\nagain: cargo xtask sim --seed {seed} --schedule {schedule} --faults {faults}");
}
