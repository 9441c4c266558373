//! The two clocks of received frames: the kernel stamps them with wall-clock time, everything here is monotonic.

use nix::time::{ClockId, clock_gettime};

/// Three readings that take less than this were not interrupted.
const NARROW_NS: u64 = 500;

/// Nanoseconds of `CLOCK_MONOTONIC`: the clock of the lease and of every schedule.
pub fn monotonic_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// What has to be subtracted from wall-clock nanoseconds to make them monotonic, now. The wall clock may be set at any
/// time, so this is read anew for every batch of frames.
pub(crate) fn wall_ahead_ns() -> u64 {
    // Whoever loses the processor between two readings gets a difference that is off by that time: such a pair is wide, and
    // the narrowest of a few is taken.
    let mut best = (u64::MAX, 0);
    for _ in 0..4 {
        let before = monotonic_ns();
        let wall = read(ClockId::CLOCK_REALTIME);
        let width = monotonic_ns().saturating_sub(before);
        if width < best.0 {
            best = (width, wall.saturating_sub(before + width / 2));
        }
        if width < NARROW_NS {
            break;
        }
    }
    best.1
}

fn read(clock: ClockId) -> u64 {
    // Reading these two clocks never fails on Linux; zero is "long ago".
    clock_gettime(clock).map_or(0, |time| {
        let (seconds, nanoseconds) = (time.tv_sec(), time.tv_nsec());
        seconds.cast_unsigned().saturating_mul(1_000_000_000).saturating_add(nanoseconds.cast_unsigned())
    })
}
