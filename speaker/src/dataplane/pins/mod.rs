//! What outlives the agent: the directory on a bpffs in which its maps and links are pinned.
//!
//! ```text
//! <pin_dir>/v2/VIPS4 … EVENTS        one file per map, named like the map
//! <pin_dir>/v2/VIPS4-next            a map that takes the place of another one; gone after a successful start
//! <pin_dir>/v2/links/native-7        one file per link: mode, interface index
//! <pin_dir>/v2/programs/arpeggio_tc-0123456789abcdef   a program: name, what it is made of
//! <pin_dir>/stale/v2-VIPS4           what had one of these names and could not be used: out of the way, until a cleanup
//! ```
//!
//! Whatever is named like this in this directory is ours; everything else is foreign and stays untouched. Directories of other
//! layouts (`v1`, …) are read at a start, which moves their links here, and are gone afterwards.

mod aside;
mod cleanup;
mod migrate;
mod programs;
mod shape;
mod survey;

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use arpeggio_common::abi::{LAYOUT_DIRECTORY, LAYOUT_VERSION, names};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

pub(super) use cleanup::retire;
pub use cleanup::{CleanupReport, Remains, Sweep, cleanup};
pub(super) use migrate::copy_entries;
pub(super) use programs::Identity;
pub use shape::{Fit, MapShape, compare};
pub(super) use survey::{Survey, survey};

use crate::decide::AttachMode;

/// Name of the directory of links below the one of the layout.
const LINKS: &str = "links";
/// Name of the directory of programs beside it.
const PROGRAMS: &str = "programs";
/// Name of the directory of what could not be used.
const STALE: &str = "stale";
/// Ending of a map that is about to replace the pinned one.
const STAGED: &str = "-next";

/// Why the pin directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// The directory lies on some other file system.
    #[error(
        "{} is not on a BPF file system, so nothing can be pinned there; mount one: mount -t bpf bpf {}",
        path.display(),
        mount_point.display()
    )]
    NotBpffs {
        /// The pin directory.
        path: PathBuf,
        /// Where the BPF file system belongs.
        mount_point: PathBuf,
    },
    /// The directory may not be made, entered or read.
    #[error("no permission to {operation} {}; run as root: {remedy}", path.display())]
    Denied {
        /// What was tried: `create`, `enter`, `open`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// A shell command.
        remedy: String,
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
    /// Anything else that the file system says.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
    /// Entries could not be moved to a map of another capacity.
    #[error("cannot move the entries of {} to a map of another capacity", path.display())]
    Migrate {
        /// The pin of the old map.
        path: PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: aya::maps::MapError,
    },
}

/// A link that somebody pinned, as its name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PinnedLinkPath {
    pub(super) ifindex: u32,
    pub(super) mode: AttachMode,
    pub(super) path: PathBuf,
}

/// The pin directory of this layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinDir {
    root: PathBuf,
}

impl PinDir {
    /// `root` is what the operator configured, the parent of `v1`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory of the maps.
    pub fn layout(&self) -> PathBuf {
        self.root.join(LAYOUT_DIRECTORY)
    }

    /// Where this map is pinned.
    pub fn map(&self, name: &str) -> PathBuf {
        self.layout().join(name)
    }

    /// Where a map waits that will replace the pinned one.
    pub(super) fn staged(&self, name: &str) -> PathBuf {
        self.layout().join(format!("{name}{STAGED}"))
    }

    /// The directory of the links.
    pub fn links(&self) -> PathBuf {
        self.layout().join(LINKS)
    }

    /// Where the link of this interface is pinned.
    pub fn link(&self, mode: AttachMode, ifindex: u32) -> PathBuf {
        self.links().join(link_name(mode, ifindex))
    }

    /// Every pinned link that is named like ours, best mode first for each interface. No directory means no links.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn pinned_links(&self) -> Result<Vec<(u32, AttachMode)>, PinsError> {
        links_in(&self.links())
    }

    /// The links of this layout, then those of the others, with their pins.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub(super) fn every_link(&self, others: &[PathBuf]) -> Result<Vec<PinnedLinkPath>, PinsError> {
        let mut found = Vec::new();
        for directory in std::iter::once(self.links()).chain(others.iter().map(|layout| layout.join(LINKS))) {
            let pin = |(ifindex, mode)| {
                let path = directory.join(link_name(mode, ifindex));
                PinnedLinkPath { ifindex, mode, path }
            };
            found.extend(links_in(&directory)?.into_iter().map(pin));
        }
        Ok(found)
    }

    /// The directories of other layouts, newest first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn other_layouts(&self) -> Result<Vec<PathBuf>, PinsError> {
        let mut versions: Vec<u32> = file_names(&self.root)?.iter().filter_map(|name| layout_version(name)).collect();
        versions.retain(|version| *version != LAYOUT_VERSION);
        versions.sort_unstable_by(|one, other| other.cmp(one));
        let directories = versions.into_iter().map(|version| self.root.join(format!("v{version}")));
        Ok(directories.filter(|path| is_directory(path)).collect())
    }

    /// Makes the directories; those that exist stay as they are.
    ///
    /// # Errors
    /// No BPF file system, or no permission, with the command that helps.
    pub fn prepare(&self) -> Result<(), PinsError> {
        let existing = self.nearest_existing()?;
        if !is_bpffs(&existing)? {
            return Err(PinsError::NotBpffs { path: self.root.clone(), mount_point: self.mount_point() });
        }
        [self.links(), self.programs()].into_iter().try_for_each(|path| self.make(path))
    }

    fn make(&self, path: PathBuf) -> Result<(), PinsError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|source| {
            let operation = "create";
            if source.kind() == io::ErrorKind::PermissionDenied {
                PinsError::Denied { operation, remedy: self.install_command(), path, source }
            } else {
                PinsError::Io { operation, path, source }
            }
        })
    }

    /// The deepest directory on the way to the pin directory that is there.
    fn nearest_existing(&self) -> Result<PathBuf, PinsError> {
        let root = self.root.as_path();
        for path in root.ancestors() {
            match fs::metadata(path) {
                Ok(_) => return Ok(path.to_owned()),
                Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                    let parent = path.parent().unwrap_or(path).to_owned();
                    let remedy = format!("chmod a+x {} && {}", parent.display(), self.install_command());
                    return Err(PinsError::Denied { operation: "enter", path: parent, remedy, source });
                }
                Err(_) => {}
            }
        }
        Ok(PathBuf::from("/"))
    }

    fn mount_point(&self) -> PathBuf {
        let usual = Path::new("/sys/fs/bpf");
        if self.root.starts_with(usual) { usual.to_owned() } else { self.root.clone() }
    }

    fn install_command(&self) -> String {
        format!("install -d -o {} -m 0700 {}", nix::unistd::geteuid(), self.root.display())
    }
}

/// Whether this file or directory lies on a BPF file system.
///
/// # Errors
/// It is not there or may not be looked at.
pub fn is_bpffs(path: &Path) -> Result<bool, PinsError> {
    let answer = statfs(path).map_err(|errno| PinsError::Io {
        operation: "look at the file system of",
        path: path.to_owned(),
        source: errno.into(),
    })?;
    Ok(answer.filesystem_type() == BPF_FS_MAGIC)
}

/// The links in a directory that are named like ours, by interface, best mode first.
fn links_in(directory: &Path) -> Result<Vec<(u32, AttachMode)>, PinsError> {
    let mut found: Vec<_> =
        file_names(directory)?.iter().filter_map(|name| parse_link(name)).map(|(mode, index)| (index, mode)).collect();
    found.sort_unstable();
    Ok(found)
}

/// Reads `v1`, `v2`, …
fn layout_version(name: &str) -> Option<u32> {
    let version: u32 = name.strip_prefix('v')?.parse().ok()?;
    (format!("v{version}") == name).then_some(version)
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// The name of a link's pin.
fn link_name(mode: AttachMode, ifindex: u32) -> String {
    format!("{}-{ifindex}", mode_name(mode))
}

/// The part of a link's name that tells the mode.
const fn mode_name(mode: AttachMode) -> &'static str {
    match mode {
        AttachMode::Native => "native",
        AttachMode::Tcx => "tcx",
        AttachMode::Generic => "generic",
        AttachMode::User => "user",
    }
}

/// Reads the name of a pinned link; `None` for a name that we never give.
fn parse_link(name: &str) -> Option<(AttachMode, u32)> {
    let (mode, index) = name.split_once('-')?;
    let mode = [AttachMode::Native, AttachMode::Tcx, AttachMode::Generic]
        .into_iter()
        .find(|candidate| mode_name(*candidate) == mode)?;
    let number: u32 = index.parse().ok().filter(|number| *number != 0)?;
    // `+7` and `007` parse as well, but we never write them.
    (number.to_string() == index).then_some((mode, number))
}

/// Whether a file of this name in the directory of the layout is one of our maps.
fn is_map(name: &str) -> bool {
    names::ALL.contains(&name.strip_suffix(STAGED).unwrap_or(name))
}

/// The names in a directory in order; none when there is no directory. A name that is not Unicode is not ours.
fn file_names(path: &Path) -> Result<Vec<String>, PinsError> {
    let failed = |source: io::Error| PinsError::Io { operation: "list", path: path.to_owned(), source };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_links_go_there_and_back() {
        let pins = PinDir::new(Path::new("/sys/fs/bpf/arpeggio"));
        for mode in [AttachMode::Native, AttachMode::Tcx, AttachMode::Generic] {
            let path = pins.link(mode, 42);
            assert_eq!(path.parent(), Some(pins.links().as_path()));
            assert_eq!(parse_link(path.file_name().unwrap().to_str().unwrap()), Some((mode, 42)));
        }
    }

    #[test]
    fn names_that_we_never_give_are_foreign() {
        for name in [
            "native",
            "native-",
            "native-0",
            "native-x",
            "native-+7",
            "native-007",
            "user-3",
            "xdp-3",
            "native-3-next",
            "Native-3",
        ] {
            assert_eq!(parse_link(name), None, "{name}");
        }
        assert!(is_map("VIPS4") && is_map("VIPS4-next"));
        for name in ["vips4", "VIPS4-old", "VIPS4-next-next", "cilium_calls", "-next"] {
            assert!(!is_map(name), "{name}");
        }
    }

    #[test]
    fn a_directory_elsewhere_is_refused_with_the_mount_command() {
        let folder = tempfile::tempdir().unwrap();
        let error = PinDir::new(&folder.path().join("bpf")).prepare().unwrap_err();
        assert!(
            error.to_string().contains(&format!("mount -t bpf bpf {}", folder.path().join("bpf").display())),
            "{error}"
        );
        let usual = PinDir::new(Path::new("/sys/fs/bpf/arpeggio"));
        assert_eq!(usual.mount_point(), Path::new("/sys/fs/bpf"));
        assert!(!folder.path().join("bpf").exists(), "nothing is made in vain");
    }
}
