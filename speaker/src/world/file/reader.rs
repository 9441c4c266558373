//! One look at a file, its copy of the last good text included. Blocking: not for the runtime's thread.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use arpeggio_speaker_config::{FileError, Problem, yaml::MAX_TEXT};

type Parse<T> = dyn Fn(&str, &Path, u64) -> Result<T, FileError> + Send + Sync;
type Absent<T> = dyn Fn() -> T + Send + Sync;

/// How a file is read.
pub(in crate::world) struct Reader<T> {
    /// The file.
    pub(in crate::world) path: PathBuf,
    /// Where the last good text is kept for the next start; `None`: nowhere, it is a secret.
    pub(in crate::world) copy: Option<PathBuf>,
    /// From text, file and the second of its last change (since 1970; 0: unknown) to content.
    pub(in crate::world) parse: Box<Parse<T>>,
    /// What a file that is not there means; `None`: it is a fault.
    pub(in crate::world) absent: Option<Box<Absent<T>>>,
    /// What is in force at the start when neither file nor copy can be used; `None`: there is no start.
    pub(in crate::world) last_resort: Option<fn() -> T>,
}

/// What was found at the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// A text, and the second of its last change.
    Text(String, u64),
    Absent,
    Unreadable(String),
}

/// What the first look brought.
pub(super) enum Outcome<T> {
    Good(T),
    /// The file is bad; this was in force before, or is better than nothing.
    StandIn {
        value: T,
        file: PathBuf,
        error: FileError,
    },
}

impl<T> Reader<T> {
    /// The first look, with what can stand in for a bad file.
    pub(super) fn first(&self) -> (FileState, Result<Outcome<T>, FileError>) {
        let seen = see(&self.path);
        let outcome = match self.judge(&seen) {
            Ok(value) => Ok(Outcome::Good(value)),
            Err(error) => self.stand_in(error),
        };
        (seen, outcome)
    }

    /// A later look; `None` when nothing changed since.
    pub(super) fn again(&self, before: &FileState) -> Option<(FileState, Result<T, FileError>)> {
        let seen = see(&self.path);
        if seen == *before {
            return None;
        }
        let value = self.judge(&seen);
        Some((seen, value))
    }

    /// Good text is kept for the next start.
    fn judge(&self, seen: &FileState) -> Result<T, FileError> {
        match (seen, &self.absent) {
            (FileState::Text(text, changed_s), _) => {
                let value = (self.parse)(text, &self.path, *changed_s)?;
                if let Some(copy) = &self.copy
                    && let Err(error) = replace(copy, text, *changed_s)
                {
                    tracing::warn!(file = %copy.display(), %error, "cannot keep a copy of the good file for the next start");
                }
                Ok(value)
            }
            (FileState::Absent, Some(absent)) => Ok(absent()),
            (FileState::Absent, None) => Err(self.fault("there is no such file; create it")),
            (FileState::Unreadable(why), _) => Err(self.fault(&format!("the file cannot be read ({why})"))),
        }
    }

    fn fault(&self, text: &str) -> FileError {
        FileError { file: self.path.clone(), problems: vec![Problem::new(0, "", text)] }
    }

    fn stand_in(&self, error: FileError) -> Result<Outcome<T>, FileError> {
        if let Some(copy) = &self.copy
            && let FileState::Text(text, changed_s) = see(copy)
            && let Ok(value) = (self.parse)(&text, copy, changed_s)
        {
            tracing::error!(%error, copy = %copy.display(), "the file cannot be used, the last good copy is in force");
            return Ok(Outcome::StandIn { value, file: copy.clone(), error });
        }
        let Some(last_resort) = self.last_resort else { return Err(error) };
        tracing::error!(%error, "the file cannot be used and there is no good copy, built-in values are in force");
        Ok(Outcome::StandIn { value: last_resort(), file: self.path.clone(), error })
    }
}

fn see(path: &Path) -> FileState {
    let read = || -> io::Result<FileState> {
        let mut text = String::new();
        let file = File::open(path)?;
        let changed = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let changed = changed.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        // One more than may be, so that too much is seen as too much; the parser says so.
        file.take(MAX_TEXT as u64 + 1).read_to_string(&mut text)?;
        Ok(FileState::Text(text, changed.map_or(0, |since| since.as_secs())))
    };
    match read() {
        Ok(seen) => seen,
        Err(error) if error.kind() == io::ErrorKind::NotFound => FileState::Absent,
        Err(error) => FileState::Unreadable(error.to_string()),
    }
}

/// Never half a file: a new one takes the place of the old one, and is as old as what it is a copy of.
fn replace(path: &Path, text: &str, changed_s: u64) -> io::Result<()> {
    if let FileState::Text(there, of_s) = see(path)
        && there == text
        && of_s == changed_s
    {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut half = path.as_os_str().to_owned();
    half.push(".new");
    let mut file = File::create(&half)?;
    file.write_all(text.as_bytes())?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(changed_s))?;
    file.sync_all()?;
    fs::rename(&half, path)
}
