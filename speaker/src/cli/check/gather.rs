//! Reads the facts. Changes nothing; what cannot be read is left out or says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use caps::CapSet;
use nix::{
    sys::statfs::{BPF_FS_MAGIC, statfs},
    sys::utsname::uname,
    unistd::{AccessFlags, eaccess, geteuid},
};

use super::{
    devices::{self, Traits},
    facts::{Interface, Ipv4Sysctls, Kernel, Offloads, Pins, Privileges},
    machine::parse_release,
};
use crate::{dataplane::Remains, ethtool::Ethtool, world::Link};

/// The running kernel.
pub(super) fn kernel() -> Kernel {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    Kernel {
        version: parse_release(&release),
        release,
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        jit: number(Path::new("/proc/sys/net/core/bpf_jit_enable")),
    }
}

/// The pin directory.
pub(super) fn pins(directory: &Path) -> Pins {
    let existing = directory.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("/"));
    Pins {
        directory: directory.to_owned(),
        existing: existing.to_owned(),
        bpffs: statfs(existing)
            .map(|answer| answer.filesystem_type() == BPF_FS_MAGIC)
            .map_err(|errno| errno.desc().to_owned()),
        writable: eaccess(existing, AccessFlags::W_OK | AccessFlags::X_OK).is_ok(),
        remains: Remains::below(directory).unwrap_or_default(),
    }
}

/// What this process may do.
pub(super) fn privileges() -> Privileges {
    let effective = caps::read(None, CapSet::Effective).unwrap_or_default();
    let uid_map = fs::read_to_string("/proc/self/uid_map").ok();
    Privileges {
        uid: geteuid().as_raw(),
        effective: effective.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
        initial_user_namespace: uid_map.map(|map| is_whole_map(&map)),
        unprivileged_bpf_disabled: number(Path::new("/proc/sys/kernel/unprivileged_bpf_disabled")),
    }
}

/// Whether every user is mapped to itself: only so in the first user namespace (`user_namespaces(7)`).
fn is_whole_map(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The settings of IPv4 for an interface, or for `all`.
pub(super) fn sysctls(interface: &str) -> Ipv4Sysctls {
    let read = |name: &str| number(&setting("ipv4", interface, name));
    Ipv4Sysctls {
        rp_filter: read("rp_filter"),
        arp_ignore: read("arp_ignore"),
        arp_announce: read("arp_announce"),
        arp_filter: read("arp_filter"),
    }
}

/// A name may hold dots (`bond0.100`), which is why this is no dotted sysctl name.
fn setting(family: &str, interface: &str, name: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(family).join("conf").join(interface).join(name)
}

/// The number in a file of `/proc`.
fn number<T: FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What is known of all devices at once.
pub(super) struct Devices {
    ethtool: Option<Ethtool>,
    xdp_features: Option<BTreeMap<u32, u64>>,
    offloads: Option<BTreeMap<u32, Offloads>>,
    traits: BTreeMap<u32, Traits>,
}

impl Devices {
    /// Asks the kernel about the devices of this network namespace.
    pub(super) fn ask() -> Self {
        Self {
            ethtool: noted("make a socket for ethtool", Ethtool::new()),
            xdp_features: noted("ask for XDP features", devices::xdp_features()).flatten(),
            offloads: noted("ask for offloads", devices::offloads()).flatten(),
            traits: noted("list the devices", devices::traits()).unwrap_or_default(),
        }
    }

    /// What the kernel says about one of them.
    pub(super) fn interface(&self, link: Link) -> Interface {
        let traits = self.traits.get(&link.index).copied().unwrap_or_default();
        Interface {
            ineligible: None,
            asked_for: false,
            ours: false,
            paths: Vec::new(),
            driver: self.ethtool.as_ref().and_then(|ethtool| ethtool.driver(&link.name).ok()),
            xdp_features: self.xdp_features.as_ref().and_then(|all| all.get(&link.index)).copied(),
            offloads: self.offloads.as_ref().and_then(|all| all.get(&link.index)).cloned(),
            promiscuous: traits.promiscuous,
            all_multicast: traits.all_multicast,
            rewrites_arp: traits.rewrites_arp,
            vlans: Vec::new(),
            sysctls: sysctls(&link.name),
            disable_ipv6: number(&setting("ipv6", &link.name, "disable_ipv6")),
            link,
        }
    }
}

/// The check goes on without what one source does not tell; the log says why.
fn noted<T>(operation: &str, result: io::Result<T>) -> Option<T> {
    result.inspect_err(|error| tracing::debug!(%error, "cannot {operation}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read() {
        let kernel = kernel();
        assert!(kernel.version.is_some_and(|version| version >= (3, 0)), "{kernel:?}");
        let privileges = privileges();
        assert_eq!(privileges.uid, geteuid().as_raw());
        assert!(privileges.effective.iter().all(|name| name.starts_with("CAP_")), "{privileges:?}");
        assert!(sysctls("all").rp_filter.is_some_and(|value| (0..=2).contains(&value)));
        assert_eq!(sysctls("no-such-device"), Ipv4Sysctls::default());
    }

    #[test]
    fn the_nearest_directory_that_exists_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("a/b/c");
        let pins = pins(&wanted);
        assert_eq!((pins.existing.as_path(), pins.bpffs, pins.writable), (folder.path(), Ok(false), true));
        assert!(!wanted.exists());
    }

    #[test]
    fn a_file_is_no_directory_to_pin_in() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(pins(&folder.path().join("file/x")).existing, folder.path());
    }

    #[test]
    fn user_namespaces_are_told_apart() {
        assert!(is_whole_map("         0          0 4294967295\n"));
        assert!(!is_whole_map("         0     100000      65536\n"));
        assert!(!is_whole_map(""));
    }
}
