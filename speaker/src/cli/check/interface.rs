//! Pure: one interface, judged: whether it is used, how the program will be attached, what the card does before that.

use super::{
    facts::{Interface, Kernel, Offloads},
    finding::{Area, Finding},
    machine::{FEATURES, FRAGS, TCX},
};
use crate::{
    dataplane::{KernelFacts, plan_steps},
    decide::AttachMode,
    status::attach_mode_name,
    world::AttachPolicy,
};

/// `NETDEV_XDP_ACT_BASIC`: aborted, drop, pass, transmit.
const XDP_BASIC: u64 = 1;
/// `NETDEV_XDP_ACT_RX_SG`: frames in several buffers.
const XDP_RX_FRAGS: u64 = 32;
/// The largest MTU that fits into one buffer with every driver: a page of 4096 bytes, less headroom (256), the shared info
/// (320) and headers.
const ONE_BUFFER_MTU: u32 = 3498;

/// How an interface would be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prospect {
    /// The first mode that nothing speaks against; `None` when the policy leaves none.
    pub mode: Option<AttachMode>,
    /// What speaks against the better ones.
    pub obstacles: Vec<(AttachMode, String)>,
}

/// Goes down the agent's own ladder without touching anything.
pub(super) fn prospect(interface: &Interface, kernel: &Kernel, policy: AttachPolicy) -> Prospect {
    let facts = KernelFacts { tcx: kernel.version.is_none_or(|version| version >= TCX) };
    let steps = plan_steps(policy, &interface.link.kind, !interface.vlans.is_empty(), facts);
    let mut obstacles = steps.skipped;
    let mut mode = None;
    for attempt in steps.attempts {
        match obstacle(interface, attempt) {
            Some(reason) => obstacles.push((attempt, reason)),
            None => {
                mode = Some(attempt);
                break;
            }
        }
    }
    // Of what was skipped, only what is better than the mode is an obstacle.
    obstacles.retain(|(skipped, _)| mode.is_none_or(|mode| *skipped < mode));
    obstacles.sort_unstable();
    Prospect { mode, obstacles }
}

fn obstacle(interface: &Interface, mode: AttachMode) -> Option<String> {
    match mode {
        AttachMode::Native => native_obstacle(interface),
        AttachMode::Generic => foreign_program(interface),
        AttachMode::Tcx | AttachMode::User => None,
    }
}

fn native_obstacle(interface: &Interface) -> Option<String> {
    if let Some(foreign) = foreign_program(interface) {
        return Some(foreign);
    }
    let driver = interface.driver.as_deref().filter(|driver| !driver.is_empty()).unwrap_or("without a name");
    if interface.xdp_features.is_some_and(|features| features & XDP_BASIC == 0) {
        return Some(format!("the driver ({driver}) has none"));
    }
    let offloads = interface.offloads.as_ref()?;
    // `virtnet_xdp_set`: refused while the host may merge segments or leave checksums open, unless the guest can tell it
    // not to (VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, which is what makes GRO-HW changeable); then the driver does so by itself.
    let left_to_the_host = offloads.is_on(Offloads::GRO_HW) || offloads.is_on(Offloads::CHECKSUM);
    (driver == "virtio_net" && left_to_the_host && !offloads.is_changeable(Offloads::GRO_HW)).then(|| {
        "the host merges segments or leaves checksums open, and does not let virtio_net switch that off; give the device \
         ctrl_guest_offloads=on, or guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,guest_csum=off"
            .to_owned()
    })
}

fn foreign_program(interface: &Interface) -> Option<String> {
    let id = interface.link.xdp_program.filter(|_| !interface.ours)?;
    Some(format!("a foreign XDP program ({id}) is attached; it stays"))
}

/// Everything about an interface but its sysctls.
pub(super) fn judge(interface: &Interface, kernel: &Kernel, policy: AttachPolicy) -> Vec<Finding> {
    let name = &interface.link.name;
    if let Some(reason) = &interface.ineligible {
        return vec![if interface.asked_for {
            Finding::warn(
                Area::Interface,
                name,
                format!("not used: {reason}"),
                "remove the reason, or use another interface",
            )
        } else {
            Finding::ok(Area::Interface, name, format!("not used: {reason}"))
        }];
    }
    let prospect = prospect(interface, kernel, policy);
    let mut findings = vec![attachment(interface, kernel, policy, &prospect)];
    if !interface.link.carrier {
        findings.push(Finding::warn(
            Area::Interface,
            name,
            "nothing is connected (no carrier)",
            "plug in the cable or bring up the other end; gratuitous frames are sent when the carrier comes",
        ));
    }
    if interface.disable_ipv6 == Some(1) {
        findings.push(Finding::warn(
            Area::Interface,
            name,
            "IPv6 is disabled on it, so only IPv4 addresses are announced",
            format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=0, if IPv6 addresses are wanted"),
        ));
    } else if interface.link.link_local().is_none() {
        findings.push(Finding::warn(
            Area::Interface,
            name,
            "it has no IPv6 link-local address, so only IPv4 addresses are announced",
            format!("ip link set {name} addrgenmode eui64, if IPv6 addresses are wanted"),
        ));
    }
    if prospect.mode == Some(AttachMode::Native) {
        findings.extend(native_doubts(interface, kernel));
    }
    findings.extend(vlan_tags(interface, prospect.mode));
    if interface.rewrites_arp {
        findings.push(Finding::warn(
            Area::Interface,
            name,
            "the bond (balance-alb) writes the MACs of its members into ARP replies: clients of one address are told several MACs, \
             and after a failover some go on sending to a member that is gone until their caches expire",
            "use another mode of the bond: active-backup, 802.3ad or balance-tlb",
        ));
    }
    findings.extend(interface.paths.iter().map(|path| {
        Finding::warn(
            Area::Interface,
            name,
            path,
            "look at what the switches between do with ARP and neighbour discovery: suppression, inspection, rate limits",
        )
    }));
    findings.extend(filters(interface));
    findings
}

fn attachment(interface: &Interface, kernel: &Kernel, policy: AttachPolicy, prospect: &Prospect) -> Finding {
    let name = &interface.link.name;
    let driver = match interface.driver.as_deref() {
        None | Some("") => "no driver name".to_owned(),
        Some(driver) => format!("driver {driver}"),
    };
    let reasons: String = prospect
        .obstacles
        .iter()
        .map(|(mode, reason)| format!("; not {}: {reason}", attach_mode_name(*mode)))
        .collect();
    let text = |how: &str| format!("{how} ({driver}, MTU {}){reasons}", interface.link.mtu);
    match prospect.mode {
        Some(AttachMode::Native) if interface.xdp_features.is_none() => {
            let why = if kernel.version.is_some_and(|version| version < FEATURES) {
                "unknown before Linux 6.3 whether the driver can"
            } else {
                "the kernel does not say whether the driver can"
            };
            Finding::ok(Area::Interface, name, text(&format!("native XDP will be tried: {why}")))
        }
        Some(AttachMode::Native) => Finding::ok(Area::Interface, name, text("native XDP")),
        Some(AttachMode::Tcx) => Finding::ok(Area::Interface, name, text("tcx")),
        Some(AttachMode::Generic) if policy == AttachPolicy::Auto => {
            Finding::warn(Area::Interface, name, text("generic XDP, which is slower"), "Linux 6.6 or later, for tcx")
        }
        Some(AttachMode::User) if policy == AttachPolicy::Auto => Finding::warn(
            Area::Interface,
            name,
            text("the user-space responder: answers wait for the agent, and nothing can be suppressed"),
            "Linux 6.6 or later, for tcx, or remove what prevents the other modes",
        ),
        Some(mode @ (AttachMode::Generic | AttachMode::User)) => {
            Finding::ok(Area::Interface, name, text(&format!("{}, as told", attach_mode_name(mode))))
        }
        None => Finding::fail(
            Area::Interface,
            name,
            text("it cannot be attached as told"),
            "give --attach auto, or remove the obstacle",
        ),
    }
}

/// What may still make the driver refuse.
fn native_doubts(interface: &Interface, kernel: &Kernel) -> Vec<Finding> {
    let (name, mtu) = (&interface.link.name, interface.link.mtu);
    let mut findings = Vec::new();
    let frags = kernel.version.is_none_or(|version| version >= FRAGS)
        && interface.xdp_features.is_none_or(|features| features & XDP_RX_FRAGS != 0);
    if mtu > ONE_BUFFER_MTU && !frags {
        findings.push(Finding::warn(
            Area::Nic,
            name,
            format!(
                "MTU {mtu} needs XDP frames in several buffers, which this driver or kernel lacks: it will step down"
            ),
            format!("ip link set {name} mtu {ONE_BUFFER_MTU}, if native XDP matters more"),
        ));
    }
    // virtio_net switches its own off when a program comes, if it can at all.
    let refusing = interface.offloads.as_ref().filter(|_| interface.driver.as_deref() != Some("virtio_net"));
    let merging = refusing.into_iter().flat_map(|offloads| {
        [(Offloads::LRO, "lro"), (Offloads::GRO_HW, "rx-gro-hw")].into_iter().filter(|(name, _)| offloads.is_on(name))
    });
    for (offload, short) in merging {
        findings.push(Finding::warn(
            Area::Nic,
            name,
            format!("{offload} is on: some drivers (mlx5, ixgbe) refuse native XDP while the card merges segments"),
            format!("ethtool -K {name} {short} off"),
        ));
    }
    findings
}

/// How frames of the VLANs on it are told from its own, in the mode it would be attached in.
fn vlan_tags(interface: &Interface, mode: Option<AttachMode>) -> Option<Finding> {
    let (name, vlans) = (&interface.link.name, interface.vlans.join(", "));
    let text = if vlans.is_empty() {
        if interface.offloads.as_ref()?.is_on(Offloads::VLAN_STRIP) {
            format!("VLAN tags are taken off before XDP ({}); there are no VLAN devices on it", Offloads::VLAN_STRIP)
        } else {
            "VLAN tags reach the program, which leaves tagged frames to their VLAN device".to_owned()
        }
    } else if mode? == AttachMode::User {
        format!("it carries {vlans}: the raw socket hears the frames of {name} itself, not theirs")
    } else {
        // The ladder has no XDP here.
        format!("it carries {vlans}: tcx sees the tags and leaves tagged frames to them")
    };
    Some(Finding::ok(Area::Nic, name, text))
}

/// What the card filters out.
fn filters(interface: &Interface) -> Option<Finding> {
    let name = &interface.link.name;
    let mut facts = Vec::new();
    if interface.promiscuous {
        facts.push("promiscuous: frames for other MACs are seen, and passed");
    } else if interface.all_multicast {
        facts.push("all multicast frames are seen");
    }
    if interface.offloads.as_ref().is_some_and(|offloads| offloads.is_on(Offloads::VLAN_FILTER)) {
        facts.push("rx-vlan-filter: only VLANs with a device of their own are received");
    }
    (!facts.is_empty()).then(|| Finding::ok(Area::Nic, name, facts.join("; ")))
}
