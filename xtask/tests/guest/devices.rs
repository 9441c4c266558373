//! The ladder of this kernel, and bonds.

use xtask::{
    lab::{Segment, clients, eventually},
    sh,
};

use super::{
    harness::{SOON, both, interface, owned_by, start},
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

/// With `fail_over_mac=active` a bond has the MAC of the member that is active: the answer has to change with it.
#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn a_bond_whose_mac_changes_is_answered_with_the_new_one() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    node.namespace.ip("link del eth0").unwrap();
    node.namespace.sysctl("net.ipv6.conf.default.accept_dad", "0").unwrap();
    node.namespace.ip("link add bond0 type bond mode active-backup fail_over_mac active miimon 100").unwrap();
    let macs = ["02:00:00:00:de:01", "02:00:00:00:de:02"];
    for (member, mac) in ["eth1", "eth2"].into_iter().zip(macs) {
        segment.plug(node, member, mac).unwrap();
        node.namespace.ip(&format!("link set {member} down")).unwrap();
        node.namespace.ip(&format!("link set {member} master bond0")).unwrap();
    }
    node.namespace.ip("link set bond0 up").unwrap();
    let config = owned_by(&["node-a"], "auto").replace("eth0", "bond0");
    let _speaker = start(&segment, node, &config, &[]);
    let active = node.namespace.mac("bond0").unwrap();
    let (index, other) = if active == macs[0] { (1, macs[1]) } else { (2, macs[0]) };
    for vip in both() {
        eventually(SOON, "an answer through the bond", || clients::expect_only(&segment.client, vip, &active)).unwrap();
    }
    segment.switch.ip(&format!("link set {}-eth{index} down", node.port)).unwrap();
    for vip in both() {
        eventually(SOON, "an answer with the other MAC", || clients::expect_only(&segment.client, vip, other)).unwrap();
    }
}

/// With `balance-alb` the bond writes MACs of its members into answers: nothing can be done about it but to say so.
#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn a_bond_that_rewrites_answers_is_told_before() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    node.namespace.ip("link add bond0 type bond mode balance-alb miimon 100").unwrap();
    node.namespace.ip("link add bond1 type bond mode active-backup miimon 100").unwrap();
    for bond in ["bond0", "bond1"] {
        node.namespace.ip(&format!("link set {bond} up")).unwrap();
    }
    let mut check = node.namespace.command(xtask::paths::speaker());
    check.args(["check", "-o", "json", "--pin-dir"]).arg(segment.lab.bpffs().join("unused"));
    let found = sh::attempt(&mut check).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let warned = |bond: &str| {
        let findings = found["findings"].as_array().unwrap();
        findings.iter().any(|finding| {
            finding["subject"] == bond && finding["text"].as_str().is_some_and(|text| text.contains("balance-alb"))
        })
    };
    assert!(warned("bond0") && !warned("bond1"), "{found:#}");
}
