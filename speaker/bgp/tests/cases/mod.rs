//! Peers and routes for the tests: each case that MetalLB has a golden file for, by a name of its own.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_bgp::{Desired, Session};
use arpeggio_common::model::{BfdProfile, Community, InterfaceName, Peer, Remote, RemoteAs, Route, Timers};

/// A session that names nothing that need not be named. The place is an address or an interface.
pub(crate) fn session(name: &str, place: &str, change: impl FnOnce(&mut Peer)) -> Session {
    let remote = match place.parse() {
        Ok(address) => Remote::Address(address),
        Err(_) => Remote::Interface(InterfaceName::try_from(place).unwrap()),
    };
    let mut peer = Peer::new(name, 64_512, RemoteAs::Number(64_513), remote);
    change(&mut peer);
    Session { peer, password: None }
}

/// A route to all peers that says nothing about itself.
pub(crate) fn route(prefix: &str) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        local_pref: 0,
        communities: BTreeSet::new(),
        peers: BTreeSet::new(),
        nodes: None,
    }
}

/// A route with more to it: local preference, communities and peers, the latter two separated by blanks.
pub(crate) fn said(prefix: &str, local_pref: u32, communities: &str, peers: &str) -> Route {
    let communities = communities.split_whitespace().map(|text| text.parse::<Community>().unwrap()).collect();
    let peers = peers.split_whitespace().map(str::to_owned).collect();
    Route { local_pref, communities, peers, ..route(prefix) }
}

/// A profile with everything in it.
pub(crate) fn full_profile(name: &str) -> BfdProfile {
    BfdProfile {
        name: name.to_owned(),
        receive_interval: Some(50),
        transmit_interval: Some(60),
        detect_multiplier: Some(5),
        echo_interval: Some(70),
        echo: true,
        passive: true,
        minimum_ttl: Some(250),
    }
}

pub(crate) fn with_bfd(profile: BfdProfile) -> impl FnOnce(&mut Peer) {
    move |peer| {
        peer.bfd_profile = Some(profile.name.clone());
        peer.bfd = Some(profile);
    }
}

fn in_vrf(name: &str) -> impl FnOnce(&mut Peer) {
    let vrf = InterfaceName::try_from(name).unwrap();
    move |peer| peer.vrf = Some(vrf)
}

fn internal(peer: &mut Peer) {
    peer.remote_as = RemoteAs::Number(peer.my_asn);
}

/// Every case by name.
pub(crate) fn cases() -> BTreeMap<&'static str, Desired> {
    let v4 = |change: fn(&mut Peer)| session("tor", "192.0.2.1", change);
    let v6 = |change: fn(&mut Peer)| session("tor", "2001:db8::1", change);
    let plain = |_: &mut Peer| {};
    let one = || vec![route("198.51.100.1/32")];
    let both = || vec![route("198.51.100.1/32"), route("2001:db8:1::1/128")];
    let two = || vec![session("a", "192.0.2.1", |_| {}), session("b", "192.0.2.2", |_| {})];
    let red = |name: &str, place: &str| session(name, place, in_vrf("red"));
    let default_profile = || BfdProfile { name: "default".to_owned(), ..BfdProfile::default() };
    let mut with_password = v4(plain);
    with_password.password = Some("s3cret|?!#\"$".to_owned());
    let cases: [(&'static str, Vec<Session>, Vec<Route>); 44] = [
        ("nothing", vec![], vec![]),
        ("no_peers", vec![], one()),
        ("bfd_profile_all_default", vec![session("tor", "192.0.2.1", with_bfd(default_profile()))], vec![]),
        ("bfd_profile_corner_cases", vec![session("tor", "192.0.2.1", with_bfd(full_profile("full")))], vec![]),
        ("bfd_with_session", vec![session("tor", "192.0.2.1", with_bfd(full_profile("full")))], one()),
        (
            "bfd_two_profiles",
            vec![
                session("a", "192.0.2.1", with_bfd(full_profile("full"))),
                session("b", "192.0.2.2", with_bfd(default_profile())),
            ],
            one(),
        ),
        ("ipv4_and_ipv6_sessions", vec![v4(plain), session("six", "2001:db8::1", plain)], both()),
        (
            "ipv4_and_ipv6_sessions_both_families",
            vec![v4(|peer| peer.both_families = true), session("six", "2001:db8::1", |peer| peer.both_families = true)],
            both(),
        ),
        (
            "large_communities",
            vec![v4(plain)],
            vec![said("198.51.100.1/32", 0, "large:64512:1:2 large:4294967295:0:7 64512:100", "")],
        ),
        (
            "well_known_communities",
            vec![v4(plain)],
            vec![said(
                "198.51.100.1/32",
                0,
                "0:0 65535:65281 65535:65282 65535:65283 65535:65284 65535:666 65535:0 65535:1 65535:6 65535:7",
                "",
            )],
        ),
        (
            "many_advertisements_same_community",
            vec![v4(plain)],
            (1..=20).map(|n| said(&format!("198.51.100.{n}/32"), 0, "64512:1", "")).collect(),
        ),
        (
            "single_advertisement",
            vec![v4(|peer| peer.router_id = Some([10, 1, 1, 254].into()))],
            vec![said("198.51.100.0/24", 300, "64512:1 64512:2", "")],
        ),
        ("single_advertisement_no_router_id", vec![v4(plain)], one()),
        ("single_advertisement_other_family", vec![v4(plain)], vec![route("2001:db8:1::1/128")]),
        ("single_advertisement_vrf", vec![red("tor", "192.0.2.1")], one()),
        ("single_ebgp_session_one_hop", vec![v4(plain)], vec![]),
        ("single_ebgp_session_multi_hop", vec![v4(|peer| peer.multi_hop = true)], vec![]),
        ("single_ibgp_session", vec![v4(internal)], vec![said("198.51.100.1/32", 150, "", "")]),
        ("single_ipv6_ebgp_session_one_hop", vec![v6(plain)], vec![]),
        ("single_ipv6_ibgp_session", vec![v6(internal)], vec![route("2001:db8:1::/64")]),
        ("single_session_external_asn", vec![v4(|peer| peer.remote_as = RemoteAs::External)], vec![]),
        ("single_session_internal_asn", vec![v4(|peer| peer.remote_as = RemoteAs::Internal)], vec![]),
        ("single_session_local_asn", vec![v4(|peer| peer.local_asn = Some(64_520))], vec![]),
        ("single_session_graceful_restart", vec![v4(|peer| peer.graceful_restart = true)], one()),
        ("single_session_no_timers", vec![v4(plain)], one()),
        ("single_session_timers", vec![v4(|peer| peer.timers = Some(Timers { hold: 9, keepalive: 3 }))], one()),
        (
            "single_session_default_timers",
            vec![v4(|peer| peer.timers = Some(Timers { hold: 180, keepalive: 60 }))],
            one(),
        ),
        ("single_session_zero_timers", vec![v4(|peer| peer.timers = Some(Timers { hold: 0, keepalive: 0 }))], one()),
        ("single_session_connect_time", vec![v4(|peer| peer.connect = Some(5))], vec![]),
        ("single_session_port", vec![v4(|peer| peer.port = 1_790)], vec![]),
        ("single_session_password", vec![with_password], vec![]),
        ("single_session_source", vec![v4(|peer| peer.source = Some([192, 0, 2, 9].into()))], vec![]),
        ("single_session_interface", vec![session("tor", "eth9", plain)], both()),
        (
            "unnumbered_session_bfd",
            vec![session("tor", "eth9", |peer| {
                peer.remote_as = RemoteAs::External;
                with_bfd(full_profile("full"))(peer);
            })],
            both(),
        ),
        (
            "two_advertisements",
            vec![v4(plain)],
            vec![said("198.51.100.1/32", 0, "64512:1", ""), said("198.51.100.2/32", 0, "64512:2", "")],
        ),
        (
            "two_advertisements_two_sessions",
            two(),
            vec![
                said("198.51.100.1/32", 0, "64512:1", "a"),
                said("198.51.100.2/32", 0, "64512:2", "b"),
                route("198.51.100.3/32"),
            ],
        ),
        (
            "two_advertisements_two_sessions_one_vrf",
            vec![session("a", "192.0.2.1", |_| {}), red("b", "192.0.2.2")],
            vec![said("198.51.100.1/32", 0, "", "a"), said("198.51.100.2/32", 0, "", "b")],
        ),
        (
            "two_advertisements_same_prefix",
            two(),
            vec![said("198.51.100.1/32", 0, "64512:1", ""), said("198.51.100.1/32", 100, "64512:2", "b")],
        ),
        ("two_sessions", two(), vec![]),
        ("two_sessions_same_address_vrf", vec![session("a", "192.0.2.1", |_| {}), red("b", "192.0.2.1")], one()),
        ("two_ipv6_sessions", vec![session("a", "2001:db8::1", |_| {}), session("b", "2001:db8::2", |_| {})], both()),
        (
            "vrf_single_ebgp_session_multi_hop",
            vec![session("tor", "192.0.2.1", |peer| {
                in_vrf("red")(peer);
                peer.multi_hop = true;
            })],
            one(),
        ),
        (
            "vrf_single_ibgp_session",
            vec![session("tor", "192.0.2.1", |peer| {
                in_vrf("red")(peer);
                internal(peer);
            })],
            one(),
        ),
        (
            "vrf_two_numbers",
            vec![
                session("a", "192.0.2.1", |_| {}),
                session("b", "2001:db8::1", |peer| {
                    in_vrf("red")(peer);
                    peer.my_asn = 64_520;
                }),
            ],
            both(),
        ),
    ];
    let mut cases: BTreeMap<_, _> = cases
        .into_iter()
        .map(|(name, sessions, routes)| {
            let (desired, problems) = Desired::new(&sessions, &routes);
            assert_eq!(problems, [], "{name}");
            (name, desired)
        })
        .collect();
    let leaving = Desired::new(&two(), &one()).0.closing("node is drained  for maintenance");
    cases.insert("closing", leaving);
    cases
}
