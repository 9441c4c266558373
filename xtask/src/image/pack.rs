//! buildah puts a tree of files into an archive: from scratch, without a daemon, with a storage of its own.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::Wanted;
use crate::sh;

/// Packs the tree; `scratch` is for what buildah keeps meanwhile.
///
/// # Errors
/// If buildah fails; the message holds what it printed.
pub(super) fn pack(tree: &Path, scratch: &Path, wanted: &Wanted) -> Result<()> {
    let buildah = |arguments: &[&str]| {
        let mut command = Command::new("buildah");
        // Neither overlayfs nor namespaces: it works inside of containers too.
        command.args(["--storage-driver", "vfs"]);
        command.arg("--root").arg(scratch.join("storage")).arg("--runroot").arg(scratch.join("run"));
        command.env("BUILDAH_ISOLATION", "chroot").args(arguments);
        command
    };
    let container = sh::read(buildah(&["from", "scratch"]))?;
    let mut copy = buildah(&["copy", "--quiet", "--chown", "0:0", "--chmod", "0755", &container]);
    copy.arg(tree).arg("/");
    sh::run(copy)?;
    let mut config = buildah(&["config", "--created-by", "cargo xtask image", "--env", "PATH=/"]);
    for (name, value) in labels() {
        config.args(["--label", &format!("org.opencontainers.image.{name}={value}")]);
    }
    config.arg(&container);
    sh::run(config)?;
    // `docker-archive:` does not write over a file.
    let draft = scratch.join("image.tar");
    let mut commit = buildah(&["commit", "--quiet", "--timestamp", "0", "--disable-compression", &container]);
    commit.arg(format!("docker-archive:{}:{}", draft.display(), wanted.tag));
    sh::run(commit)?;
    // In one step: nobody ever imports half an archive.
    let archive = &wanted.archive;
    std::fs::rename(&draft, archive).with_context(|| format!("move the image to {}", archive.display()))
}

/// What an image says about itself, with the names that the OCI gives.
fn labels() -> [(&'static str, &'static str); 4] {
    [
        ("title", "Arpeggio"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("source", env!("CARGO_PKG_REPOSITORY")),
        ("licenses", "Apache-2.0"),
    ]
}
