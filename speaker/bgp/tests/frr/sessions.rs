//! Every kind of session.

use arpeggio_bgp::Session;
use arpeggio_common::model::{Peer, RemoteAs, Timers};

use crate::{
    cases::{route, session},
    lab::{Release, eventually},
    scenarios::{PEER, Pair, SPEAKER, router, tor},
};

crate::lab::with_both_releases! {
    passwords_right_and_wrong
    numbers_of_all_kinds
    unnumbered_with_both_families
    ipv6_with_both_families
    timers_source_and_port
    graceful_restart_is_told
}

fn with_password(password: &str) -> Session {
    let mut session = tor(|_| {});
    session.password = Some(password.to_owned());
    session
}

fn passwords_right_and_wrong(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, " neighbor 10.9.1.1 password s3cret|?!"));
    pair.want(&[with_password("s3cret|?!")], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    assert_eq!(pair.counts(), (1, 0));
    pair.want(&[with_password("wrong")], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 0);
    assert_ne!(pair.lab.session(&pair.speaker, PEER).0, "Established");
    pair.want(&[with_password("s3cret|?!")], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    pair.want(&[tor(|_| {})], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 0);
}

/// What the peer sees of the speaker's number.
fn remote_as(pair: &Pair) -> u64 {
    pair.lab.json(&pair.peer, "show bgp neighbors json")[SPEAKER]["remoteAs"].as_u64().unwrap_or_default()
}

fn numbers_of_all_kinds(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, " neighbor 10.9.1.1 remote-as external"));
    pair.want(&[tor(|peer| peer.remote_as = RemoteAs::External)], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    assert_eq!(remote_as(&pair), 64_512);
    pair.want(&[tor(|peer| peer.local_asn = Some(4_200_000_001))], &[route("10.77.0.1/32")]);
    eventually("our other number", || remote_as(&pair) == 4_200_000_001);
    pair.until_routes("10.77.", 1);
    // The route of the session before may be there a moment longer.
    let path = || pair.lab.json(&pair.peer, "show bgp ipv4 unicast 10.77.0.1/32 json");
    eventually("the path", || path()["paths"][0]["aspath"]["string"] == "4200000001");
    // Not as told.
    pair.want(&[tor(|peer| peer.remote_as = RemoteAs::Internal)], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 0);
    // A router with another number is another router.
    pair.want(&[tor(|peer| peer.my_asn = 64_600)], &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    assert_eq!(remote_as(&pair), 64_600);
}

fn unnumbered_with_both_families(release: Release) {
    let peer = "router bgp 64513\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n coalesce-time 10\n neighbor e1 interface remote-as external\n \
                neighbor e1 timers connect 1\n address-family ipv4 unicast\n  neighbor e1 activate\n exit-address-family\n \
                address-family ipv6 unicast\n  neighbor e1 activate\n exit-address-family\nexit\n";
    let pair = Pair::new(release, peer);
    let sessions = [session("tor", "e1", |peer| {
        peer.remote_as = RemoteAs::External;
        peer.connect = Some(1);
    })];
    pair.want(&sessions, &[route("10.77.0.1/32"), route("fd77::1/128")]);
    pair.until_routes("10.77.", 1);
    eventually("the IPv6 route", || pair.lab.routes(&pair.peer, "ipv6", "fd77:") == 1);
    let outcome = pair.want(&sessions, &[]);
    assert!(outcome.sessions[0].is_established() && outcome.sessions[0].neighbor == "e1");
    pair.until_routes("10.77.", 0);
    pair.want(&[], &[]);
}

fn ipv6_with_both_families(release: Release) {
    let peer = "router bgp 64513\n bgp router-id 3.3.3.3\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n coalesce-time 10\n \
                neighbor fd09:1::1 remote-as 64512\n neighbor fd09:1::1 timers connect 1\n address-family ipv4 unicast\n  \
                neighbor fd09:1::1 activate\n exit-address-family\n address-family ipv6 unicast\n  neighbor fd09:1::1 activate\n \
                exit-address-family\nexit\n";
    let pair = Pair::new(release, peer);
    let six = |change: fn(&mut Peer)| {
        session("tor", "fd09:1::2", |peer| {
            peer.connect = Some(1);
            change(peer);
        })
    };
    pair.want(&[six(|_| {})], &[route("10.77.0.1/32"), route("fd77::1/128")]);
    eventually("the IPv6 route", || pair.lab.routes(&pair.peer, "ipv6", "fd77:") == 1);
    assert_eq!(pair.lab.routes(&pair.peer, "ipv4", "10.77."), 0);
    pair.want(&[six(|peer| peer.both_families = true)], &[route("10.77.0.1/32"), route("fd77::1/128")]);
    pair.until_routes("10.77.", 1);
    eventually("the IPv6 route", || pair.lab.routes(&pair.peer, "ipv6", "fd77:") == 1);
}

fn timers_source_and_port(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    let sessions = [tor(|peer| {
        peer.timers = Some(Timers { hold: 9, keepalive: 3 });
        peer.source = Some(SPEAKER.parse().unwrap());
        peer.router_id = Some([10, 10, 10, 1].into());
        peer.multi_hop = true;
    })];
    pair.want(&sessions, &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    let facts = pair.lab.json(&pair.peer, "show bgp neighbors json")[SPEAKER].clone();
    assert_eq!((&facts["bgpTimerHoldTimeMsecs"], &facts["remoteRouterId"]), (&9_000.into(), &"10.10.10.1".into()));
    // Nobody listens there; the peer is what connects, if it may.
    pair.want(&[tor(|peer| peer.port = 1_790)], &[route("10.77.0.1/32")]);
}

fn graceful_restart_is_told(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    let sessions = [tor(|peer| peer.graceful_restart = true)];
    pair.want(&sessions, &[route("10.77.0.1/32")]);
    pair.until_routes("10.77.", 1);
    let facts = pair.lab.json(&pair.peer, "show bgp neighbors json")[SPEAKER].clone();
    assert_eq!(facts["gracefulRestartInfo"]["remoteGrMode"], "Restart", "{facts}");
    assert_eq!(pair.counts(), (1, 0));
    // The peer keeps what it has until bgpd is back.
    pair.speaker.kill("bgpd");
    let stale =
        || pair.lab.json(&pair.peer, "show bgp ipv4 unicast json")["routes"]["10.77.0.1/32"][0]["stale"] == true;
    eventually("a stale route", stale);
    pair.speaker.daemon("bgpd");
    pair.want(&sessions, &[route("10.77.0.1/32")]);
    eventually("a fresh route", || {
        assert_eq!(pair.lab.routes(&pair.peer, "ipv4", "10.77."), 1, "it was gone in between");
        !stale()
    });
}
