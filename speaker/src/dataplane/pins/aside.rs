//! Puts pins aside that have one of our names and cannot be used, so that no start needs anybody's hands.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{PinDir, PinnedLinkPath, PinsError, Remains, STALE, file_names, layout_version, parse_link};
use crate::decide::AttachMode;

/// Stands in the name of what was never ours, whatever it was named.
const FOREIGN: &str = "foreign-";

impl PinDir {
    fn stale(&self) -> PathBuf {
        self.root.join(STALE)
    }

    /// Moves a pin of ours out of the way. What it holds goes on: a map, a link with its program.
    ///
    /// # Errors
    /// The file system refuses; then it is still where it was.
    pub(in crate::dataplane) fn put_aside(&self, path: &Path) -> Result<PathBuf, PinsError> {
        self.move_away(path, "")
    }

    /// The same for an object that nobody here made.
    ///
    /// # Errors
    /// As [`Self::put_aside`].
    pub(in crate::dataplane) fn put_aside_foreign(&self, path: &Path) -> Result<PathBuf, PinsError> {
        self.move_away(path, FOREIGN)
    }

    fn move_away(&self, path: &Path, mark: &str) -> Result<PathBuf, PinsError> {
        let stale = self.stale();
        let layout =
            path.ancestors().filter_map(Path::file_name).find(|name| name.to_str().and_then(layout_version).is_some());
        let (layout, name) =
            (layout.unwrap_or_default().to_string_lossy(), path.file_name().unwrap_or_default().to_string_lossy());
        let wanted = stale.join(format!("{layout}-{mark}{name}"));
        let free = (2_u32..).map(|number| stale.join(format!("{layout}-{mark}{name}-{number}")));
        let Some(target) = std::iter::once(wanted).chain(free).find(|path| fs::symlink_metadata(path).is_err()) else {
            return Ok(path.to_owned());
        };
        let moved = make_directory(&stale).and_then(|()| fs::rename(path, &target));
        match moved {
            Ok(()) => Ok(target),
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => Err(PinsError::Denied {
                operation: "move away",
                remedy: format!("chown -R {} {}", nix::unistd::geteuid(), self.root.display()),
                path: path.to_owned(),
                source,
            }),
            Err(source) => Err(PinsError::Io { operation: "move away", path: path.to_owned(), source }),
        }
    }

    /// Links that an earlier start put aside and could not remove any more: their programs still run.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(in crate::dataplane) fn links_aside(&self) -> Result<Vec<PinnedLinkPath>, PinsError> {
        let stale = self.stale();
        let pin = |name: &str, mode, ifindex| PinnedLinkPath { ifindex, mode, path: stale.join(name) };
        let link = |name: &String| parse_aside(name).map(|(mode, ifindex)| pin(name, mode, ifindex));
        Ok(file_names(&stale)?.iter().filter_map(link).collect())
    }

    /// Tells of everything below the pin directory that no agent uses.
    pub(in crate::dataplane) fn name_remains(&self) {
        let Ok(Remains { stale, foreign }) = Remains::below(&self.root) else { return };
        for path in stale {
            tracing::warn!(path = %path.display(), "put aside, of no use any more: remove it when nothing else uses it");
        }
        for path in foreign {
            tracing::warn!(path = %path.display(), "not pinned by an agent: left alone");
        }
    }

    /// Takes the directory away when nothing is left in it.
    pub(in crate::dataplane) fn tidy_aside(&self) {
        // It holds something, or was never made.
        let _ = fs::remove_dir(self.stale());
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Reads `v1-tcx-7` and `v1-tcx-7-2`.
fn parse_aside(name: &str) -> Option<(AttachMode, u32)> {
    let (layout, link) = name.split_once('-')?;
    layout_version(layout)?;
    parse_link(link).or_else(|| parse_link(link.rsplit_once('-')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_known_again_and_nothing_else_is() {
        assert_eq!(parse_aside("v1-tcx-7"), Some((AttachMode::Tcx, 7)));
        assert_eq!(parse_aside("v12-native-70-3"), Some((AttachMode::Native, 70)));
        for name in ["v1-VIPS4", "v1-foreign-tcx-7", "tcx-7", "v1-tcx", "v1-user-7", "x-tcx-7"] {
            assert_eq!(parse_aside(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_put_aside_keeps_its_name_and_never_replaces_anything() {
        let folder = tempfile::tempdir().unwrap();
        let pins = PinDir::new(folder.path());
        let put = |path: &Path| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
            pins.put_aside(path).unwrap().strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned()
        };
        let link = folder.path().join("v1/links/tcx-7");
        assert_eq!([put(&link), put(&link), put(&link)], ["stale/v1-tcx-7", "stale/v1-tcx-7-2", "stale/v1-tcx-7-3"]);
        assert_eq!(put(&folder.path().join("v1/VIPS4")), "stale/v1-VIPS4");
        fs::write(&link, "").unwrap();
        assert!(pins.put_aside_foreign(&link).unwrap().ends_with("stale/v1-foreign-tcx-7"));
        let links: Vec<_> = pins.links_aside().unwrap().into_iter().map(|pin| (pin.ifindex, pin.mode)).collect();
        assert_eq!(links, [(7, AttachMode::Tcx); 3]);
    }
}
