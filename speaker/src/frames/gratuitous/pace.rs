//! Pure: a token bucket over parameters of time.

use std::num::NonZeroU32;

const SECOND_NS: u64 = 1_000_000_000;

/// How fast frames may leave, over all interfaces together.
///
/// The default is 4,000 frames a second, at most 128 at once: 2.7 Mbit/s of minimal frames, a few microseconds each for
/// the hosts that have to look at them. A round of ten thousand IPv4 addresses takes 5 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    frame_ns: u64,
    burst: u64,
}

impl Pace {
    /// Of first rounds: 100,000 frames a second, at most 1,024 at once. Five thousand IPv4 addresses are claimed within
    /// 100 ms, and the burst (68 Mbit/s of minimal frames) is over then.
    pub(super) const FIRST: Self = Self { frame_ns: SECOND_NS / 100_000, burst: 1_024 };

    /// `burst`: frames that may leave at once after a silence; at least 2, because an IPv4 round has two.
    pub fn new(frames_per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { frame_ns: SECOND_NS / u64::from(frames_per_second.get()), burst: u64::from(burst.get()).max(2) }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { frame_ns: SECOND_NS / 4_000, burst: 128 }
    }
}

/// What is left of a [`Pace`] at a given time: the generic cell rate algorithm, one number of state.
#[derive(Debug)]
pub(super) struct Bucket {
    pace: Pace,
    /// When everything that was taken is paid for.
    paid_ns: u64,
}

impl Bucket {
    pub(super) const fn new(pace: Pace) -> Self {
        Self { pace, paid_ns: 0 }
    }

    /// Takes `frames` out, or nothing when they are not there yet.
    pub(super) fn take(&mut self, frames: u64, now_ns: u64) -> bool {
        let Pace { frame_ns, burst } = self.pace;
        let paid_ns = self.paid_ns.max(now_ns) + frames * frame_ns;
        let open = paid_ns - now_ns <= burst * frame_ns;
        if open {
            self.paid_ns = paid_ns;
        }
        open
    }

    /// When enough is there to make a wake-up worth it: a quarter of the burst, 8 ms at the default.
    pub(super) fn worth_waking_ns(&self, now_ns: u64) -> u64 {
        let Pace { frame_ns, burst } = self.pace;
        let missing = burst - (burst / 4).max(2);
        self.paid_ns.saturating_sub(missing * frame_ns).max(now_ns + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_burst_and_the_rate(
            waits in prop::collection::vec((0u64..5_000_000, 1u64..3), 1..500),
            rate in 10u32..20_000,
            burst in 2u32..200,
        ) {
            let pace = Pace::new(rate.try_into().unwrap(), burst.try_into().unwrap());
            let mut bucket = Bucket::new(pace);
            let mut now = 1_000_000_000;
            let mut taken: Vec<(u64, u64)> = vec![];
            for (wait, frames) in waits {
                now += wait;
                if bucket.take(frames, now) {
                    taken.push((now, frames));
                }
            }
            for (first, (start, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (at, frames) in &taken[first..] {
                    sum += frames;
                    prop_assert!(sum <= u64::from(burst) + (at - start) / pace.frame_ns);
                }
            }
        }

        #[test]
        fn waking_when_told_always_gets_something(rate in 10u32..20_000, burst in 2u32..200) {
            let mut bucket = Bucket::new(Pace::new(rate.try_into().unwrap(), burst.try_into().unwrap()));
            let mut now = 7;
            for _ in 0..20 {
                while bucket.take(2, now) {}
                let next = bucket.worth_waking_ns(now);
                prop_assert!(next > now);
                now = next;
                prop_assert!(bucket.take(2, now));
            }
        }
    }
}
