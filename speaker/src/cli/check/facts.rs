//! What a check judges: plain values, gathered by the drivers beside this file.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    dataplane::Remains,
    world::{AttachPolicy, Link},
};

/// A kernel version: major and minor.
pub(super) type Version = (u32, u32);

/// Everything that is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The running kernel.
    pub kernel: Kernel,
    /// Where things are to be pinned.
    pub pins: Pins,
    /// What this process may do.
    pub privileges: Privileges,
    /// The settings for all interfaces.
    pub sysctls: Ipv4Sysctls,
    /// The interfaces that are looked at, by index; or why they cannot be listed.
    pub interfaces: Result<Vec<Interface>, String>,
    /// Interfaces that were asked for and do not exist.
    pub absent: Vec<String>,
    /// How to attach to an interface.
    pub policy: AttachPolicy,
    /// Why the exclude file cannot be used.
    pub exclude_error: Option<String>,
    /// A device that holds service addresses without a subnet: kube-proxy's in IPVS mode, or a dummy.
    pub holder: Option<String>,
}

/// The running kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kernel {
    /// As `uname -r` prints it.
    pub release: String,
    /// Read from the release; `None` when it does not begin with two numbers.
    pub version: Option<Version>,
    /// `/sys/kernel/btf/vmlinux` is there.
    pub btf: bool,
    /// `net.core.bpf_jit_enable`; `None` when it cannot be read, which is usual for ordinary users.
    pub jit: Option<i32>,
}

/// Where things are to be pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pins {
    /// The pin directory.
    pub directory: PathBuf,
    /// The nearest directory above it (or itself) that exists.
    pub existing: PathBuf,
    /// Whether that one lies on a BPF file system; or why this cannot be told.
    pub bpffs: Result<bool, String>,
    /// Whether this user may make files in it.
    pub writable: bool,
    /// What is in it and is not in use.
    pub remains: Remains,
}

/// What this process may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Privileges {
    /// Effective user.
    pub uid: u32,
    /// Names of the effective capabilities, `CAP_…`.
    pub effective: BTreeSet<String>,
    /// Whether this is the first user namespace of the machine; `None` when it cannot be told.
    pub initial_user_namespace: Option<bool>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<i32>,
}

/// Settings below `/proc/sys/net/ipv4/conf/<interface>`; `None` when one cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ipv4Sysctls {
    /// 1 strict, 2 loose (RFC 3704).
    pub rp_filter: Option<i32>,
    /// For which addresses the kernel answers.
    pub arp_ignore: Option<i32>,
    /// Which address the kernel names as the sender of its own requests.
    pub arp_announce: Option<i32>,
    /// Whether the kernel answers only where it would route an answer out.
    pub arp_filter: Option<i32>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// As the kernel describes it.
    pub link: Link,
    /// Why it is not used; `None` when it is.
    pub ineligible: Option<String>,
    /// Asked for by name.
    pub asked_for: bool,
    /// An XDP program of our own is pinned on it.
    pub ours: bool,
    /// What does not come through between a running agent and others.
    pub paths: Vec<String>,
    /// Name of the driver.
    pub driver: Option<String>,
    /// The driver's XDP features, bits of `enum netdev_xdp_act`; `None` when the kernel does not tell (before 6.3).
    pub xdp_features: Option<u64>,
    /// Offloads; `None` when the driver or the kernel does not tell.
    pub offloads: Option<Offloads>,
    /// Something wants every frame, whoever it is for.
    pub promiscuous: bool,
    /// Something wants every multicast frame.
    pub all_multicast: bool,
    /// A bond that writes the MACs of its members into ARP replies.
    pub rewrites_arp: bool,
    /// VLAN devices on top of it.
    pub vlans: Vec<String>,
    /// Its settings.
    pub sysctls: Ipv4Sysctls,
    /// `/proc/sys/net/ipv6/conf/<interface>/disable_ipv6`.
    pub disable_ipv6: Option<i32>,
}

/// What the card and its driver do to frames, by the names of the kernel (`ethtool -k` has its own for some).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offloads {
    /// Switched on now.
    pub active: BTreeSet<String>,
    /// The driver can switch them.
    pub changeable: BTreeSet<String>,
}

impl Offloads {
    /// Receive: the tag is taken off the frame.
    pub(super) const VLAN_STRIP: &str = "rx-vlan-hw-parse";
    /// Receive: only tags that were asked for.
    pub(super) const VLAN_FILTER: &str = "rx-vlan-filter";
    /// Receive: segments are merged by the card, reversibly.
    pub(super) const GRO_HW: &str = "rx-gro-hw";
    /// Receive: segments are merged by the card.
    pub(super) const LRO: &str = "rx-lro";
    /// Receive: checksums are verified by the card, or left open by the host of a virtual one.
    pub(super) const CHECKSUM: &str = "rx-checksum";

    /// Switched on now.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.active.contains(name)
    }

    /// The driver can switch it.
    pub(super) fn is_changeable(&self, name: &str) -> bool {
        self.changeable.contains(name)
    }
}
