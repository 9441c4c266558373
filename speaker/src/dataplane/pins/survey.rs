//! Looks at what is pinned before a load: what the new program uses again, where the entries of new maps come from, and what
//! has one of our names and is of no use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use arpeggio_common::abi::names;
use aya::maps::MapData;
use nix::errno::Errno;

use super::{Fit, MapShape, PinDir, PinsError, compare};
use crate::dataplane::{
    attach::observe::{self, Object},
    load::errno_of,
    syscall::open_pin,
};

/// Maps whose entries mean the same in every layout so far.
const CARRIED: [&str; 5] = [names::VIPS4, names::VIPS6, names::STATS, names::CLIENTS, names::LEASE];
/// Without the entries of these an agent does not answer from its first moment on.
const NEEDED: [&str; 3] = [names::VIPS4, names::VIPS6, names::LEASE];

/// What has to be done before and after the load.
#[derive(Debug, Default)]
pub(in crate::dataplane) struct Survey {
    /// Maps whose capacity changes: pinned under a temporary name until every link runs the new program.
    pub(in crate::dataplane) staged: BTreeSet<&'static str>,
    /// Where the entries of new maps come from.
    sources: BTreeMap<&'static str, PathBuf>,
    /// New maps that begin empty.
    empty: BTreeSet<&'static str>,
}

/// What has the name of a map.
enum Found {
    Nothing,
    Map(MapShape),
    /// A map that this process may not open.
    Closed(io::Error),
    Foreign,
}

impl Survey {
    /// The pin with the entries that this map is to begin with, where they have to be copied.
    pub(super) fn source(&self, name: &str) -> Option<&Path> {
        self.sources.get(name).map(PathBuf::as_path)
    }

    /// Whether the new program, put behind the links at once, answers as the one before it did.
    pub(in crate::dataplane) fn is_continuous(&self) -> bool {
        !NEEDED.iter().any(|name| self.empty.contains(name))
    }

    /// Puts the staged maps in the place of the old ones. Each rename is atomic; a crash in between leaves a state from
    /// which the next start migrates the rest.
    ///
    /// # Errors
    /// The file system refuses.
    pub(in crate::dataplane) fn commit(&self, pins: &PinDir) -> Result<(), PinsError> {
        for name in &self.staged {
            let path = pins.staged(name);
            fs::rename(&path, pins.map(name)).map_err(|source| PinsError::Io {
                operation: "move into place",
                path,
                source,
            })?;
        }
        Ok(())
    }

    /// Forgets the staged maps after a failed start; the old ones were never touched.
    pub(in crate::dataplane) fn abandon(&self, pins: &PinDir) {
        for name in &self.staged {
            if let Err(error) = remove_staged(pins, name) {
                tracing::warn!(%error, "a map that was meant to replace another one stays; the next start removes it");
            }
        }
    }
}

/// Compares every pinned map with the wanted one. What has its name and is of no use is put aside: whatever still works with
/// it goes on, and the new program gets a new map.
///
/// # Errors
/// A pin cannot be looked at or moved; then nothing was changed that anybody works with.
pub(in crate::dataplane) fn survey(
    pins: &PinDir,
    wanted: &BTreeMap<&'static str, MapShape>,
) -> Result<Survey, PinsError> {
    let others = pins.other_layouts()?;
    let mut survey = Survey::default();
    for (name, expected) in wanted {
        remove_staged(pins, name)?;
        let path = pins.map(name);
        match found(&path)? {
            Found::Map(shape) if shape == *expected => continue,
            Found::Map(shape) if compare(&shape, expected) == Fit::Migrate => {
                survey.staged.insert(name);
                survey.sources.insert(name, path);
                continue;
            }
            Found::Nothing => {}
            Found::Map(shape) => {
                let aside = pins.put_aside(&path)?;
                let aside = aside.display();
                tracing::warn!(map = name, found = %shape, %expected, %aside, "a map of another shape was put aside");
            }
            Found::Closed(error) => {
                let aside = pins.put_aside(&path)?;
                tracing::warn!(map = name, %error, aside = %aside.display(), "a map that cannot be opened was put aside");
            }
            Found::Foreign => {
                let aside = pins.put_aside_foreign(&path)?;
                tracing::warn!(map = name, aside = %aside.display(), "something that is no map was put aside");
            }
        }
        if let Some(source) = elsewhere(&others, name, expected) {
            survey.sources.insert(name, source);
        } else {
            survey.empty.insert(name);
        }
    }
    Ok(survey)
}

/// A map of another layout with entries that mean the same.
fn elsewhere(layouts: &[PathBuf], name: &str, expected: &MapShape) -> Option<PathBuf> {
    if !CARRIED.contains(&name) {
        return None;
    }
    let fits =
        |path: &PathBuf| matches!(found(path), Ok(Found::Map(shape)) if compare(&shape, expected) != Fit::Refuse);
    layouts.iter().map(|layout| layout.join(name)).find(fits)
}

/// Left behind by a start that failed half way.
fn remove_staged(pins: &PinDir, name: &str) -> Result<(), PinsError> {
    let path = pins.staged(name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(PinsError::Io { operation: "remove", path, source }),
    }
}

fn found(path: &Path) -> Result<Found, PinsError> {
    let failed = |operation| move |source| PinsError::Io { operation, path: path.to_owned(), source };
    match path.symlink_metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(source) => return Err(failed("look at")(source)),
    }
    let object = match open_pin(path) {
        Ok(descriptor) => observe::object(descriptor.as_fd()).map_err(failed("look at"))?,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Found::Closed(error)),
        Err(source) => return Err(failed("open")(source)),
    };
    match object {
        Object::Map => shape(path).map(Found::Map).map_err(failed("look at")),
        Object::Link(_) | Object::Other => Ok(Found::Foreign),
    }
}

fn shape(path: &Path) -> io::Result<MapShape> {
    let read = || {
        let info = MapData::from_pin(path)?.info()?;
        // The number, not aya's enum: a type that aya does not know must still be comparable.
        let kind = info.map_type().map(|kind| kind as u32).unwrap_or(u32::MAX);
        let (key_size, value_size) = (info.key_size(), info.value_size());
        Ok(MapShape { kind, key_size, value_size, max_entries: info.max_entries(), flags: info.map_flags() })
    };
    read().map_err(|error: aya::maps::MapError| errno_of(&error).map_or_else(|| io::Error::other(error), Errno::into))
}
