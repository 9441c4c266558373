//! The two measuring clients: every request and packet is accounted for, and a second answerer is seen.

use xtask::lab::{Asker, Echo, Packets, Segment, clients, eventually};

use crate::harness::{SOON, v4};

#[test]
fn every_packet_to_an_answered_address_comes_back() {
    let segment = Segment::new(1).unwrap();
    let (node, client, lab) = (&segment.nodes[0], &segment.client, &segment.lab);
    node.namespace.ip("addr add 192.0.2.10/24 dev eth0").unwrap();
    let _echo = Echo::start(lab, node, v4()).unwrap();
    let packets = Packets::start_with(lab, client, v4(), &["--rate", "500", "--count", "100"]).unwrap();
    // It ends by itself after 100, but may also be told: both are an end with an account.
    let account = packets.stop().unwrap();
    assert!(account.sent > 0 && account.sent <= 100, "{account:?}");
    assert_eq!((account.echoed, account.lost), (account.sent, 0), "{account:?}");
}

#[test]
fn packets_into_the_void_are_lost_and_their_time_is_told() {
    let segment = Segment::new(1).unwrap();
    let (node, client, lab) = (&segment.nodes[0], &segment.client, &segment.lab);
    node.namespace.ip("addr add 192.0.2.10/24 dev eth0").unwrap();
    let _echo = Echo::start(lab, node, v4()).unwrap();
    let packets = Packets::start(lab, client, v4(), 500).unwrap();
    let asker = Asker::start(lab, client, &[v4()], 500).unwrap();
    let cut = segment.cut(node).unwrap();
    // However long this takes, packets are sent meanwhile.
    clients::expect_silence(client, v4()).unwrap();
    cut.heal().unwrap();
    eventually(SOON, "an answer", || clients::ask(client, v4())).unwrap();
    eventually(SOON, "a ping", || clients::ping(client, v4())).unwrap();
    let (packets, asked) = (packets.stop().unwrap(), asker.stop().unwrap());
    assert!(packets.lost > 0 && packets.sent == packets.echoed + packets.lost, "{packets:?}");
    assert!(asked.lost > 0 && asked.sent == asked.answered + asked.lost && asked.doubled == 0, "{asked:?}");
    // Silence was listened to for a second.
    assert!(packets.longest_gap_ns > 900_000_000 && asked.longest_gap_ns > 900_000_000, "{packets:?} {asked:?}");
}

#[test]
fn a_second_answerer_is_told_with_the_time_it_was_there() {
    let segment = Segment::new(2).unwrap();
    let (client, lab) = (&segment.client, &segment.lab);
    let [first, second] = segment.nodes.as_slice() else { panic!("two nodes were asked for") };
    first.namespace.ip("addr add 192.0.2.10/24 dev eth0").unwrap();
    // Kernels keep a neighbour for every sender, all namespaces together a thousand: the fewer senders are in turn the better.
    let arguments = ["--rate", "500", "--timeout", "200ms"];
    let asker = Asker::start_with(lab, client, &[v4()], &arguments).unwrap();
    second.namespace.ip("addr add 192.0.2.10/24 dev eth0").unwrap();
    // Both are seen for a second.
    assert_eq!(clients::who_has(client, v4()).unwrap().len(), 2);
    second.namespace.ip("addr del 192.0.2.10/24 dev eth0").unwrap();
    clients::expect_only(client, v4(), &first.mac).unwrap();
    let account = asker.stop().unwrap();
    assert_eq!((account.lost, account.answerers.len()), (0, 2), "{account:?}");
    assert!(account.doubled > 100 && account.doubled < account.sent, "{account:?}");
    assert!(account.longest_double_ns > 500_000_000, "{account:?}");
}
