//! A network namespace without a name, and BPF file systems in a mount namespace; all vanish also when a test fails.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

/// Moves this thread into a network and a mount namespace of its own; threads and processes it starts are inside as well.
/// Both go with the thread.
pub(crate) fn enter_new_namespace() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces need root or CAP_SYS_ADMIN");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
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

/// A BPF file system of the test's own, and a directory for everything else. To be made after [`enter_new_namespace`].
pub(crate) struct Places {
    pub(crate) pin_dir: PathBuf,
    bpffs: PathBuf,
    folder: tempfile::TempDir,
}

impl Places {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bpffs = folder.path().join("bpf");
        std::fs::create_dir(&bpffs).unwrap();
        mount(Some("bpf"), &bpffs, Some("bpf"), MsFlags::empty(), None::<&str>).unwrap();
        Self { pin_dir: bpffs.join("arpeggio"), bpffs, folder }
    }

    pub(crate) fn run_dir(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // The folder of the mount is removed next.
        umount2(&self.bpffs, MntFlags::MNT_DETACH).unwrap();
    }
}
