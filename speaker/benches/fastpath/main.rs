//! Nanoseconds per frame in the kernel, by BPF_PROG_TEST_RUN: ours beside a program that does nothing and one that does the
//! least that can be called an answer. Prints one JSON object; `cargo xtask bench fastpath` makes tables and pictures of it.
//!
//! The kernel hands the same bytes to every repetition, so the yardstick's `restore` puts the frame back and then calls the
//! program under test. What a program costs is `raw empty + (restore and program) − (restore and empty)`, on frames of the
//! same length. Readings are short and many, the contenders take turns, and the fastest reading of each counts: noise only
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
    ns: i64,
    /// The same with the median of its readings, and with the one that nine of ten are faster than.
    median_ns: i64,
    p90_ns: i64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut yard = Yard::new()?;
    let mut list = contenders(&mut yard)?;
    list.retain(|contender| contender.is_empty || args.only.as_ref().is_none_or(|name| contender.name == name));
    let mut raw = [Vec::new(), Vec::new()];
    let mut readings: Vec<Vec<u64>> = list.iter().map(|_| Vec::with_capacity(args.readings)).collect();
    for _ in 0..args.readings {
        for (hook, times) in Hook::ALL.into_iter().zip(&mut raw) {
            times.push(yard.empty(hook, args.repeat)?);
        }
        for (contender, times) in list.iter().zip(&mut readings) {
            times.push(yard.measure(contender, args.repeat)?);
        }
    }
    for times in raw.iter_mut().chain(&mut readings) {
        times.sort_unstable();
    }
    let costs = list.iter().zip(&readings).map(|(contender, times)| {
        let raw = raw.get(contender.hook as usize).and_then(|times| times.first());
        cost(contender, times, *raw.context("no reading")?, baseline(contender, &list, &readings)?)
    });
    let report = Report {
        repeat: args.repeat,
        readings: args.readings,
        loaded: LOADED,
        contenders: costs.collect::<Result<_>>()?,
    };
    #[expect(clippy::print_stdout, reason = "the result")]
    {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

/// The fastest reading of the empty program behind `restore`, at the same hook with frames of the same length.
fn baseline(contender: &Contender, list: &[Contender], readings: &[Vec<u64>]) -> Result<u64> {
    list.iter()
        .zip(readings)
        .find(|(other, _)| other.is_empty && other.hook == contender.hook && other.frame() == contender.frame())
        .and_then(|(_, times)| times.first().copied())
        .with_context(|| format!("nothing to compare {} with", contender.name))
}

fn cost(contender: &Contender, times: &[u64], raw: u64, baseline: u64) -> Result<Cost> {
    let net = |per_cent: usize| {
        let rank = (times.len() * per_cent).div_ceil(100).saturating_sub(1);
        let reading = times.get(rank).context("no reading")?;
        Ok::<_, anyhow::Error>(raw.cast_signed() + reading.cast_signed() - baseline.cast_signed())
    };
    Ok(Cost {
        hook: contender.hook,
        name: contender.name,
        frame: contender.frame(),
        ns: net(0)?,
        median_ns: net(50)?,
        p90_ns: net(90)?,
    })
}
