//! Explanations of what BGP alone announces.

use std::{collections::BTreeSet, sync::Arc};

use arpeggio_bgp::{Outcome, SessionFacts};
use arpeggio_common::model::{NodeName, Peer, Remote, RemoteAs, Route};

use super::*;
use crate::{
    bgp::{BgpReport, wish},
    status::{Explanation, facts::AgentFacts},
    world::BgpInputs,
};

fn evidence(state: &str, nodes: Option<&str>) -> Evidence {
    let node = NodeName::try_from("node-a").unwrap();
    let peer = Peer::new("tor", 64_512, RemoteAs::External, Remote::Address("192.0.2.1".parse().unwrap()));
    let address = "198.51.100.1".parse().unwrap();
    let route = Route {
        prefix: "198.51.100.1/32".parse().unwrap(),
        local_pref: 0,
        communities: BTreeSet::new(),
        peers: BTreeSet::new(),
        nodes: nodes.map(|name| BTreeSet::from([NodeName::try_from(name).unwrap()])),
    };
    let wish = Arc::new(wish(&BgpInputs {
        node: node.clone(),
        labels: [].into(),
        withheld: None,
        peers: Arc::new([("tor".to_owned(), peer)].into()),
        secrets: Arc::default(),
        routes: [(address, [route.clone()].into())].into(),
        faults: BTreeSet::new(),
    }));
    let facts = SessionFacts { peer: Some("tor".to_owned()), state: state.to_owned(), ..SessionFacts::default() };
    let outcome = Outcome { version: Some((10, 3)), sessions: vec![facts], ..Outcome::default() };
    let report = BgpReport::default().after(&wish, &outcome, 7);
    let facts = crate::status::Facts {
        node: Some(node),
        agent: Some(AgentFacts { pid: 1, started_ns: 0 }),
        bgp: Some((Arc::new(report), 9)),
        ..crate::status::Facts::default()
    };
    Evidence {
        facts,
        address,
        prefix: None,
        routes: vec![route],
        interface: None,
        announcement: None,
        told: None,
        wire: [].into(),
        before: [].into(),
        clients: Vec::new(),
        events: Vec::new(),
        wall_ahead_ns: 0,
    }
}

#[test]
fn an_address_that_bgp_alone_announces_is_explained() {
    let good = Explanation::new(&evidence("Established", None));
    assert_eq!((good.verdict.good, good.verdict.text.as_str()), (true, "yes: BGP peers tor are told."));
    let link = good.chain.iter().find(|link| link.subject == "bgp").unwrap();
    assert_eq!((link.level, link.text.as_str()), (Level::Ok, "198.51.100.1/32 is told to peer tor (192.0.2.1)"));
    let down = Explanation::new(&evidence("Connect", None));
    assert_eq!(down.verdict.text, "no: the sessions with BGP peers tor are down.");
    let elsewhere = Explanation::new(&evidence("Established", Some("node-b")));
    assert_eq!(elsewhere.verdict.text, "no: its routes are for other nodes.");
}

#[test]
fn a_prefix_is_explained_with_what_is_in_it() {
    let asked = |prefix: &str| {
        let prefix: IpNet = prefix.parse().unwrap();
        let evidence = evidence("Established", None);
        Explanation::new(&Evidence { address: prefix.addr(), prefix: Some(prefix), routes: Vec::new(), ..evidence })
    };
    assert_eq!(asked("198.51.100.0/24").verdict.text, "yes: BGP peers tor are told.");
    assert_eq!(asked("198.51.100.0/24").prefix.as_deref(), Some("198.51.100.0/24"));
    assert_eq!(asked("203.0.113.0/24").verdict.text, "no: this node announces no such prefix to BGP peers.");
}
