//! Permission to answer: the kernel program keeps out of everything once the deadline has passed.

use aya::maps::MapError;
use nix::time::{ClockId, clock_gettime};

use super::maps::Maps;

/// The lease could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the lease")]
pub struct LeaseError {
    operation: &'static str,
    source: MapError,
}

/// Monotonic nanoseconds, the clock that the program compares the deadline with. Before the kernel has a clock: 0.
pub fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
    })
}

/// Allows answering until `until_ns`, monotonic.
///
/// # Errors
/// The map cannot be written.
pub(super) fn set(maps: &mut Maps, until_ns: u64) -> Result<(), LeaseError> {
    maps.lease.set(0, until_ns, 0).map_err(|source| LeaseError { operation: "renew", source })
}

/// Until when answering is allowed, monotonic nanoseconds; 0 when it never was or was withdrawn.
///
/// # Errors
/// The map cannot be read.
pub(super) fn get(maps: &Maps) -> Result<u64, LeaseError> {
    maps.lease.get(&0, 0).map_err(|source| LeaseError { operation: "read", source })
}

/// Ends the permission at once.
///
/// # Errors
/// The map cannot be written.
pub(super) fn clear(maps: &mut Maps) -> Result<(), LeaseError> {
    maps.lease.set(0, 0, 0).map_err(|source| LeaseError { operation: "end", source })
}
