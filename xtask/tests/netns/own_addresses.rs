//! An announced address that a machine holds as an interface address: the machine stays on the network, nobody claims it.

use std::net::IpAddr;

use xtask::{
    lab::{Node, Segment, SpeakerProcess, clients, eventually, static_config},
    sh,
};

use super::harness::{SOON, address, both, owned_by, start, v4, wait_status};

/// A configuration in which `node-a` and `node-b` may own these addresses.
fn candidates_of(addresses: &[IpAddr]) -> String {
    static_config(addresses, &["node-a", "node-b"], "native")
}

fn wait_note(speaker: &SpeakerProcess, vip: IpAddr, note: &str) {
    wait_status(speaker, note, |status| address(status, vip)["note"] == note);
}

/// How often the log says it, at whatever level.
fn told(speaker: &SpeakerProcess, text: &str) -> usize {
    speaker.log().lines().filter(|line| line.contains("WARN") && line.contains(text)).count()
}

/// RFC 5227 section 2.1.1: a host that wants the address asks for it without an address of its own; who has it must answer.
fn is_defended(asker: &Node, vip: IpAddr) {
    let mut probe = asker.namespace.command("arping");
    probe.args(["-D", "-c", "3", "-w", "3", "-I", "eth0", &vip.to_string()]);
    let output = sh::attempt(&mut probe).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", sh::report(&probe, &output));
}

#[test]
fn an_address_of_the_node_in_the_configuration_does_not_take_the_node_off_the_network() {
    let segment = Segment::new(3).unwrap();
    let node = &segment.nodes[0];
    let own = [IpAddr::from(node.ipv4), IpAddr::from(node.ipv6)];
    let config = candidates_of(&own);
    let speakers: Vec<_> = segment.nodes[..2].iter().map(|node| start(&segment, node, &config, &[])).collect();
    for address in own {
        let reason = format!("{address} is this node's own address on eth0: not announced");
        wait_note(&speakers[0], address, &reason);
        clients::expect_only(&segment.client, address, &node.mac).unwrap();
        segment.client.forget_neighbours().unwrap();
        assert_eq!(clients::ping(&segment.client, address).unwrap(), node.mac);
        assert_eq!(told(&speakers[0], &reason), 1, "{}", speakers[0].log());
        let output = sh::attempt(&mut speakers[0].cli(&["explain", &address.to_string()])).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.trim_end().ends_with(&format!("no: {reason}.")), "{text}");
        // The other node finds it in use and leaves it alone.
        wait_status(&speakers[1], "in use", |status| {
            super::harness::address(status, address)["ownership"]["standing"] == "in-use"
        });
    }
    is_defended(&segment.nodes[2], own[0]);
}

#[test]
fn an_address_that_appears_on_an_interface_is_let_go_of_and_taken_again_when_it_goes() {
    for mode in ["native", "tcx", "user"] {
        let segment = Segment::new(1).unwrap();
        let node = &segment.nodes[0];
        let speaker = start(&segment, node, &owned_by(&["node-a"], mode), &[]);
        for (vip, bits) in both().into_iter().zip([24, 64]) {
            wait_status(&speaker, "owned", |status| address(status, vip)["ownership"]["standing"] == "owner");
            let nodad = if vip.is_ipv6() { " nodad" } else { "" };
            node.namespace.ip(&format!("addr add {vip}/{bits} dev eth0{nodad}")).unwrap();
            wait_note(&speaker, vip, &format!("{vip} is this node's own address on eth0: not announced"));
            segment.client.forget_neighbours().unwrap();
            // The node's kernel answers.
            assert_eq!(clients::ping(&segment.client, vip).unwrap(), node.mac, "{mode}");
            node.namespace.ip(&format!("addr del {vip}/{bits} dev eth0")).unwrap();
            wait_status(&speaker, "owned again", |status| address(status, vip)["ownership"]["standing"] == "owner");
            clients::expect_only(&segment.client, vip, &node.mac).unwrap();
        }
    }
}

#[test]
fn the_address_of_a_gateway_that_is_away_is_not_claimed() {
    let segment = Segment::new(2).unwrap();
    let gateway = IpAddr::from(segment.client.ipv4);
    for node in &segment.nodes {
        node.namespace.ip(&format!("route add default via {gateway} dev eth0")).unwrap();
    }
    let config = candidates_of(&[gateway, v4()]);
    let cut = segment.cut(&segment.client).unwrap();
    let speakers: Vec<_> = segment.nodes.iter().map(|node| start(&segment, node, &config, &[])).collect();
    let reason = format!("{gateway} is the address of the default gateway on eth0: not announced");
    for speaker in &speakers {
        wait_note(speaker, gateway, &reason);
    }
    // Five seconds of silence, each of which is listened to.
    for _ in 0..5 {
        clients::expect_silence(&segment.nodes[1], gateway).unwrap();
    }
    cut.heal().unwrap();
    eventually(SOON, "the gateway to be back", || {
        clients::expect_only(&segment.nodes[1], gateway, &segment.client.mac)
    })
    .unwrap();
    // It answers for the rest of the configuration as ever.
    eventually(SOON, "an answer", || clients::ask(&segment.client, v4())).unwrap();
}
