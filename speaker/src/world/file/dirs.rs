//! Reasons to look at files: something happened in their directories, or somebody asked.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{
    Event, EventKind, INotifyWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::watch;

/// Between two looks without a reason.
const SLOW: Duration = Duration::from_secs(10);
/// The same where inotify does not give reasons.
const FAST: Duration = Duration::from_secs(2);

/// Whoever has a reason to look says so here.
#[derive(Clone, Debug)]
pub(in crate::world) struct Reasons(Arc<watch::Sender<u64>>);

impl Reasons {
    /// A reason to look.
    fn tell(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Watched directories.
#[derive(Debug)]
pub(in crate::world) struct Dirs {
    reasons: Reasons,
    /// `None` where inotify cannot be had.
    watcher: Option<INotifyWatcher>,
}

impl Dirs {
    /// Watches the directories of these files. Where that is not possible, files are looked at every two seconds: cheaper
    /// than another kind of watch, as their text is compared at any rate.
    pub(in crate::world) fn watch<'p>(files: impl IntoIterator<Item = &'p Path>) -> Self {
        Self::watch_for(&Reasons(Arc::new(watch::Sender::new(0))), files)
    }

    /// The same, of files that are looked at when others have a reason too.
    pub(in crate::world) fn watch_for<'p>(reasons: &Reasons, files: impl IntoIterator<Item = &'p Path>) -> Self {
        let directories: BTreeSet<PathBuf> = files.into_iter().map(directory).collect();
        let told = reasons.clone();
        let watcher = inotify(&directories, move || told.tell());
        let watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "cannot watch directories, looking at the files every {FAST:?}"),
            )
            .ok();
        Self { reasons: reasons.clone(), watcher }
    }

    /// Where reasons to look are told.
    pub(in crate::world) const fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    /// Changes whenever there is a reason to look.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.reasons.0.subscribe()
    }

    /// Time between two looks without a reason.
    pub(super) const fn interval(&self) -> Duration {
        if self.watcher.is_some() { SLOW } else { FAST }
    }

    /// A reason to look: somebody asks for it.
    pub(in crate::world) fn look(&self) {
        self.reasons.tell();
    }

    /// As where inotify cannot be had.
    #[cfg(test)]
    pub(super) fn blind() -> Self {
        Self { reasons: Reasons(Arc::new(watch::Sender::new(0))), watcher: None }
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn inotify(directories: &BTreeSet<PathBuf>, tell: impl Fn() + Send + 'static) -> notify::Result<INotifyWatcher> {
    let handler = move |event: notify::Result<Event>| {
        // An error is a reason too: something was missed.
        if event.is_ok_and(|event| only_read(event.kind)) {
            return;
        }
        tell();
    };
    let mut watcher = INotifyWatcher::new(handler, notify::Config::default())?;
    for directory in directories {
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => {}
            // The slow look finds the file when directory and file are made later.
            Err(error) if !directory.exists() => {
                tracing::debug!(%error, directory = %directory.display(), "the directory is not there yet");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(watcher)
}

/// Our own looking at the file must not be a reason to look at it.
const fn only_read(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => false,
    }
}
