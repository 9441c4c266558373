//! Faults of the segment: each does what it says and no more, and is gone when healed or dropped.

use std::net::IpAddr;

use xtask::lab::{Node, Segment, clients, eventually, leftovers, poll_until};

use crate::harness::SOON;

/// Whether a ping gets through, both resolving afresh: a neighbour entry would hide that a request is not heard.
fn reaches(from: &Node, to: &Node) -> bool {
    from.forget_neighbours().unwrap();
    to.forget_neighbours().unwrap();
    clients::ping(from, to.ipv4.into()).is_ok()
}

/// The port leaves the bridge's listening state and the like in its own time.
fn reaches_soon(from: &Node, to: &Node) {
    eventually(SOON, "a ping", || clients::ping(from, to.ipv4.into())).unwrap();
    assert!(reaches(from, to) && reaches(to, from));
}

fn has_carrier(node: &Node) -> bool {
    let text = node.namespace.ip("-json link show dev eth0").unwrap();
    let links: serde_json::Value = serde_json::from_str(&text).unwrap();
    !links[0]["flags"].as_array().unwrap().iter().any(|flag| flag == "NO-CARRIER")
}

/// Frames that came in at `eth0`, loopback and the like not counted.
fn heard(node: &Node) -> u64 {
    let text = node.namespace.ip("-json -stats link show dev eth0").unwrap();
    let links: serde_json::Value = serde_json::from_str(&text).unwrap();
    links[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

#[test]
fn a_node_that_is_cut_off_reaches_nobody_until_healed() {
    let segment = Segment::new(3).unwrap();
    let (node, client) = (&segment.nodes[0], &segment.client);
    reaches_soon(client, node);

    let cut = segment.cut(node).unwrap();
    poll_until(SOON, "the carrier to go", || !has_carrier(node)).unwrap();
    assert!(!reaches(client, node) && !reaches(node, &segment.nodes[1]));
    assert!(reaches(client, &segment.nodes[1]));
    cut.heal().unwrap();
    poll_until(SOON, "the carrier to come back", || has_carrier(node)).unwrap();
    reaches_soon(client, node);

    let isolated = segment.isolate(node).unwrap();
    assert!(!reaches(client, node) && !reaches(node, &segment.nodes[1]));
    assert!(has_carrier(node));
    // Dropping heals as well.
    drop(isolated);
    reaches_soon(client, node);
}

#[test]
fn a_deaf_node_is_heard() {
    let segment = Segment::new(2).unwrap();
    let (node, client) = (&segment.nodes[0], &segment.client);
    reaches_soon(client, node);
    let absent: IpAddr = "192.0.2.99".parse().unwrap();

    let deaf = segment.deafen(node).unwrap();
    assert!(!reaches(client, node));
    let (before, others_before) = (heard(node), heard(&segment.nodes[1]));
    clients::expect_silence(client, absent).unwrap();
    assert!(heard(&segment.nodes[1]) > others_before, "the request went to the others");
    assert_eq!(heard(node), before, "and not to the deaf node");
    let client_before = heard(client);
    clients::expect_silence(node, absent).unwrap();
    assert!(heard(client) > client_before, "what the deaf node asks arrives");
    deaf.heal().unwrap();
    reaches_soon(client, node);
}

#[test]
fn a_mute_node_hears() {
    // Nobody else is there who might say something.
    let segment = Segment::new(1).unwrap();
    let (node, client) = (&segment.nodes[0], &segment.client);
    reaches_soon(client, node);
    let absent: IpAddr = "192.0.2.99".parse().unwrap();

    let mute = segment.mute(node).unwrap();
    assert!(!reaches(client, node));
    let before = heard(client);
    clients::expect_silence(node, absent).unwrap();
    assert_eq!(heard(client), before, "what the mute node asks does not arrive");
    let before = heard(node);
    clients::expect_silence(client, absent).unwrap();
    assert!(heard(node) > before, "what others ask reaches the mute node");
    mute.heal().unwrap();
    reaches_soon(client, node);
}

#[test]
fn a_parted_segment_is_two_until_healed() {
    let segment = Segment::new(5).unwrap();
    let [a, b, c, d, e] = segment.nodes.as_slice() else { panic!("five nodes were asked for") };
    let parted = segment.part(&[a, b]).unwrap();
    assert!(reaches(a, b) && reaches(c, d) && reaches(&segment.client, e));
    assert!(!reaches(a, c) && !reaches(&segment.client, b));
    assert!(segment.nodes.iter().all(has_carrier));
    parted.heal().unwrap();
    reaches_soon(a, c);
    // Once more: nothing of the first time is in the way.
    drop(segment.part(&[a, &segment.client]).unwrap());
    reaches_soon(&segment.client, e);
}

#[test]
fn a_fault_may_outlive_its_segment() {
    let segment = Segment::new(1).unwrap();
    let tag = segment.lab.tag().to_owned();
    let fault = segment.cut(&segment.nodes[0]).unwrap();
    drop(segment);
    fault.heal().unwrap();
    assert_eq!(leftovers(&tag), Vec::<String>::new());
}
