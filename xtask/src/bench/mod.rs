//! `cargo xtask bench NAME`: measurements that are compared with stated goals, in one run on one machine.

pub mod attack;
mod busy;
pub mod common;
pub mod controller;
mod cpu;
pub mod failover;
pub mod fastpath;
pub mod scale;
mod tables;

use anyhow::Result;
use clap::Subcommand;

/// `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Subcommand)]
enum What {
    /// The cost of a frame and the time of an answer, beside other ways of answering.
    Fastpath(fastpath::Args),
    /// What clients see of a failover, beside other ways of keeping an address alive.
    Failover(failover::Args),
    /// What forged frames cost the agents, and whether clients notice.
    Attack(attack::Args),
    /// How long Services wait for their addresses, beside what the API server can take at all.
    Controller(controller::Args),
    /// What 100,000 Services and 1,000 nodes cost in pure code: time of decisions, memory; and the API load of the speakers.
    Scale(scale::Args),
}

/// Runs the verb.
///
/// # Errors
/// If something could not be measured. A goal that is missed is no error: it is printed.
pub fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Fastpath(args) => fastpath::run(args).map(drop),
        What::Failover(args) => failover::run(args).map(drop),
        What::Attack(args) => attack::run(args).map(drop),
        What::Controller(args) => controller::run(args).map(drop),
        What::Scale(args) => scale::run(args),
    }
}
