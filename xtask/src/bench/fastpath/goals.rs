//! Pure: figures → what was promised of them.

use super::report::{Answers, Family, Frames, Goal, Latency};

/// Twice the same thing differs by this much between two measurements of a run.
const TOLERANCE: f64 = 1.05;
/// An answer that wakes a process costs it tens of microseconds; this much is below what the accounting resolves.
const NO_CPU_US: f64 = 0.1;

/// Judges a run.
pub(super) fn judge(frames: &Frames, answers: &[Answers]) -> Vec<Goal> {
    let mut goals = costs(frames);
    let find = |contender: &str, family: Family| {
        answers.iter().find(|answers| answers.contender == contender && answers.family == family)
    };
    for family in [Family::Arp, Family::Ns] {
        let (Some(ours), Some(kernel)) = (find("ours, native", family), find("kernel", family)) else { continue };
        for (state, ours, kernel) in [("idle", ours.idle, kernel.idle), ("loaded", ours.loaded, kernel.loaded)] {
            for (figure, pick) in [("p50", p50 as fn(&Latency) -> f64), ("p99", p99)] {
                let what = format!("{family}, {state}, {figure}: native beside the kernel");
                goals.push(goal(what, pick(&ours) / pick(&kernel).max(f64::MIN_POSITIVE), TOLERANCE));
            }
        }
    }
    for contender in ["ours, native", "ours, tcx"] {
        for family in [Family::Arp, Family::Ns] {
            if let Some(used) = find(contender, family).and_then(|answers| answers.flood.agent_us) {
                goals.push(goal(format!("{contender}, {family}: agent CPU per answer, µs"), used, NO_CPU_US));
            }
        }
    }
    goals
}

fn costs(frames: &Frames) -> Vec<Goal> {
    [
        ("ARP answer beside the bounce", "answer", "bounce", 2.5),
        ("NS answer beside the bounce", "answer NS", "bounce, NS", 3.2),
        ("IPv4 frame beside the empty program", "pass IPv4/TCP", "empty", 1.1),
        ("IPv6 frame beside the empty program", "pass IPv6/TCP", "empty, NS", 1.1),
    ]
    .into_iter()
    .filter_map(|(what, ours, floor, limit)| {
        let (ours, floor) = (frames.ns("xdp", ours)?, frames.ns("xdp", floor)?);
        // A run that is too short may find that nothing costs nothing: ratios stay finite.
        Some(goal(what.to_owned(), ours / floor.max(0.1), limit))
    })
    .collect()
}

fn p50(latency: &Latency) -> f64 {
    latency.p50_us
}

fn p99(latency: &Latency) -> f64 {
    latency.p99_us
}

fn goal(what: String, value: f64, limit: f64) -> Goal {
    Goal { what, value, limit, met: value <= limit }
}

#[cfg(test)]
mod tests {
    use super::{
        super::report::{Cost, Flood},
        *,
    };

    fn answers(contender: &str, p50_us: f64, agent_us: Option<f64>) -> Answers {
        let latency = Latency { p50_us, p99_us: 100.0, sent: 10, lost: 0 };
        let flood = Flood { answers_per_second: 1e4, agent_us, softirq_us: 9.0, lost: 0 };
        Answers { contender: contender.to_owned(), family: Family::Arp, idle: latency, loaded: latency, flood }
    }

    #[test]
    fn costs_are_compared_with_the_right_floor() {
        let cost = Cost::example;
        let contenders =
            vec![cost("empty", 30.0), cost("bounce", 40.0), cost("answer", 101.0), cost("pass IPv4/TCP", 33.0)];
        let frames = Frames { repeat: 1, readings: 1, loaded: 1, contenders };
        let goals = judge(&frames, &[]);
        assert_eq!(goals.iter().map(|goal| goal.met).collect::<Vec<_>>(), [false, true]);
        assert_eq!((goals[0].value, goals[1].limit), (2.525, 1.1));
    }

    #[test]
    fn the_kernel_and_idleness_are_the_measure() {
        let none = Frames { repeat: 1, readings: 1, loaded: 1, contenders: Vec::new() };
        let run = [
            answers("kernel", 20.0, None),
            answers("ours, native", 22.0, Some(0.01)),
            answers("ours, tcx", 9.0, Some(30.0)),
        ];
        let goals = judge(&none, &run);
        let met: Vec<_> = goals.iter().map(|goal| (goal.what.as_str(), goal.met)).collect();
        assert_eq!(
            met,
            [
                ("ARP, idle, p50: native beside the kernel", false),
                ("ARP, idle, p99: native beside the kernel", true),
                ("ARP, loaded, p50: native beside the kernel", false),
                ("ARP, loaded, p99: native beside the kernel", true),
                ("ours, native, ARP: agent CPU per answer, µs", true),
                ("ours, tcx, ARP: agent CPU per answer, µs", false),
            ]
        );
    }
}
