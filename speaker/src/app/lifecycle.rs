//! Signals, the name of the machine and tasks that must not end: what ties the agent to its process.

use std::future::Future;

use anyhow::{Context as _, Result};
use arpeggio_common::model::NodeName;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::{Id, JoinSet},
};

/// What somebody wants of the running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// To end; the name of the signal is for the log.
    Stop(&'static str),
    /// To read its files again.
    Reload,
}

/// The signals that the agent listens to.
pub(super) struct ProcessSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl ProcessSignals {
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

/// Tasks that go on as long as the agent does. They end with this; the end of one before is a fault, and is told.
#[derive(Default)]
pub(super) struct Tasks {
    running: JoinSet<()>,
    names: Vec<(Id, &'static str)>,
}

impl Tasks {
    /// Starts a task; `name` says what it does: "the task that …".
    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(task).id();
        self.names.push((id, name));
    }

    /// The same in this thread.
    pub(super) fn spawn_local(&mut self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        let id = self.running.spawn_local(task).id();
        self.names.push((id, name));
    }

    /// Whether the task runs.
    pub(super) fn runs(&self, name: &str) -> bool {
        self.names.iter().any(|(_, running)| *running == name)
    }

    /// The next end of a task, in a sentence. Cancel safe.
    pub(super) async fn ended(&mut self) -> String {
        let (id, how) = match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => (id, "ended"),
            Some(Err(error)) if error.is_panic() => (error.id(), "panicked"),
            Some(Err(error)) => (error.id(), "was ended"),
            None => std::future::pending().await,
        };
        let position = self.names.iter().position(|(running, _)| *running == id);
        let name = position.map_or("does something", |position| self.names.swap_remove(position).1);
        format!("the task that {name} {how}, which is a fault of this program; report it with the log")
    }

    /// Ends all of them.
    pub(super) async fn shutdown(&mut self) {
        self.names.clear();
        self.running.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_task_is_told_by_its_name() {
        let mut tasks = Tasks::default();
        tasks.spawn("waits", std::future::pending());
        tasks.spawn("counts", async {});
        assert!(tasks.ended().await.starts_with("the task that counts ended, "));
        tasks.spawn("divides", async { panic!("by zero") });
        assert!(tasks.ended().await.starts_with("the task that divides panicked, "));
        assert!(tasks.runs("waits") && !tasks.runs("divides"));
    }
}
