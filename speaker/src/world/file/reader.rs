//! One look at a file, its copy of the last good text included. Blocking: not for the runtime's thread.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::world::{
    problem::{FileError, Problem},
    yaml::MAX_TEXT,
};

type Parse<T> = dyn Fn(&str, &Path) -> Result<T, FileError> + Send + Sync;
type Absent<T> = dyn Fn() -> T + Send + Sync;

/// How a file is read.
pub(in crate::world) struct Reader<T> {
    /// The file.
    pub(in crate::world) path: PathBuf,
    /// Where the last good text is kept for the next start.
    pub(in crate::world) copy: PathBuf,
    /// From text to content.
    pub(in crate::world) parse: Box<Parse<T>>,
    /// What a file that is not there means; `None`: it is a fault.
    pub(in crate::world) absent: Option<Box<Absent<T>>>,
    /// What is in force at the start when neither file nor copy can be used; `None`: there is no start.
    pub(in crate::world) last_resort: Option<fn() -> T>,
}

/// What was found at the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Text(String),
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
    pub(super) fn first(&self) -> (Seen, Result<Outcome<T>, FileError>) {
        let seen = see(&self.path);
        let outcome = match self.judge(&seen) {
            Ok(value) => Ok(Outcome::Good(value)),
            Err(error) => self.stand_in(error),
        };
        (seen, outcome)
    }

    /// A later look; `None` when nothing changed since.
    pub(super) fn again(&self, before: &Seen) -> Option<(Seen, Result<T, FileError>)> {
        let seen = see(&self.path);
        if seen == *before {
            return None;
        }
        let value = self.judge(&seen);
        Some((seen, value))
    }

    /// Good text is kept for the next start.
    fn judge(&self, seen: &Seen) -> Result<T, FileError> {
        match (seen, &self.absent) {
            (Seen::Text(text), _) => {
                let value = (self.parse)(text, &self.path)?;
                if let Err(error) = replace(&self.copy, text) {
                    tracing::warn!(file = %self.copy.display(), %error, "cannot keep a copy of the good file for the next start");
                }
                Ok(value)
            }
            (Seen::Absent, Some(absent)) => Ok(absent()),
            (Seen::Absent, None) => Err(self.fault("there is no such file; create it")),
            (Seen::Unreadable(why), _) => Err(self.fault(&format!("the file cannot be read ({why})"))),
        }
    }

    fn fault(&self, text: &str) -> FileError {
        FileError { file: self.path.clone(), problems: vec![Problem::new(0, "", text)] }
    }

    fn stand_in(&self, error: FileError) -> Result<Outcome<T>, FileError> {
        let copy = match see(&self.copy) {
            Seen::Text(text) => (self.parse)(&text, &self.copy).ok(),
            Seen::Absent | Seen::Unreadable(_) => None,
        };
        if let Some(value) = copy {
            tracing::error!(%error, copy = %self.copy.display(), "the file cannot be used, the last good copy is in force");
            return Ok(Outcome::StandIn { value, file: self.copy.clone(), error });
        }
        let Some(last_resort) = self.last_resort else { return Err(error) };
        tracing::error!(%error, "the file cannot be used and there is no good copy, built-in values are in force");
        Ok(Outcome::StandIn { value: last_resort(), file: self.path.clone(), error })
    }
}

fn see(path: &Path) -> Seen {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        // One more than may be, so that too much is seen as too much; the parser says so.
        File::open(path)?.take(MAX_TEXT as u64 + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => Seen::Text(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::Absent,
        Err(error) => Seen::Unreadable(error.to_string()),
    }
}

/// Never half a file: a new one takes the place of the old one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Seen::Text(there) = see(path)
        && there == text
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
    file.sync_all()?;
    fs::rename(&half, path)
}
