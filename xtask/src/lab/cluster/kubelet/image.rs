//! The image that holds the namespaces of a pod: one static program that waits, packed by hand.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{paths, sh};

/// Name of the image.
pub const PAUSE: &str = "local/pause:1";

/// It waits for ever; containerd ends it with SIGKILL.
const PROGRAM: &str = "fn main() { loop { std::thread::park(); } }\n";

/// Makes the archive of the image below the build directory, if it is not there, and returns where it is.
pub(super) fn pause() -> Result<PathBuf> {
    let archive = paths::target().join("pause-1.tar");
    if archive.exists() {
        return Ok(archive);
    }
    let scratch = tempfile::tempdir_in(paths::target()).context("make a directory for the pause image")?;
    let folder = scratch.path();
    compile(folder)?;
    sh::run(tar(folder, "layer.tar", &["pause"]))?;
    let mut digest = Command::new("sha256sum");
    digest.arg(folder.join("layer.tar"));
    let digest = sh::read(digest)?;
    let digest = digest.split(' ').next().unwrap_or_default();
    let write = |name: &str, value: serde_json::Value| {
        fs::write(folder.join(name), value.to_string()).with_context(|| format!("write the image's {name}"))
    };
    write("config.json", config(digest))?;
    write("manifest.json", json!([{"Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"]}]))?;
    sh::run(tar(folder, "image.tar", &["manifest.json", "config.json", "layer.tar"]))?;
    // In one step: several labs may begin at the same time.
    fs::rename(folder.join("image.tar"), &archive)
        .with_context(|| format!("move the image to {}", archive.display()))?;
    Ok(archive)
}

fn config(digest: &str) -> serde_json::Value {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        "history": [{"created": "1970-01-01T00:00:00Z"}],
    })
}

fn compile(folder: &Path) -> Result<()> {
    let source = folder.join("pause.rs");
    fs::write(&source, PROGRAM).context("write the program of the pause image")?;
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "-Copt-level=s", "-Ctarget-feature=+crt-static", "-Cstrip=symbols", "-o"]);
    rustc.arg(folder.join("pause")).arg(&source);
    sh::run(rustc)
}

fn tar(folder: &Path, archive: &str, files: &[&str]) -> Command {
    let mut command = Command::new("tar");
    command
        .current_dir(folder)
        .args(["--create", "--file", archive, "--owner=0", "--group=0", "--mode=0755", "--mtime=@0"])
        .args(files);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_made_once_and_names_its_program() {
        let archive = pause().unwrap();
        assert_eq!(pause().unwrap(), archive);
        let mut list = Command::new("tar");
        list.arg("--list").arg("--file").arg(&archive);
        assert_eq!(sh::read(list).unwrap(), "manifest.json\nconfig.json\nlayer.tar");
    }
}
