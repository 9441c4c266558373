//! A network namespace without a name, and a place on the BPF file system; both vanish also when a test fails.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sched::{CloneFlags, unshare};

/// Moves this thread into a network namespace of its own; processes it starts are inside as well. It goes with the thread.
pub(crate) fn enter_new_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root or CAP_SYS_ADMIN");
    ip("link set lo up");
}

/// `ip ARGUMENTS`.
pub(crate) fn ip(arguments: &str) {
    run("ip", arguments);
}

/// Runs a command to its end.
pub(crate) fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split_ascii_whitespace()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A directory on the BPF file system, and one for everything else.
pub(crate) struct Places {
    pub(crate) pin_dir: PathBuf,
    pub(crate) folder: tempfile::TempDir,
}

impl Places {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let pin_dir = PathBuf::from(format!("/sys/fs/bpf/arpeggio-cli-{}-{number}", process::id()));
        Self { pin_dir, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn run_dir(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if self.pin_dir.exists() {
            fs::remove_dir_all(&self.pin_dir).unwrap();
        }
    }
}
