//! Pure: figures → what was promised of them.

use super::report::{Line, Phase};
use crate::bench::common::Goal;

/// Addresses a second that another controller reached on such a machine, ten times that.
const LEAST_RATE: f64 = 230.0;
/// Of the plain writer's rate.
const SHARE: f64 = 0.8;
/// Milliseconds from creation to address, as long as creation itself keeps up.
const LAG: f64 = 1000.0;
/// MiB at up to 10,000 Services: the controller, a speaker.
const MEMORY: [f64; 2] = [100.0, 30.0];

/// Judges a run; what was not measured is not judged.
pub(super) fn judge(lines: &[Line]) -> Vec<Goal> {
    lines.iter().filter(|line| line.ours).flat_map(|ours| of(ours, lines)).collect()
}

fn of(ours: &Line, lines: &[Line]) -> Vec<Goal> {
    let name = |what: &str| format!("{} {}: {what}", ours.services, ours.phase);
    let mut goals = Vec::new();
    if ours.phase == Phase::Existing {
        let plain = lines.iter().find(|line| line.is_yardstick() && line.services == ours.services);
        if let Some(plain) = plain {
            // Both with their Announcements. Stated as times, so that less is better as everywhere.
            let all = ours.total_ms.max(ours.announced_ms);
            goals.push(goal(name("time beside the plain writer's"), all / plain.total_ms, 1.0 / SHARE));
        }
        goals.push(goal(name("ms for each address"), 1000.0 / ours.rate(), 1000.0 / LEAST_RATE));
    }
    if let Some([median, ..]) = ours.lag_ms {
        goals.push(goal(name("lag, median, ms"), median, LAG));
    }
    for ((who, value), limit) in ["controller", "speaker"].into_iter().zip(ours.memory_mib).zip(MEMORY) {
        goals.push(goal(name(&format!("memory of the {who}, MiB")), value, limit));
    }
    goals
}

impl Line {
    /// The plain writer's, who only writes to what exists.
    fn is_yardstick(&self) -> bool {
        self.contender == super::contenders::PLAIN && self.phase == Phase::Existing
    }
}

fn goal(what: String, value: f64, limit: f64) -> Goal {
    Goal { what, value, limit, met: value <= limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(contender: &str, phase: Phase, total_ms: f64, lag: Option<f64>) -> Line {
        Line {
            contender: contender.to_owned(),
            ours: contender == "ours",
            phase,
            services: 1000,
            total_ms,
            created_ms: 0.0,
            announced_ms: 0.0,
            lag_ms: lag.map(|median| [median; 3]),
            curve: Vec::new(),
            writes: 2.0,
            cpu_s: [0.0; 2],
            memory_mib: [50.0, 31.0],
        }
    }

    #[test]
    fn ours_is_held_against_the_plain_writer_of_the_same_run() {
        let plain = line(super::super::contenders::PLAIN, Phase::Existing, 4000.0, None);
        for (total_ms, met) in [(4999.0, true), (5001.0, false)] {
            let goals = judge(&[plain.clone(), line("ours", Phase::Existing, total_ms, None)]);
            let beside = goals.iter().find(|goal| goal.what.contains("plain writer")).unwrap();
            assert_eq!(beside.met, met, "{total_ms}");
        }
    }

    #[test]
    fn memory_and_lag_have_limits_of_their_own() {
        let goals = judge(&[line("ours", Phase::Created, 1.0, Some(999.0))]);
        let met: Vec<_> = goals.iter().map(|goal| goal.met).collect();
        assert_eq!(met, [true, true, false], "{goals:?}");
        assert!(judge(&[line("else", Phase::Created, 1.0, Some(5000.0))]).is_empty());
    }
}
