//! Addresses that nodes, speakers and the API server have.

use arpeggio_common::model::Few;

use super::*;
use crate::cluster::{API_SERVER, Endpoints, Speaker};

const OFF: &str = "which would be off the network if it were announced; it is given to no Service";

#[test]
fn a_pool_of_the_nodes_addresses_gives_none_of_them_and_the_rest_goes_on() {
    let mut cluster = Cluster::new([pool("a", &["192.0.2.1-192.0.2.5"])]);
    cluster.nodes(&["192.0.2.1", "192.0.2.2 192.0.2.3"]);
    assert_eq!(cluster.usage("a"), (0, 0, 2, 0), "they are not available");
    cluster.apply_all([service("default/a"), service("default/b"), service("default/c")]);
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.4".into(), "192.0.2.5".into()));
    let (reason, text) = cluster.told("default/c");
    assert_eq!(reason, "AllocationFailed");
    assert!(text.contains("2 of 2 in use, 3 not given out because nodes have them"), "{text}");
    let held: Vec<_> = cluster.allocation.held("a").map(|(address, holder)| format!("{address} {holder}")).collect();
    assert_eq!(held, ["192.0.2.1 node n0", "192.0.2.2 node n1", "192.0.2.3 node n1"]);
    assert_eq!(cluster.allocation.held("nowhere").count(), 0);
    // A node goes: what it had can be given.
    cluster.nodes(&["192.0.2.1"]);
    cluster.arrive();
    assert_eq!((cluster.has("default/c"), cluster.usage("a")), ("192.0.2.2".into(), (3, 0, 1, 0)));
}

#[test]
fn who_asks_for_a_nodes_address_is_told_whose_it_is_and_gets_it_when_the_node_is_gone() {
    let mut cluster = Cluster::new([pool("a", &["192.0.2.1-192.0.2.5"])]);
    cluster.nodes(&["", "192.0.2.3"]);
    cluster.apply(service("default/a").wants("192.0.2.3"));
    let whose = format!("192.0.2.3 belongs to node n1, {OFF}");
    assert_eq!(cluster.told("default/a"), ("AllocationFailed", whose.as_str()));
    cluster.apply(service("default/b").with(|service| service.requests.load_balancer_ip = Some("192.0.2.3".into())));
    assert_eq!(cluster.told("default/b"), ("AllocationFailed", whose.as_str()));
    cluster.nodes(&["192.0.2.3"]);
    cluster.arrive();
    assert_eq!(cluster.told("default/a").1, format!("192.0.2.3 belongs to node n0, {OFF}"), "another node");
    cluster.nodes(&[]);
    cluster.arrive();
    assert_eq!(cluster.has("default/a"), "192.0.2.3");
}

#[test]
fn an_address_is_taken_back_when_a_node_comes_with_it() {
    let mut cluster = Cluster::new([pool("a", &["192.0.2.1-192.0.2.5"])]);
    cluster.apply_all([service("default/a"), service("default/b").wants("192.0.2.2")]);
    assert_eq!(cluster.has("default/a"), "192.0.2.1");
    cluster.events.clear();
    let touched = cluster.nodes(&["192.0.2.1", "192.0.2.2"]);
    assert_eq!((touched.addresses.len(), touched.services.len(), touched.pools.len()), (3, 2, 1), "{touched:?}");
    cluster.arrive();
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.3".into(), String::new()));
    let text = |event: &Event| (event.service.name.to_string(), event.reason, event.message.clone());
    let back =
        |address: &str, node: &str| format!("the address is taken back: {address} belongs to node {node}, {OFF}");
    let events: BTreeSet<_> = cluster.events.iter().map(text).collect();
    assert!(events.contains(&("a".into(), "ClearAssignment", back("192.0.2.1", "n0"))), "{events:?}");
    assert!(events.contains(&("a".into(), "IPAllocated", "192.0.2.3 given from pool a".into())), "{events:?}");
    assert!(events.contains(&("b".into(), "ClearAssignment", back("192.0.2.2", "n1"))), "{events:?}");
    // A slip in an edit keeps what was given, but not this.
    cluster.configure_with(Configuration { faults: vec![fault("a")], ..configuration([]) });
    assert_eq!(cluster.has("default/a"), "192.0.2.3");
    cluster.nodes(&["192.0.2.3"]);
    drop(cluster.show(&Changes::everything()));
    cluster.arrive();
    assert_eq!(cluster.has("default/a"), "");
}

#[test]
fn interfaces_of_speakers_and_the_api_server_count_as_well() {
    let mut cluster = Cluster::new([pool("a", &["192.0.2.1-192.0.2.3"])]);
    let node = NodeName::try_from("n0").unwrap();
    let held = BTreeSet::from([ip("192.0.2.1")]);
    let (interfaces, authentication) = (BTreeMap::new(), None);
    let speaker = Speaker {
        node: node.clone(),
        live: false,
        evacuate: false,
        interfaces,
        held,
        authentication,
        refused: None,
        tells_peers: false,
    };
    Arc::make_mut(&mut cluster.snapshot.speakers).insert(node, Arc::new(speaker));
    cluster.show(&Changes { topology: true, ..Changes::default() });
    let server = ServiceKey::new(API_SERVER.0, API_SERVER.1);
    let endpoints = Endpoints { api_server: Few::from([ip("192.0.2.2")]), ..Endpoints::default() };
    Arc::make_mut(&mut cluster.snapshot.endpoints).insert(server.clone(), Arc::new(endpoints));
    cluster.show_services([server]);
    cluster.apply_all([service("default/a"), service("default/b").wants("192.0.2.2")]);
    assert_eq!(cluster.has("default/a"), "192.0.2.3");
    assert_eq!(cluster.told("default/b").1, format!("192.0.2.2 belongs to the API server, {OFF}"));
}

#[test]
fn thousands_of_nodes_cost_nothing_when_a_service_changes() {
    let mut cluster = Cluster::new([pool("a", &["10.0.0.0-10.255.255.255"])]);
    let addresses: Vec<String> =
        (0..5000_u32).map(|number| format!("10.{}.{}.7", number / 256, number % 256)).collect();
    cluster.nodes(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let changes = Changes { services: BTreeSet::from([key("default/a")]), ..Changes::default() };
    assert!(!super::super::held::concerns(&changes));
    cluster.apply(service("default/a"));
    assert_eq!((cluster.has("default/a"), cluster.usage("a").2), ("10.0.0.0".into(), (1 << 24) - 5001));
}
