//! `cargo xtask setup`: finds out which programs are missing and installs them where that is allowed.
//!
//! Every other verb calls [`ensure`] for what it needs. When everything is there that costs a few file look-ups; apt is
//! only asked when something is missing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::{frr, kube, sh, ui};

/// `cargo xtask setup`.
#[derive(clap::Args)]
pub struct Args {
    /// Purposes to prepare for [default: all].
    #[arg(value_enum)]
    purposes: Vec<Purpose>,
}

/// What programs are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Purpose {
    /// Network namespaces: demo, netns tests, benchmarks.
    Lab,
    /// Real BGP: FRR 8 and FRR 10, beside the lab.
    Frr,
    /// Debian's kernels under QEMU.
    Kernels,
    /// Benchmarks, beside the lab.
    Bench,
    /// A Kubernetes cluster in namespaces, beside the lab.
    Cluster,
    /// Kubelets and what they run pods with, beside the cluster.
    Kubelet,
    /// The container image.
    Image,
}

impl Purpose {
    const ALL: [Self; 7] =
        [Self::Lab, Self::Frr, Self::Kernels, Self::Bench, Self::Cluster, Self::Kubelet, Self::Image];

    fn tools(self) -> &'static [Tool] {
        match self {
            Self::Lab => LAB,
            Self::Frr => FRR,
            Self::Kernels => KERNELS,
            Self::Bench => BENCH,
            Self::Cluster => CLUSTER,
            Self::Kubelet => KUBELET,
            Self::Image => IMAGE,
        }
    }
}

/// A program and the Debian package it is in.
struct Tool {
    program: &'static str,
    /// How to tell it from a namesake.
    marker: Option<Marker>,
    package: &'static str,
}

/// A program of the same name exists in another package: run it with `argument` and look for `text`.
struct Marker {
    argument: &'static str,
    text: &'static str,
}

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, marker: None, package }
}

const LAB: &[Tool] = &[
    tool("ip", "iproute2"),
    tool("bridge", "iproute2"),
    tool("tc", "iproute2"),
    tool("nsenter", "util-linux"),
    tool("unshare", "util-linux"),
    tool("setpriv", "util-linux"),
    tool("mount", "mount"),
    tool("sysctl", "procps"),
    tool("nft", "nftables"),
    tool("ethtool", "ethtool"),
    tool("bpftool", "bpftool"),
    // Debian's package `arping` holds another program of that name, with other options.
    Tool { program: "arping", marker: Some(Marker { argument: "-V", text: "iputils" }), package: "iputils-arping" },
    tool("ping", "iputils-ping"),
    tool("ndisc6", "ndisc6"),
];

const FRR: &[Tool] = &[
    tool("/usr/lib/frr/bgpd", "frr"),
    tool("vtysh", "frr"),
    tool("bird", "bird2"),
    // Makes the tree of the other release.
    tool("mmdebstrap", "mmdebstrap"),
    tool("ip", "iproute2"),
    tool("nft", "nftables"),
    tool("nsenter", "util-linux"),
    tool("unshare", "util-linux"),
];

const KERNELS: &[Tool] = &[
    tool("qemu-system-x86_64", "qemu-system-x86"),
    tool("modprobe", "kmod"),
    tool("depmod", "kmod"),
    // Debian's kernels have the file systems of their guests as modules: the first programs of a guest are busybox's.
    tool("busybox", "busybox-static"),
    tool("script", "bsdutils"),
    tool("dpkg-deb", "dpkg"),
    // The booting tool reads the version out of an image with it.
    tool("file", "file"),
    tool("ipvsadm", "ipvsadm"),
];

const BENCH: &[Tool] = &[tool("iperf3", "iperf3"), tool("ss", "iproute2"), tool("keepalived", "keepalived")];

const CLUSTER: &[Tool] = &[
    tool("etcd", "etcd-server"),
    tool("conntrack", "conntrack"),
    tool("curl", "curl"),
    // Makes the key that signs the tokens of service accounts.
    tool("openssl", "openssl"),
    tool("prometheus", "prometheus"),
    tool("promtool", "prometheus"),
];

const KUBELET: &[Tool] = &[
    tool("containerd", "containerd"),
    tool("runc", "runc"),
    tool("/usr/lib/cni/bridge", "containernetworking-plugins"),
];

const IMAGE: &[Tool] =
    &[tool("buildah", "buildah"), tool("objcopy", "binutils"), tool("ldd", "libc-bin"), tool("gzip", "gzip")];

impl Tool {
    fn present(&self) -> bool {
        let Some(path) = find(self.program).or_else(|| kube::provided(self.program)) else { return false };
        self.marker.as_ref().is_none_or(|marker| {
            sh::attempt(Command::new(path).arg(marker.argument)).is_ok_and(|output| {
                let printed = [output.stdout, output.stderr].concat();
                String::from_utf8_lossy(&printed).contains(marker.text)
            })
        })
    }
}

/// Runs the verb.
///
/// # Errors
/// As [`ensure`].
pub fn run(args: &Args) -> Result<()> {
    let purposes = if args.purposes.is_empty() { &Purpose::ALL[..] } else { &args.purposes };
    ensure(purposes)?;
    if purposes.contains(&Purpose::Frr) {
        frr::ensure()?;
    }
    ui::say("everything is there");
    Ok(())
}

/// Makes sure that every program for these purposes is there; installs the packages of those that are not.
///
/// # Errors
/// If something is missing and cannot be installed from here; the message says which commands do it.
pub fn ensure(purposes: &[Purpose]) -> Result<()> {
    let missing: BTreeSet<&str> = purposes
        .iter()
        .flat_map(|purpose| purpose.tools())
        .filter(|tool| !tool.present())
        .map(|tool| tool.package)
        .collect();
    install(&missing.into_iter().collect::<Vec<_>>())?;
    let still: Vec<_> = purposes
        .iter()
        .flat_map(|purpose| purpose.tools())
        .filter(|tool| !tool.present())
        .map(|tool| tool.program)
        .collect();
    if still.is_empty() { Ok(()) } else { bail!("still missing after the installation: {}", still.join(", ")) }
}

/// Installs these Debian packages; does nothing for an empty list.
///
/// # Errors
/// If this is not Debian or not root (the message says what to type), or apt fails.
pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if find("apt-get").is_none() {
        bail!("missing, and this system has no apt-get: install the equivalents of the Debian packages {list}");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("missing packages; as root: apt-get update && apt-get install -y --no-install-recommends {list}");
    }
    let step = ui::Step::begin(format!("Installing {list}"));
    let mut install = apt(&["install", "-y", "--no-install-recommends"]);
    install.args(packages);
    // The lists of a fresh container are empty, those of an old one name files that are gone: refresh only when needed.
    if !sh::attempt(&mut install)?.status.success() {
        step.note("reading the package lists");
        sh::run(apt(&["update"]))?;
        let mut install = apt(&["install", "-y", "--no-install-recommends"]);
        install.args(packages);
        sh::run(install)?;
    }
    step.done("installed");
    packages.iter().try_for_each(|package| keep_quiet(package))
}

/// Packages that bring a service of the machine, which Debian starts when they are installed. The lab starts its own.
const SERVICES: [(&str, &str); 5] = [
    ("etcd-server", "etcd"),
    ("containerd", "containerd"),
    ("prometheus", "prometheus"),
    ("frr", "frr"),
    ("bird2", "bird"),
];

/// Ends the service of a package that was just installed: nobody asked for one.
fn keep_quiet(package: &str) -> Result<()> {
    let service = SERVICES.iter().find(|(name, _)| *name == package);
    let (Some((_, service)), true) = (service, Path::new("/run/systemd/system").exists()) else { return Ok(()) };
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["disable", "--now", service]);
    sh::run(systemctl)
}

/// `apt-get` that never asks anything and waits for another apt to finish.
#[must_use]
pub fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]).args(arguments);
    command
}

/// Finds a program in `PATH` and in the folders of administration programs, which are not in every user's `PATH`.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
}

/// Whether it is a file that can be run.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_only_when_they_can_run() {
        assert!(find("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find("no-such-program-here"), None);
        assert_eq!(find("../../etc/passwd"), None);
    }

    #[test]
    fn a_namesake_is_not_taken_for_the_program() {
        let marker = |text| Some(Marker { argument: "--version", text });
        let cargo = |text| Tool { program: "cargo", marker: marker(text), package: "cargo" };
        assert!(cargo("cargo").present());
        assert!(!cargo("iputils").present());
    }

    #[test]
    fn nothing_to_install_is_no_work() {
        install(&[]).unwrap();
    }
}
