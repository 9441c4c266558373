//! The ladder of this kernel, and bonds.

use xtask::lab::{Segment, clients, eventually};

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
