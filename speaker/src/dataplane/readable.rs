//! Waits for a ring buffer to have something to read.

#![expect(unsafe_code, reason = "tokio's AsyncFd asks its caller to vouch for the descriptor")]

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use tokio::io::{Interest, unix::AsyncFd};

/// A descriptor of its own for the same ring buffer, registered with the runtime. Call inside a tokio runtime.
///
/// # Errors
/// The descriptor cannot be duplicated or waited for.
pub(super) fn readable(ring: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    let own = ring.try_clone_to_owned()?;
    // SAFETY: the callee demands a descriptor that is open and stays the same one as long as the AsyncFd lives. An OwnedFd
    // is open by its type, closes only when dropped, always gives the same number, and is moved into the AsyncFd here.
    let registered = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) };
    registered.map_err(io::Error::from)
}
