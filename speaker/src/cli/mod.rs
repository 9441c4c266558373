//! The subcommands that are not the agent itself: each reads, tells, and ends.

pub mod check;
mod cleanup;
mod output;
mod pinned;
mod status;

use std::{error::Error, process::ExitCode};

pub use cleanup::{CleanupError, cleanup};
pub use output::OutputError;
pub use pinned::PinnedError;
pub use status::{StatusError, status};

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

/// An error and its causes on one line.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}
