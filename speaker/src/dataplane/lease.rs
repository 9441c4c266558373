//! Permission to answer: the kernel program keeps out of everything once the deadline has passed.

use arpeggio_common::abi::Lease;
use aya::maps::MapError;

use super::maps::Maps;

/// The lease could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the lease")]
pub struct LeaseError {
    operation: &'static str,
    source: MapError,
}

/// Allows answering.
///
/// # Errors
/// The map cannot be written.
pub(super) fn set(maps: &mut Maps, lease: Lease) -> Result<(), LeaseError> {
    maps.lease.set(0, lease, 0).map_err(|source| LeaseError { operation: "renew", source })
}

/// Until when answering is allowed: 0 when it never was or was withdrawn.
///
/// # Errors
/// The map cannot be read.
pub(super) fn get(maps: &Maps) -> Result<Lease, LeaseError> {
    maps.lease.get(&0, 0).map_err(|source| LeaseError { operation: "read", source })
}

/// Ends the permission at once.
///
/// # Errors
/// The map cannot be written.
pub(super) fn clear(maps: &mut Maps) -> Result<(), LeaseError> {
    maps.lease.set(0, Lease::NONE, 0).map_err(|source| LeaseError { operation: "end", source })
}
