//! What is told of BGP.

use std::{collections::BTreeSet, sync::Arc};

use arpeggio_bgp::{Outcome, SessionFacts};
use arpeggio_common::model::{Community, NodeName, Peer, Remote, RemoteAs};

use super::*;
use crate::{
    bgp::{Wish, wish},
    world::BgpInputs,
};

fn route(prefix: &str, nodes: Option<&str>) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        local_pref: 150,
        communities: BTreeSet::from([Community::Standard(64_512, 7)]),
        peers: BTreeSet::new(),
        nodes: nodes.map(|node| BTreeSet::from([NodeName::try_from(node).unwrap()])),
    }
}

fn wanted(routes: &[Route]) -> Arc<Wish> {
    let peer = |name: &str, place: &str, number| {
        Peer::new(name, 64_512, RemoteAs::Number(number), Remote::Address(place.parse().unwrap()))
    };
    let peers = [peer("tor", "192.0.2.1", 64_512), peer("wan", "192.0.2.2", 64_513)];
    Arc::new(wish(&BgpInputs {
        node: NodeName::try_from("node-a").unwrap(),
        labels: [].into(),
        withheld: None,
        peers: Arc::new(peers.into_iter().map(|peer| (peer.name.clone(), peer)).collect()),
        secrets: Arc::default(),
        routes: [("198.51.100.1".parse().unwrap(), routes.into())].into(),
        faults: BTreeSet::new(),
    }))
}

fn report(wish: &Arc<Wish>) -> BgpReport {
    let session = |peer: &str, state: &str, error: Option<&str>| SessionFacts {
        peer: Some(peer.to_owned()),
        state: state.to_owned(),
        since: (state == "Established").then_some(990),
        sent: 2,
        last_error: error.map(str::to_owned),
        ..SessionFacts::default()
    };
    let sessions = vec![session("tor", "Established", None), session("wan", "Connect", Some("Hold Timer Expired"))];
    let outcome = Outcome { version: Some((10, 3)), sessions, ..Outcome::default() };
    BgpReport::default().after(wish, &outcome, 998)
}

#[test]
fn a_status_names_sessions_and_what_is_wrong() {
    let wish = wanted(&[route("198.51.100.1/32", None), route("198.51.100.0/24", None)]);
    let status = BgpStatus::new(&report(&wish), 1_000);
    assert_eq!((status.prefixes, status.frr.as_deref(), status.engine), (2, Some("10.3"), EngineState::Driven));
    let section = status.section().unwrap();
    assert!(section.starts_with("BGP PEERS: FRR 10.3, 2 prefixes\n"), "{section}");
    assert!(section.contains("Established for 10s, 2 of 2 prefixes\n"), "{section}");
    assert!(section.contains("Connect for 2.0s, 0 of 2 prefixes: Hold Timer Expired\n"), "{section}");
    let expected = "BGP: no session with peer wan (192.0.2.2) for 2.0s, it is Connect: Hold Timer Expired";
    assert_eq!(status.problems(), [expected]);
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<BgpStatus>(&text).unwrap(), status);
}

#[test]
fn what_is_told_to_whom_with_what() {
    let wish = wanted(&[route("198.51.100.1/32", None), route("198.51.100.0/24", None), route("203.0.113.1/32", None)]);
    let report = report(&wish);
    let told = told(&report, &"198.51.100.1/32".parse().unwrap());
    let texts: Vec<&str> = told.lines.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "198.51.100.0/24 is told to peer tor (192.0.2.1) with communities 64512:7, local preference 150",
            "198.51.100.0/24 is for peer wan (192.0.2.2) with communities 64512:7, whose session is Active: Hold Timer Expired",
            "198.51.100.1/32 is told to peer tor (192.0.2.1) with communities 64512:7, local preference 150",
            "198.51.100.1/32 is for peer wan (192.0.2.2) with communities 64512:7, whose session is Active: Hold Timer Expired",
        ]
    );
    assert_eq!((told.have.as_slice(), told.lack.as_slice()), (&["tor".to_owned()][..], &["wan".to_owned()][..]));
}

#[test]
fn why_nobody_is_told() {
    let report = report(&wanted(&[route("198.51.100.1/32", None)]));
    let why = |report: &BgpReport, route: Route| silence(report, "node-a", &[route]);
    assert_eq!(silence(&report, "node-a", &[]), None);
    assert_eq!(why(&report, route("198.51.100.1/32", None)), None);
    assert!(why(&report, route("198.51.100.1/32", Some("node-b"))).unwrap().contains("other nodes"));
    assert!(why(&report, route("203.0.113.1/32", None)).unwrap().contains("none of the peers"));
    let idle = BgpReport::resting(Engine::Idle, &report.wish, None);
    assert!(why(&idle, route("198.51.100.1/32", None)).unwrap().contains("no BGPPeer"));
    let absent = BgpReport::resting(Engine::Absent, &report.wish, None);
    assert!(why(&absent, route("198.51.100.1/32", None)).unwrap().contains("FRR does not run"));
}
