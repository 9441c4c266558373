//! What the kernel program says about rare verdicts, when that was asked for.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya_log::EbpfLogger;
use tokio::io::unix::AsyncFd;

use super::{load::Programs, readable::readable};

/// The log of the program cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The object was built without a log.
    #[error("cannot open the log of the kernel program")]
    Open(#[from] aya_log::Error),
    /// The runtime cannot wait for it.
    #[error("cannot wait for the log of the kernel program")]
    Wait(#[source] io::Error),
}

/// Hands the program's log records to the agent's own log.
pub struct ProgramLog {
    logger: EbpfLogger<&'static dyn log::Log>,
    readable: AsyncFd<OwnedFd>,
}

impl ProgramLog {
    pub(super) fn new(programs: &mut Programs) -> Result<Self, LogsError> {
        let logger = EbpfLogger::init(programs.ebpf())?;
        let readable = readable(logger.as_fd()).map_err(LogsError::Wait)?;
        Ok(Self { logger, readable })
    }

    /// Copies records until the runtime fails; meant to run as a task of its own.
    ///
    /// # Errors
    /// The runtime cannot wait for the ring buffer.
    pub async fn run(mut self) -> Result<(), LogsError> {
        loop {
            let mut ready = self.readable.readable().await.map_err(LogsError::Wait)?;
            self.logger.flush();
            ready.clear_ready();
        }
    }
}
