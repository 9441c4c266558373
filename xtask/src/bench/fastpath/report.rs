//! Everything a run finds out, as it is written to the JSON file.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::bench::common::{Goal, Machine};

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where and when.
    pub machine: Machine,
    /// Nanoseconds per frame.
    pub frames: Frames,
    /// Answers, a line for each contender and family.
    pub answers: Vec<Answers>,
    /// Ordinary traffic, a line for each state of the interface.
    pub streams: Vec<Streams>,
    /// What was promised, and what came of it.
    pub goals: Vec<Goal>,
}

/// Nanoseconds per frame, as the benchmark program of the speaker's crate prints them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Frames {
    /// Runs in one reading.
    pub repeat: u32,
    /// Readings of each contender.
    pub readings: u32,
    /// Addresses of each family in the maps.
    pub loaded: u32,
    /// A line for each program, frame and hook.
    pub contenders: Vec<Cost>,
}

/// What a program costs on a frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// `xdp` or `tc`.
    pub hook: String,
    /// Program and frame.
    pub name: String,
    /// Length of the frame, bytes.
    pub frame: u32,
    /// From the fastest readings: noise only adds.
    pub ns: f64,
    /// From the median of its readings.
    pub median_ns: f64,
    /// Nine of ten readings are faster.
    pub p90_ns: f64,
}

impl Cost {
    /// One for tests.
    #[cfg(test)]
    pub(super) fn example(name: &str, ns: f64) -> Self {
        Self { hook: "xdp".to_owned(), name: name.to_owned(), frame: 48, ns, median_ns: ns, p90_ns: ns }
    }

    /// Which step of an answer the program adds, when it is one of those that do a part of it.
    pub(super) fn step(&self) -> Option<&str> {
        self.name.strip_prefix("step: ")
    }
}

impl Frames {
    /// The cost of a program on a frame.
    #[must_use]
    pub fn ns(&self, hook: &str, name: &str) -> Option<f64> {
        self.contenders.iter().find(|cost| cost.hook == hook && cost.name == name).map(|cost| cost.ns)
    }
}

/// Protocol family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// ARP.
    #[serde(rename = "ARP")]
    Arp,
    /// Neighbour discovery.
    #[serde(rename = "NS")]
    Ns,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Arp => "ARP",
            Self::Ns => "NS",
        })
    }
}

/// How a contender answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answers {
    /// Name of the contender.
    pub contender: String,
    /// What it is asked with.
    pub family: Family,
    /// Single requests on an idle machine.
    pub idle: Latency,
    /// The same beside busy processes.
    pub loaded: Latency,
    /// Requests as fast as they are answered.
    pub flood: Flood,
}

/// Time from request to answer; of several rounds the median of each figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the answers are faster.
    pub p50_us: f64,
    /// Ninety-nine of a hundred are.
    pub p99_us: f64,
    /// Requests sent, all rounds.
    pub sent: u64,
    /// Requests without an answer within a second, all rounds.
    pub lost: u64,
}

/// Requests as fast as they are answered; the median of several rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flood {
    /// Answers in a second, as far as the client keeps up.
    pub answers_per_second: f64,
    /// Processor time of the answering process beyond what it uses without requests; `None` when no process answers.
    pub agent_us: Option<f64>,
    /// Processor time in soft interrupts, of the whole machine, client and bridge included.
    pub softirq_us: f64,
    /// Requests without an answer within a second, all rounds.
    pub lost: u64,
}

/// Ordinary traffic into an interface; the medians of several rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Streams {
    /// What the interface carries.
    pub interface: String,
    /// Throughput of one TCP connection.
    pub tcp_gbit: f64,
    /// UDP packets of 64 bytes that arrive in a second.
    pub packets_per_second: f64,
}
