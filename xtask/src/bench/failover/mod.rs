//! `cargo xtask bench failover`: what clients see when the owner of an address goes, beside other ways of keeping it alive.
//!
//! Three nodes and a client on a bridge between namespaces; every node would serve the address. The client asks for it 500
//! times a second and sends it 500 packets a second through its kernel's own neighbour table; both account for each with a
//! deadline of its own and kernel stamps, so that a late client counts nothing as lost. The gap is the longer of both
//! streams' longest times without an answer. The contenders have their turns in one run, so that what disturbs one disturbs
//! all.

mod bed;
mod cluster;
mod contenders;
mod faults;
mod goals;
mod keepalived;
mod measure;
mod ours;
mod peer;
mod picture;
mod plan;
pub mod report;
mod tables;
mod timeline;

use std::path::PathBuf;

use anyhow::{Result, ensure};

pub use self::faults::Fault;
use self::{plan::Plan, report::Report};
use super::common::{self, Files, Machine};
use crate::{
    ebpf,
    setup::{self, Purpose},
    ui,
};

/// `cargo xtask bench failover`.
#[derive(clap::Args)]
#[command(after_long_help = peer::CONTRACT)]
pub struct Args {
    /// Short times, three repetitions unless told otherwise, and debug builds: shows that it works.
    #[arg(long)]
    pub quick: bool,
    /// Repetitions of each fault with each contender [default: 20].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repetitions: Option<u32>,
    /// Another set-up to measure, driven by a script; --help says what it has to do.
    #[arg(long, value_name = "SCRIPT")]
    pub peer: Option<PathBuf>,
    /// Only contenders whose name contains this; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Only this fault; may be repeated.
    #[arg(long, value_enum)]
    pub fault: Vec<Fault>,
    /// Where the results go [default: `<target>/bench`].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Measures, prints the table and writes the files.
///
/// # Errors
/// If something is missing, does not compile, or cannot be measured.
pub fn run(args: &Args) -> Result<Files> {
    setup::ensure(&[Purpose::Lab, Purpose::Bench])?;
    ebpf::run(&ebpf::Args::default())?;
    let plan = Plan { repetitions: args.repetitions.unwrap_or(if args.quick { 3 } else { 20 }), quick: args.quick };
    plan.build()?;
    let contenders = contenders::all(&plan.agent_help()?, args.peer.clone(), &args.only, args.quick);
    ensure!(!contenders.is_empty(), "no contender's name contains {:?}", args.only);
    let machine = Machine::introduce(args.quick)?;

    ui::heading("failover");
    let chosen = |fault: &&Fault| args.fault.is_empty() || args.fault.contains(fault);
    let mut lines = Vec::new();
    for fault in Fault::ALL.iter().filter(chosen) {
        lines.extend(measure::measure(&plan, &contenders, *fault)?);
    }
    ui::say(tables::lines(&lines));
    ui::say(tables::NOTES);

    let goals = goals::judge(&lines);
    let report = Report { machine, lines, goals };
    common::conclude(("failover", &report.machine), &report.goals, &report, args.out.as_deref(), picture::draw)
}
