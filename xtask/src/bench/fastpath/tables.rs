//! The figures as tables.

use comfy_table::Table;

use super::report::{Answers, Frames, Latency, Streams};
use crate::bench::tables::{align, table};

/// Nanoseconds per frame, and the ratio to the empty program and to the bounce on frames of the same length.
pub(super) fn frames(frames: &Frames) -> Table {
    let mut table = table(&["hook", "program and frame", "ns", "of empty", "of bounce", "median", "p90"]);
    for cost in &frames.contenders {
        let floor = |name: &str| {
            let same = |other: &&super::report::Cost| {
                other.hook == cost.hook && other.frame == cost.frame && other.name.starts_with(name)
            };
            let floor = frames.contenders.iter().find(same).map(|other| other.ns)?;
            (floor > 0.0).then(|| format!("{:.2}", cost.ns / floor))
        };
        let ratio = |name| floor(name).unwrap_or_default();
        let numbers = [cost.ns, cost.median_ns, cost.p90_ns].map(|ns| format!("{ns:.1}"));
        let [ns, median, p90] = numbers;
        table.add_row([cost.hook.clone(), cost.name.clone(), ns, ratio("empty"), ratio("bounce"), median, p90]);
    }
    align(table, 2)
}

/// Latency, rate and processor time of every contender.
pub(super) fn answers(answers: &[Answers]) -> Table {
    let mut table = table(&[
        "who answers",
        "asked by",
        "idle p50 µs",
        "p99",
        "loaded p50 µs",
        "p99",
        "answers/s",
        "agent µs",
        "softirq µs",
        "lost",
    ]);
    for line in answers {
        let Latency { p50_us, p99_us, .. } = line.idle;
        let lost = line.idle.lost + line.loaded.lost + line.flood.lost;
        table.add_row([
            line.contender.clone(),
            line.family.to_string(),
            format!("{p50_us:.1}"),
            format!("{p99_us:.1}"),
            format!("{:.1}", line.loaded.p50_us),
            format!("{:.1}", line.loaded.p99_us),
            format!("{:.0}", line.flood.answers_per_second),
            line.flood.agent_us.map_or_else(|| "-".to_owned(), |us| format!("{us:.2}")),
            format!("{:.2}", line.flood.softirq_us),
            lost.to_string(),
        ]);
    }
    align(table, 2)
}

/// Ordinary traffic, and the ratio to an interface without a program.
pub(super) fn streams(streams: &[Streams]) -> Table {
    let mut table = table(&["the interface carries", "TCP Gbit/s", "of none", "64-byte packets/s", "of none"]);
    let Some(bare) = streams.first() else { return table };
    for line in streams {
        table.add_row([
            line.interface.clone(),
            format!("{:.2}", line.tcp_gbit),
            format!("{:.2}", line.tcp_gbit / bare.tcp_gbit),
            format!("{:.0}", line.packets_per_second),
            format!("{:.2}", line.packets_per_second / bare.packets_per_second),
        ]);
    }
    align(table, 1)
}
