//! Asks for addresses again and again, as clients do, and tells exactly what was answered, by whom, how fast, and what was
//! lost: the measuring client of the tests, the demo and the bench.
//!
//! ARP requests and neighbour solicitations carry no sequence number that every host echoes, so a request is known by its
//! target *and its sender address*: of each pair at most one is in flight. At a rate, as many sender addresses are used in
//! turn as requests can be in flight before they time out; so every answer belongs to exactly one request, even after
//! seconds of silence, and a second answer to it is a duplicate. `--sources 1` asks like one single client.
//!
//! A request is lost when its answer did not *arrive* within the timeout: arrival is stamped by the kernel, so a late asker
//! never counts its own lateness. It sends on an absolute schedule: what it could not send in time it sends as soon as it
//! can.

mod doubles;
mod driver;
mod gaps;
mod ledger;
mod message;
mod options;
mod station;
mod summary;

use clap::Parser;

use crate::{driver::Driver, options::Args, station::Station};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let station = Station::find(&args.interface)?;
    let work = args.work()?;
    let summary = Driver::new(&station, work)?.run()?;
    summary.print()?;
    Ok(())
}
