//! The two clocks, read by drivers only: everything else gets the time as a parameter.

use std::time::Instant;

use jiff::Timestamp;

/// The monotonic clock: every deadline and every schedule.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock: only for what people read in objects (`renewTime`, `lastTransitionTime`), never compared with anything.
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}
