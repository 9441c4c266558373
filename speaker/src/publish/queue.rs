//! Pure: when each difference is written. Bounded, the latest wins, and nothing is repeated quickly.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Writes that are under way at once.
pub const AT_ONCE: usize = 4;
/// Milliseconds in which the watch shows what was written; until then a difference is an echo that is still to come.
const ECHO_MS: u64 = 1_000;
/// Milliseconds of the longest pause between two contradictions of another node.
const LONGEST_MS: u64 = 60_000;
/// Milliseconds after which a quarrel is forgotten.
const FORGOTTEN_MS: u64 = 180_000;

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is there.
    Written {
        /// Over what another node said.
        contradicted: bool,
    },
    /// The server refused this one, because of what it is or because it is gone.
    Refused,
    /// The server did not answer, or cannot now: nothing else would get through either.
    Unanswered,
    /// Nothing was left to write.
    Needless,
}

/// What happened to one address lately.
#[derive(Clone, Copy, Debug, Default)]
struct WriteHistory {
    /// Contradictions, or refusals, one after another.
    times: u32,
    at_ms: u64,
    not_before_ms: u64,
}

/// Differences that wait. All times are monotonic milliseconds.
#[derive(Debug, Default)]
pub struct Queue {
    /// When each was first wanted and when it is due.
    waiting: BTreeMap<IpAddr, (u64, u64)>,
    due: BTreeSet<(u64, IpAddr)>,
    busy: BTreeSet<IpAddr>,
    past: BTreeMap<IpAddr, WriteHistory>,
    /// Nothing is written before.
    pause_until_ms: u64,
    /// Requests in a row that were not answered.
    unanswered: u32,
}

impl Queue {
    /// These addresses differ now, each with the milliseconds for which it has to.
    pub fn replan(&mut self, differing: impl IntoIterator<Item = (IpAddr, u64)>, now_ms: u64) {
        self.past.retain(|_, past| now_ms < past.at_ms + FORGOTTEN_MS);
        let before = std::mem::take(&mut self.waiting);
        self.due.clear();
        for (address, patience_ms) in differing {
            let first_ms = before.get(&address).map_or(now_ms, |(first_ms, _)| *first_ms);
            let allowed_ms = self.past.get(&address).map_or(0, |past| past.not_before_ms);
            let due_ms = (first_ms + patience_ms).max(allowed_ms);
            self.waiting.insert(address, (first_ms, due_ms));
            self.due.insert((due_ms, address));
        }
    }

    /// The next one to be written now.
    pub fn next(&mut self, now_ms: u64) -> Option<IpAddr> {
        if now_ms < self.pause_until_ms || self.busy.len() >= AT_ONCE {
            return None;
        }
        let free =
            self.due.range(..=(now_ms, IpAddr::from([u8::MAX; 16]))).find(|(_, address)| !self.busy.contains(address));
        let (due_ms, address) = *free?;
        self.due.remove(&(due_ms, address));
        self.waiting.remove(&address);
        self.busy.insert(address);
        Some(address)
    }

    /// When to ask again; `None`: when something changes.
    pub fn due_ms(&self) -> Option<u64> {
        if self.busy.len() >= AT_ONCE {
            return None;
        }
        let free = self.due.iter().find(|(_, address)| !self.busy.contains(address));
        free.map(|(due_ms, _)| (*due_ms).max(self.pause_until_ms))
    }

    /// A write ended. `spread` is a random number from 0 to 1023: nodes that wait for the same server do not come back together.
    pub fn done(&mut self, address: IpAddr, ended: Ended, now_ms: u64, spread: u64) {
        self.busy.remove(&address);
        match ended {
            Ended::Unanswered => {
                self.unanswered += 1;
                self.pause_until_ms = now_ms + spaced(self.unanswered, spread);
                return;
            }
            Ended::Needless => return,
            Ended::Written { .. } | Ended::Refused => self.unanswered = 0,
        }
        let past = self.past.entry(address).or_default();
        past.at_ms = now_ms;
        past.not_before_ms = now_ms + ECHO_MS;
        if ended != (Ended::Written { contradicted: false }) {
            past.times += 1;
            past.not_before_ms = now_ms + spaced(past.times, spread);
        }
    }

    /// How many are under way.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }
}

/// Milliseconds that double from one second on, and up to half as much again.
fn spaced(times: u32, spread: u64) -> u64 {
    let base = 500_u64.saturating_mul(1 << times.min(16)).min(LONGEST_MS);
    base + base * (spread % 1024) / 2048
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
