//! Nanoseconds per frame in the kernel, by BPF_PROG_TEST_RUN: ours beside a program that does nothing and one that does the
//! least that can be called an answer. Prints one JSON object; `cargo xtask bench fastpath` makes tables and pictures of it.
//!
//! The kernel hands the same bytes to every repetition, so the yardstick's `restore` puts the frame back and then calls the
//! program under test. What a program costs is `raw empty + (restore and program) − (restore and empty)`, on frames of the
//! same length. Readings are short and many, the contenders take turns, and the fastest readings of each count: noise only
//! ever adds.
//!
//! Needs root, `target/bpf/arpeggio.o` and `target/bpf/yardstick.o` (`cargo xtask build-ebpf`).

mod contenders;
mod yard;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde::Serialize;

use crate::{
    contenders::{Contender, LOADED, contenders},
    yard::{Hook, Yard},
};

/// Measures the fast path, frame by frame.
#[derive(Parser)]
struct Args {
    /// Runs in a row for one reading.
    #[arg(long, default_value_t = 10_000)]
    repeat: u32,
    /// Readings of each contender.
    #[arg(long, default_value_t = 150)]
    readings: usize,
    /// Only the programs and frames of this name, for a profiler; the empty program is always there.
    #[arg(long)]
    only: Option<String>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    /// Runs in a row for one reading.
    repeat: u32,
    /// Readings of each contender.
    readings: usize,
    /// Addresses of each family that were loaded.
    loaded: u32,
    contenders: Vec<Cost>,
}

/// What one program costs on one frame, in nanoseconds.
#[derive(Serialize)]
struct Cost {
    hook: Hook,
    name: &'static str,
    /// Length of the frame in bytes.
    frame: usize,
    /// The cost, from the fastest readings.
    ns: f64,
    /// The same with the median of its readings, and with the one that nine of ten are faster than.
    median_ns: f64,
    p90_ns: f64,
}

/// The readings of one program on one kind of frame.
struct Readings(Vec<u64>);

impl Readings {
    /// The mean of the fastest fifth: noise only ever adds, and the kernel counts whole nanoseconds, which the mean of
    /// several refines.
    fn fastest(&mut self) -> f64 {
        self.0.sort_unstable();
        let few = self.0.len().div_ceil(5);
        self.0.iter().take(few).sum::<u64>() as f64 / few.max(1) as f64
    }

    /// The reading that so many per cent are not slower than.
    fn rank(&mut self, per_cent: usize) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * per_cent).div_ceil(100).saturating_sub(1);
        self.0.get(rank).map_or(0.0, |reading| *reading as f64)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut yard = Yard::new()?;
    let mut list = contenders(&mut yard)?;
    list.retain(|contender| contender.is_empty || args.only.as_ref().is_none_or(|name| contender.name == name));
    let mut raw = Hook::ALL.map(|_| Readings(Vec::new()));
    let mut readings: Vec<Readings> = list.iter().map(|_| Readings(Vec::new())).collect();
    for _ in 0..args.readings {
        for (hook, times) in Hook::ALL.into_iter().zip(&mut raw) {
            times.0.push(yard.empty(hook, args.repeat)?);
        }
        for (contender, times) in list.iter().zip(&mut readings) {
            times.0.push(yard.measure(contender, args.repeat)?);
        }
    }
    let Args { repeat, readings: taken, .. } = args;
    let report = Report { repeat, readings: taken, loaded: LOADED, contenders: costs(&list, raw, readings)? };
    #[expect(clippy::print_stdout, reason = "the result")]
    {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

fn costs(list: &[Contender], mut raw: [Readings; 2], mut readings: Vec<Readings>) -> Result<Vec<Cost>> {
    let fastest: Vec<f64> = readings.iter_mut().map(Readings::fastest).collect();
    let raw = raw.each_mut().map(Readings::fastest);
    let mut costs = Vec::new();
    for ((contender, times), fastest_here) in list.iter().zip(&mut readings).zip(&fastest) {
        let Contender { hook, name, .. } = *contender;
        // The empty program behind `restore`, at the same hook with frames of the same length.
        let baseline = list
            .iter()
            .zip(&fastest)
            .find(|(other, _)| other.is_empty && other.hook == hook && other.frame() == contender.frame())
            .map(|(_, fastest)| *fastest)
            .with_context(|| format!("nothing to compare {name} with"))?;
        let rest = raw.get(hook as usize).context("no reading")? - baseline;
        let net = |reading: f64| ((reading + rest) * 10.0).round() / 10.0;
        costs.push(Cost {
            hook,
            name,
            frame: contender.frame(),
            ns: net(*fastest_here),
            median_ns: net(times.rank(50)),
            p90_ns: net(times.rank(90)),
        });
    }
    Ok(costs)
}
