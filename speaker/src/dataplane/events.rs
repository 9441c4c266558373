//! The ring buffer of rare facts, as an asynchronous reader.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use arpeggio_common::abi::Event;
use aya::maps::{MapData, MapError, RingBuf};
use tokio::io::unix::AsyncFd;

use super::readable::readable;

/// The events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The ring buffer could not be mapped into memory.
    #[error("cannot map the ring buffer of events")]
    Map(#[source] MapError),
    /// The runtime cannot wait for it.
    #[error("cannot wait for events of the kernel program")]
    Wait(#[source] io::Error),
}

/// Reads events. There is one queue: with two readers each event reaches one of them.
pub struct Events {
    ring: RingBuf<MapData>,
    readable: AsyncFd<OwnedFd>,
}

impl Events {
    pub(super) fn new(ring: RingBuf<MapData>) -> Result<Self, EventsError> {
        let readable = readable(ring.as_fd()).map_err(EventsError::Wait)?;
        Ok(Self { ring, readable })
    }

    /// The next event. Records that this version cannot read are skipped. Cancel safe: nothing is taken before it is returned.
    ///
    /// # Errors
    /// The runtime cannot wait for the descriptor.
    pub async fn next(&mut self) -> Result<Event, EventsError> {
        loop {
            let mut ready = self.readable.readable().await.map_err(EventsError::Wait)?;
            while let Some(record) = self.ring.next() {
                if let Some(event) = Event::from_record(&record) {
                    return Ok(event);
                }
            }
            // Only here, when the ring is empty: the kernel wakes a reader only when it had caught up.
            ready.clear_ready();
        }
    }
}
