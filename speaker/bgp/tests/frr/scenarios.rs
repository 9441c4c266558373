//! What happens to routes and sessions when the wanted state changes or FRR breaks.

use std::time::Duration;

use arpeggio_bgp::{Daemon, Desired, Object, Outcome, Session};
use arpeggio_common::model::{RemoteAs, Route};

use crate::{
    cases::{full_profile, route, said, session, with_bfd},
    lab::{Frr, Lab, Namespace, Release, eventually},
};

/// Where the speaker is, as the peer on the first wire sees it.
pub(crate) const SPEAKER: &str = "10.9.1.1";
/// Where that peer is.
pub(crate) const PEER: &str = "10.9.1.2";

/// Configuration of a router that takes everything from the speaker, with more lines for the router.
pub(crate) fn router(asn: u32, wire: u8, more: &str) -> String {
    format!(
        "router bgp {asn}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n no bgp network import-check\n coalesce-time 10\n \
         neighbor 10.9.{wire}.1 remote-as 64512\n neighbor 10.9.{wire}.1 timers connect 1\n{more}\n address-family ipv4 unicast\n  \
         neighbor 10.9.{wire}.1 activate\n exit-address-family\n address-family ipv6 unicast\n  neighbor 10.9.{wire}.1 activate\n \
         exit-address-family\nexit\n"
    )
}

/// A speaker and a peer with a wire between them. The fields are dropped in this order.
pub(crate) struct Pair {
    pub(crate) speaker: Frr,
    pub(crate) peer: Frr,
    pub(crate) at_speaker: Namespace,
    pub(crate) at_peer: Namespace,
    pub(crate) lab: Lab,
}

impl Pair {
    pub(crate) fn new(release: Release, peer: &str) -> Self {
        Self::with(release, peer, "", "")
    }

    /// With what the speaker's bgpd has at its start, and the peer's bfdd.
    pub(crate) fn with(release: Release, peer: &str, speaker: &str, peer_bfdd: &str) -> Self {
        let lab = Lab::new();
        let (at_speaker, at_peer) = (lab.namespace("s"), lab.namespace("p"));
        lab.wire("e1", 1, [&at_speaker, &at_peer]);
        // Each is the peer of the other.
        let peer = lab.frr(&at_peer, release.other(), peer, peer_bfdd);
        let speaker = lab.frr(&at_speaker, release, speaker, "");
        Self { speaker, peer, at_speaker, at_peer, lab }
    }

    /// Wants this, and is sure that it is so.
    pub(crate) fn want(&self, sessions: &[Session], routes: &[Route]) -> Outcome {
        let (desired, problems) = Desired::new(sessions, routes);
        assert_eq!(problems, []);
        let outcome = self.lab.reconcile(&self.speaker, &desired);
        assert!(outcome.refused.is_empty() && outcome.unsettled.is_empty() && outcome.faults.is_empty(), "{outcome:?}");
        assert_eq!(outcome.conflicts, [], "{outcome:?}");
        outcome
    }

    pub(crate) fn until_routes(&self, beginning: &str, count: usize) -> Duration {
        eventually(&format!("{count} routes"), || self.lab.routes(&self.peer, "ipv4", beginning) == count)
    }

    pub(crate) fn until_up(&self) {
        self.lab.until_established(&self.peer, SPEAKER);
    }

    /// How often the speaker's session with the peer was established and lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let (_, established, dropped) = self.lab.session(&self.speaker, PEER);
        (established, dropped)
    }
}

pub(crate) fn tor(change: impl FnOnce(&mut arpeggio_common::model::Peer)) -> Session {
    session("tor", PEER, |peer| {
        peer.connect = Some(1);
        change(peer);
    })
}

pub(crate) fn many(count: u32) -> Vec<Route> {
    (0..count).map(|n| route(&format!("10.77.{}.{}/32", n / 256, n % 256))).collect()
}

crate::lab::with_both_releases! {
    routes_come_and_go
    communities_and_local_preference_arrive
    a_second_peer_does_not_reset_the_first
    foreign_configuration_stays
    what_bgpd_lost_is_restored
    nothing_is_accepted
    a_refused_line_stops_nothing_else
    a_farewell_is_said
    bfd_comes_up_and_does_not_flap
}

fn routes_come_and_go(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    pair.want(&[tor(|_| {})], &[]);
    pair.until_up();
    pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    pair.want(&[tor(|_| {})], &many(1_000));
    pair.until_routes("10.77.", 1_000);
    // The second time nothing is said.
    assert_eq!(pair.want(&[tor(|_| {})], &many(1_000)).changed, 0);
    pair.want(&[tor(|_| {})], &many(3));
    pair.until_routes("10.77.", 3);
    pair.want(&[tor(|_| {})], &[]);
    pair.until_routes("10.77.", 0);
    assert_eq!(pair.counts(), (1, 0));
    pair.want(&[], &[]);
    assert!(!pair.lab.ask(&pair.speaker, Daemon::Bgpd, "show running-config").contains("arpeggio"));
}

fn attributes(pair: &Pair, prefix: &str) -> (Vec<String>, Vec<String>, u64) {
    let route = pair.lab.json(&pair.peer, &format!("show bgp ipv4 unicast {prefix} json"));
    let path = &route["paths"][0];
    let words = |value: &serde_json::Value| {
        let list = value["list"].as_array().cloned().unwrap_or_default();
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    (words(&path["community"]), words(&path["largeCommunity"]), path["locPrf"].as_u64().unwrap_or_default())
}

fn communities_and_local_preference_arrive(release: Release) {
    let pair = Pair::new(release, &router(64_512, 1, ""));
    let sessions = [tor(|peer| peer.remote_as = RemoteAs::Internal)];
    let said_first =
        [said("10.77.0.1/32", 150, "64512:100 65535:65281 large:4200000000:7:8", ""), said("10.77.0.2/32", 0, "", "")];
    pair.want(&sessions, &said_first);
    pair.until_routes("10.77.", 2);
    let expected = (vec!["64512:100".to_owned(), "noExport".to_owned()], vec!["4200000000:7:8".to_owned()], 150);
    assert_eq!(attributes(&pair, "10.77.0.1/32"), expected);
    assert_eq!(attributes(&pair, "10.77.0.2/32"), (vec![], vec![], 100));
    // Other attributes are another class: they arrive at once, not after the delay of route-maps.
    pair.want(
        &sessions,
        &[said("10.77.0.1/32", 300, "64512:7", ""), said("10.77.0.1/32", 0, "64512:8", "tor"), said_first[1].clone()],
    );
    let expected = (vec!["64512:7".to_owned(), "64512:8".to_owned()], vec![], 300);
    let took = eventually("other attributes", || attributes(&pair, "10.77.0.1/32") == expected);
    println!("{release:?}: other attributes arrived after {took:?}");
    assert_eq!(attributes(&pair, "10.77.0.2/32"), (vec![], vec![], 100));
    assert_eq!(pair.counts(), (1, 0));
}

fn a_second_peer_does_not_reset_the_first(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    let other = pair.lab.namespace("q");
    pair.lab.wire("e2", 2, [&pair.at_speaker, &other]);
    let second = pair.lab.frr(&other, Release::Eight, &router(64_514, 2, ""), "");
    let routes =
        [route("10.77.0.1/32"), said("10.77.0.2/32", 0, "64514:1", "other"), said("10.77.0.3/32", 0, "", "tor")];
    pair.want(&[tor(|_| {})], &routes);
    pair.until_routes("10.77.", 2);
    let updates =
        || pair.lab.json(&pair.peer, "show bgp neighbors json")[SPEAKER]["messageStats"]["updatesRecv"].clone();
    let before = updates();
    let both = [
        tor(|_| {}),
        session("other", "10.9.2.2", |peer| {
            peer.remote_as = RemoteAs::External;
            peer.connect = Some(1);
        }),
    ];
    pair.want(&both, &routes);
    eventually("routes at the second peer", || pair.lab.routes(&second, "ipv4", "10.77.") == 2);
    assert_eq!(pair.counts(), (1, 0));
    println!("{release:?}: updates at the first peer {before} before, {} after", updates());
    pair.want(&[tor(|_| {})], &routes);
    eventually("the second session to end", || pair.lab.session(&second, "10.9.2.1").0 != "Established");
    assert_eq!(pair.counts(), (1, 0));
    drop((second, other));
}

fn foreign_configuration_stays(release: Release) {
    let theirs = "route-map mine permit 10\n set metric 7\nexit\nrouter bgp 64512\n bgp router-id 9.9.9.9\n neighbor 10.9.2.2 remote-as 64514\n \
                  neighbor 10.9.2.2 description mine\n neighbor 10.9.2.2 timers connect 1\n address-family ipv4 unicast\n  \
                  network 203.0.113.0/24\n  neighbor 10.9.2.2 route-map mine out\n  neighbor 10.9.2.2 route-map mine in\n exit-address-family\nexit\n";
    let pair = Pair::with(release, &router(64_513, 1, ""), theirs, "");
    let other = pair.lab.namespace("q");
    pair.lab.wire("e2", 2, [&pair.at_speaker, &other]);
    let second = pair.lab.frr(&other, Release::Eight, &router(64_514, 2, ""), "");
    pair.lab.until_established(&second, "10.9.2.1");
    let running = || pair.lab.ask(&pair.speaker, Daemon::Bgpd, "show running-config");
    let before: Vec<String> = running().lines().filter(|line| line.trim() != "!").map(str::to_owned).collect();
    pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    // Theirs is not announced to ours, nor ours to theirs.
    assert_eq!(pair.lab.routes(&pair.peer, "ipv4", "203.0.113."), 0);
    for line in &before {
        assert!(running().contains(line.as_str()), "{line}");
    }
    // Their neighbour is wanted as ours: it stays theirs.
    let (desired, _) = Desired::new(&[tor(|_| {}), session("theirs", "10.9.2.2", |_| {})], &[route("203.0.113.0/24")]);
    let outcome = pair.lab.reconcile(&pair.speaker, &desired);
    assert_eq!(outcome.conflicts.len(), 2, "{outcome:?}");
    pair.want(&[], &[]);
    let after: Vec<String> = running().lines().filter(|line| line.trim() != "!").map(str::to_owned).collect();
    let left: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    // What cannot be seen to be ours stays.
    assert_eq!(left, ["bgp route-map delay-timer 1", " no bgp network import-check"], "{after:#?}");
    let (_, established, dropped) = pair.lab.session(&pair.speaker, "10.9.2.2");
    assert_eq!((established, dropped), (1, 0));
    drop((second, other));
}

fn what_bgpd_lost_is_restored(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    pair.want(&[tor(|_| {})], &many(50));
    pair.until_routes("10.77.", 50);
    pair.speaker.kill("bgpd");
    pair.until_routes("10.77.", 0);
    let outcome = pair.lab.reconcile(&pair.speaker, &Desired::new(&[tor(|_| {})], &many(50)).0);
    assert_eq!((outcome.faults.len(), outcome.changed), (1, 0));
    pair.speaker.daemon("bgpd");
    pair.speaker.restarted(&pair.lab);
    assert!(pair.want(&[tor(|_| {})], &many(50)).changed > 50);
    pair.until_routes("10.77.", 50);
    // A restart is noticed by itself as well.
    pair.speaker.kill("bgpd");
    pair.speaker.daemon("bgpd");
    pair.speaker.restarted(&pair.lab);
    pair.want(&[tor(|_| {})], &many(50));
    pair.until_routes("10.77.", 50);
}

fn nothing_is_accepted(release: Release) {
    let network = " address-family ipv4 unicast\n  network 203.0.113.0/24\n exit-address-family";
    let pair = Pair::new(release, &router(64_513, 1, network));
    pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    assert_eq!(pair.lab.routes(&pair.speaker, "ipv4", "203.0.113."), 0);
    let outcome = pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    assert_eq!(
        (outcome.sessions[0].accepted, outcome.sessions[0].sent, outcome.sessions[0].is_established()),
        (0, 1, true)
    );
}

fn a_refused_line_stops_nothing_else(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    // FRR knows its own addresses once zebra has told it: a session shows that it has.
    pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    let (desired, _) = Desired::new(&[session("ourselves", SPEAKER, |_| {}), tor(|_| {})], &[route("10.77.0.1/32")]);
    let outcome = pair.lab.reconcile(&pair.speaker, &desired);
    assert!(!outcome.refused.is_empty());
    for refused in &outcome.refused {
        assert_eq!(refused.object, Object::Peer("ourselves".to_owned()), "{refused}");
        println!("{release:?}: {refused}");
    }
    pair.until_routes("10.77.", 1);
    assert_eq!(pair.lab.reconcile(&pair.speaker, &desired).changed, 0);
}

fn a_farewell_is_said(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    let closing = Desired::new(&[tor(|_| {})], &[route("10.77.0.1/32")]).0.closing("node is drained");
    let outcome = pair.lab.reconcile(&pair.speaker, &closing);
    assert!(outcome.is_settled(), "{outcome:?}");
    pair.until_routes("10.77.", 0);
    let facts = || pair.lab.json(&pair.peer, "show bgp neighbors json")[SPEAKER].clone();
    eventually("the farewell", || facts()["lastShutdownDescription"] == "node is drained");
    pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
}

fn bfd_comes_up_and_does_not_flap(release: Release) {
    // Slow enough for a machine that is busy with other things: what is slept through here would count as a flap.
    let bfdd = "bfd\n profile f\n  detect-multiplier 10\n exit\nexit\n";
    let pair = Pair::with(release, &router(64_513, 1, " neighbor 10.9.1.1 bfd profile f"), "", bfdd);
    let mut profile = full_profile("fast");
    (profile.passive, profile.echo) = (false, false);
    let sessions = [tor(with_bfd(profile.clone()))];
    let first = pair.want(&sessions, &[route("10.77.0.1/32")]);
    assert!(first.awaiting.contains("tor"), "{first:?}");
    pair.until_routes("10.77.", 1);
    eventually("BFD", || {
        let outcome = pair.want(&sessions, &[route("10.77.0.1/32")]);
        outcome.awaiting.is_empty() && outcome.sessions[0].bfd.as_ref().is_some_and(|bfd| bfd.status == "up")
    });
    let peers = pair.lab.ask(&pair.speaker, Daemon::Bfdd, "show bfd peers json");
    let peers: serde_json::Value = serde_json::from_str(&peers).unwrap();
    assert_eq!(
        (&peers[0]["receive-interval"], &peers[0]["transmit-interval"], &peers[0]["detect-multiplier"]),
        (&50.into(), &60.into(), &5.into())
    );
    assert_eq!(pair.counts(), (1, 0));
    // A changed profile changes the session and resets nothing.
    profile.transmit_interval = None;
    pair.want(&[tor(with_bfd(profile))], &[route("10.77.0.1/32")]);
    eventually("another interval", || {
        pair.lab.ask(&pair.speaker, Daemon::Bfdd, "show bfd peers json").contains("\"transmit-interval\":300")
    });
    assert_eq!(pair.counts(), (1, 0));
    // The peer hears nothing any more, and has a carrier all the time: without BFD it would notice after 180 seconds.
    pair.at_peer.drop_everything("e1");
    let took = pair.until_routes("10.77.", 0);
    println!("{release:?}: without packets the route was gone after {took:?}");
}
