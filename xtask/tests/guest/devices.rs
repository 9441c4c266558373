//! The ladder of this kernel, and devices on top of others.

use xtask::lab::{Segment, clients, eventually};

use super::{
    harness::{SOON, both, interface, owned_by, start, v4},
    has_tcx, stepped_over,
};

#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn the_ladder_ends_where_this_kernel_ends() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    let speaker = start(&segment, node, &owned_by(&["node-a"], "auto"), &[]);
    let report = interface(&speaker.status().unwrap(), "eth0");
    let steps = stepped_over(&report);
    let modes: Vec<&str> = steps.iter().map(|(mode, _)| mode.as_str()).collect();
    if has_tcx() {
        assert_eq!((report["attach"].as_str(), modes), (Some("tcx"), vec!["native"]), "{report:#}");
    } else {
        assert_eq!((report["attach"].as_str(), modes), (Some("generic"), vec!["native", "tcx"]), "{report:#}");
        assert!(steps[1].1.contains("6.6"), "the reason says which kernel has it: {steps:?}");
    }
    for vip in both() {
        clients::expect_only(&segment.client, vip, &node.mac).unwrap();
    }
}

#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn every_mode_this_kernel_has_answers() {
    let modes = if has_tcx() { &["native", "tcx", "generic", "user"][..] } else { &["native", "generic", "user"] };
    for mode in modes {
        let segment = Segment::new(1).unwrap();
        let node = &segment.nodes[0];
        let speaker = start(&segment, node, &owned_by(&["node-a"], mode), &[]);
        assert_eq!(interface(&speaker.status().unwrap(), "eth0")["attach"], *mode);
        for vip in both() {
            node.hold(vip).unwrap();
            clients::expect_only(&segment.client, vip, &node.mac).unwrap();
            assert_eq!(clients::ping(&segment.client, vip).unwrap(), node.mac);
        }
    }
}

/// Puts the client into VLAN 5: its `eth0` becomes the VLAN device.
fn client_in_vlan(segment: &Segment) {
    let client = &segment.client;
    client.namespace.sysctl("net.ipv6.conf.default.accept_dad", "0").unwrap();
    for command in [
        "link set eth0 down".to_owned(),
        "link set eth0 name wire0".to_owned(),
        "addr flush dev wire0".to_owned(),
        "link set wire0 up".to_owned(),
        "link add link wire0 name eth0 type vlan id 5".to_owned(),
        "link set eth0 up".to_owned(),
        format!("addr add {}/24 dev eth0", client.ipv4),
        format!("addr add {}/64 dev eth0 nodad", client.ipv6),
    ] {
        client.namespace.ip(&command).unwrap();
    }
}

/// A segment whose `node-a` and client are in VLAN 5. The node's device has a dot in its name: no file on a bpffs may.
fn vlan_segment() -> Segment {
    let segment = Segment::new(1).unwrap();
    client_in_vlan(&segment);
    let node = &segment.nodes[0];
    node.namespace.sysctl("net.ipv6.conf.default.accept_dad", "0").unwrap();
    node.namespace.ip("link add link eth0 name eth0.5 type vlan id 5").unwrap();
    node.namespace.ip("link set eth0.5 up").unwrap();
    segment
}

fn vlan_config() -> String {
    owned_by(&["node-a"], "auto").replace("eth0", "eth0.5")
}

#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn a_vlan_device_carries_the_subnet() {
    let segment = vlan_segment();
    let node = &segment.nodes[0];
    let exclude = segment.lab.directory().join("excludel2.yaml");
    std::fs::write(&exclude, "announcedInterfacesToExclude: [\"^eth0$\"]\n").unwrap();
    let flags = ["--exclude-interfaces", exclude.to_str().unwrap()];
    let speaker = start(&segment, node, &vlan_config(), &flags);
    let report = interface(&speaker.status().unwrap(), "eth0.5");
    assert_eq!(report["attach"], if has_tcx() { "tcx" } else { "generic" }, "{report:#}");
    for vip in both() {
        clients::expect_only(&segment.client, vip, &node.mac).unwrap();
    }
    // The same request without the tag comes in through eth0, for which nothing is announced.
    let client = &segment.client;
    for command in [
        // Older kernels rename only what is down.
        "link set eth0 down".to_owned(),
        "link set eth0 name vlan5".to_owned(),
        "link set wire0 down".to_owned(),
        "link set wire0 name eth0".to_owned(),
        "link set eth0 up".to_owned(),
        format!("addr add {}/24 dev eth0", client.ipv4),
    ] {
        client.namespace.ip(&command).unwrap();
    }
    clients::expect_silence(client, v4()).unwrap();
}

/// At the tcx hook a request of the VLAN is known by its tag and must not be dropped as one for an address that is announced
/// elsewhere. Where there is no tcx (before 6.6) the device below has to be excluded, as above: the kernel takes the tag off
/// before generic XDP, which then cannot tell.
#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn the_device_below_a_vlan_lets_its_requests_through() {
    if !has_tcx() {
        return;
    }
    let segment = vlan_segment();
    let node = &segment.nodes[0];
    let speaker = start(&segment, node, &vlan_config(), &[]);
    for vip in both() {
        let answered = clients::expect_only(&segment.client, vip, &node.mac);
        answered.unwrap_or_else(|error| panic!("{error:#}: {:#}", speaker.status().unwrap()["addresses"]));
    }
}

#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn a_bond_carries_the_subnet_and_survives_a_dead_member() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    node.namespace.ip("link del eth0").unwrap();
    node.namespace.sysctl("net.ipv6.conf.default.accept_dad", "0").unwrap();
    node.namespace.ip("link add bond0 type bond mode active-backup miimon 100").unwrap();
    let mac = "02:00:00:00:dd:01";
    for (member, mac) in [("eth1", mac), ("eth2", "02:00:00:00:dd:02")] {
        segment.plug(node, member, mac).unwrap();
        node.namespace.ip(&format!("link set {member} down")).unwrap();
        node.namespace.ip(&format!("link set {member} master bond0")).unwrap();
    }
    node.namespace.ip("link set bond0 up").unwrap();
    let config = owned_by(&["node-a"], "auto").replace("eth0", "bond0");
    let speaker = start(&segment, node, &config, &[]);
    let status = speaker.status().unwrap();
    let report = interface(&status, "bond0");
    let steps = stepped_over(&report);
    assert!(report["attach"].is_string(), "{report:#}");
    assert!(steps.iter().all(|(_, reason)| !reason.is_empty()), "{steps:?}");
    for member in ["eth1", "eth2"] {
        assert_eq!(interface(&status, member)["eligible"], false, "members are left to the bond");
    }
    for vip in both() {
        eventually(SOON, "an answer through the bond", || clients::expect_only(&segment.client, vip, mac)).unwrap();
    }
    segment.switch.ip(&format!("link set {}-eth1 down", node.port)).unwrap();
    for vip in both() {
        eventually(SOON, "an answer through the other member", || clients::expect_only(&segment.client, vip, mac))
            .unwrap();
    }
}
