//! The measuring client on one bed: the speaker crate's example program `asker`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    beds::{Bed, target},
    plan::Plan,
    report::Family,
};
use crate::sh;

/// Sender addresses that are used in turn, all of them on the segment, as real clients are; each has one request under way
/// at a time, so that an answerer may take a third of a second before requests are held back.
const SENDERS: u32 = 150;
/// Requests without an answer at a time in a flood: enough that an answerer never waits for the client.
const IN_FLIGHT: u32 = 32;

/// What the asker accounts for; it tells more than is read here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Account {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) lost: u64,
    socket_drops: u64,
    pub(super) answers_per_second: u64,
    latency_ns: Option<Percentiles>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Percentiles {
    p50: u64,
    p99: u64,
}

impl Account {
    /// Time to an answer in microseconds: that which half are faster than, and that which 99 of 100 are faster than.
    pub(super) fn latency_us(&self) -> Option<[f64; 2]> {
        self.latency_ns.map(|Percentiles { p50, p99 }| [p50, p99].map(|ns| ns as f64 / 1000.0))
    }
}

/// Asks at a rate: single requests.
pub(super) fn singly(plan: &Plan, bed: &Bed, family: Family) -> Result<Account> {
    ask(plan, bed, family, &["--rate", &plan.rate.to_string(), "--count", &plan.requests.to_string()])
}

/// Asks as fast as answers come.
pub(super) fn flood(plan: &Plan, bed: &Bed, family: Family) -> Result<Account> {
    let duration = format!("{}ms", plan.flood.as_millis());
    ask(plan, bed, family, &["--flood", "--in-flight", &IN_FLIGHT.to_string(), "--duration", &duration])
}

/// Waits until the contender answers at all: a foreign responder says nothing when it is ready.
pub(super) fn warm_up(plan: &Plan, bed: &Bed, family: Family) -> Result<()> {
    crate::lab::eventually(Duration::from_secs(10), "the first answers", || {
        let account = ask(plan, bed, family, &["--rate", "100", "--count", "10"])?;
        ensure!(account.answered > 0, "{} does not answer {family}", bed.contender.name());
        Ok(())
    })
}

fn ask(plan: &Plan, bed: &Bed, family: Family, pace: &[&str]) -> Result<Account> {
    let sender = match family {
        Family::Arp => "192.0.2.21",
        Family::Ns => "2001:db8::1:1",
    };
    let mut command = bed.segment.client.namespace.command(plan.asker());
    command.args(["--interface", "eth0", "--address", &target(family).to_string(), "--source", sender]);
    command.args(["--sources", &SENDERS.to_string()]).args(pace);
    let account = parse(&sh::read(command)?)?;
    ensure!(account.socket_drops == 0, "the client missed answers that came: {account:?}");
    Ok(account)
}

fn parse(output: &str) -> Result<Account> {
    let last = output.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("read the asker's account in:\n{output}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_with_and_without_answers() {
        let line = |latency: &str| {
            format!(
                r#"{{"sent":9,"answered":8,"lost":1,"late":0,"socket_drops":0,"answers_per_second":70,"latency_ns":{latency}}}"#
            )
        };
        let account = parse(&line(r#"{"min":1,"p50":20500,"p99":90000}"#)).unwrap();
        assert_eq!(account.latency_us(), Some([20.5, 90.0]));
        assert_eq!(parse(&line("null")).unwrap().latency_us(), None);
        assert!(parse("asker: no such interface").is_err());
    }
}
