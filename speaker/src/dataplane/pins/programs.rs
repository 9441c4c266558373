//! Pins of programs, so that the next agent need not have them verified again: a quarter of a million instructions each.
//!
//! A name tells everything that decides what a program does: the object it is from and the maps it works with. Whatever has that name
//! can be used as it is; the other names are of agents that are gone.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
};

use arpeggio_common::abi::names;
use aya::maps::{MapData, MapError};

use super::{PROGRAMS, PinDir, file_names};

/// What the programs of an agent are made of, as a part of the names of their pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dataplane) struct Identity(String);

impl Identity {
    /// That of an object whose programs work with the maps at these pins. Ids of maps are not used twice between two boots, and a boot
    /// empties every bpffs.
    ///
    /// # Errors
    /// A map cannot be opened.
    pub(in crate::dataplane) fn of<'a>(
        object: &[u8],
        maps: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, MapError> {
        let mut hasher = DefaultHasher::new();
        object.hash(&mut hasher);
        for pin in maps {
            MapData::from_pin(pin)?.info()?.id().hash(&mut hasher);
        }
        Ok(Self(format!("{:016x}", hasher.finish())))
    }
}

impl PinDir {
    /// The directory of the programs.
    pub(super) fn programs(&self) -> PathBuf {
        self.layout().join(PROGRAMS)
    }

    /// Where a program is pinned.
    pub(in crate::dataplane) fn program(&self, name: &str, identity: &Identity) -> PathBuf {
        self.programs().join(format!("{name}-{}", identity.0))
    }

    /// Removes the programs of other agents. What they ran behind runs ours by now.
    pub(in crate::dataplane) fn remove_other_programs(&self, identity: &Identity) {
        let folder = self.programs();
        let names = file_names(&folder).unwrap_or_default();
        for name in names.iter().filter(|name| parse_program(name).is_some_and(|other| other != identity.0)) {
            let path = folder.join(name);
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "the program of an earlier agent stays pinned");
            }
        }
    }
}

/// Reads the name of a pinned program: the part that tells whose; `None` for a name that we never give.
pub(super) fn parse_program(name: &str) -> Option<&str> {
    let (program, identity) = name.split_once('-')?;
    let is_identity =
        identity.len() == 16 && identity.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (names::PROGRAMS.contains(&program) && is_identity).then_some(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_programs_go_there_and_back() {
        let identity = Identity::of(b"object", []).unwrap();
        assert_ne!(identity, Identity::of(b"another", []).unwrap());
        let path = PinDir::new(Path::new("/sys/fs/bpf/arpeggio")).program(names::TC_PROGRAM, &identity);
        assert_eq!(parse_program(path.file_name().unwrap().to_str().unwrap()), Some(&*identity.0));
        for name in
            ["arpeggio_tc", "arpeggio_tc-", "arpeggio_tc-12", "arpeggio_tc-0123456789ABCDEF", "x-0123456789abcdef"]
        {
            assert_eq!(parse_program(name), None, "{name}");
        }
    }
}
