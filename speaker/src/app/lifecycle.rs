//! Signals and the name of the machine: what ties the agent to its process.

use anyhow::{Context as _, Result};
use arpeggio_common::model::NodeName;
use tokio::signal::unix::{SignalKind, signal};

/// What somebody wants of the running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// To end; the name of the signal is for the log.
    Stop(&'static str),
    /// To read its files again.
    Reload,
}

/// The signals that the agent listens to.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on these signals no longer end the process.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub(super) fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next signal. Cancel safe.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

/// The name of this machine, if it can be the name of a node.
pub(super) fn host_name() -> Option<NodeName> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    NodeName::try_from(name.to_ascii_lowercase().as_str()).ok()
}
