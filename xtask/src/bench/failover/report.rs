//! Everything a run finds out, as it is written to the JSON file.

use serde::{Deserialize, Serialize};

pub use super::timeline::Point;
use super::{faults::Fault, timeline::Curve};
use crate::bench::common::{Goal, Machine};

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where and when.
    pub machine: Machine,
    /// A line for each contender and fault.
    pub lines: Vec<Line>,
    /// What was promised, and what came of it.
    pub goals: Vec<Goal>,
}

/// One contender under one fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Name of the contender.
    pub contender: String,
    /// Between two signs of life, milliseconds; 0 when it is not known.
    pub interval_ms: f64,
    /// Whether it is ours.
    pub ours: bool,
    /// The fault.
    pub fault: Fault,
    /// Every repetition.
    pub trials: Vec<Trial>,
    /// The gap that clients saw: the longer of both streams, milliseconds.
    pub gap_ms: Spread,
    /// Packets lost in a repetition.
    pub packets_lost: Spread,
    /// The longest time in which two nodes answered, milliseconds.
    pub double_ms: Spread,
    /// What became of requests by the time since the fault.
    pub curve: Vec<Point>,
}

/// What two clients saw of one repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The longest time without an answer, milliseconds.
    pub answer_gap_ms: f64,
    /// The longest time without an echo, milliseconds.
    pub packet_gap_ms: f64,
    /// Requests sent, and those without an answer.
    pub requests: u64,
    /// Requests that nobody answered.
    pub requests_lost: u64,
    /// Packets sent.
    pub packets: u64,
    /// Packets without an echo.
    pub packets_lost: u64,
    /// The longest time in which two nodes answered every request, milliseconds.
    pub double_ms: f64,
    /// How often another node began to answer.
    pub takeovers: usize,
}

/// Some figures of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half are at most this.
    pub median: f64,
    /// Ninety-nine of a hundred are at most this; with fewer than a hundred, the worst.
    pub p99: f64,
    /// The largest.
    pub worst: f64,
}

impl Spread {
    /// By nearest rank; of nothing, nothing.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let rank = |percent: usize| (values.len() * percent).div_ceil(100).saturating_sub(1);
        let value = |percent| values.get(rank(percent)).copied().unwrap_or(0.0);
        Self { median: value(50), p99: value(99), worst: value(100) }
    }
}

impl Trial {
    /// The gap that clients saw: requests for the address and packets to it are both what clients do.
    #[must_use]
    pub fn gap_ms(&self) -> f64 {
        self.answer_gap_ms.max(self.packet_gap_ms)
    }
}

/// Who, under what.
pub(super) struct Heading {
    pub(super) contender: String,
    pub(super) interval_ms: f64,
    pub(super) ours: bool,
    pub(super) fault: Fault,
}

impl Line {
    /// Sums up the repetitions.
    pub(super) fn new(heading: Heading, trials: Vec<Trial>, curve: &Curve) -> Self {
        let Heading { contender, interval_ms, ours, fault } = heading;
        Self {
            contender,
            interval_ms,
            ours,
            fault,
            gap_ms: Spread::of(trials.iter().map(Trial::gap_ms)),
            packets_lost: Spread::of(trials.iter().map(|trial| trial.packets_lost as f64)),
            double_ms: Spread::of(trials.iter().map(|trial| trial.double_ms)),
            curve: curve.points(),
            trials,
        }
    }

    /// Takeovers of all repetitions.
    #[must_use]
    pub fn takeovers(&self) -> usize {
        self.trials.iter().map(|trial| trial.takeovers).sum()
    }

    /// Requests and packets lost, of all repetitions.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.trials.iter().map(|trial| trial.requests_lost + trial.packets_lost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let twenty = Spread::of((1..=20).rev().map(f64::from));
        assert_eq!(twenty, Spread { median: 10.0, p99: 20.0, worst: 20.0 });
        let many = Spread::of((1..=200).map(f64::from));
        assert_eq!(many, Spread { median: 100.0, p99: 198.0, worst: 200.0 });
        assert_eq!(Spread::of([7.0]), Spread { median: 7.0, p99: 7.0, worst: 7.0 });
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn a_line_sums_up_both_streams() {
        let trial = |answer_gap_ms, packet_gap_ms, packets_lost| Trial {
            answer_gap_ms,
            packet_gap_ms,
            packets_lost,
            requests_lost: 1,
            takeovers: 1,
            ..Trial::default()
        };
        let trials = vec![trial(150.0, 170.0, 80), trial(160.0, 90.0, 40), trial(10.0, 11.0, 0)];
        let heading = Heading { contender: "a".to_owned(), interval_ms: 50.0, ours: true, fault: Fault::LinkCut };
        let line = Line::new(heading, trials, &Curve::default());
        assert_eq!(line.gap_ms, Spread { median: 160.0, p99: 170.0, worst: 170.0 });
        assert_eq!((line.packets_lost.median, line.packets_lost.worst), (40.0, 80.0));
        assert_eq!((line.takeovers(), line.lost()), (3, 123));
    }
}
