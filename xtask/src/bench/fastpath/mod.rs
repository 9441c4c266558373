//! `cargo xtask bench fastpath`: what the fast path costs, and how it answers beside the kernel and user space.
//!
//! Three parts: nanoseconds per frame in the kernel (BPF_PROG_TEST_RUN); answers over veth pairs and a bridge between
//! namespaces; ordinary traffic through an interface that carries the program. Every figure is taken in the same run, the
//! contenders in turn and several rounds, so that what disturbs one disturbs all: ratios are what to look at.

mod answers;
mod asking;
mod beds;
mod frames;
mod goals;
mod picture;
mod plan;
pub mod report;
mod streams;
mod tables;

use std::path::PathBuf;

use anyhow::Result;

use self::{
    beds::Bed,
    plan::Plan,
    report::{Machine, Report},
};
use super::common::{self, Files};
use crate::{
    ebpf,
    setup::{self, Purpose},
    ui,
};

/// `cargo xtask bench fastpath`.
#[derive(Default, clap::Args)]
pub struct Args {
    /// Little of everything, with debug builds: shows that it works, says nothing about speed.
    #[arg(long)]
    pub quick: bool,
    /// Another responder to measure: started in a namespace with the interface and the IPv4 address as further arguments.
    #[arg(long, value_name = "CMD")]
    pub responder: Option<String>,
    /// Where the results go [default: `<target>/bench`].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Measures, prints the tables and writes the files.
///
/// # Errors
/// If something is missing, does not compile, or cannot be measured.
pub fn run(args: &Args) -> Result<Files> {
    setup::ensure(&[Purpose::Lab, Purpose::Bench])?;
    ebpf::run(&ebpf::Args::default())?;
    let plan = if args.quick { Plan::quick() } else { Plan::full() };
    plan.build()?;
    let machine = Machine::introduce(args.quick)?;

    ui::heading("frames: BPF_PROG_TEST_RUN");
    let frames = frames::measure(&plan)?;
    ui::say(tables::frames(&frames));
    ui::say(tables::steps(&frames));

    ui::heading("answers: veth and a bridge between namespaces");
    let beds = Bed::all(&plan, args.responder.as_deref())?;
    let answers = answers::measure(&plan, &beds)?;
    ui::say(tables::answers(&answers));

    ui::heading("ordinary traffic");
    let streams = streams::measure(&plan, &beds)?;
    drop(beds);
    ui::say(tables::streams(&streams));

    let goals = goals::judge(&frames, &answers);
    let report = Report { machine, frames, answers, streams, goals };
    common::conclude(("fastpath", &report.machine), &report.goals, &report, args.out.as_deref(), picture::draw)
}
