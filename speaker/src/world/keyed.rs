//! A configuration together with the keys of the file that it names.
//!
//! Keys are never copied to another place. A file that is not there means no key; one that goes while the agent runs leaves the
//! last keys in force: a Secret that somebody deletes and makes anew must not turn a node into a stranger.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arpeggio_common::model::Keys;
use tokio::sync::watch;

use super::{
    Config, Loaded, Refused,
    file::{Dirs, FileWatch, Reader, Reasons},
    key,
    task::Task,
};

/// See the module. Dropping it ends the watch.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) loaded: watch::Receiver<Loaded<Config>>,
    /// Why the newest file of keys is not in force.
    refused: watch::Receiver<Option<Refused>>,
    _task: Task,
}

/// The file of keys that is followed.
struct File {
    path: PathBuf,
    watch: FileWatch<Keys>,
    /// The last keys that it held.
    last: Keys,
    _dirs: Dirs,
}

struct Follower {
    config: watch::Receiver<Loaded<Config>>,
    /// Where the file is when the configuration names none.
    path: Option<PathBuf>,
    reasons: Reasons,
    file: Option<File>,
}

impl Keyed {
    /// Follows `config`, and the file of keys that it names, else that at `path`.
    pub(super) async fn start(config: watch::Receiver<Loaded<Config>>, path: Option<PathBuf>, dirs: &Dirs) -> Self {
        let mut follower = Follower { config, path, reasons: dirs.reasons().clone(), file: None };
        follower.open().await;
        let (sender, loaded) = watch::channel(follower.merged());
        let (refuse, refused) = watch::channel(follower.refused());
        Self { loaded, refused, _task: Task::spawn(follower.run(sender, refuse)) }
    }

    /// Why the newest file of keys is not in force.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused.borrow().clone()
    }
}

impl Follower {
    /// Until the configuration is gone.
    async fn run(mut self, loaded: watch::Sender<Loaded<Config>>, refused: watch::Sender<Option<Refused>>) {
        loop {
            tokio::select! {
                there = self.config.changed() => {
                    if there.is_err() {
                        return;
                    }
                }
                () = changed(&mut self.file) => {}
            }
            self.open().await;
            let (now, why) = (self.merged(), self.refused());
            loaded.send_if_modified(|before| {
                let is_new = before.value != now.value || before.file != now.file;
                if is_new {
                    *before = now;
                }
                is_new
            });
            refused.send_if_modified(|before| {
                let is_new = *before != why;
                *before = why;
                is_new
            });
        }
    }

    /// Opens the file that is to be followed now.
    async fn open(&mut self) {
        let named = self.config.borrow_and_update().value.succession.key_file.clone();
        let path = named.or_else(|| self.path.clone());
        if self.file.as_ref().map(|file| &file.path) == path.as_ref() {
            return;
        }
        self.file = None;
        let Some(path) = path else { return };
        let dirs = Dirs::watch_for(&self.reasons, [path.as_path()]);
        let reader = Reader {
            path: path.clone(),
            copy: None,
            parse: Box::new(|text: &str, file: &Path, _changed_s| key::parse(text, file)),
            absent: Some(Box::new(Keys::default)),
            last_resort: Some(Keys::default),
        };
        match FileWatch::start(reader, &dirs).await {
            Ok(watch) => self.file = Some(File { path, watch, last: Keys::default(), _dirs: dirs }),
            // There is a last resort.
            Err(error) => tracing::error!(%error, "the file of keys cannot be watched"),
        }
    }

    fn merged(&mut self) -> Loaded<Config> {
        let mut merged = self.config.borrow_and_update().clone();
        let keys = self.file.as_mut().map(File::keys).unwrap_or_default();
        if merged.value.succession.keys != keys {
            let mut config = Config::clone(&merged.value);
            config.succession.keys = keys;
            merged.value = Arc::new(config);
        }
        merged
    }

    fn refused(&self) -> Option<Refused> {
        self.file.as_ref().and_then(|file| file.watch.refused.borrow().clone())
    }
}

impl File {
    fn keys(&mut self) -> Keys {
        let now = Keys::clone(&self.watch.loaded.borrow_and_update().value);
        if now.sign().is_some() && now != self.last {
            tracing::info!(file = %self.path.display(), "frames of this node are {now}");
            self.last = now;
        } else if now.sign().is_none() && self.last.sign().is_some() {
            tracing::warn!(file = %self.path.display(), "the file of keys is gone, its last keys stay in force: {}", self.last);
        }
        self.last.clone()
    }
}

/// The content of the file, or what is wrong with it.
async fn changed(file: &mut Option<File>) {
    let Some(File { watch: FileWatch { loaded, refused, .. }, .. }) = file else { return std::future::pending().await };
    let gone = tokio::select! {
        there = loaded.changed() => there.is_err(),
        there = refused.changed() => there.is_err(),
    };
    if gone {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
#[path = "keyed_tests.rs"]
mod tests;
