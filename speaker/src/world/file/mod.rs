//! Files that are read again when they change. A bad one keeps the last good one in force.
//!
//! The directory is watched, not the file: Kubernetes swaps a symbolic link beside the file, editors rename over it. What
//! inotify tells only is a reason to look; what counts is whether the text is another one. A slow look without any reason
//! makes up for what inotify cannot tell (the target of a link elsewhere, a directory that is made later).

mod dirs;
mod reader;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use self::reader::{FileState, Outcome};
pub(super) use self::{
    dirs::{Dirs, Reasons},
    reader::Reader,
};
use super::{FileError, task::Task};

/// A change counts when the directory has been quiet for so long: writers truncate before they write.
const SETTLE: Duration = Duration::from_millis(50);
/// A directory that never is quiet does not put a change off for longer than this many times [`SETTLE`].
const PATIENCE: u32 = 20;

/// What is in force, and where and when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The content.
    pub value: Arc<T>,
    /// The file it was read from: the one that was asked for, or the copy of the last good one.
    pub file: PathBuf,
    /// When it was taken.
    pub at: SystemTime,
}

/// Why the newest state of a file is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub error: FileError,
    /// When it was found.
    pub at: SystemTime,
}

/// A file, its content always up to date. Dropping it ends the watch.
#[derive(Debug)]
pub(super) struct FileWatch<T> {
    pub(super) loaded: watch::Receiver<Loaded<T>>,
    pub(super) refused: watch::Receiver<Option<Refused>>,
    _task: Task,
}

impl<T: PartialEq + Send + Sync + 'static> FileWatch<T> {
    /// Reads the file now, and again whenever `dirs` gives a reason. What cannot be used is replaced by the last good copy.
    ///
    /// # Errors
    /// When the file cannot be used and there is nothing to stand in for it.
    pub(super) async fn start(reader: Reader<T>, dirs: &Dirs) -> Result<Self, FileError> {
        let reader = Arc::new(reader);
        let reasons = dirs.news();
        let first = Arc::clone(&reader);
        let (seen, outcome) = in_background(move || first.first()).await;
        let (loaded, refused) = match outcome? {
            Outcome::Good(value) => (loaded(value, reader.path.clone()), None),
            Outcome::StandIn { value, file, error } => (loaded(value, file), Some(refused(error))),
        };
        let (loaded_sender, loaded) = watch::channel(loaded);
        let (refused_sender, refused) = watch::channel(refused);
        let looks = dirs.interval();
        let follower = Follower { reader, seen, loaded: loaded_sender, refused: refused_sender };
        Ok(Self { loaded, refused, _task: Task::spawn(follower.run(reasons, looks)) })
    }
}

struct Follower<T> {
    reader: Arc<Reader<T>>,
    seen: FileState,
    loaded: watch::Sender<Loaded<T>>,
    refused: watch::Sender<Option<Refused>>,
}

impl<T: PartialEq + Send + Sync + 'static> Follower<T> {
    async fn run(mut self, mut reasons: watch::Receiver<u64>, looks: Duration) {
        loop {
            tokio::select! {
                there = reasons.changed() => {
                    if there.is_err() {
                        return;
                    }
                    settle(&mut reasons).await;
                }
                () = sleep(looks) => {}
            }
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let (reader, seen) = (Arc::clone(&self.reader), self.seen.clone());
        let Some((seen, outcome)) = in_background(move || reader.again(&seen)).await else { return };
        self.seen = seen;
        match outcome {
            Ok(value) => self.take(value),
            Err(error) => self.refuse(error),
        }
    }

    fn take(&self, value: T) {
        let file = &self.reader.path;
        if self.refused.send_replace(None).is_some() {
            tracing::info!(file = %file.display(), "the file is good again");
        }
        self.loaded.send_if_modified(|in_force| {
            let changed = *in_force.value != value;
            if changed {
                *in_force = loaded(value, file.clone());
                tracing::info!(file = %file.display(), "the file changed and is in force now");
            }
            changed
        });
    }

    /// Logs each error once, however often the file is looked at.
    fn refuse(&self, error: FileError) {
        self.refused.send_if_modified(|before| {
            let news = before.as_ref().is_none_or(|before| before.error != error);
            if news {
                tracing::error!(%error, "the file cannot be used, the configuration before it stays in force");
                *before = Some(refused(error));
            }
            news
        });
    }
}

/// Waits for the directory to be quiet.
async fn settle(reasons: &mut watch::Receiver<u64>) {
    for _ in 0..PATIENCE {
        if timeout(SETTLE, reasons.changed()).await.is_err() {
            return;
        }
    }
}

/// Reading and parsing ten thousand announcements takes longer than the runtime's only thread can be spared.
async fn in_background<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    match spawn_blocking(work).await {
        Ok(done) => done,
        // The handle is awaited, so the work was not aborted: it panicked, and the panic goes on here.
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

fn loaded<T>(value: T, file: PathBuf) -> Loaded<T> {
    Loaded { value: Arc::new(value), file, at: now() }
}

fn refused(error: FileError) -> Refused {
    Refused { error, at: now() }
}

#[expect(clippy::disallowed_methods, reason = "a driver: people are told when something happened")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
