//! Everything a run finds out, as it is written to the JSON file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bench::common::{Goal, Machine};

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where and when.
    pub machine: Machine,
    /// A line for each contender and phase.
    pub lines: Vec<Line>,
    /// What was promised, and what came of it.
    pub goals: Vec<Goal>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The Services are there before the contender begins.
    Existing,
    /// They are made while it runs.
    Created,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Existing => "existing",
            Self::Created => "created",
        })
    }
}

/// One contender in one phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Name of the contender.
    pub contender: String,
    /// Whether it is our controller.
    pub ours: bool,
    /// The phase of the measurement.
    pub phase: Phase,
    /// How many Services.
    pub services: u32,
    /// From the start (or the first creation) until the last Service had its address, milliseconds.
    pub total_ms: f64,
    /// How long the creations alone took, milliseconds; 0 where none were measured.
    pub created_ms: f64,
    /// From the start until the last Announcement was there, milliseconds; 0 where nobody looked.
    pub announced_ms: f64,
    /// From the creation of a Service to its address: median, 99th percentile, worst; milliseconds.
    pub lag_ms: Option<[f64; 3]>,
    /// Milliseconds until one hundredth, two hundredths, … of the Services had an address.
    pub curve: Vec<f64>,
    /// Objects written to the API server for each Service, leases left out; by whomever, the creations themselves left out.
    pub writes: f64,
    /// Seconds of processor time: the contender, and one speaker (the busiest).
    pub cpu_s: [f64; 2],
    /// Resident memory at the end, MiB: the contender, and one speaker (the largest).
    pub memory_mib: [f64; 2],
}

impl Line {
    /// Services that got an address in a second.
    pub fn rate(&self) -> f64 {
        f64::from(self.services) * 1000.0 / self.total_ms.max(f64::MIN_POSITIVE)
    }
}
