//! `cargo xtask bench scale`: what a large cluster costs the controller in pure code, and all speakers together the API server.
//!
//! `controller/benches/scale.rs` measures: objects of the API go into the index, a decision comes out, its writes come back. There is no API
//! server, so times are of the processor alone.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{common::Goal, tables};
use crate::{build, sh, ui};

/// Times of decisions, milliseconds: from nothing, one change, one node that goes.
const TIMES: [f64; 3] = [1500.0, 1.0, 200.0];
/// Bytes for each Service of type LoadBalancer, with its slice, Announcement and report.
const BYTES: f64 = 5.0 * 1024.0;
/// MiB of the heap with 10,000 Services of type LoadBalancer and as many others.
const BESIDE: f64 = 90.0;
/// Writes a second of all speakers together, at rest.
const WRITES: f64 = 60.0;
/// How long a watch of a speaker lasts, and how many it has.
const WATCH: (Duration, f64) = (Duration::from_secs(60), 3.0);
/// How often a speaker counts the others.
const COUNTING: Duration = Duration::from_secs(300);

/// `cargo xtask bench scale`.
#[derive(clap::Args)]
pub struct Args {
    /// 1,000 Services and 50 nodes, with the profile of the tests: shows that it works.
    #[arg(long)]
    pub quick: bool,
    /// Services of type LoadBalancer.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub services: u32,
    /// Nodes.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub nodes: u32,
}

/// What one run of the benchmark prints.
#[derive(Clone, Debug, Default, Deserialize)]
struct Figures {
    services: u32,
    nodes: u32,
    others: u32,
    from_nothing_ms: f64,
    again_ms: f64,
    one_change_ms: f64,
    node_gone_ms: f64,
    settled_kib: f64,
    bytes_per_service: f64,
    /// Leases that the speakers of so many nodes write in a second.
    lease_writes: f64,
}

/// Measures and prints the table.
///
/// # Errors
/// If something does not compile or cannot be measured.
pub fn run(args: &Args) -> Result<()> {
    let (services, nodes) = if args.quick { (1_000, 50) } else { (args.services, args.nodes) };
    let small = services.min(10_000);
    let mut all = Vec::new();
    for (services, nodes, others) in [(services, nodes, 0), (small, 3, 0), (small, 3, small)] {
        all.push(measure(args.quick, [services, nodes, others])?);
    }
    ui::heading("controller");
    ui::say(lines(&all));
    ui::heading("goals");
    let goals = judge(&all);
    ui::say(tables::goals(&goals));
    let reads = reads(nodes);
    ui::say(format_args!("{nodes} speakers at rest also read: {reads:.1} requests a second"));
    Ok(())
}

fn measure(quick: bool, numbers: [u32; 3]) -> Result<Figures> {
    let mut command = build::cargo("bench", if quick { "dev" } else { "release" });
    command.args(["--quiet", "--bench", "scale", "--"]).args(numbers.map(|number| number.to_string()));
    let printed = sh::read(command)?;
    serde_json::from_str(&printed).with_context(|| format!("the benchmark printed no figures:\n{printed}"))
}

/// Requests a second by which all speakers read at rest: watches that are begun anew, and the count of speakers.
fn reads(nodes: u32) -> f64 {
    f64::from(nodes) * (WATCH.1 / WATCH.0.as_secs_f64() + 1.0 / COUNTING.as_secs_f64())
}

fn lines(all: &[Figures]) -> comfy_table::Table {
    let header = [
        "Services",
        "nodes",
        "others",
        "from nothing, ms",
        "again, ms",
        "one change, ms",
        "a node gone, ms",
        "MiB",
        "bytes each",
    ];
    let mut table = tables::table(&header);
    for one in all {
        let mut row = vec![one.services.to_string(), one.nodes.to_string(), one.others.to_string()];
        let figures =
            [one.from_nothing_ms, one.again_ms, one.one_change_ms, one.node_gone_ms, one.settled_kib / 1024.0];
        row.extend(figures.map(|figure| format!("{figure:.2}")));
        row.push(format!("{:.0}", one.bytes_per_service));
        table.add_row(row);
    }
    tables::align(table, 0)
}

fn judge(all: &[Figures]) -> Vec<Goal> {
    let [large, small, beside] = all else { return Vec::new() };
    let name = |what: &str, of: &Figures| format!("{} Services: {what}", of.services);
    vec![
        goal(name("from nothing, ms", large), large.from_nothing_ms, TIMES[0]),
        goal(name("one change, ms", large), large.one_change_ms, TIMES[1]),
        goal(name("a node gone, ms", large), large.node_gone_ms, TIMES[2]),
        goal(name("bytes each", small), small.bytes_per_service, BYTES),
        goal(name("MiB with as many others", beside), beside.settled_kib / 1024.0, BESIDE),
        goal(format!("{} speakers: leases written a second", large.nodes), large.lease_writes, WRITES),
    ]
}

fn goal(what: String, value: f64, limit: f64) -> Goal {
    Goal { what, value, limit, met: value <= limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_can_be_missed() {
        let bad = Figures {
            services: 10,
            from_nothing_ms: 1501.0,
            one_change_ms: 1.1,
            node_gone_ms: 201.0,
            settled_kib: 91.0 * 1024.0,
            bytes_per_service: 5121.0,
            lease_writes: 61.0,
            ..Figures::default()
        };
        let all = [bad.clone(), bad.clone(), bad];
        assert_eq!(judge(&all).iter().filter(|goal| !goal.met).count(), 6);
        assert!(judge(&[Figures::default(), Figures::default(), Figures::default()]).iter().all(|goal| goal.met));
    }

    #[test]
    fn a_thousand_speakers_read_little_at_rest() {
        assert!((53.0..54.0).contains(&reads(1_000)));
    }
}
