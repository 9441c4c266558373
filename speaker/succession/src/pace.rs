//! How fast the succession is: heartbeats, patience, and what follows from both.

use std::time::Duration;

/// Factor by which standbys after the second beat more slowly.
const SLOW: u64 = 10;

const MS: u64 = 1_000_000;

/// Times of the succession, all in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    interval_ns: u64,
    misses: u32,
}

/// Times that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// Heartbeats too near to or too far from each other.
    #[error("a heartbeat interval of {0:?} cannot be used; take 5 ms to 10 s")]
    Interval(Duration),
    /// Too little or too much patience.
    #[error("{0} missed heartbeats cannot be waited for; take 2 to 20")]
    Misses(u32),
}

impl Pace {
    /// 50 ms × 3: a gap of 160 ms at worst until the next node claims.
    pub const DEFAULT: Self = Self { interval_ns: 50 * MS, misses: 3 };
    /// 10 ms × 3.
    pub const FASTEST: Self = Self { interval_ns: 10 * MS, misses: 3 };
    /// 20 ms × 3.
    pub const FAST: Self = Self { interval_ns: 20 * MS, misses: 3 };
    /// 200 ms × 4: for segments that lose frames.
    pub const CALM: Self = Self { interval_ns: 200 * MS, misses: 4 };
    /// 1 s × 3: a node sends fewer than the 15 ARP frames a second that switches with ARP inspection let a port send, however
    /// many nodes there are.
    pub const QUIET: Self = Self { interval_ns: 1_000 * MS, misses: 3 };

    /// A heartbeat every `interval`, an owner is gone after `misses` in a row.
    ///
    /// # Errors
    /// When nobody can want such times.
    pub fn new(interval: Duration, misses: u32) -> Result<Self, PaceError> {
        if !(Duration::from_millis(5)..=Duration::from_secs(10)).contains(&interval) {
            return Err(PaceError::Interval(interval));
        }
        if !(2..=20).contains(&misses) {
            return Err(PaceError::Misses(misses));
        }
        let interval_ns = u64::try_from(interval.as_nanos()).map_err(|_large| PaceError::Interval(interval))?;
        Ok(Self { interval_ns, misses })
    }

    /// Between two heartbeats to one node.
    pub const fn interval_ns(self) -> u64 {
        self.interval_ns
    }

    /// Between two heartbeats of those who are neither first nor second in line.
    pub const fn slow_interval_ns(self) -> u64 {
        self.interval_ns * SLOW
    }

    /// Unanswered heartbeats in a row that mean silence.
    pub const fn misses(self) -> u32 {
        self.misses
    }

    /// How long the answer to the last heartbeat of a row is waited for: on a local segment it takes well under a millisecond,
    /// and the earlier ones had whole intervals.
    pub const fn reply_ns(self) -> u64 {
        let quarter = self.interval_ns / 4;
        if quarter < 10 * MS { quarter } else { 10 * MS }
    }

    /// From an owner's end to the first standby's claim, at most: it answered just before it fell silent.
    pub const fn detection_ns(self) -> u64 {
        self.interval_ns * self.misses as u64 + self.reply_ns()
    }

    /// How much longer each further standby waits.
    pub const fn stagger_ns(self) -> u64 {
        self.interval_ns * self.misses as u64
    }

    /// Between two audits of an owner on one interface while there are few nodes: whatever else is asked is rarer with a slow pace.
    pub const fn audit_ns(self) -> u64 {
        let slow = self.interval_ns * 2;
        if slow < 500 * MS { 500 * MS } else { slow }
    }

    /// Between the probes for an address that this node has never heard of (RFC 5227 section 2.1.1 has seconds, for hosts
    /// that nobody waits for).
    pub const fn probe_gap_ns(self) -> u64 {
        let slow = self.interval_ns * 2;
        if slow < 200 * MS { 200 * MS } else { slow }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_keep_their_promises() {
        let bounds = [Pace::DEFAULT, Pace::FAST, Pace::FASTEST, Pace::CALM, Pace::QUIET]
            .map(|pace| pace.detection_ns().div_ceil(MS));
        assert_eq!(bounds, [160, 65, 33, 810, 3010]);
    }

    #[test]
    fn absurd_times_are_refused() {
        assert_eq!(Pace::new(Duration::from_millis(50), 3), Ok(Pace::DEFAULT));
        for (interval, misses) in [(1, 3), (20_000, 3), (50, 1), (50, 21)] {
            assert!(Pace::new(Duration::from_millis(interval), misses).is_err());
        }
    }
}
