//! How long to wait before something is tried again: exponential, bounded, with jitter so that many clients that failed at the
//! same moment do not come back at the same moment.

use std::time::Duration;

/// Bounds of the waiting time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// Longest wait after the first failure.
    pub(crate) first: Duration,
    /// Longest wait after any number of failures.
    pub(crate) most: Duration,
}

impl Backoff {
    /// For requests and watches to the API server.
    pub(crate) const API: Self = Self { first: Duration::from_millis(100), most: Duration::from_secs(10) };

    /// How long to wait after `failures` in a row (from 1). `random` is from 0 to 1; the result is between half and the whole
    /// of the bound, which doubles with every failure.
    pub(crate) fn delay(self, failures: u32, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.most).mul_f64(random.clamp(0.0, 1.0).mul_add(0.5, 0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_jitter_takes_at_most_half() {
        let whole: Vec<u128> = (1..=9).map(|n| Backoff::API.delay(n, 1.0).as_millis()).collect();
        assert_eq!(whole, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(Backoff::API.delay(3, 0.0), Duration::from_millis(200));
        for failures in [0, 1, 31, 32, 33, u32::MAX] {
            assert!(Backoff::API.delay(failures, 0.7) <= Backoff::API.most, "{failures}");
        }
    }
}
