//! Where what the next start goes on from is kept. It should outlive a reboot of the node, and nobody should have to make it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tracing::{info, warn};

/// Files that agents before this one kept in the run directory.
const FILES: [&str; 4] = ["kubernetes.json", "last-good.yaml", "last-good-exclude.yaml", "last-good-settings.yaml"];

/// Makes the directory and brings into it what an older agent kept in the run directory. Where it cannot be made or written
/// to, the run directory does: then a start after a reboot has to wait for the API server, and all else is as it should be.
pub(super) fn directory(wanted: &Path, run_dir: &Path) -> PathBuf {
    if wanted == run_dir {
        return run_dir.to_owned();
    }
    match prepare(wanted) {
        Ok(()) => {
            FILES.iter().for_each(|name| bring(name, run_dir, wanted));
            wanted.to_owned()
        }
        Err(error) => {
            warn!(
                directory = %wanted.display(), %error,
                "state is kept in the run directory {} and does not outlive a reboot; make the directory, or give a --state-dir",
                run_dir.display()
            );
            run_dir.to_owned()
        }
    }
}

fn prepare(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    // Permissions say little: the file system may be read-only.
    let probe = directory.join(format!("probe-{}", std::process::id()));
    File::create(&probe)?;
    fs::remove_file(&probe)
}

fn bring(name: &str, from: &Path, to: &Path) {
    let (old, new) = (from.join(name), to.join(name));
    if new.exists() || !old.exists() {
        return;
    }
    match copy(&old, &new) {
        Ok(()) => info!(file = %new.display(), "moved here from the run directory"),
        Err(error) => warn!(file = %old.display(), %error, "cannot move it into the state directory"),
    }
}

/// With its time: it tells how old the state is.
fn copy(old: &Path, new: &Path) -> io::Result<()> {
    let half = new.with_extension("new");
    fs::copy(old, &half)?;
    let written = fs::metadata(old)?.modified()?;
    File::options().write(true).open(&half)?.set_modified(written)?;
    fs::rename(&half, new)?;
    fs::remove_file(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_agent_kept_moves_once_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (run, state) = (folder.path().join("run"), folder.path().join("a/state"));
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("kubernetes.json"), "old").unwrap();
        fs::write(run.join("speaker.sock"), "").unwrap();
        let written = fs::metadata(run.join("kubernetes.json")).unwrap().modified().unwrap();
        assert_eq!(directory(&state, &run), state);
        let moved = state.join("kubernetes.json");
        assert_eq!(
            (fs::read_to_string(&moved).unwrap().as_str(), run.join("kubernetes.json").exists()),
            ("old", false)
        );
        assert_eq!(fs::metadata(&moved).unwrap().modified().unwrap(), written);
        fs::write(run.join("kubernetes.json"), "another").unwrap();
        assert_eq!(directory(&state, &run), state);
        assert_eq!(fs::read_to_string(&moved).unwrap(), "old");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "the socket stays where it was");
    }

    #[test]
    fn where_nothing_can_be_written_the_run_directory_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(directory(&file.join("state"), folder.path()), folder.path());
        assert_eq!(directory(folder.path(), folder.path()), folder.path());
    }
}
