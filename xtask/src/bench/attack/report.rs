//! Everything a run finds out, as it is written to the JSON file.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::bench::common::{Goal, Machine};

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where and when.
    pub machine: Machine,
    /// Frames a second that were wanted of the attacker.
    pub rate: u32,
    /// A line for each kind of attack; the first is without any.
    pub lines: Vec<Line>,
    /// What was promised, and what came of it.
    pub goals: Vec<Goal>,
}

/// What the attacker sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Kind {
    /// Nothing: what everything costs anyway.
    None,
    /// Claims with tags of nodes that do not exist.
    Claims,
    /// Questions of speakers that do not exist.
    Questions,
    /// Gratuitous frames without a tag.
    Gratuitous,
    /// Solicitations that nobody may answer.
    Solicitations,
}

impl Kind {
    /// As the attacker's command line has it; `None` where nothing is sent.
    pub(super) fn argument(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Claims => Some("claims"),
            Self::Questions => Some("questions"),
            Self::Gratuitous => Some("gratuitous"),
            Self::Solicitations => Some("solicitations"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no attack",
            Self::Claims => "claims, invented tags",
            Self::Questions => "questions, invented nodes",
            Self::Gratuitous => "gratuitous, no tag",
            Self::Solicitations => "unanswerable NS",
        })
    }
}

/// One kind of attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was sent.
    pub kind: Kind,
    /// Frames that the attacker sent in a second.
    pub frames: f64,
    /// Share of one processor that the owner's agent used, per cent.
    pub owner_cpu: f64,
    /// The same of the busiest standby.
    pub standby_cpu: f64,
    /// Share of one processor in soft interrupts, of the whole machine with bridge, attacker and clients.
    pub softirq_cpu: f64,
    /// Frames that the busiest node sent in a second, answers to clients included.
    pub sent: f64,
    /// Requests of clients, and those without an answer, while the owner was there.
    pub requests: u64,
    /// Requests that nobody answered.
    pub lost: u64,
    /// The longest time without an answer when the owner was cut off, milliseconds.
    pub gap_ms: f64,
    /// Memory of the owner's agent when it was over, MiB.
    pub memory_mib: f64,
}
