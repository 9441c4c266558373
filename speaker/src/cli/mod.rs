//! The subcommands that are not the agent itself: each reads, tells, and ends.

pub mod check;
mod cleanup;
mod evacuate;
mod explain;
mod output;
mod pinned;
mod status;
mod version;

use std::process::ExitCode;

pub use cleanup::{CleanupError, cleanup};
pub use evacuate::{EvacuateError, evacuate};
pub use explain::explain;
pub use output::OutputError;
pub use pinned::PinnedError;
pub use status::status;
pub use version::version;

use crate::status::ClientError;

/// Why a subcommand that tells how things stand has nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// An agent is there, but does not tell.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No agent is there, and the maps cannot be read.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// It cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// What a subcommand says to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Exit code 0.
    Yes,
    /// Exit code 1: it did its work, and the answer is no.
    No,
}

impl Answer {
    const fn when(good: bool) -> Self {
        if good { Self::Yes } else { Self::No }
    }
}

impl From<Answer> for ExitCode {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::SUCCESS,
            Answer::No => Self::FAILURE,
        }
    }
}
