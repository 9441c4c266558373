//! A real network driver: the two virtio cards of the guest, which are joined by a wire.

use std::net::{Ipv4Addr, Ipv6Addr};

use xtask::lab::{Lab, Namespace, Node, SpeakerOptions, SpeakerProcess, clients, eventually};

use super::{
    harness::{SOON, both, interface, owned_by, wait_status},
    has_tcx, stepped_over,
};

/// The card with this MAC, moved into a namespace as its `eth0`.
fn node_with_card(lab: &Lab, name: &str, mac: &str, number: u8) -> Node {
    let namespace = Namespace::new(format!("{}-{name}", lab.tag())).unwrap();
    let card = std::fs::read_dir("/sys/class/net")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|card| {
            std::fs::read_to_string(format!("/sys/class/net/{card}/address")).is_ok_and(|text| text.trim() == mac)
        })
        .unwrap_or_else(|| panic!("the guest has no card {mac}"));
    let mut give = std::process::Command::new("ip");
    give.args(["link", "set", &card, "netns", namespace.name(), "name", "eth0"]);
    xtask::sh::run(give).unwrap();
    let node = Node {
        name: name.to_owned(),
        namespace,
        ipv4: Ipv4Addr::new(192, 0, 2, number),
        ipv6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)),
        mac: mac.to_owned(),
        port: String::new(),
    };
    node.namespace.sysctl("net.ipv6.conf.eth0.accept_dad", "0").unwrap();
    for command in [
        "link set eth0 up".to_owned(),
        format!("addr add {}/24 dev eth0", node.ipv4),
        format!("addr add {}/64 dev eth0 nodad", node.ipv6),
    ] {
        node.namespace.ip(&command).unwrap();
    }
    node
}

#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn virtio_net_gets_native_xdp_until_a_vlan_comes_or_says_why_not() {
    let lab = Lab::new().unwrap();
    let node = node_with_card(&lab, "node-a", "02:00:00:00:01:01", 1);
    let client = node_with_card(&lab, "client", "02:00:00:00:01:02", 200);
    let options = SpeakerOptions::default();
    let speaker = SpeakerProcess::start(&lab, &node, &owned_by(&["node-a"], "auto"), &options).unwrap();
    let report = interface(&speaker.status().unwrap(), "eth0");
    let steps = stepped_over(&report);
    println!("virtio_net: attached {}, stepped over {steps:?}", report["attach"]);
    match report["attach"].as_str() {
        Some("native") => assert_eq!(steps, []),
        Some(_) => assert!(steps[0].0 == "native" && steps[0].1.contains("virtio_net"), "{steps:?}"),
        None => panic!("not attached: {report:#}"),
    }
    for vip in both() {
        clients::expect_only(&client, vip, &node.mac).unwrap();
    }
    // The card takes off VLAN tags: with the first VLAN on it XDP has to go.
    node.namespace.ip("link add link eth0 name eth0.5 type vlan id 5").unwrap();
    let mode = if has_tcx() { "tcx" } else { "user" };
    wait_status(&speaker, "XDP to give way to a VLAN", |status| interface(status, "eth0")["attach"] == mode);
    for vip in both() {
        eventually(SOON, "an answer above a VLAN", || clients::expect_only(&client, vip, &node.mac)).unwrap();
    }
}
