//! Pure: when to renew the permission to answer, and whether it lapsed meanwhile.

use crate::world::LeaseTimes;

/// The lease as this thread knows it; all times are monotonic nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    times: LeaseTimes,
    /// 0: never granted.
    until_ns: u64,
    renewed_ns: u64,
}

impl Lease {
    /// As an agent before this one left it.
    pub(super) fn found(until_ns: u64) -> Self {
        Self { times: LeaseTimes::default(), until_ns, renewed_ns: 0 }
    }

    /// From now on with these times.
    pub(super) const fn follow(&mut self, times: LeaseTimes) {
        self.times = times;
    }

    /// Whether it was granted once and is over: others may have taken over.
    pub(super) const fn lapsed(&self, now_ns: u64) -> bool {
        self.until_ns != 0 && now_ns > self.until_ns
    }

    /// It is to be renewed at once.
    pub(super) const fn hasten(&mut self) {
        self.renewed_ns = 0;
    }

    /// When it is to be renewed.
    pub(super) fn due_ns(&self) -> u64 {
        self.renewed_ns.saturating_add(nanoseconds(self.times.renew()))
    }

    /// Renews it, to the returned time.
    pub(super) fn renew(&mut self, now_ns: u64) -> u64 {
        self.renewed_ns = now_ns;
        self.until_ns = now_ns.saturating_add(nanoseconds(self.times.duration()));
        self.until_ns
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_lease_is_renewed_in_time_and_its_end_is_noticed() {
        let mut lease = Lease::found(0);
        lease.follow(LeaseTimes::new(Duration::from_secs(1), Duration::from_secs(4)).unwrap());
        assert!(!lease.lapsed(99 * SECOND), "never granted");
        assert_eq!(lease.renew(100 * SECOND), 104 * SECOND);
        assert_eq!(lease.due_ns(), 101 * SECOND);
        assert!(!lease.lapsed(104 * SECOND) && lease.lapsed(104 * SECOND + 1));
        assert!(Lease::found(7).lapsed(8), "of an agent before this one");
    }
}
