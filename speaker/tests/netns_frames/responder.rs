//! The user-space responder answering real clients.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
    thread,
    time::{Duration, Instant},
};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, EventKind, Flags, Lease, Outcome, Stats},
    wire::{Arp, Mac, Neighbor, Tag},
};
use arpeggio_speaker::{
    decide::{Desired, DesiredVip},
    frames::{FrameSocket, Responder, ResponderLosses, monotonic_ns},
};

use super::{
    asker::{asker, assert_flawless},
    lab::{FAR_MAC, NEAR_MAC, Wire},
};

const MINUTE_NS: u64 = 60_000_000_000;

/// The far host with a responder and a lease of a minute.
struct Host {
    responder: Responder,
    events: tokio::sync::mpsc::Receiver<arpeggio_common::abi::Event>,
    ifindex: u32,
}

fn vip(action: Action) -> DesiredVip {
    DesiredVip {
        mac: FAR_MAC.parse().unwrap(),
        action,
        flags: Flags::NONE,
        buckets: ALL_BUCKETS,
        may_own: true,
        generation: 0,
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn lease(until_ns: u64) -> Lease {
    Lease { until_ns, node: None }
}

impl Host {
    fn start(wire: &Wire) -> Self {
        let (responder, events) = wire.far.enter(|| Responder::start(16_384).unwrap());
        responder.renew(lease(monotonic_ns() + MINUTE_NS));
        Self { responder, events, ifindex: wire.far.ifindex("far0") }
    }

    /// Answers for exactly these addresses; returns how many entries were written and removed.
    fn answer(&mut self, wire: &Wire, addresses: impl IntoIterator<Item = IpAddr>) -> (usize, usize) {
        self.follow(wire, addresses.into_iter().map(|address| (address, vip(Action::Answer))))
    }

    fn follow(&mut self, wire: &Wire, vips: impl IntoIterator<Item = (IpAddr, DesiredVip)>) -> (usize, usize) {
        let vips = vips.into_iter().map(|(address, vip)| ((self.ifindex, address), vip)).collect();
        let desired = Desired { vips, ..Desired::default() };
        let served = BTreeSet::from([self.ifindex]);
        let applied = wire.far.enter(|| self.responder.follow(&desired, &served));
        assert!(applied.failed.is_empty() && applied.left_out.is_empty(), "{applied:?}");
        (applied.written, applied.removed)
    }

    /// Waits until the thread has come so far.
    fn wait_for(&self, reached: impl Fn(&Responder) -> bool) {
        #[expect(clippy::disallowed_methods, reason = "the test must end")]
        let begun = Instant::now();
        while !reached(&self.responder) {
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", self.responder);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The counters of an address.
    fn stats(&self, text: &str) -> Stats {
        self.responder.entries()[&(self.ifindex, address(text))].1
    }
}

fn is_silent(wire: &Wire, address: &str) -> bool {
    asker(&wire.near, &format!("--address {address} --rate 100 --count 5 --timeout 100ms"))["answered"] == 0
}

#[test]
fn clients_of_both_families_are_answered_and_counted() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.answer(&wire, [address("10.77.0.5"), address("2001:db8:77::5")]);
    for (text, rate) in [("10.77.0.5", 200), ("2001:db8:77::5", 500)] {
        let summary = asker(&wire.near, &format!("--address {text} --rate {rate} --count 200"));
        assert_flawless(&summary);
        let stats = host.stats(text);
        assert_eq!((stats.requests, stats.replies), (200, 200), "{text}");
    }
    // The sender addresses in turn were remembered as the clients that they stand for.
    let clients = host.responder.clients();
    assert!(clients.values().all(|client| Mac(client.mac()) == NEAR_MAC.parse().unwrap()));
    assert!(clients.len() >= 200, "{}", clients.len());
    assert_eq!(host.responder.losses(), ResponderLosses::default());
}

/// The kernel takes the tag off before the socket hears the frame; one that names a VLAN is another segment's.
#[test]
fn a_priority_tag_is_no_vlan() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.answer(&wire, [address("10.77.0.5"), address("2001:db8:77::5")]);
    let near: Mac = NEAR_MAC.parse().unwrap();
    let arp = Arp::request(Mac::BROADCAST, near, [10, 77, 0, 1], [10, 77, 0, 5]);
    let [client, vip] = ["2001:db8:77::1", "2001:db8:77::5"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
    let solicitation = Neighbor::solicitation(near, client, vip);
    let ifindex = wire.near.ifindex("near0");
    let send = |message: &[u8], tag: [u8; 4]| {
        let frame = [&message[..12], &tag, &message[12..]].concat();
        wire.near.enter(|| FrameSocket::open().unwrap().send(ifindex, &frame).unwrap());
    };
    for message in [&arp[..], &solicitation] {
        // The others come before the one that is waited for.
        send(message, [0x81, 0, 0, 5]);
        send(message, [0x81, 0, 0xa1, 0]);
        send(message, [0x81, 0, 0xa0, 0]);
    }
    for text in ["10.77.0.5", "2001:db8:77::5"] {
        let place = (host.ifindex, address(text));
        host.wait_for(|responder| responder.entries()[&place].1.replies > 0);
        assert_eq!(host.stats(text).requests, 1, "{text}");
    }
}

#[test]
fn other_people_s_clients_are_answered_too() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.answer(&wire, [address("10.77.0.5"), address("2001:db8:77::5")]);
    wire.near.ip("address add 10.77.0.1/24 dev near0");
    wire.near.hold("2001:db8:77::1".parse().unwrap(), "near0");
    let text = wire.near.run("arping", "-c 3 -w 5 -I near0 10.77.0.5");
    assert!(text.to_lowercase().contains(FAR_MAC), "{text}");
    let text = wire.near.run("ndisc6", "-1 -w 2000 2001:db8:77::5 near0");
    assert!(text.to_lowercase().contains(FAR_MAC), "{text}");
}

#[test]
fn a_flood_over_ten_thousand_addresses_is_answered_without_a_loss() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    let all = (0..10_000u32).map(|host| std::net::Ipv4Addr::from_bits(0x0a58_0000 + host).into());
    assert_eq!(host.answer(&wire, all.clone()), (10_000, 0));
    assert_eq!(host.answer(&wire, all), (0, 0), "the second run does nothing");
    let summary = asker(&wire.near, "--address 10.88.0.0-10.88.39.15 --flood --in-flight 64 --count 20000");
    assert_flawless(&summary);
    println!("{} answers a second, latency {}", summary["answers_per_second"], summary["latency_ns"]);
}

#[test]
fn nothing_is_answered_before_during_and_after_what_is_allowed() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.responder.renew(lease(0));
    host.answer(&wire, [address("10.77.0.5")]);
    assert!(is_silent(&wire, "10.77.0.5"), "no lease yet");
    assert!(host.responder.outcomes()[&Outcome::LeaseOver] >= 5);
    host.responder.renew(lease(monotonic_ns() + MINUTE_NS));
    assert!(!is_silent(&wire, "10.77.0.5"));
    host.responder.renew(lease(monotonic_ns()));
    assert!(is_silent(&wire, "10.77.0.5"), "the lease has run out");
    host.responder.renew(lease(monotonic_ns() + MINUTE_NS));
    assert_eq!(host.answer(&wire, [address("10.77.0.6")]), (1, 1));
    assert!(is_silent(&wire, "10.77.0.5"), "no longer ours");
    assert!(!is_silent(&wire, "10.77.0.6"));
    drop(host);
    assert!(is_silent(&wire, "10.77.0.6"), "nobody left to answer");
}

#[test]
fn an_interface_that_was_down_or_made_anew_is_served_again() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.answer(&wire, [address("10.77.0.5")]);
    assert!(!is_silent(&wire, "10.77.0.5"));
    wire.far.ip("link set far0 down");
    wire.far.ip("link set far0 up");
    assert!(!is_silent(&wire, "10.77.0.5"));
    wire.far.ip("link del far0");
    assert!(host.responder.is_running());
    let missing = wire.far.enter(|| host.responder.follow(&Desired::default(), &BTreeSet::from([host.ifindex, 4_242])));
    assert!(missing.failed[&4_242].to_string().contains("interface 4242"), "{missing:?}");
    wire.plug();
    host.ifindex = wire.far.ifindex("far0");
    assert_eq!(host.answer(&wire, [address("10.77.0.5")]).0, 1);
    assert!(!is_silent(&wire, "10.77.0.5"));
}

#[test]
fn requests_with_a_vlan_tag_belong_to_another_segment() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.answer(&wire, [address("10.77.0.5")]);
    let near = wire.near.ifindex("near0");
    let request = Arp::request(Mac::BROADCAST, NEAR_MAC.parse().unwrap(), [10, 77, 0, 1], [10, 77, 0, 5]);
    let tagged = [&request[..12], &[0x81, 0, 0, 100], &request[12..]].concat();
    wire.near.enter(|| {
        let socket = FrameSocket::open().unwrap();
        for _ in 0..5 {
            socket.send(near, &tagged).unwrap();
        }
        socket.send(near, &request).unwrap();
    });
    host.wait_for(|_| host.stats("10.77.0.5").requests > 0);
    let (requests, outcomes) = (host.stats("10.77.0.5").requests, host.responder.outcomes());
    assert_eq!((requests, outcomes.len()), (1, 0), "only the one without a tag: {outcomes:?}");
}

/// The kernel tells every packet socket of the device that a frame came in through, also when it gave the frame to a device on
/// top: to a macvlan here, to a VLAN in the kernel tier.
#[test]
fn what_the_kernel_gave_to_a_device_on_top_is_none_of_ours() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.answer(&wire, [address("10.77.0.5")]);
    let top = "02:00:00:00:0a:77";
    wire.far.ip(&format!("link add top0 link far0 address {top} type macvlan mode bridge"));
    wire.far.ip("link set top0 up");
    let near = wire.near.ifindex("near0");
    let request = |to: Mac| Arp::request(to, NEAR_MAC.parse().unwrap(), [10, 77, 0, 1], [10, 77, 0, 5]);
    wire.near.enter(|| {
        let socket = FrameSocket::open().unwrap();
        for _ in 0..5 {
            socket.send(near, &request(top.parse().unwrap())).unwrap();
        }
        socket.send(near, &request(FAR_MAC.parse().unwrap())).unwrap();
    });
    host.wait_for(|_| host.stats("10.77.0.5").requests > 0);
    let (requests, outcomes) = (host.stats("10.77.0.5").requests, host.responder.outcomes());
    assert_eq!((requests, outcomes.len()), (1, 0), "only the one to the device itself: {outcomes:?}");
}

#[test]
fn rivals_are_seen_and_reported_and_two_answerers_show() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.answer(&wire, [address("10.77.0.5")]);
    let (near, rival) = (wire.near.ifindex("near0"), Mac([2, 0, 0, 0, 0, 0x99]));
    let before_ns = monotonic_ns();
    let tag = Tag::from_numbers([7, 4, 1, 0]).unwrap();
    wire.near
        .enter(|| FrameSocket::open().unwrap().send(near, &Arp::announcement(rival, [10, 77, 0, 5], tag)).unwrap());
    let place = (host.ifindex, address("10.77.0.5"));
    host.wait_for(|responder| !responder.sightings().is_empty());
    let seen = host.responder.sightings()[&place];
    assert_eq!((Mac(seen.mac()), seen.count(), host.stats("10.77.0.5").claims), (rival, 1, 1));
    assert!((before_ns..monotonic_ns()).contains(&seen.last_seen_ns()), "stamped when it arrived");
    let event = host.events.blocking_recv().unwrap();
    assert_eq!((event.kind(), event.mac(), event.at_ns()), (Some(EventKind::Conflict), rival.0, seen.last_seen_ns()));
    // The kernel of the same host holds the address as well, and the entry gives another MAC than the kernel does.
    wire.far.ip("address add 10.77.0.5/24 dev far0");
    host.follow(&wire, [(place.1, DesiredVip { mac: rival, ..vip(Action::Answer) })]);
    let summary = asker(&wire.near, "--address 10.77.0.5 --rate 200 --count 100");
    assert_eq!((&summary["answered"], &summary["lost"], &summary["duplicates"]), (&100.into(), &0.into(), &100.into()));
    assert_eq!(summary["answerers"], serde_json::json!({ FAR_MAC: 100, rival.to_string(): 100 }));
}

#[test]
fn what_other_nodes_own_is_counted_but_cannot_be_kept_from_the_kernel() {
    let wire = Wire::new();
    let mut host = Host::start(&wire);
    host.follow(&wire, [(address("10.77.0.5"), vip(Action::Suppress))]);
    assert!(is_silent(&wire, "10.77.0.5"));
    let stats = host.stats("10.77.0.5");
    assert_eq!((stats.suppressed, stats.replies), (5, 0));
    wire.far.ip("link add held type bridge");
    wire.far.ip("address add 10.77.0.5/32 dev held");
    wire.far.ip("link set held up");
    assert!(!is_silent(&wire, "10.77.0.5"), "the kernel answers for any address it holds");
    assert!(arpeggio_speaker::frames::USER_MODE_REASON.contains("arp_ignore=1"), "and the remedy works:");
    wire.far.run("sysctl", "-qw net.ipv4.conf.far0.arp_ignore=1");
    assert!(is_silent(&wire, "10.77.0.5"));
}
