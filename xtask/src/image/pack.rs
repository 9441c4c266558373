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
    for (name, value) in labels(&wanted.tag) {
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
fn labels(name: &str) -> [(&'static str, &str); 4] {
    // Behind the last colon, unless that belongs to the port of a registry.
    let version = name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
    [
        ("title", "Arpeggio"),
        ("version", version.unwrap_or("latest")),
        ("source", env!("CARGO_PKG_REPOSITORY")),
        ("licenses", "Apache-2.0"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_tag() {
        let version = |name| labels(name)[1].1;
        assert_eq!(version("ghcr.io/arpeggio-lb/arpeggio:v1.2.3"), "v1.2.3");
        assert_eq!(version("registry.example:5000/arpeggio"), "latest");
        assert_eq!(version("arpeggio"), "latest");
    }
}
