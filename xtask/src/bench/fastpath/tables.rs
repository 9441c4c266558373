//! The figures as tables.

use comfy_table::Table;

use super::report::{Answers, Frames, Latency, Streams};
use crate::bench::tables::{align, table};

/// Nanoseconds per frame, and the ratio to the empty program and to the bounce on frames of the same length.
pub(super) fn frames(frames: &Frames) -> Table {
    let mut table = table(&["hook", "program and frame", "ns", "of empty", "of bounce", "median", "p90"]);
    for cost in frames.contenders.iter().filter(|cost| cost.step().is_none()) {
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

/// What an answer is made of: programs that do one step more each time, at last the whole program.
pub(super) fn steps(frames: &Frames) -> Table {
    let mut table = table(&["an answer", "ns", "more", "of bounce"]);
    for (bounce, last, is_ns) in [("bounce", "answer", false), ("bounce, NS", "answer NS", true)] {
        let Some(floor) = frames.ns("xdp", bounce) else { continue };
        let mut before = floor;
        let steps =
            frames.contenders.iter().filter(|cost| cost.step().is_some() && cost.name.ends_with(", NS") == is_ns);
        let whole = frames.contenders.iter().filter(|cost| cost.hook == "xdp" && cost.name == last);
        table.add_row([bounce.to_owned(), format!("{floor:.1}"), String::new(), String::new()]);
        for cost in steps.chain(whole) {
            let name = cost.step().map_or_else(|| format!("{last}: entry, call, tag"), |step| format!("+ {step}"));
            let more = format!("{:+.1}", cost.ns - before);
            before = cost.ns;
            table.add_row([name, format!("{:.1}", cost.ns), more, format!("{:.2}", cost.ns / floor.max(0.1))]);
        }
    }
    align(table, 1)
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

#[cfg(test)]
mod tests {
    use super::{super::report::Cost, *};

    #[test]
    fn each_step_is_held_against_the_one_before() {
        let cost = Cost::example;
        let contenders = vec![
            cost("bounce", 20.0),
            cost("answer", 60.0),
            cost("step: headers", 22.0),
            cost("step: look-up", 45.0),
            cost("step: look-up, NS", 99.0),
        ];
        let all = Frames { repeat: 1, readings: 1, loaded: 1, contenders };
        let text = steps(&all).to_string();
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(line("+ look-up").contains("+23.0") && line("+ look-up").contains("2.25"), "{text}");
        assert!(line("answer: entry").contains("+15.0"), "{text}");
        assert!(!text.contains("99.0") && !frames(&all).to_string().contains("step"), "{text}");
    }
}
