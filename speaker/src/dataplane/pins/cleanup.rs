//! Takes away every pin of ours and nothing else.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    LINKS, PROGRAMS, PinsError, STALE, file_names, is_bpffs, is_directory, is_map, layout_version, parse_link,
    programs::parse_program,
};

/// Whether to remove or only to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Say what would be removed.
    List,
    /// Remove it.
    Remove,
}

/// What a cleanup found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanupReport {
    /// Pins of ours that were removed, or would be, in that order: links first, so that no program runs on without maps.
    pub removed: Vec<PathBuf>,
    /// Files that are not ours and were left alone; their directories stay as well.
    pub foreign: Vec<PathBuf>,
    /// What could not be removed, and why.
    pub failed: Vec<(PathBuf, String)>,
}

/// What lies below the pin directory and is not in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Pins that were put aside, see [`PinDir::put_aside`](super::PinDir::put_aside).
    pub stale: Vec<PathBuf>,
    /// What nobody here pinned.
    pub foreign: Vec<PathBuf>,
}

impl Remains {
    /// Looks at everything below the directory.
    ///
    /// # Errors
    /// A directory cannot be read, or it is not on a BPF file system.
    pub fn below(pin_dir: &Path) -> Result<Self, PinsError> {
        let CleanupReport { removed, foreign, .. } = cleanup(pin_dir, Sweep::List)?;
        let stale = pin_dir.join(STALE);
        Ok(Self { stale: removed.into_iter().filter(|path| path.starts_with(&stale)).collect(), foreign })
    }
}

/// Removes what the agent pinned below `pin_dir`, of whatever layout version. Without the directory there is nothing to do.
///
/// # Errors
/// A directory cannot be read, or it is not on a BPF file system: then nothing in it can be a pin.
pub fn cleanup(pin_dir: &Path, sweep: Sweep) -> Result<CleanupReport, PinsError> {
    let mut report = CleanupReport::default();
    if !pin_dir.exists() {
        return Ok(report);
    }
    if !is_bpffs(pin_dir)? {
        return Err(PinsError::NotBpffs { path: pin_dir.to_owned(), mount_point: pin_dir.to_owned() });
    }
    let mut directories = Vec::new();
    for name in file_names(pin_dir)? {
        let path = pin_dir.join(&name);
        if layout_version(&name).is_some() && is_directory(&path) {
            sort_layout(&path, &mut report)?;
            directories.extend([path.join(LINKS), path.join(PROGRAMS), path]);
        } else if name == STALE && is_directory(&path) {
            report.removed.extend(file_names(&path)?.iter().map(|name| path.join(name)));
            directories.push(path);
        } else {
            report.foreign.push(path);
        }
    }
    directories.push(pin_dir.to_owned());
    if sweep == Sweep::Remove {
        remove(&mut report, &directories);
    }
    Ok(report)
}

/// Removes the directory of another layout after its links have moved away. What is not ours in it stays, and is named.
///
/// # Errors
/// The directory cannot be read.
pub(in crate::dataplane) fn retire(directory: &Path) -> Result<(), PinsError> {
    let mut report = CleanupReport::default();
    sort_layout(directory, &mut report)?;
    remove(&mut report, &[directory.join(LINKS), directory.join(PROGRAMS), directory.to_owned()]);
    for (path, error) in &report.failed {
        tracing::warn!(path = %path.display(), error, "a pin of another layout stays");
    }
    Ok(())
}

fn sort_layout(directory: &Path, report: &mut CleanupReport) -> Result<(), PinsError> {
    let is_link: fn(&str) -> bool = |name| parse_link(name).is_some();
    let is_program: fn(&str) -> bool = |name| parse_program(name).is_some();
    for (folder, is_ours) in [(LINKS, is_link), (PROGRAMS, is_program)] {
        let folder = directory.join(folder);
        if !is_directory(&folder) {
            continue;
        }
        for name in file_names(&folder)? {
            let path = folder.join(&name);
            let ours = is_ours(&name) && !is_directory(&path);
            if ours { report.removed.push(path) } else { report.foreign.push(path) }
        }
    }
    for name in file_names(directory)? {
        let path = directory.join(&name);
        match is_directory(&path) {
            true if name == LINKS || name == PROGRAMS => {}
            false if is_map(&name) => report.removed.push(path),
            true | false => report.foreign.push(path),
        }
    }
    Ok(())
}

fn remove(report: &mut CleanupReport, directories: &[PathBuf]) {
    report.removed.retain(|path| match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) => {
            report.failed.push((path.clone(), error.to_string()));
            false
        }
    });
    for directory in directories {
        match fs::remove_dir(directory) {
            Ok(()) => {}
            // It holds something foreign, was never made, or is where the file system is mounted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound | io::ErrorKind::ResourceBusy
                ) => {}
            Err(error) => report.failed.push((directory.clone(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_from_other_directories() {
        for (name, ours) in [
            ("v1", true),
            ("v23", true),
            ("v", false),
            ("v01", false),
            ("v+1", false),
            ("version1", false),
            ("1", false),
        ] {
            assert_eq!(layout_version(name).is_some(), ours, "{name}");
        }
    }

    #[test]
    fn nothing_is_touched_outside_a_bpf_file_system() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("v1")).unwrap();
        let file = folder.path().join("v1/VIPS4");
        fs::write(&file, "mine").unwrap();
        assert!(matches!(cleanup(folder.path(), Sweep::Remove), Err(PinsError::NotBpffs { .. })));
        assert!(file.exists());
        assert_eq!(cleanup(&folder.path().join("nowhere"), Sweep::Remove).unwrap(), CleanupReport::default());
    }
}
