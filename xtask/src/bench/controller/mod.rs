//! `cargo xtask bench controller`: how long Services wait for their addresses, beside what the API server can take at all.
//!
//! A real API server, three speakers, no kube-proxy. Services without selectors are made in bulk, each with an EndpointSlice that was
//! there before. For every contender two things are measured: Services that exist before it starts, and Services that
//! eight connections make while it runs. The yardstick in the same run is a plain writer, which does the same patches and
//! creations with as many connections as our controller and decides nothing.

mod bed;
mod contenders;
mod goals;
mod measure;
mod picture;
pub mod report;
mod tables;

use std::path::PathBuf;

use anyhow::{Result, ensure};

pub use self::report::Report;
use self::{bed::Bed, contenders::Contender};
use super::common::{self, Files, Machine};
use crate::{ebpf, ui};

/// `cargo xtask bench controller`.
#[derive(clap::Args)]
#[command(after_long_help = contenders::CONTRACT)]
pub struct Args {
    /// 100 Services and the programs as the tests have them: shows that it works.
    #[arg(long)]
    pub quick: bool,
    /// How many Services, for each measurement once [default: 1000 and 5000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub services: Vec<u32>,
    /// Another controller to measure, driven by a script; --help says what it has to do.
    #[arg(long, value_name = "SCRIPT")]
    pub peer: Option<PathBuf>,
    /// Where the results go [default: `<target>/bench`].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Measures, prints the table and writes the files.
///
/// # Errors
/// If something is missing, does not compile, or cannot be measured.
pub fn run(args: &Args) -> Result<Files> {
    ebpf::run(&ebpf::Args::default())?;
    let programs = contenders::Programs::build(args.quick)?;
    let counts = match args.services.as_slice() {
        [] if args.quick => vec![100],
        [] => vec![1000, 5000],
        given => given.to_vec(),
    };
    let machine = Machine::introduce(args.quick)?;

    ui::heading("controller");
    let bed = Bed::new(&programs, counts.iter().copied().max().unwrap_or_default())?;
    let mut contenders = vec![Contender::Plain, Contender::Ours];
    contenders.extend(args.peer.clone().map(Contender::Peer));
    let mut lines = Vec::new();
    for count in counts {
        for contender in &contenders {
            lines.extend(measure::measure(&bed, contender, count)?);
        }
    }
    ensure!(!lines.is_empty(), "nothing was measured");
    ui::say(tables::lines(&lines));
    ui::say(tables::NOTES);

    let goals = goals::judge(&lines);
    let report = Report { machine, lines, goals };
    common::conclude(("controller", &report.machine), &report.goals, &report, args.out.as_deref(), picture::draw)
}
