//! A network laboratory out of namespaces, for the demo, the tests and the benchmarks.
//!
//! Everything a lab makes carries its [tag](Lab::tag), which holds the process id, so that several runs side by side never
//! meet. Every interface is born inside a namespace: the machine's own interfaces are not touched. Whatever is made is
//! undone when its guard is dropped, after a panic too, and on Ctrl-C (see [`undo`]).

mod asker;
pub mod clients;
pub mod cluster;
mod faults;
mod leftovers;
mod namespace;
mod packets;
mod process;
mod segment;
mod speaker;
pub mod undo;
mod wait;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, bail};

pub use self::{
    asker::{Account, Asker, Double},
    faults::Fault,
    leftovers::{abandoned, leftovers, remove_abandoned},
    namespace::Namespace,
    packets::{Echo, Packets, PacketsAccount},
    process::Running,
    segment::{Node, Segment},
    speaker::{LAYOUT_DIRECTORY, SpeakerOptions, SpeakerProcess, read_status, static_config},
    wait::{eventually, poll_until},
};
use crate::{sh, ui};

/// How every name of every lab begins.
pub const PREFIX: &str = "arpeggio-lab";

static SEQUENCE: AtomicU32 = AtomicU32::new(0);

/// One laboratory: a unique tag, a scratch directory and a private bpffs inside it.
pub struct Lab {
    tag: String,
    directory: PathBuf,
    // Dropped in this order: first the mount, then the directory it is in.
    _bpffs: undo::Undo,
    _scratch: undo::Undo,
}

impl Lab {
    /// Makes the scratch directory and mounts a bpffs in it.
    ///
    /// # Errors
    /// If this is not root, or the directory or the mount cannot be made.
    pub fn new() -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("network namespaces need root; run this as root, for example with sudo");
        }
        let tag = format!("{PREFIX}-{}-{}", std::process::id(), SEQUENCE.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&tag);
        fs::create_dir(&directory).with_context(|| format!("create the scratch directory {}", directory.display()))?;
        let scratch = undo::Undo::new({
            let directory = directory.clone();
            move || {
                if let Err(error) = fs::remove_dir_all(&directory) {
                    ui::warn(format_args!("remove {}: {error}", directory.display()));
                }
            }
        })?;
        let mounted = directory.join("bpf");
        fs::create_dir(&mounted).context("create the mount point of the bpffs")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "bpf", tag.as_str()]).arg(&mounted);
        sh::run(mount)?;
        let bpffs = undo::Undo::new(move || {
            // Lazily: a process of the lab that is just dying may still hold a file in it.
            let mut umount = Command::new("umount");
            umount.arg("--lazy").arg(&mounted);
            if let Err(error) = sh::run(umount) {
                ui::warn(error);
            }
        })?;
        Ok(Self { tag, directory, _bpffs: bpffs, _scratch: scratch })
    }

    /// What every name of this lab begins with.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Scratch directory, removed with the lab.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A path in the scratch directory that nothing has yet, like `NAME-1.ENDING`.
    ///
    /// # Errors
    /// If there are too many.
    pub fn free_path(&self, name: &str, ending: &str) -> Result<PathBuf> {
        (1_u32..)
            .map(|number| self.directory.join(format!("{name}-{number}.{ending}")))
            .find(|path| !path.exists())
            .with_context(|| format!("no number is free for a {name} in {}", self.directory.display()))
    }

    /// Root of the private bpffs.
    #[must_use]
    pub fn bpffs(&self) -> PathBuf {
        self.directory.join("bpf")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_stay_below_the_limit_of_file_names() {
        let longest = format!("{}-{}-{}-client", super::PREFIX, u32::MAX, u32::MAX);
        assert!(longest.len() < 255, "{longest}");
    }
}
