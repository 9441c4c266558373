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
pub use explain::{ExplainError, explain};
pub use output::OutputError;
pub use pinned::PinnedError;
pub use status::{StatusError, status};
pub use version::version;

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
