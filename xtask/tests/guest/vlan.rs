//! VLAN devices, and the devices below them. Older kernels cannot tell their frames apart by a program: the device below has
//! the raw socket there.

use std::net::IpAddr;

use serde_json::Value;
use xtask::lab::{Node, Segment, clients, eventually, static_config};

use super::{
    harness::{SOON, address, both, interface, owned_by, start, v4, wait_status},
    has_tcx, stepped_over,
};

/// MAC of the node's VLAN device: not that of the device below, so that it shows which of them answered.
const VLAN_MAC: &str = "02:00:00:00:00:05";

/// Puts a client into VLAN 5: its `eth0` becomes the VLAN device.
fn move_into_vlan(client: &Node) {
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

/// Gives a node a device in VLAN 5. Its name has a dot: no file on a bpffs may.
fn add_vlan(node: &Node) {
    node.namespace.sysctl("net.ipv6.conf.default.accept_dad", "0").unwrap();
    node.namespace.ip(&format!("link add link eth0 name eth0.5 address {VLAN_MAC} type vlan id 5")).unwrap();
    node.namespace.ip("link set eth0.5 up").unwrap();
}

/// A segment whose `node-a` and client are in VLAN 5.
fn vlan_segment() -> Segment {
    let segment = Segment::new(1).unwrap();
    move_into_vlan(&segment.client);
    add_vlan(&segment.nodes[0]);
    segment
}

fn vlan_config() -> String {
    owned_by(&["node-a"], "auto").replace("eth0", "eth0.5")
}

/// What a device below a VLAN has: never XDP.
fn below_a_vlan() -> &'static str {
    if has_tcx() { "tcx" } else { "user" }
}

fn expect_soon(client: &Node, vip: IpAddr, mac: &str, status: impl Fn() -> Value) {
    let answered = eventually(SOON, "an answer", || clients::expect_only(client, vip, mac));
    answered.unwrap_or_else(|error| panic!("{error:#}: {:#}", status()));
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
        expect_soon(&segment.client, vip, VLAN_MAC, || speaker.status().unwrap());
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

/// A request of the VLAN must not be dropped below it as one for an address that is announced elsewhere.
#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn the_device_below_a_vlan_lets_its_requests_through() {
    let segment = vlan_segment();
    let speaker = start(&segment, &segment.nodes[0], &vlan_config(), &[]);
    let status = speaker.status().unwrap();
    let below = interface(&status, "eth0");
    assert_eq!(below["attach"], below_a_vlan(), "{below:#}");
    let xdp: Vec<_> =
        stepped_over(&below).into_iter().filter(|(mode, _)| mode == "native" || mode == "generic").collect();
    assert_eq!(xdp.len(), if has_tcx() { 1 } else { 2 }, "every better way has its reason: {xdp:?}");
    assert!(xdp.iter().all(|(_, reason)| reason.contains("VLAN")), "{xdp:?}");
    assert_ne!(interface(&status, "eth0.5")["attach"], "user", "nothing sits on the VLAN device");
    for vip in both() {
        expect_soon(&segment.client, vip, VLAN_MAC, || speaker.status().unwrap()["addresses"].clone());
    }
}

/// Both devices announce, each its own addresses; neither answers on the wire of the other.
#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn a_vlan_and_the_device_below_answer_each_for_its_own() {
    let segment = Segment::new(2).unwrap();
    let (node, inside, outside) = (&segment.nodes[0], &segment.nodes[1], &segment.client);
    move_into_vlan(inside);
    add_vlan(node);
    let of_the_vlan: [IpAddr; 2] = ["192.0.2.11", "2001:db8::11"].map(|text| text.parse().unwrap());
    let below = static_config(&both(), &["node-a"], "auto");
    let on_top = static_config(&of_the_vlan, &["node-a"], "auto").replace("eth0", "eth0.5");
    let (announcements, interfaces) = below.split_once("interfaces:\n").unwrap();
    let (more, and_more) = on_top.trim_start_matches("announcements:\n").split_once("interfaces:\n").unwrap();
    let config = format!("{announcements}{more}interfaces:\n{interfaces}{and_more}");
    let speaker = start(&segment, node, &config, &[]);
    assert_eq!(interface(&speaker.status().unwrap(), "eth0")["attach"], below_a_vlan());
    for (client, own, mac) in [(outside, both(), node.mac.as_str()), (inside, of_the_vlan, VLAN_MAC)] {
        for vip in own {
            expect_soon(client, vip, mac, || speaker.status().unwrap());
        }
    }
    // An answer on the wrong wire would not reach the client that asked, but it is counted.
    let replies = |vip| address(&speaker.status().unwrap(), vip)["counters"]["replies"].as_u64().unwrap();
    for (client, foreign) in [(outside, of_the_vlan), (inside, both())] {
        for vip in foreign {
            let before = replies(vip);
            clients::expect_silence(client, vip).unwrap();
            assert_eq!(replies(vip), before, "{vip} was answered on the wire of the other device");
        }
    }
}

/// XDP that answers when the first VLAN is made gives way; what was demanded and is wrong is refused, with a reason.
#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn a_vlan_that_appears_under_a_running_agent_ends_xdp_below() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    let attached = |mode: &'static str| move |status: &Value| interface(status, "eth0")["attach"] == mode;
    let speaker = start(&segment, node, &owned_by(&["node-a"], "native"), &[]);
    wait_status(&speaker, "native XDP", attached("native"));
    add_vlan(node);
    let status = wait_status(&speaker, "the refusal", |status| interface(status, "eth0")["attach"].is_null());
    let refused = stepped_over(&interface(&status, "eth0"));
    assert!(refused.len() == 1 && refused[0].0 == "native" && refused[0].1.contains("VLAN"), "{refused:?}");

    speaker.configure(&owned_by(&["node-a"], "auto")).unwrap();
    wait_status(&speaker, "a way that tells VLANs apart", attached(below_a_vlan()));
    for vip in both() {
        expect_soon(&segment.client, vip, &node.mac, || speaker.status().unwrap());
    }
    let alone = if has_tcx() { "tcx" } else { "generic" };
    for (command, mode) in
        [("link del eth0.5", alone), ("link add link eth0 name eth0.6 type vlan id 6", below_a_vlan())]
    {
        node.namespace.ip(command).unwrap();
        wait_status(&speaker, command, attached(mode));
        for vip in both() {
            expect_soon(&segment.client, vip, &node.mac, || speaker.status().unwrap());
        }
    }
}
