//! Pure: figures → what was promised of them.

use super::{faults::Fault, report::Line};
use crate::bench::common::Goal;

/// The same thing measured twice in a run differs by this much.
const TOLERANCE: f64 = 1.05;
/// Within a request's distance, times cannot be told apart: a second answer takes as long as an answer takes.
const RESOLUTION_MS: f64 = 2.0;

/// Judges a run; what was not measured is not judged.
pub(super) fn judge(lines: &[Line]) -> Vec<Goal> {
    let mut goals = node_loss(lines);
    goals.extend(beside_keepalived(lines));
    for line in lines.iter().filter(|line| line.ours) {
        let name = |what: &str| format!("{}, {}: {what}", line.fault, line.contender);
        match line.fault {
            Fault::Idle | Fault::Busy => goals.push(goal(name("false failovers"), line.takeovers() as f64, 0.0)),
            Fault::Evacuated | Fault::Restarted => {
                goals.push(goal(name("requests and packets lost"), line.lost() as f64, 0.0));
            }
            Fault::LinkCut | Fault::Killed | Fault::Frozen => {}
        }
    }
    goals.extend(two_answerers(lines));
    goals
}

/// The gap after a node is lost.
fn node_loss(lines: &[Line]) -> Vec<Goal> {
    [("ours, default", 250.0), ("ours, fast", 100.0), ("ours, fastest", 40.0)]
        .into_iter()
        .filter_map(|(contender, limit)| {
            let line = find(lines, contender)?;
            Some(goal(format!("link cut, {contender}: gap, p99, ms"), line.gap_ms.p99, limit))
        })
        .collect()
}

/// Ours and keepalived with the same time between signs of life.
fn beside_keepalived(lines: &[Line]) -> Vec<Goal> {
    let cut = |line: &&Line| line.fault == Fault::LinkCut;
    lines
        .iter()
        .filter(cut)
        .filter(|line| line.ours)
        .filter_map(|ours| {
            let theirs = lines.iter().filter(cut).find(|line| {
                line.contender.starts_with("keepalived") && (line.interval_ms - ours.interval_ms).abs() < 0.5
            })?;
            let what = format!("link cut, {} beside {}: median", ours.contender, theirs.contender);
            Some(goal(what, ours.gap_ms.median / theirs.gap_ms.median.max(f64::MIN_POSITIVE), TOLERANCE))
        })
        .collect()
}

/// The worst of all faults, for each of ours.
fn two_answerers(lines: &[Line]) -> Vec<Goal> {
    let mut contenders: Vec<(&str, f64)> = Vec::new();
    for line in lines.iter().filter(|line| line.ours) {
        if !contenders.iter().any(|(name, _)| *name == line.contender) {
            contenders.push((&line.contender, line.interval_ms));
        }
    }
    contenders
        .into_iter()
        .map(|(name, interval_ms)| {
            let worst = lines.iter().filter(|line| line.contender == name).map(|line| line.double_ms.worst);
            let worst = worst.fold(0.0, f64::max);
            goal(format!("{name}: two answerers, worst of all, ms"), worst, interval_ms.max(RESOLUTION_MS))
        })
        .collect()
}

fn find<'a>(lines: &'a [Line], contender: &str) -> Option<&'a Line> {
    lines.iter().find(|line| line.fault == Fault::LinkCut && line.contender == contender)
}

fn goal(what: String, value: f64, limit: f64) -> Goal {
    Goal { what, value, limit, met: value <= limit }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            report::{Heading, Trial},
            timeline::Curve,
        },
        *,
    };

    fn line(contender: &str, interval_ms: f64, fault: Fault, trial: Trial) -> Line {
        let ours = contender.starts_with("ours");
        let heading = Heading { contender: contender.to_owned(), interval_ms, ours, fault };
        Line::new(heading, vec![trial], &Curve::default())
    }

    fn gap(answer_gap_ms: f64) -> Trial {
        Trial { answer_gap_ms, ..Trial::default() }
    }

    fn judged(lines: &[Line]) -> Vec<(String, bool)> {
        judge(lines).into_iter().map(|goal| (goal.what, goal.met)).collect()
    }

    #[test]
    fn node_loss_has_a_limit_for_each_preset_and_keepalived_beside_it() {
        let judged = judged(&[
            line("ours, default", 50.0, Fault::LinkCut, gap(170.0)),
            line("ours, fastest", 10.0, Fault::LinkCut, gap(41.0)),
            line("keepalived, 10 ms", 10.0, Fault::LinkCut, gap(36.0)),
        ]);
        let expected = [
            ("link cut, ours, default: gap, p99, ms", true),
            ("link cut, ours, fastest: gap, p99, ms", false),
            ("link cut, ours, fastest beside keepalived, 10 ms: median", false),
            ("ours, default: two answerers, worst of all, ms", true),
            ("ours, fastest: two answerers, worst of all, ms", true),
        ];
        assert_eq!(judged, expected.map(|(what, met)| (what.to_owned(), met)));
    }

    #[test]
    fn quiet_times_evacuations_and_restarts_cost_nothing() {
        let lost = Trial { packets_lost: 1, ..Trial::default() };
        let failover = Trial { takeovers: 1, double_ms: 60.0, ..Trial::default() };
        let judged = judged(&[
            line("ours, default", 50.0, Fault::Busy, failover),
            line("ours, default", 50.0, Fault::Idle, gap(3.0)),
            line("ours, default", 50.0, Fault::Evacuated, lost),
            line("ours, default", 50.0, Fault::Restarted, Trial { takeovers: 1, ..Trial::default() }),
            line("keepalived, 1 s", 1000.0, Fault::Restarted, lost),
        ]);
        assert_eq!(judged.iter().map(|(_, met)| *met).collect::<Vec<_>>(), [false, true, false, true, false]);
        assert!(judged[4].0.contains("two answerers"), "{judged:?}");
    }
}
