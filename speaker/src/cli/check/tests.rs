//! Interfaces, sysctls and the whole report: from facts to findings to text.

use std::collections::BTreeSet;

use rstest::rstest;

use super::{
    facts::{Facts, Interface, Ipv4Sysctls, Kernel, Offloads, Pins, Privileges},
    finding::Verdict::{Fail, Ok as Good, Warn},
    *,
};
use crate::{
    dataplane::Remains,
    decide::{
        AttachMode::{self, Generic, Native, Tcx, User},
        AttachPolicy,
    },
    world::{LinkKind, testing::card},
};

/// basic, redirect, transmit, multi-buffer.
const CAPABLE: u64 = 0b10_0111;

fn linux(release: &str) -> Kernel {
    Kernel { release: release.to_owned(), version: machine::parse_release(release), btf: true, jit: None }
}

fn offloads(active: &[&str], changeable: &[&str]) -> Option<Offloads> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Some(Offloads { active: set(active), changeable: set(changeable) })
}

fn settings(rp_filter: i32, arp_announce: i32) -> Ipv4Sysctls {
    Ipv4Sysctls {
        rp_filter: Some(rp_filter),
        arp_ignore: Some(0),
        arp_announce: Some(arp_announce),
        arp_filter: Some(0),
    }
}

/// A card that can do everything, on a kernel that can.
fn eth0() -> Interface {
    Interface {
        link: card(2, "eth0", &["192.0.2.2/24", "fe80::2/64"]),
        ineligible: None,
        asked_for: false,
        ours: false,
        paths: Vec::new(),
        driver: Some("ice".to_owned()),
        xdp_features: Some(CAPABLE),
        offloads: offloads(&[], &[]),
        promiscuous: false,
        all_multicast: false,
        rewrites_arp: false,
        vlans: Vec::new(),
        sysctls: settings(0, 2),
        disable_ipv6: Some(0),
    }
}

fn with(change: impl FnOnce(&mut Interface)) -> Interface {
    let mut interface = eth0();
    change(&mut interface);
    interface
}

fn veth() -> Interface {
    with(|i| (i.link.kind, i.driver) = (LinkKind::Veth, Some("veth".to_owned())))
}

fn bridge() -> Interface {
    with(|i| {
        (i.link.kind, i.xdp_features, i.driver) = (LinkKind::Other("bridge".into()), Some(0), Some("bridge".into()))
    })
}

fn occupied() -> Interface {
    with(|i| i.link.xdp_program = Some(7))
}

/// A card that takes off tags, below two VLAN devices.
fn below_vlan() -> Interface {
    with(|i| (i.offloads, i.vlans) = (offloads(&["rx-vlan-hw-parse"], &[]), vec!["eth0.7".into(), "eth0.8".into()]))
}

fn virtio(active: &[&str], changeable: &[&str]) -> Interface {
    with(|i| (i.driver, i.offloads) = (Some("virtio_net".to_owned()), offloads(active, changeable)))
}

#[rstest]
#[case::card(eth0(), "6.12", AttachPolicy::Auto, Some(Native), &[])]
#[case::card_before_features(with(|i| i.xdp_features = None), "6.1", AttachPolicy::Auto, Some(Native), &[])]
#[case::bridge(bridge(), "6.6", AttachPolicy::Auto, Some(Tcx), &[Native])]
#[case::bridge_old_kernel(bridge(), "6.5", AttachPolicy::Auto, Some(Generic), &[Native, Tcx])]
#[case::bridge_told_native(bridge(), "6.6", AttachPolicy::Native, None, &[Native])]
#[case::veth(veth(), "6.12", AttachPolicy::Auto, Some(Tcx), &[Native])]
#[case::veth_told_native(veth(), "6.12", AttachPolicy::Native, Some(Native), &[])]
#[case::occupied(occupied(), "6.12", AttachPolicy::Auto, Some(Tcx), &[Native])]
#[case::occupied_old_kernel(occupied(), "6.1", AttachPolicy::Auto, Some(User), &[Native, Tcx, Generic])]
#[case::occupied_by_us(with(|i| (i.link.xdp_program, i.ours) = (Some(7), true)), "6.12", AttachPolicy::Auto, Some(Native), &[])]
#[case::virtio_free(virtio(&["rx-gro-hw", "rx-checksum"], &["rx-gro-hw"]), "6.12", AttachPolicy::Auto, Some(Native), &[])]
#[case::virtio_merging(virtio(&["rx-gro-hw"], &[]), "6.12", AttachPolicy::Auto, Some(Tcx), &[Native])]
#[case::virtio_checksums(virtio(&["rx-checksum"], &[]), "6.12", AttachPolicy::Auto, Some(Tcx), &[Native])]
#[case::virtio_plain(virtio(&[], &[]), "6.12", AttachPolicy::Auto, Some(Native), &[])]
#[case::told_tcx_old_kernel(eth0(), "6.1", AttachPolicy::Tcx, None, &[Tcx])]
#[case::vlans(below_vlan(), "6.6", AttachPolicy::Auto, Some(Tcx), &[Native])]
#[case::vlans_old_kernel(below_vlan(), "6.5", AttachPolicy::Auto, Some(User), &[Native, Tcx, Generic])]
#[case::vlans_told_generic(below_vlan(), "6.12", AttachPolicy::Generic, None, &[Generic])]
#[case::told_user(eth0(), "5.15", AttachPolicy::User, Some(User), &[])]
fn the_ladder_is_foreseen(
    #[case] interface: Interface,
    #[case] release: &str,
    #[case] policy: AttachPolicy,
    #[case] mode: Option<AttachMode>,
    #[case] obstacles: &[AttachMode],
) {
    let prospect = interface::prospect(&interface, &linux(release), policy);
    assert_eq!(prospect.mode, mode);
    assert_eq!(prospect.obstacles.iter().map(|(mode, _)| *mode).collect::<Vec<_>>(), obstacles);
}

#[rstest]
#[case::ordinary(eth0(), "6.12", AttachPolicy::Auto, Good, "native XDP (driver ice, MTU 1500)")]
#[case::unknown(with(|i| i.xdp_features = None), "6.1", AttachPolicy::Auto, Good, "will be tried: unknown before Linux 6.3")]
#[case::unsaid(with(|i| i.xdp_features = None), "6.12", AttachPolicy::Auto, Good, "the kernel does not say")]
#[case::bridge(
    bridge(),
    "6.12",
    AttachPolicy::Auto,
    Good,
    "tcx (driver bridge, MTU 1500); not native: the driver (bridge) has none"
)]
#[case::generic(bridge(), "6.1", AttachPolicy::Auto, Warn, "generic XDP, which is slower")]
#[case::generic_as_told(bridge(), "6.1", AttachPolicy::Generic, Good, "generic, as told")]
#[case::user(occupied(), "6.1", AttachPolicy::Auto, Warn, "a foreign XDP program (7) is attached; it stays")]
#[case::impossible(bridge(), "6.12", AttachPolicy::Native, Fail, "cannot be attached as told")]
#[case::no_carrier(with(|i| i.link.carrier = false), "6.12", AttachPolicy::Auto, Warn, "no carrier")]
#[case::no_ipv6(with(|i| i.disable_ipv6 = Some(1)), "6.12", AttachPolicy::Auto, Warn, "IPv6 is disabled")]
#[case::no_link_local(with(|i| i.link.addresses = BTreeSet::new()), "6.12", AttachPolicy::Auto, Warn, "no IPv6 link-local")]
#[case::unused(with(|i| i.ineligible = Some("it is down".into())), "6.12", AttachPolicy::Auto, Good, "not used: it is down")]
#[case::unused_but_wanted(
    with(|i| (i.ineligible, i.asked_for) = (Some("it is down".into()), true)), "6.12", AttachPolicy::Auto, Warn, "not used: it is down"
)]
#[case::jumbo(with(|i| i.link.mtu = 9000), "6.12", AttachPolicy::Auto, Good, "MTU 9000")]
#[case::jumbo_old_kernel(with(|i| i.link.mtu = 9000), "5.15", AttachPolicy::Auto, Warn, "MTU 9000 needs XDP frames in several buffers")]
#[case::jumbo_plain_driver(
    with(|i| (i.link.mtu, i.xdp_features) = (9000, Some(1))), "6.12", AttachPolicy::Auto, Warn, "MTU 9000 needs"
)]
#[case::edge(with(|i| (i.link.mtu, i.xdp_features) = (3498, Some(1))), "6.12", AttachPolicy::Auto, Good, "MTU 3498")]
#[case::lro(with(|i| i.offloads = offloads(&["rx-lro"], &["rx-lro"])), "6.12", AttachPolicy::Auto, Warn, "rx-lro is on")]
#[case::gro_hw(with(|i| i.offloads = offloads(&["rx-gro-hw"], &[])), "6.12", AttachPolicy::Auto, Warn, "rx-gro-hw is on")]
#[case::lro_with_tcx(with(|i| i.offloads = offloads(&["rx-lro"], &[])), "6.12", AttachPolicy::Tcx, Good, "tcx (driver ice")]
#[case::virtio(virtio(&["rx-gro-hw"], &["rx-gro-hw"]), "6.12", AttachPolicy::Auto, Good, "native XDP (driver virtio_net")]
#[case::tags_taken(with(|i| i.offloads = offloads(&["rx-vlan-hw-parse"], &[])), "6.12", AttachPolicy::Auto, Good, "there are no VLAN devices")]
#[case::tags_kept(eth0(), "6.12", AttachPolicy::Auto, Good, "VLAN tags reach the program")]
#[case::vlans(
    below_vlan(),
    "6.12",
    AttachPolicy::Auto,
    Good,
    "tcx (driver ice, MTU 1500); not native: XDP would take frames of the VLAN"
)]
#[case::vlans_with_tcx(below_vlan(), "6.12", AttachPolicy::Auto, Good, "it carries eth0.7, eth0.8: tcx sees the tags")]
#[case::vlans_without_tcx(
    below_vlan(),
    "6.1",
    AttachPolicy::Auto,
    Warn,
    "not generic: XDP would take frames of the VLAN"
)]
#[case::vlans_at_a_socket(
    below_vlan(),
    "6.1",
    AttachPolicy::User,
    Good,
    "eth0.7, eth0.8: the raw socket hears the frames of eth0 itself"
)]
#[case::vlans_told_native(
    below_vlan(),
    "6.12",
    AttachPolicy::Native,
    Fail,
    "as told (driver ice, MTU 1500); not native: XDP would take"
)]
#[case::promiscuous(
    with(|i| (i.promiscuous, i.offloads) = (true, offloads(&["rx-vlan-filter"], &[]))),
    "6.12", AttachPolicy::Auto, Good, "frames for other MACs are seen, and passed; rx-vlan-filter"
)]
#[case::balance_alb(with(|i| i.rewrites_arp = true), "6.12", AttachPolicy::Auto, Warn, "writes the MACs of its members")]
#[case::unflooded(with(|i| i.paths = vec!["node-b answers".into()]), "6.12", AttachPolicy::Auto, Warn, "node-b answers")]
#[case::all_multicast(with(|i| i.all_multicast = true), "6.12", AttachPolicy::Auto, Good, "all multicast frames")]
fn interfaces_are_judged(
    #[case] interface: Interface,
    #[case] release: &str,
    #[case] policy: AttachPolicy,
    #[case] verdict: Verdict,
    #[case] text: &str,
) {
    let findings = interface::judge(&interface, &linux(release), policy);
    assert_eq!(findings.iter().map(|finding| finding.verdict).max(), Some(verdict), "{findings:?}");
    let found = findings.iter().find(|finding| finding.text.contains(text)).unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(found.verdict, verdict);
    assert_eq!(found.remedy.is_some(), verdict != Good);
}

/// Everything in order, with one interface.
fn facts() -> Facts {
    Facts {
        kernel: linux("6.12.9"),
        pins: Pins {
            directory: "/sys/fs/bpf/arpeggio".into(),
            existing: "/sys/fs/bpf".into(),
            bpffs: Ok(true),
            writable: true,
            remains: Remains::default(),
        },
        privileges: Privileges {
            uid: 0,
            effective: ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "CAP_NET_RAW"].map(str::to_owned).into(),
            initial_user_namespace: Some(true),
            unprivileged_bpf_disabled: Some(2),
        },
        sysctls: settings(0, 0),
        interfaces: Ok(vec![eth0()]),
        absent: Vec::new(),
        policy: AttachPolicy::Auto,
        exclude_error: None,
        holder: None,
    }
}

#[rstest]
#[case::free(0, 0, true, Good, "rp_filter=0")]
#[case::loose(0, 2, true, Good, "rp_filter=2 (loose)")]
#[case::loose_wins_over_strict(1, 2, true, Good, "rp_filter=2 (loose)")]
#[case::strict_alone(1, 0, false, Good, "no other interface is used")]
#[case::strict_by_all(1, 0, true, Warn, "routed out of another interface")]
#[case::strict_by_one(0, 1, true, Warn, "routed out of another interface")]
fn reverse_path_filters_are_judged(
    #[case] all: i32,
    #[case] one: i32,
    #[case] others: bool,
    #[case] verdict: Verdict,
    #[case] text: &str,
) {
    let facts = Facts { sysctls: settings(all, 0), ..facts() };
    let findings = sysctl::judge(&facts, &with(|i| i.sysctls = settings(one, 2)), others);
    let found = findings.iter().find(|finding| finding.text.starts_with("rp_filter")).unwrap();
    assert_eq!(found.verdict, verdict);
    assert!(found.text.contains(text), "{}", found.text);
}

#[rstest]
#[case::best(2, true, Good, "never claim")]
#[case::no_ipvs(0, false, Good, "no harm as long as")]
#[case::ipvs(0, true, Warn, "kube-ipvs0 holds service addresses")]
#[case::ipvs_half(1, true, Warn, "kube-ipvs0 holds service addresses")]
fn the_senders_of_our_own_requests_are_judged(
    #[case] value: i32,
    #[case] ipvs: bool,
    #[case] verdict: Verdict,
    #[case] text: &str,
) {
    let facts = Facts { holder: ipvs.then(|| "kube-ipvs0".to_owned()), ..facts() };
    let findings = sysctl::judge(&facts, &with(|i| i.sysctls = settings(0, value)), false);
    let found = findings.iter().find(|finding| finding.text.starts_with("arp_announce")).unwrap();
    assert_eq!(found.verdict, verdict);
    assert!(found.text.contains(text), "{}", found.text);
}

#[rstest]
#[case::nobody_holds_any(0, None, Good, "no harm as long as")]
#[case::ipvs(0, Some("kube-ipvs0"), Warn, "kube-ipvs0 holds service addresses: without a running agent")]
#[case::a_dummy(0, Some("vips0"), Warn, "vips0 holds service addresses: without a running agent")]
#[case::strict(1, Some("kube-ipvs0"), Good, "with or without an agent")]
fn kernels_that_answer_for_what_every_node_holds_are_judged(
    #[case] value: i32,
    #[case] holder: Option<&str>,
    #[case] verdict: Verdict,
    #[case] text: &str,
) {
    let facts = Facts { holder: holder.map(str::to_owned), ..facts() };
    let sysctls = Ipv4Sysctls { arp_ignore: Some(value), ..settings(0, 2) };
    let findings = sysctl::judge(&facts, &with(|i| i.sysctls = sysctls), false);
    let found = findings.iter().find(|finding| finding.text.starts_with("arp_ignore")).unwrap();
    assert_eq!(found.verdict, verdict);
    assert!(found.text.contains(text), "{}", found.text);
}

#[test]
fn a_device_with_addresses_of_services_is_found() {
    let dummy = |name: &str, addresses: &[&str]| {
        let mut link = card(7, name, addresses);
        link.kind = LinkKind::Other("dummy".to_owned());
        Links([(7, link)].into())
    };
    assert_eq!(holder(&dummy("kube-ipvs0", &[])).as_deref(), Some("kube-ipvs0"));
    assert_eq!(holder(&dummy("vips0", &["192.0.2.10/32"])).as_deref(), Some("vips0"));
    assert_eq!(holder(&dummy("dummy0", &["10.0.0.1/24"])), None);
    assert_eq!(holder(&Links([(2, card(2, "eth0", &["192.0.2.1/32"]))].into())), None);
}

#[test]
fn settings_that_cannot_be_read_are_left_out() {
    let nothing = Facts { sysctls: Ipv4Sysctls::default(), ..facts() };
    assert_eq!(sysctl::judge(&nothing, &with(|i| i.sysctls = Ipv4Sysctls::default()), true), []);
    let arp_filter = Ipv4Sysctls { arp_filter: Some(1), ..Ipv4Sysctls::default() };
    let findings = sysctl::judge(&nothing, &with(|i| i.sysctls = arp_filter), true);
    assert!(findings[0].text.starts_with("arp_filter=1: only concerns"), "{findings:?}");
}

#[test]
fn what_keeps_everything_from_working_is_a_failure() {
    let verdict = |change: fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        judge::judge(&facts).verdict
    };
    assert_eq!(verdict(|_| {}), Good);
    assert_eq!(verdict(|facts| facts.interfaces = Err("not permitted".to_owned())), Fail);
    assert_eq!(verdict(|facts| facts.interfaces = Ok(vec![])), Fail);
    assert_eq!(verdict(|facts| facts.interfaces = Ok(vec![with(|i| i.ineligible = Some("down".into()))])), Fail);
    assert_eq!(verdict(|facts| facts.absent = vec!["eth9".to_owned()]), Fail);
    assert_eq!(verdict(|facts| facts.exclude_error = Some("line 1: no".to_owned())), Fail);
    assert_eq!(verdict(|facts| facts.kernel = linux("5.10.0")), Fail);
}

const WHOLE: &str = "\
VERDICT  AREA        SUBJECT           FINDING
ok       kernel      version           Linux 6.1.0-18-amd64; 5.15 or later is needed
ok       kernel      frags             native XDP with large MTUs (multi-buffer frames): there
                                       since Linux 5.18
warn     kernel      tcx               the tcx hook, for devices without native XDP: came with
                                       Linux 6.6; without it such devices step down to generic
                                       XDP, which is slower
                                       → Linux 6.6 or later
ok       kernel      btf               /sys/kernel/btf/vmlinux is there
ok       pins        bpffs             /sys/fs/bpf is on a BPF file system
ok       pins        directory         /sys/fs/bpf/arpeggio can be made and is writable for this
                                       user
ok       privileges  CAP_BPF           there: the agent can load programs and make maps
ok       privileges  CAP_NET_ADMIN     there: the agent can attach programs to interfaces
fail     privileges  CAP_PERFMON       missing: the agent cannot let the program address packets
                                       (the verifier refuses it otherwise)
                                       → run it as root or with CAP_PERFMON in its ambient and
                                       effective sets (a pod: securityContext.capabilities.add)
ok       privileges  CAP_NET_RAW       there: the agent can send gratuitous frames and heartbeats
ok       privileges  unprivileged bpf  only CAP_BPF may load programs
                                       (kernel.unprivileged_bpf_disabled=2)
ok       interface   eth0              native XDP (driver ice, MTU 1500)
ok       nic         eth0              VLAN tags reach the program, which leaves tagged frames to
                                       their VLAN device
ok       sysctl      eth0              rp_filter=0: the way back is not checked
ok       sysctl      eth0              arp_ignore=0: no harm as long as service addresses are on
                                       no device of this node (kube-ipvs0)
ok       sysctl      eth0              arp_announce=2: the kernel's own requests never claim a
                                       service address
ok       interface   lo                not used: it is the loopback interface

The agent cannot do its work here: 1 failure, 1 warning.
";

#[test]
fn the_whole_check_reads_like_this() {
    let mut facts = facts();
    facts.kernel = linux("6.1.0-18-amd64");
    facts.privileges.effective.remove("CAP_PERFMON");
    let lo = with(|i| {
        i.link.name = "lo".to_owned();
        i.ineligible = Some("it is the loopback interface".to_owned());
    });
    facts.interfaces = Ok(vec![lo, eth0()]);
    let text = render(&judge::judge(&facts));
    assert!(text == WHOLE, "expected:\n{WHOLE}\ngot:\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn hundreds_of_unused_interfaces_are_counted() {
    let mut facts = facts();
    let pod = |number: u32| {
        with(|i| {
            i.link.name = format!("cali{number}");
            i.ineligible = Some("excluded".to_owned());
        })
    };
    facts.interfaces = Ok((0..300).map(pod).chain([eth0()]).collect());
    let text = render(&judge::judge(&facts));
    assert_eq!(text.matches("not used: excluded").count(), 8);
    assert!(text.contains("\nand 292 more interfaces that are not used\n\nThe agent can run here.\n"), "{text}");
}
