//! How long the kernel program may answer without its agent.

use std::time::Duration;

/// The agent measures in milliseconds; anything faster only burns a processor.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(10);
/// A forgotten agent must not answer for longer.
const LONGEST_LEASE: Duration = Duration::from_secs(3600);

/// How long the kernel program may answer without a sign of life from the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    renew: Duration,
    duration: Duration,
}

/// A rule that times of a lease break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseFault {
    /// Of the time between renewals.
    #[error("{} is shorter than 10ms; renew less often", humantime::format_duration(*.0))]
    Renewal(Duration),
    /// Of the duration.
    #[error("{} is longer than 1h, and a dead agent would answer until then; make it shorter", humantime::format_duration(*.0))]
    Long(Duration),
    /// Of both.
    #[error(
        "the lease of {} must be at least twice the time between renewals ({}), so that one may be late; lengthen the lease \
         or renew more often",
        humantime::format_duration(*.duration),
        humantime::format_duration(*.renew)
    )]
    Short {
        /// From a renewal to the end.
        duration: Duration,
        /// Between two renewals.
        renew: Duration,
    },
}

impl LeaseTimes {
    /// `renew` is the time between two renewals, `duration` the time from a renewal to the end of the lease.
    ///
    /// # Errors
    /// All rules that are broken.
    pub fn new(renew: Duration, duration: Duration) -> Result<Self, Vec<LeaseFault>> {
        let rules = [
            (renew < SHORTEST_RENEWAL, LeaseFault::Renewal(renew)),
            (duration > LONGEST_LEASE, LeaseFault::Long(duration)),
            (duration < renew.saturating_mul(2), LeaseFault::Short { duration, renew }),
        ];
        let faults: Vec<_> = rules.into_iter().filter_map(|(broken, fault)| broken.then_some(fault)).collect();
        if faults.is_empty() { Ok(Self { renew, duration }) } else { Err(faults) }
    }

    /// Time between two renewals.
    pub const fn renew(self) -> Duration {
        self.renew
    }

    /// Time from a renewal to the end of the lease; at least twice [`Self::renew`].
    pub const fn duration(self) -> Duration {
        self.duration
    }
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self { renew: Duration::from_secs(1), duration: Duration::from_secs(10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_keeps_the_rules() {
        let LeaseTimes { renew, duration } = LeaseTimes::default();
        assert_eq!(LeaseTimes::new(renew, duration), Ok(LeaseTimes::default()));
    }

    #[test]
    fn every_broken_rule_is_told() {
        let [ms, hour, day] = [1, 3_600_000, 86_400_000].map(Duration::from_millis);
        assert_eq!(LeaseTimes::new(ms, day), Err(vec![LeaseFault::Renewal(ms), LeaseFault::Long(day)]));
        assert_eq!(LeaseTimes::new(hour, hour), Err(vec![LeaseFault::Short { duration: hour, renew: hour }]));
        assert!(LeaseTimes::new(Duration::MAX, Duration::MAX).is_err());
        assert!(LeaseTimes::new(hour / 2, hour).is_ok());
    }
}
