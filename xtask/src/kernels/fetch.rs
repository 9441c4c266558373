//! Getting Debian's kernels and the tool that boots them. Everything stays below `target/kernels`; nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{paths, setup, sh, ui};

/// The tool that boots a kernel with this machine's root file system inside.
const VIRTME_NG: &str = "virtme-ng==1.42";

/// A kernel ready to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// As `uname -r` will say.
    pub version: String,
    /// The compressed image; its modules lie in `../lib/modules` of it, where `vng` looks for them.
    pub image: PathBuf,
}

fn directory() -> PathBuf {
    paths::target().join("kernels")
}

/// The newest kernel of a series, for example `6.1`, that apt knows.
///
/// # Errors
/// If there is none or it cannot be downloaded.
pub(super) fn kernel(series: &str) -> Result<Kernel> {
    let package = newest(series)?;
    let version = package.trim_start_matches("linux-image-").to_owned();
    let root = directory().join(&package);
    let kernel = Kernel { image: root.join("boot").join(format!("vmlinuz-{version}")), version };
    // Made last: a folder without it is a download that was interrupted.
    let complete = root.join("complete");
    if !complete.exists() {
        unpack(&package, &kernel.version, &root)?;
        fs::write(&complete, "").context("mark the kernel as complete")?;
    }
    Ok(kernel)
}

fn unpack(package: &str, version: &str, root: &Path) -> Result<()> {
    let step = ui::Step::begin(format!("Getting {package}"));
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("remove the unfinished {}", root.display()))?;
    }
    fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
    let mut download = setup::apt(&["-o", "APT::Sandbox::User=root", "download", package]);
    sh::run({
        download.current_dir(root);
        download
    })?;
    let archive = fs::read_dir(root)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get download left no .deb in {}", root.display()))?;
    step.note("unpacking");
    let mut extract = Command::new("dpkg-deb");
    extract.arg("-x").arg(&archive).arg(root);
    sh::run(extract)?;
    fs::remove_file(&archive).context("remove the archive")?;
    // The package leaves this to its installation script.
    let mut depmod = Command::new(setup::find("depmod").context("depmod is missing; install the package kmod")?);
    depmod.arg("-b").arg(root).arg(version);
    sh::run(depmod)?;
    step.done("unpacked");
    Ok(())
}

fn newest(series: &str) -> Result<String> {
    let prefix = format!("linux-image-{series}.");
    if let Some(package) = pick(&names(&prefix)?, &prefix) {
        return Ok(package);
    }
    sh::run(setup::apt(&["update"]))?;
    match pick(&names(&prefix)?, &prefix) {
        Some(package) => Ok(package),
        None => bail!("apt knows no kernel {series}; this tier needs Debian 12 with its security updates"),
    }
}

fn names(prefix: &str) -> Result<String> {
    let mut search = Command::new("apt-cache");
    search.args(["pkgnames", prefix]);
    sh::read(search)
}

/// The package with the highest version among those of the plain flavour (not cloud, not realtime, not debug symbols).
fn pick(names: &str, prefix: &str) -> Option<String> {
    let number = |name: &str| -> Option<Vec<u64>> {
        let version = name.strip_prefix(prefix)?.strip_suffix("-amd64")?;
        version.split(['.', '-', '+']).map(|part| part.trim_start_matches("deb").parse().ok()).collect()
    };
    names.lines().filter_map(|name| Some((number(name)?, name))).max().map(|(_, name)| name.to_owned())
}

/// Installs `vng` into an environment of its own, if it is not there, and returns the folder of its programs.
///
/// # Errors
/// If Python or the package index cannot be used.
pub(super) fn virtme() -> Result<PathBuf> {
    let environment = directory().join("venv");
    let programs = environment.join("bin");
    if programs.join("vng").exists() && programs.join("virtme-run").exists() {
        return Ok(programs);
    }
    let step = ui::Step::begin(format!("Installing {VIRTME_NG}"));
    let create = || {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&environment);
        venv
    };
    // Debian's own Python comes without the part that makes environments; others have it.
    if setup::find("python3").is_none() || sh::run(create()).is_err() {
        setup::install(&["python3", "python3-venv"])?;
        sh::run(create())?;
    }
    let mut pip = Command::new(programs.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", VIRTME_NG]);
    sh::run(pip)?;
    step.done("installed");
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_plain_kernel_is_picked() {
        let names = "linux-image-6.1.0-9-amd64\nlinux-image-6.1.0-53-amd64\nlinux-image-6.1.0-53-cloud-amd64\n\
                     linux-image-6.1.0-54-rt-amd64\nlinux-image-6.1.0-60-amd64-dbg\nlinux-image-6.1.0-60-amd64-unsigned";
        assert_eq!(pick(names, "linux-image-6.1.").as_deref(), Some("linux-image-6.1.0-53-amd64"));
        let names = "linux-image-6.12.90+deb12-amd64\nlinux-image-6.12.107+deb12-amd64\nlinux-image-6.12.111+deb12-rt-amd64\n\
                     linux-image-6.12.9+deb12-amd64";
        assert_eq!(pick(names, "linux-image-6.12.").as_deref(), Some("linux-image-6.12.107+deb12-amd64"));
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        assert_eq!(pick("", "linux-image-6.1."), None);
        assert_eq!(pick("linux-image-6.12.9+deb12-amd64", "linux-image-6.1."), None);
    }
}
