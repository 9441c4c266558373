//! Pure: figures → what was promised of them.

use super::report::{Kind, Line};
use crate::bench::common::Goal;

/// Share of one processor that an agent may use, per cent.
const CPU: f64 = 5.0;
/// Milliseconds without an answer after the owner is cut off, default pace; see the benchmark of failovers.
const GAP_MS: f64 = 250.0;

/// Judges a run.
pub(super) fn judge(lines: &[Line]) -> Vec<Goal> {
    let attacks = lines.iter().filter(|line| line.kind != Kind::None);
    attacks
        .flat_map(|line| {
            let name = |what: &str| format!("{}: {what}", line.kind);
            [
                goal(name("agent, % of a processor"), line.owner_cpu.max(line.standby_cpu), CPU),
                goal(name("requests lost"), line.lost as f64, 0.0),
                goal(name("owner cut off: gap, ms"), line.gap_ms, GAP_MS),
            ]
        })
        .collect()
}

fn goal(what: String, value: f64, limit: f64) -> Goal {
    Goal { what, value, limit, met: value <= limit }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn line(kind: Kind) -> Line {
        Line {
            kind,
            frames: 99_000.0,
            owner_cpu: 1.5,
            standby_cpu: 4.0,
            softirq_cpu: 80.0,
            sent: 300.0,
            requests: 2000,
            lost: 0,
            gap_ms: 140.0,
            memory_mib: 20.0,
        }
    }

    #[test]
    fn an_attack_is_held_against_stated_limits_and_peace_is_not() {
        assert!(judge(&[line(Kind::None)]).is_empty());
        let met = |line| judge(&[line]).into_iter().map(|goal| goal.met).collect::<Vec<_>>();
        assert_eq!(met(line(Kind::Claims)), [true, true, true]);
        let hurt = Line { standby_cpu: 5.1, lost: 1, gap_ms: 251.0, ..line(Kind::Claims) };
        assert_eq!(met(hurt), [false, false, false]);
    }
}
