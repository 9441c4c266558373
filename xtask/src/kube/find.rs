//! Where a program of Kubernetes may already be.

use std::path::{Path, PathBuf};

use super::{Program, build};
use crate::{paths, setup};

/// Why a program is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It can be built.
    #[error("not built yet")]
    Buildable,
    /// It is never built.
    #[error(
        "etcd is neither in KUBEBUILDER_ASSETS nor in PATH: `cargo xtask setup cluster` installs Debian's etcd-server, or \
         set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl (`setup-envtest use -p path` makes one)"
    )]
    Etcd,
}

/// Folders in which programs are looked for.
pub(super) struct Places {
    /// `KUBEBUILDER_ASSETS`, if it is set.
    pub(super) provided: Option<PathBuf>,
    /// Folder of what we built.
    pub(super) cache: PathBuf,
}

impl Places {
    /// As the environment says.
    pub(super) fn of_this_machine() -> Self {
        let provided = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { provided, cache: cache_root() }
    }

    /// Folder of what we built of exactly this release in exactly this way.
    pub(super) fn cache_of(&self, program: Program) -> PathBuf {
        self.cache.join(build::key(program))
    }

    /// The program in the user's folder.
    pub(super) fn provided(&self, name: &str) -> Option<PathBuf> {
        self.provided.as_ref().and_then(|folder| executable(&folder.join(name)))
    }

    /// Where the program is.
    ///
    /// Order: what the user provides (first the folder, then `PATH`), then what was built here.
    pub(super) fn find(&self, program: Program) -> Result<PathBuf, Missing> {
        let name = program.file();
        if let Some(found) = self.provided(name) {
            return Ok(found);
        }
        if self.provided.is_some() || program == Program::Etcd {
            // An unpinned program of PATH is taken only where the user has chosen the release.
            if let Some(found) = setup::find(name) {
                return Ok(found);
            }
        }
        if program == Program::Etcd {
            return Err(Missing::Etcd);
        }
        executable(&self.cache_of(program).join(name)).ok_or(Missing::Buildable)
    }
}

/// Outside of every working copy, so that the next clone finds what this one built.
fn cache_root() -> PathBuf {
    let home = std::env::var_os("HOME").filter(|value| !value.is_empty());
    std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(home?).join(".cache")))
        .unwrap_or_else(paths::target)
        .join("arpeggio-kube")
}

pub(super) fn executable(path: &Path) -> Option<PathBuf> {
    setup::is_executable(path).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn put(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn what_the_user_provides_comes_first_then_what_was_built() {
        let (provided, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut places = Places { provided: None, cache: cache.path().to_owned() };
        fs::create_dir(places.cache_of(Program::Apiserver)).unwrap();
        let built = put(&places.cache_of(Program::Apiserver), "kube-apiserver");
        assert_eq!(places.find(Program::Apiserver), Ok(built.clone()));
        assert_eq!(places.find(Program::Kubelet), Err(Missing::Buildable));

        places.provided = Some(provided.path().to_owned());
        assert_eq!(places.find(Program::Apiserver), Ok(built), "the folder lacks it");
        let given = put(provided.path(), "kube-apiserver");
        assert_eq!(places.find(Program::Apiserver), Ok(given));
    }

    #[test]
    fn a_file_that_cannot_run_is_not_the_program() {
        let cache = tempfile::tempdir().unwrap();
        let places = Places { provided: None, cache: cache.path().to_owned() };
        fs::create_dir(places.cache_of(Program::Kubelet)).unwrap();
        fs::write(places.cache_of(Program::Kubelet).join("kubelet"), "").unwrap();
        assert_eq!(places.find(Program::Kubelet), Err(Missing::Buildable));
    }
}
