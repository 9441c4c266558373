//! Pure: which ways of attaching to try on an interface, in which order, and what to say about those that failed.

use nix::errno::Errno;

use crate::{
    decide::AttachMode,
    world::{AttachPolicy, LinkKind},
};

/// What the running kernel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFacts {
    /// It has the tcx hook (Linux 6.6, or a distribution's older kernel with it).
    pub tcx: bool,
}

/// The ways to try, and those that are out of question with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// In this order.
    pub attempts: Vec<AttachMode>,
    /// Not even tried.
    pub skipped: Vec<(AttachMode, String)>,
}

/// Why native XDP is not chosen by itself on a veth: without NAPI on the other end the kernel drops what XDP_TX sends, and
/// with NAPI by GRO alone it queues the frame but does not wake the other end (`veth_xdp_flush` asks for an XDP program
/// there; measured on 6.18). Nothing tells an agent what its peer in another namespace has.
pub const VETH_REASON: &str = "XDP_TX on a veth vanishes, or waits until other traffic wakes the peer, unless the peer carries an \
                               XDP program too (GRO on the peer is not enough); set attach: native once it does";
/// Why never native XDP on a bond: the bond passes the program on to its members, and there every frame carries the index
/// of the member it came in through (`xdp_md.ingress_ifindex`), under which the maps have no address. At the tcx and the
/// generic hook of the bond it carries the bond's own.
const BOND_REASON: &str = "native XDP of a bond runs in its members, which have no addresses";
/// Why never XDP below a VLAN device, not even on demand. A card strips the tag and puts it beside the frame, a veth hands it
/// over beside the frame, and there XDP does not look: it takes a request of the VLAN for one of the device's own segment,
/// suppresses what is announced in the VLAN and answers for what is not. tcx reads the tag, wherever it is, and the raw socket
/// hears only what the kernel gave to no other device.
const BELOW_VLANS_REASON: &str = "XDP would take frames of the VLAN devices on it for its own, as it does not see a tag that \
                                  the card took off; tcx and the raw socket tell them apart";
const NO_TCX_REASON: &str = "this kernel has no tcx hook (Linux 6.6 and later have it)";

/// Which ways to try on an interface of this kind. `carries_vlans`: VLAN devices sit on it.
pub fn plan_steps(policy: AttachPolicy, kind: &LinkKind, carries_vlans: bool, facts: KernelFacts) -> Steps {
    let wanted: &[AttachMode] = match policy {
        AttachPolicy::Auto => &AttachMode::LADDER,
        AttachPolicy::Native => &[AttachMode::Native],
        AttachPolicy::Tcx => &[AttachMode::Tcx],
        AttachPolicy::Generic => &[AttachMode::Generic],
        AttachPolicy::User => &[AttachMode::User],
    };
    let mut steps = Steps { attempts: Vec::new(), skipped: Vec::new() };
    for mode in wanted {
        let obstacle = match mode {
            AttachMode::Native | AttachMode::Generic if carries_vlans => Some(BELOW_VLANS_REASON),
            AttachMode::Native if *kind == LinkKind::Veth && policy == AttachPolicy::Auto => Some(VETH_REASON),
            AttachMode::Native if is_bond(kind) => Some(BOND_REASON),
            AttachMode::Tcx if !facts.tcx => Some(NO_TCX_REASON),
            AttachMode::Native | AttachMode::Tcx | AttachMode::Generic | AttachMode::User => None,
        };
        match obstacle {
            Some(reason) => steps.skipped.push((*mode, reason.to_owned())),
            None => steps.attempts.push(*mode),
        }
    }
    steps
}

fn is_bond(kind: &LinkKind) -> bool {
    matches!(kind, LinkKind::Other(name) if name == "bond")
}

/// What to tell the operator about an attempt that the kernel refused. `driver` is the kernel driver of the device where
/// known. The meanings are those of `dev_xdp_attach`, `bpf_xdp_link_attach` and `tcx_link_attach`.
pub fn explain(mode: AttachMode, errno: Errno, driver: Option<&str>) -> String {
    let by_driver = || driver.map_or_else(String::new, |driver| format!(" ({driver})"));
    match (mode, errno) {
        (AttachMode::Native | AttachMode::Generic, Errno::EBUSY | Errno::EEXIST) => {
            "another XDP program is attached to the device; it stays".to_owned()
        }
        (AttachMode::Tcx, Errno::EBUSY | Errno::EEXIST) => {
            "the tcx hook of the device is full or already has this program".to_owned()
        }
        (AttachMode::Native, Errno::EOPNOTSUPP) if driver == Some("virtio_net") => {
            "virtio_net has no XDP while the host merges segments or fills checksums for the guest; switch off LRO/GRO-HW \
             (ethtool -K DEV lro off rx-gro-hw off) or give the device guest_tso4=off,guest_tso6=off,guest_csum=off"
                .to_owned()
        }
        (AttachMode::Native, Errno::EOPNOTSUPP) => format!("the driver{} has no native XDP", by_driver()),
        (AttachMode::Native, Errno::ENOMEM) if driver == Some("virtio_net") => {
            "virtio_net needs one more queue pair per CPU than the device has; give it more (queues=2×CPUs)".to_owned()
        }
        (AttachMode::Native, Errno::EINVAL | Errno::ERANGE) => format!(
            "the driver{} refuses native XDP with the present settings: MTU, ring size, number of queues or offloads",
            by_driver()
        ),
        (AttachMode::Generic | AttachMode::Tcx, Errno::EINVAL | Errno::EOPNOTSUPP) => {
            format!("this kernel does not attach it to such a device ({})", errno.desc())
        }
        (_, Errno::EPERM | Errno::EACCES) => "not permitted; the agent needs CAP_BPF and CAP_NET_ADMIN".to_owned(),
        (_, Errno::ENODEV | Errno::ENXIO) => "the interface is gone".to_owned(),
        (_, other) => format!("{} ({other:?}){}", other.desc(), by_driver()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use AttachMode::{Generic, Native, Tcx, User};

    const NEW: KernelFacts = KernelFacts { tcx: true };
    const OLD: KernelFacts = KernelFacts { tcx: false };

    #[rstest]
    #[case::nic(AttachPolicy::Auto, LinkKind::Physical, NEW, &[Native, Tcx, Generic, User], &[])]
    #[case::nic_old_kernel(AttachPolicy::Auto, LinkKind::Physical, OLD, &[Native, Generic, User], &[Tcx])]
    #[case::veth(AttachPolicy::Auto, LinkKind::Veth, NEW, &[Tcx, Generic, User], &[Native])]
    #[case::veth_old_kernel(AttachPolicy::Auto, LinkKind::Veth, OLD, &[Generic, User], &[Native, Tcx])]
    #[case::bond(AttachPolicy::Auto, LinkKind::Other("bond".into()), NEW, &[Tcx, Generic, User], &[Native])]
    #[case::native_only_on_a_bond(AttachPolicy::Native, LinkKind::Other("bond".into()), NEW, &[], &[Native])]
    #[case::bridge(AttachPolicy::Auto, LinkKind::Other("bridge".into()), NEW, &[Native, Tcx, Generic, User], &[])]
    #[case::native_only(AttachPolicy::Native, LinkKind::Physical, NEW, &[Native], &[])]
    #[case::native_on_veth_when_asked_for(AttachPolicy::Native, LinkKind::Veth, NEW, &[Native], &[])]
    #[case::tcx_only(AttachPolicy::Tcx, LinkKind::Veth, NEW, &[Tcx], &[])]
    #[case::tcx_only_old_kernel(AttachPolicy::Tcx, LinkKind::Physical, OLD, &[], &[Tcx])]
    #[case::generic_only(AttachPolicy::Generic, LinkKind::Physical, NEW, &[Generic], &[])]
    #[case::user_only(AttachPolicy::User, LinkKind::Veth, OLD, &[User], &[])]
    fn the_ladder(
        #[case] policy: AttachPolicy,
        #[case] kind: LinkKind,
        #[case] facts: KernelFacts,
        #[case] attempts: &[AttachMode],
        #[case] skipped: &[AttachMode],
    ) {
        let steps = plan_steps(policy, &kind, false, facts);
        assert_eq!(steps.attempts, attempts);
        assert_eq!(steps.skipped.iter().map(|(mode, _)| *mode).collect::<Vec<_>>(), skipped);
        assert!(steps.skipped.iter().all(|(_, reason)| !reason.is_empty()));
    }

    #[rstest]
    #[case::nic(AttachPolicy::Auto, LinkKind::Physical, NEW, &[Tcx, User], &[Native, Generic])]
    #[case::nic_old_kernel(AttachPolicy::Auto, LinkKind::Physical, OLD, &[User], &[Native, Tcx, Generic])]
    #[case::veth(AttachPolicy::Auto, LinkKind::Veth, NEW, &[Tcx, User], &[Native, Generic])]
    #[case::bond(AttachPolicy::Auto, LinkKind::Other("bond".into()), OLD, &[User], &[Native, Tcx, Generic])]
    #[case::vlan_in_vlan(AttachPolicy::Auto, LinkKind::Other("vlan".into()), NEW, &[Tcx, User], &[Native, Generic])]
    #[case::native_only(AttachPolicy::Native, LinkKind::Physical, NEW, &[], &[Native])]
    #[case::generic_only(AttachPolicy::Generic, LinkKind::Physical, NEW, &[], &[Generic])]
    #[case::tcx_only(AttachPolicy::Tcx, LinkKind::Physical, NEW, &[Tcx], &[])]
    #[case::user_only(AttachPolicy::User, LinkKind::Physical, OLD, &[User], &[])]
    fn below_a_vlan_device_there_is_no_xdp(
        #[case] policy: AttachPolicy,
        #[case] kind: LinkKind,
        #[case] facts: KernelFacts,
        #[case] attempts: &[AttachMode],
        #[case] skipped: &[AttachMode],
    ) {
        let steps = plan_steps(policy, &kind, true, facts);
        assert_eq!(steps.attempts, attempts);
        assert_eq!(steps.skipped.iter().map(|(mode, _)| *mode).collect::<Vec<_>>(), skipped);
        for (mode, reason) in steps.skipped {
            assert_eq!(reason.contains("VLAN"), mode != Tcx, "{mode:?}: {reason}");
        }
    }

    #[rstest]
    #[case(Native, Errno::EBUSY, None, "another XDP program is attached")]
    #[case(Generic, Errno::EEXIST, None, "another XDP program is attached")]
    #[case(Native, Errno::EOPNOTSUPP, Some("e1000"), "the driver (e1000) has no native XDP")]
    #[case(Native, Errno::EOPNOTSUPP, Some("virtio_net"), "rx-gro-hw off")]
    #[case(Native, Errno::ENOMEM, Some("virtio_net"), "queue")]
    #[case(Native, Errno::EINVAL, Some("ixgbe"), "(ixgbe) refuses native XDP with the present settings")]
    #[case(Native, Errno::ERANGE, Some("veth"), "MTU")]
    #[case(Tcx, Errno::EINVAL, None, "does not attach it to such a device")]
    #[case(Tcx, Errno::EPERM, None, "CAP_NET_ADMIN")]
    #[case(Generic, Errno::ENODEV, None, "gone")]
    #[case(Tcx, Errno::ENOSPC, Some("veth"), "No space left on device (ENOSPC) (veth)")]
    fn refusals_are_explained(
        #[case] mode: AttachMode,
        #[case] errno: Errno,
        #[case] driver: Option<&str>,
        #[case] part: &str,
    ) {
        let text = explain(mode, errno, driver);
        assert!(text.contains(part), "{text}");
    }
}
