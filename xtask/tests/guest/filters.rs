//! Filters of others behind ours at the tcx hook, of a kind that the test machines' own kernel lacks.

use std::process::Command;

use serde_json::Value;
use xtask::{
    lab::{Node, Segment, clients, eventually},
    sh,
};

use super::{
    harness::{SOON, interface, owned_by, start, v4},
    has_tcx,
};

fn tc(node: &Node, arguments: &str) -> String {
    let mut command: Command = node.namespace.command("tc");
    command.args(arguments.split_ascii_whitespace());
    sh::read(command).unwrap()
}

/// Frames that the flower filters of a device dropped.
fn dropped(node: &Node) -> u64 {
    let rules: Value = serde_json::from_str(&tc(node, "-s -j filter show dev eth0 ingress")).unwrap();
    let rules = rules.as_array().unwrap().iter().filter_map(|rule| rule["options"]["actions"].as_array());
    rules.flatten().filter_map(|action| action["stats"]["packets"].as_u64()).sum()
}

fn ping(node: &Node, address: &str) {
    let mut command = node.namespace.command("ping");
    command.args(["-c", "1", "-W", "1", address]);
    // It is not answered: that is the point.
    let _ = sh::attempt(&mut command).unwrap();
}

/// What a flower filter drops and counts, untagged and in a VLAN whose device sits above, it drops and counts with the agent's
/// program before it as well.
#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn flower_drops_and_counts_behind_the_program() {
    if !has_tcx() {
        return;
    }
    let segment = Segment::new(1).unwrap();
    let (node, client) = (&segment.nodes[0], &segment.client);
    for (node, address) in [(node, "198.51.100.1/24"), (client, "198.51.100.2/24")] {
        node.namespace.ip("link add link eth0 name eth0.5 type vlan id 5").unwrap();
        node.namespace.ip("link set eth0.5 up").unwrap();
        node.namespace.ip(&format!("addr add {address} dev eth0.5")).unwrap();
    }
    tc(node, "qdisc add dev eth0 clsact");
    let (own, in_vlan) = (node.ipv4.to_string(), "198.51.100.1");
    tc(node, "filter add dev eth0 ingress pref 1 protocol ip flower ip_proto icmp action drop");
    tc(
        node,
        "filter add dev eth0 ingress pref 2 protocol 802.1q flower vlan_id 5 vlan_ethtype ip ip_proto icmp action drop",
    );
    let speaker = start(&segment, node, &owned_by(&["node-a"], "tcx"), &[]);
    assert_eq!(interface(&speaker.status().unwrap(), "eth0")["attach"], "tcx");
    eventually(SOON, "an answer", || clients::expect_only(client, v4(), &node.mac)).unwrap();
    for address in [own.as_str(), in_vlan] {
        let before = dropped(node);
        ping(client, address);
        assert_eq!(dropped(node), before + 1, "{address}");
    }
}
