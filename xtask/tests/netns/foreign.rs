//! Programs of others on the same interfaces: never replaced, never removed, and no obstacle.

use std::{path::PathBuf, process::Command};

use xtask::{
    lab::{Node, Segment, clients, eventually},
    paths, sh,
};

use super::harness::{SOON, both, interface, one_owner, owned_by, start, wait_status};

/// Loads the yardstick's program that passes everything and attaches it as somebody else would, with `bpftool`.
pub(crate) fn attach_foreign_xdp(segment: &Segment, node: &Node, device: &str, kind: &str) -> PathBuf {
    let pins = segment.lab.bpffs().join(format!("foreign-{}-{device}", node.name));
    let object = paths::bpf_object("yardstick");
    let mut load = Command::new("bpftool");
    load.args(["prog", "loadall"]).arg(object).arg(&pins);
    sh::run(load).unwrap();
    let mut attach = node.namespace.command("bpftool");
    attach.args(["net", "attach", kind, "pinned"]).arg(pins.join("empty")).args(["dev", device]);
    sh::run(attach).unwrap();
    pins
}

/// Number of the XDP program on a device, if there is one.
pub(crate) fn xdp_program(node: &Node, device: &str) -> Option<u64> {
    let text = node.namespace.ip(&format!("-json link show dev {device}")).unwrap();
    let links: serde_json::Value = serde_json::from_str(&text).unwrap();
    links[0]["xdp"]["prog"]["id"].as_u64()
}

#[test]
fn a_foreign_xdp_program_stays_and_tcx_is_taken() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    attach_foreign_xdp(&segment, node, "eth0", "xdpdrv");
    let foreign = xdp_program(node, "eth0").unwrap();
    let speaker = start(&segment, node, &owned_by(&["node-a"], "auto"), &[]);
    let report = interface(&speaker.status().unwrap(), "eth0");
    assert_eq!(report["attach"], "tcx", "{report:#}");
    assert_eq!(report["stepsDown"][0]["mode"], "native");
    assert!(!report["stepsDown"][0]["reason"].as_str().unwrap().is_empty());
    for vip in both() {
        clients::expect_only(&segment.client, vip, &node.mac).unwrap();
    }
    speaker.terminate().unwrap();
    assert_eq!(xdp_program(node, "eth0"), Some(foreign));
}

#[test]
fn native_only_beside_a_foreign_program_is_reported_and_nothing_is_taken_away() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    attach_foreign_xdp(&segment, node, "eth0", "xdpdrv");
    let foreign = xdp_program(node, "eth0").unwrap();
    let speaker = start(&segment, node, &owned_by(&["node-a"], "native"), &[]);
    let status = wait_status(&speaker, "the failure to be reported", |status| {
        interface(status, "eth0")["stepsDown"][0]["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("XDP program"))
    });
    assert!(interface(&status, "eth0")["attach"].is_null(), "{status:#}");
    assert_eq!(xdp_program(node, "eth0"), Some(foreign));
}

#[test]
fn a_program_attached_beside_ours_is_no_obstacle() {
    // Ours at tcx first, then somebody attaches XDP in front: both go on.
    let (_speaker, segment) = one_owner("tcx", &[]);
    let node = &segment.nodes[0];
    attach_foreign_xdp(&segment, node, "eth0", "xdpgeneric");
    assert!(xdp_program(node, "eth0").is_some());
    for vip in both() {
        eventually(SOON, "an answer", || clients::ask(&segment.client, vip)).unwrap();
        clients::expect_only(&segment.client, vip, &node.mac).unwrap();
    }
}
