//! FRR of two releases for the tests: this machine's package, which is FRR 8 on Debian 12, and that of Debian 13 in a
//! tree of its own below `target/frr`, from the same mirror. Nothing of the tree is installed or started.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    paths,
    setup::{self, Purpose},
    sh, ui,
};

/// The release of Debian whose FRR is the newer one.
const RELEASE: &str = "trixie";
/// With the keys of that release as well.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes sure that both are there.
///
/// # Errors
/// If something cannot be installed or downloaded from here.
pub fn ensure() -> Result<()> {
    setup::ensure(&[Purpose::Frr])?;
    let directory = paths::target().join("frr");
    let root = directory.join("root");
    // Made last: a tree without it is one that was interrupted.
    let complete = directory.join("complete");
    if complete.exists() {
        return Ok(());
    }
    let step = ui::Step::begin(format!("Getting the FRR of {RELEASE}"));
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("remove the unfinished {}", root.display()))?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    // The daemons' user has to get into the tree, whatever the umask is, and that of apt to what is on its way.
    let mut bootstrap = Command::new("sh");
    bootstrap.env_remove("TMPDIR").args(["-c", "umask 022; exec \"$@\"", "sh", "mmdebstrap"]);
    bootstrap.args(["--quiet", "--variant=apt", "--include=frr", "--keyring", KEYS, RELEASE]);
    bootstrap.arg(&root).arg(mirror()?);
    sh::run(bootstrap)?;
    fs::write(&complete, "").context("mark the tree as complete")?;
    step.done("unpacked");
    Ok(())
}

/// Where this machine has its own packages from.
fn mirror() -> Result<String> {
    if let Some(mirror) = first_mirror()? {
        return Ok(mirror);
    }
    sh::run(setup::apt(&["update"]))?;
    first_mirror()?.context("apt knows no mirror of Debian; this tier needs Debian 12")
}

fn first_mirror() -> Result<Option<String>> {
    let targets = setup::apt(&["indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"]);
    Ok(sh::read(targets)?.lines().next().map(str::to_owned))
}
