//! Background tasks that end with their owner.

use std::future::Future;

use tokio::task::JoinHandle;

/// A task on the current runtime; dropping this ends it at its next await.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
