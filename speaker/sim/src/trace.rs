//! What happened, for people.

use std::collections::VecDeque;

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, Flags},
    wire::Mac,
};
use arpeggio_succession::Role;

use crate::{
    frame::{Frame, Says},
    node::{Deeds, spot},
    wire::Station,
};

/// The lines of a schedule, the last of them, or none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    most: usize,
    frames: bool,
}

impl Trace {
    /// Keeps the last so many lines; with 0 nothing is written at all. `frames`: also what is sent and heard.
    pub(crate) fn last(most: usize, frames: bool) -> Self {
        Self { lines: VecDeque::new(), most, frames }
    }

    /// One line.
    pub(crate) fn note(&mut self, at_ns: u64, text: impl FnOnce() -> String) {
        if self.most == 0 {
            return;
        }
        if self.lines.len() == self.most {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>12.6}  {}", seconds(at_ns), text()));
    }

    /// What an agent did.
    pub(crate) fn deeds(&mut self, at_ns: u64, station: Station, deeds: &Deeds) {
        if deeds.lapsed {
            self.note(at_ns, || format!("{station}: finds its lease over"));
        }
        for ((port, address), before, after) in &deeds.changes {
            self.note(at_ns, || {
                let before = before.map_or_else(|| "none".to_owned(), name);
                format!("{station}.{port}: entry {address}: {before} -> {}", name(*after))
            });
        }
        for report in &deeds.reports {
            self.note(at_ns, || {
                let ((port, address), happened, cause) = (spot(report.place), report.happened, report.cause);
                let other = report.other.map_or_else(String::new, |other| format!(", other {}", station_of(other.mac)));
                format!("{station}.{port}: reports {address}: {happened:?} because {cause:?}{other}")
            });
        }
        for (port, frame) in deeds.frames.iter().filter(|_| self.frames).copied().collect::<Vec<_>>() {
            self.note(at_ns, || {
                let to = frame.to.map_or_else(|| "all".to_owned(), |to| station_of(to).to_string());
                format!("{station}.{port}: sends {:?} to {to}", frame.says)
            });
        }
    }

    /// A frame that arrived.
    pub(crate) fn frame(&mut self, at_ns: u64, station: Station, frame: &Frame) {
        if self.frames && !matches!(frame.says, Says::Request(..) | Says::Noise) {
            self.note(at_ns, || {
                format!("        {station} hears {:?} from {}", frame.says, station_of(frame.from.mac))
            });
        }
    }

    /// All that was kept.
    pub(crate) fn lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// An entry in a word.
fn name(role: Role) -> String {
    match role.action {
        Action::Answer if role.flags.contains(Flags::EVACUATING) => "leaving".to_owned(),
        Action::Answer if role.buckets == ALL_BUCKETS => "owner".to_owned(),
        Action::Answer => format!("shares {:016x}", role.buckets),
        Action::Suppress => "silent".to_owned(),
        Action::Observe => "observer".to_owned(),
    }
}

/// The number of a station as its MAC tells.
const fn station_of(mac: Mac) -> u8 {
    mac.0[5]
}

/// Nanoseconds as seconds.
fn seconds(ns: u64) -> f64 {
    std::time::Duration::from_nanos(ns).as_secs_f64()
}
