//! `cargo xtask bench attack`: what somebody who sends forged frames as fast as a switch carries them costs the agents, and
//! whether clients notice.
//!
//! Three nodes with agents, a client and an attacker on a bridge between namespaces. One kind of frame after the other is
//! sent, at a steady rate and for a bounded time: first while everything is well, then while the owner is cut off. Before
//! them the same is measured without any attack. The attacker does not know the key, nor does it need to: a frame that is
//! refused costs what the look at it costs.

mod bed;
mod goals;
mod picture;
pub mod report;
mod tables;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum as _;

use self::bed::Bed;
pub use self::report::{Kind, Report};
use super::common::{self, Files, Machine};
use crate::{
    build, ebpf, paths,
    setup::{self, Purpose},
    ui,
};

/// `cargo xtask bench attack`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer frames, short times and debug builds: shows that it works.
    #[arg(long)]
    pub quick: bool,
    /// Only this kind of attack; may be repeated.
    #[arg(long, value_enum)]
    pub only: Vec<Kind>,
    /// Frames a second [default: 100000, with --quick 2000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Where the results go [default: `<target>/bench`].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// The size of a run.
struct Plan {
    /// The agent.
    speaker: PathBuf,
    /// Frames a second.
    rate: u32,
    /// How long an attack lasts, seconds.
    seconds: u32,
    /// Addresses beside those that are asked for.
    loaded: u32,
}

impl Plan {
    fn new(args: &Args) -> Self {
        let (folder, rate, seconds, loaded) = if args.quick {
            (paths::profile(), 2000, 2, 20)
        } else {
            (paths::target().join("release"), 100_000, 10, 500)
        };
        Self { speaker: folder.join("speaker"), rate: args.rate.unwrap_or(rate), seconds, loaded }
    }

    /// Builds the agent; the clients are those of the lab, beside this very program.
    fn build(&self, quick: bool) -> Result<()> {
        let step = ui::Step::begin("building the agent and the clients");
        build::own_programs()?;
        if !quick {
            build::programs("release", &["asker"])?;
        }
        step.done("built");
        Ok(())
    }
}

/// Measures, prints the table and writes the files.
///
/// # Errors
/// If something is missing, does not compile, or cannot be measured.
pub fn run(args: &Args) -> Result<Files> {
    setup::ensure(&[Purpose::Lab, Purpose::Bench])?;
    ebpf::run(&ebpf::Args::default())?;
    let plan = Plan::new(args);
    plan.build(args.quick)?;
    let machine = Machine::introduce(args.quick)?;

    ui::heading("attack");
    let chosen = |kind: &&Kind| **kind == Kind::None || args.only.is_empty() || args.only.contains(kind);
    let mut bed = Bed::make(&plan)?;
    let mut lines = Vec::new();
    for kind in Kind::value_variants().iter().filter(chosen) {
        lines.push(bed.measure(&plan, *kind)?);
    }
    drop(bed);
    ui::say(tables::lines(&lines));
    ui::say(tables::NOTES);

    let goals = goals::judge(&lines);
    let report = Report { machine, rate: plan.rate, lines, goals };
    common::conclude(("attack", &report.machine), &report.goals, &report, args.out.as_deref(), picture::draw)
}
