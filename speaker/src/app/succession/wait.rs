//! Waits for a command, an event or a time, to the nanosecond.

use std::{
    io::{self, Read as _},
    os::fd::{AsFd as _, BorrowedFd},
    os::unix::net::UnixStream,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};

/// Returns when there is something to read, or after `longest`.
///
/// # Errors
/// The kernel refuses to wait.
pub(super) fn wait(woken: &UnixStream, events: Option<BorrowedFd<'_>>, longest: Option<Duration>) -> io::Result<()> {
    let mut waited = vec![PollFd::new(woken.as_fd(), PollFlags::POLLIN)];
    waited.extend(events.map(|events| PollFd::new(events, PollFlags::POLLIN)));
    match ppoll(&mut waited, longest.map(TimeSpec::from_duration), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    if waited.first().and_then(PollFd::any).unwrap_or(false) {
        // However much is in it: what was told is looked at as a whole.
        let _ = { woken }.read(&mut [0; 64]);
    }
    Ok(())
}
