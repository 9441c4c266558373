//! A node with two interfaces in one segment: one of them answers, the other stands by.

use xtask::lab::{Segment, SpeakerProcess, clients, eventually};

use super::harness::{SOON, address, interface, start, v4, wait_status};

const SECOND_MAC: &str = "02:00:00:00:cc:01";

/// An address that is announced on every interface.
fn anywhere(candidates: &[&str]) -> String {
    format!(
        "announcements:\n  - address: {}\n    l2: {{candidates: [{}], mode: Exclusive}}\n",
        v4(),
        candidates.join(", ")
    )
}

fn wait_standing_by(speaker: &SpeakerProcess, port: &str, other: &str) {
    wait_status(speaker, "one port to stand by", |status| interface(status, port)["standsByFor"] == other);
}

/// How often the node was seen to have the address, by its standby.
fn told_of_an_owner(standby: &SpeakerProcess) -> usize {
    standby.log().lines().filter(|line| line.contains("owned by")).count()
}

#[test]
fn two_ports_in_one_segment_answer_once_and_stand_in_for_each_other() {
    let segment = Segment::new(2).unwrap();
    let node = &segment.nodes[0];
    segment.plug(node, "eth1", SECOND_MAC).unwrap();
    let config = anywhere(&["node-a", "node-b"]);
    let speaker = start(&segment, node, &config, &[]);
    wait_standing_by(&speaker, "eth1", "eth0");
    wait_status(&speaker, "owned", |status| address(status, v4())["ownership"]["standing"] == "owner");
    clients::expect_only(&segment.client, v4(), &node.mac).unwrap();

    // Its standby does not take the one node for two.
    let standby = start(&segment, &segment.nodes[1], &config, &[]);
    wait_status(&standby, "standby", |status| address(status, v4())["ownership"]["standing"] == "standby");
    for _ in 0..3 {
        clients::expect_only(&segment.client, v4(), &node.mac).unwrap();
    }
    assert_eq!(told_of_an_owner(&standby), 1, "{}", standby.log());
    for speaker in [&speaker, &standby] {
        assert!(!speaker.log().contains("conflict") && !speaker.log().contains("in use by"), "{}", speaker.log());
    }
    standby.terminate().unwrap();
}

#[test]
fn the_second_port_answers_while_the_first_has_no_carrier_and_goes_on_after() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    segment.plug(node, "eth1", SECOND_MAC).unwrap();
    let speaker = start(&segment, node, &anywhere(&["node-a"]), &[]);
    wait_standing_by(&speaker, "eth1", "eth0");
    let cut = segment.cut(node).unwrap();
    eventually(SOON, "the other port to answer", || clients::expect_only(&segment.client, v4(), SECOND_MAC)).unwrap();
    cut.heal().unwrap();
    wait_standing_by(&speaker, "eth0", "eth1");
    clients::expect_only(&segment.client, v4(), SECOND_MAC).unwrap();
}

#[test]
fn the_second_port_answers_while_the_first_receives_nothing() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    segment.plug(node, "eth1", SECOND_MAC).unwrap();
    let speaker = start(&segment, node, &anywhere(&["node-a"]), &[]);
    wait_standing_by(&speaker, "eth1", "eth0");
    let fault = segment.deafen(node).unwrap();
    // Every question of the client is what one port receives and the other does not.
    eventually(SOON, "the other port to answer", || clients::expect_only(&segment.client, v4(), SECOND_MAC)).unwrap();
    wait_standing_by(&speaker, "eth0", "eth1");
    fault.heal().unwrap();
}
