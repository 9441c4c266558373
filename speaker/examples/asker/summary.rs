//! What is printed at the end.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::IpAddr,
};

use serde::Serialize;

use crate::{doubles::Double, gaps::Gap};

/// Another node answers than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) address: IpAddr,
    /// Nanoseconds from the beginning.
    pub(crate) at_ns: u64,
    pub(crate) from: Option<String>,
    pub(crate) to: String,
}

/// Nanoseconds between request and answer; absent when there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Latency {
    pub(crate) min: u64,
    pub(crate) mean: u64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Latency {
    /// By nearest rank.
    pub(crate) fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let rank = |per_mille: usize| (values.len() * per_mille).div_ceil(1000).saturating_sub(1);
        let count = u128::try_from(values.len()).ok()?;
        let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
        Some(Self {
            min: *values.first()?,
            mean: u64::try_from(sum.checked_div(count)?).ok()?,
            p50: values[rank(500)],
            p90: values[rank(900)],
            p99: values[rank(990)],
            p999: values[rank(999)],
            max: *values.last()?,
        })
    }
}

/// One line of JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) interface: String,
    pub(crate) mac: String,
    pub(crate) addresses: usize,
    /// Sender addresses used in turn.
    pub(crate) sources: usize,
    /// Wall clock at the beginning, nanoseconds since 1970; all other times count from there.
    pub(crate) began_unix_ns: u64,
    /// From the first request to the last, and on to the end of waiting for answers.
    pub(crate) sending_ns: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    /// Further answers to an answered request.
    pub(crate) duplicates: u64,
    /// Answers that came after the timeout; their requests are lost.
    pub(crate) late: u64,
    /// Answers to nobody's request: claims, and answers to others.
    pub(crate) unasked: u64,
    /// Requests that were not sent because every sender address waited for an answer.
    pub(crate) held: u64,
    /// Requests that the interface refused.
    pub(crate) send_failures: u64,
    /// Answers that the asker's own sockets dropped because it did not read in time: with any, `lost` says too much.
    pub(crate) socket_drops: u64,
    pub(crate) answers_per_second: u64,
    /// MAC to number of answers, duplicates included.
    pub(crate) answerers: BTreeMap<String, u64>,
    pub(crate) changes: Vec<Change>,
    pub(crate) latency_ns: Option<Latency>,
    /// The longest time without an answer, from the first unanswered request on.
    pub(crate) longest_gap_ns: u64,
    pub(crate) longest_gap: Option<Gap>,
    /// Gaps longer than asked, and how many there were.
    pub(crate) gaps: Vec<Gap>,
    pub(crate) gap_count: u64,
    /// Requests that two different MACs answered.
    pub(crate) doubled: u64,
    /// The longest time, and the sum of all, in which every request for an address was answered by two.
    pub(crate) longest_double_ns: u64,
    pub(crate) total_double_ns: u64,
    /// These times, and how many there were.
    pub(crate) doubles: Vec<Double>,
    pub(crate) double_count: u64,
    /// Addresses that were never answered: how many, and the first of them.
    pub(crate) silent: usize,
    pub(crate) silent_addresses: Vec<IpAddr>,
}

impl Summary {
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let latency = Latency::of((1..=1000).rev().collect()).unwrap();
        assert_eq!(
            (latency.min, latency.p50, latency.p90, latency.p99, latency.p999, latency.max),
            (1, 500, 900, 990, 999, 1000)
        );
        assert_eq!(latency.mean, 500);
        let one = Latency::of(vec![7]).unwrap();
        assert_eq!((one.min, one.p50, one.p99, one.max), (7, 7, 7, 7));
        assert_eq!(Latency::of(vec![]), None);
    }
}
