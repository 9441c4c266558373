//! What a node tells its peers, from labels, Secrets and routes.

use std::{collections::BTreeSet, sync::Arc};

use arpeggio_common::model::{Labels, NodeName, RemoteAs, Requirement, Selector, Withheld};
use proptest::prelude::*;

use super::*;

fn node(name: &str) -> NodeName {
    NodeName::try_from(name).unwrap()
}

fn peer(name: &str, place: &str) -> Peer {
    Peer::new(name, 64_512, RemoteAs::External, Remote::Address(place.parse().unwrap()))
}

fn route(prefix: &str, peers: &[&str], nodes: Option<&[&str]>) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        local_pref: 0,
        communities: BTreeSet::new(),
        peers: peers.iter().map(|&peer| peer.to_owned()).collect(),
        nodes: nodes.map(|nodes| nodes.iter().map(|name| node(name)).collect()),
    }
}

fn inputs(peers: impl IntoIterator<Item = Peer>, routes: &[Route]) -> BgpInputs {
    let peers: BTreeMap<String, Peer> = peers.into_iter().map(|peer| (peer.name.clone(), peer)).collect();
    let mut of: BTreeMap<IpAddr, Vec<Route>> = BTreeMap::new();
    for route in routes {
        of.entry(route.prefix.addr()).or_default().push(route.clone());
    }
    BgpInputs {
        node: node("node-a"),
        labels: [("rack".to_owned(), "one".to_owned())].into(),
        withheld: None,
        peers: peers.into(),
        secrets: Arc::default(),
        routes: of.into_iter().map(|(address, routes)| (address, routes.into())).collect(),
        faults: BTreeSet::new(),
    }
}

fn prefixes(wish: &Wish) -> Vec<String> {
    let mut all: Vec<String> = wish.announced().into_iter().map(|(prefix, peer)| format!("{prefix} {peer}")).collect();
    all.sort_unstable();
    all
}

fn on_rack(value: &str) -> Selector {
    Selector::new([Requirement::In("rack".to_owned(), [value.to_owned()].into())])
}

#[test]
fn point_59_a_peer_has_a_session_on_the_nodes_that_it_selects() {
    let (mut one, mut two) = (peer("one", "192.0.2.1"), peer("two", "192.0.2.2"));
    one.node_selectors = vec![on_rack("one")];
    two.node_selectors = vec![on_rack("two")];
    let mut inputs = inputs([one, two, peer("all", "192.0.2.3")], &[route("198.51.100.1/32", &[], None)]);
    assert_eq!(prefixes(&wish(&inputs)), ["198.51.100.1/32 all", "198.51.100.1/32 one"]);
    inputs.labels = Labels::from([("rack".to_owned(), "two".to_owned())]);
    assert_eq!(wish(&inputs).peers.keys().collect::<Vec<_>>(), ["all", "two"]);
    assert_eq!(prefixes(&wish(&inputs)), ["198.51.100.1/32 all", "198.51.100.1/32 two"]);
}

#[test]
fn point_60_a_node_that_withholds_keeps_its_sessions() {
    let mut inputs = inputs([peer("tor", "192.0.2.1")], &[route("198.51.100.1/32", &[], None)]);
    for why in [Withheld::NetworkUnavailable, Withheld::Excluded] {
        inputs.withheld = Some(why);
        let wish = wish(&inputs);
        assert_eq!((prefixes(&wish).len(), wish.desired.routers.len(), wish.peers.len()), (0, 1, 1));
        assert_eq!(wish.withheld, Some(why.to_string()));
    }
}

#[test]
fn a_route_is_told_by_its_nodes_to_its_peers() {
    let routes = [
        route("198.51.100.1/32", &["tor"], None),
        route("198.51.100.2/32", &[], Some(&["node-b"])),
        route("198.51.100.3/32", &[], Some(&["node-a", "node-b"])),
        route("2001:db8::1/128", &[], None),
    ];
    let wish = wish(&inputs([peer("tor", "192.0.2.1"), peer("six", "2001:db8:1::1")], &routes));
    // Only what the family of the session carries.
    let expected = ["198.51.100.1/32 tor", "198.51.100.3/32 tor", "2001:db8::1/128 six"];
    assert_eq!(prefixes(&wish), expected);
}

#[test]
fn without_its_password_a_peer_has_no_session() {
    let mut tor = peer("tor", "192.0.2.1");
    tor.password = Some(Password::Secret("bgp".to_owned()));
    let mut inputs = inputs([tor, peer("open", "192.0.2.2")], &[]);
    let neighbors = |wish: &Wish| wish.desired.routers[&None].neighbors.len();
    let read = wish(&inputs);
    assert_eq!(neighbors(&read), 1);
    assert!(read.without["tor"].contains("Secret bgp was not read yet"), "{read:?}");
    inputs.secrets = Arc::new([("bgp".to_owned(), SecretValue::Unusable("it is gone".to_owned()))].into());
    assert_eq!(wish(&inputs).problems, ["peer tor: it is gone"]);
    inputs.secrets = Arc::new([("bgp".to_owned(), SecretValue::Password("s3cret".to_owned()))].into());
    let read = wish(&inputs);
    assert_eq!((neighbors(&read), read.problems.len()), (2, 0));
    assert!(!format!("{inputs:?}").contains("s3cret"));
    inputs.secrets = Arc::new([("bgp".to_owned(), SecretValue::Password("two words".to_owned()))].into());
    assert!(wish(&inputs).without["tor"].contains("without blanks"));
}

#[test]
fn of_peers_that_contradict_each_other_one_is_left_out_and_named() {
    let wish = wish(&inputs([peer("a", "192.0.2.1"), peer("b", "192.0.2.1")], &[]));
    assert_eq!(wish.without.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(wish.peers.len(), 2, "both select the node");
}

proptest! {
    /// Nothing is told that no route says, and what a route says is told to every peer that it is for.
    #[test]
    fn exactly_what_routes_say_is_told(
        peers in prop::collection::btree_map("[a-d]", (0_u8..4, any::<bool>(), any::<bool>()), 0..4),
        routes in prop::collection::vec((any::<bool>(), 0_u8..6, prop::collection::btree_set("[a-d]", 0..3), any::<Option<bool>>()), 0..8),
    ) {
        let peers = peers.iter().map(|(name, (place, six, selected))| {
            let place = if *six { format!("2001:db8::{}", place + 1) } else { format!("192.0.2.{}", place + 1) };
            let mut peer = peer(name, &place);
            peer.node_selectors = vec![on_rack(if *selected { "one" } else { "two" })];
            peer
        });
        let routes: Vec<Route> = routes.iter().map(|(six, last, peers, here)| {
            let prefix = if *six { format!("2001:db8:2::{last}/128") } else { format!("198.51.100.{last}/32") };
            let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
            let nodes: Option<&[&str]> = here.map(|here| if here { &["node-a"][..] } else { &["node-b"][..] });
            route(&prefix, &peers, nodes)
        }).collect();
        let inputs = inputs(peers, &routes);
        let wish = wish(&inputs);
        for name in inputs.peers.keys() {
            let peer = &inputs.peers[name];
            let has_session = peer.covers_node(&inputs.labels) && !wish.without.contains_key(name);
            let Remote::Address(place) = peer.remote else { unreachable!() };
            for route in &routes {
                let wanted = routes.iter().any(|other| {
                    other.prefix == route.prefix && other.is_of(&inputs.node) && other.is_for(name)
                });
                let same_family = place.is_ipv4() == route.prefix.addr().is_ipv4();
                let told = wish.announced().contains(&(route.prefix, name.as_str()));
                prop_assert_eq!(told, wanted && has_session && same_family, "{} to {}", route.prefix, name);
            }
        }
    }
}
