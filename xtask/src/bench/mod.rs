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
    /// Cost of a frame and time of an answer, beside the kernel's own ARP.
    Fastpath(fastpath::Args),
    /// Gap that clients see in a failover, beside keepalived.
    Failover(failover::Args),
    /// Cost of forged frames for agents and clients.
    Attack(attack::Args),
    /// Time until Services have addresses, beside a plain writer to the API server.
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
