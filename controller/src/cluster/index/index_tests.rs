//! The index: what makes a change and what does not, restart gaps, echoes.

use std::collections::BTreeSet;

use arpeggio_common::{
    api::{BGPAdvertisement, BGPPeer, Decoded, IPAddressPool, metallb::IPAddressPoolSpec},
    model::Labels,
};
use serde_json::{Value, json};

use super::*;
use crate::cluster::{
    ConfiguredName,
    project::{LeaseFacts, Object, Slice, Watched},
};

#[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
fn start() -> Instant {
    Instant::now()
}

fn index() -> Index {
    let mut index = Index::new(Settings::default(), "m", Duration::from_secs(3));
    index.take();
    index
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("shop", name)
}

fn entry<K: Watched>(object: Value) -> Entry {
    serde_json::from_value::<K>(object).unwrap().entry()
}

fn service(name: &str, version: u64, labels: Value) -> Delta {
    Delta::Applied(entry::<k8s_openapi::api::core::v1::Service>(json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": version.to_string(), "labels": labels},
        "spec": {"type": "LoadBalancer"},
    })))
}

fn slice(name: &str, service: &str, version: u64, nodes: &[&str]) -> Delta {
    let endpoints: Vec<Value> = nodes.iter().map(|node| json!({"addresses": ["10.0.0.1"], "nodeName": node})).collect();
    Delta::Applied(entry::<k8s_openapi::api::discovery::v1::EndpointSlice>(json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": version.to_string(),
            "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "endpoints": endpoints,
    })))
}

fn changed_services(index: &mut Index) -> BTreeSet<ServiceKey> {
    let (_, changes) = index.take();
    assert!(!changes.everything && !changes.topology, "{changes:?}");
    changes.services
}

#[test]
fn a_new_version_of_the_same_is_kept_and_wakes_nobody() {
    let (now, mut index) = (start(), index());
    index.feed(Kind::Service, service("web", 1, json!({})), now);
    assert_eq!(changed_services(&mut index), BTreeSet::from([key("web")]));
    index.feed(Kind::Service, service("web", 2, json!({})), now);
    assert!(!index.has_changed());
    assert_eq!(index.take().0.services[&key("web")].resource_version, "2");
    index.feed(Kind::Service, service("web", 1, json!({"old": "news"})), now);
    assert!(!index.has_changed(), "older than what is known");
    index.feed(Kind::Service, service("web", 3, json!({"a": "b"})), now);
    assert_eq!(changed_services(&mut index), BTreeSet::from([key("web")]));
}

#[test]
fn slices_add_up_and_their_churn_alone_changes_nothing() {
    let (now, mut index) = (start(), index());
    let kind = Kind::EndpointSlice;
    index.feed(kind, slice("web-1", "web", 1, &["node-a"]), now);
    index.feed(kind, slice("web-2", "web", 2, &["node-a", "node-b"]), now);
    assert_eq!(changed_services(&mut index), BTreeSet::from([key("web")]));
    let nodes = |index: &mut Index| {
        let (snapshot, _) = index.take();
        snapshot.endpoints[&key("web")].nodes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(nodes(&mut index), ["node-a", "node-b"]);
    index.feed(kind, slice("web-1", "web", 3, &["node-a", "node-a", "node-b"]), now);
    assert!(!index.has_changed(), "more pods on the same nodes");
    index.feed(kind, slice("web-2", "other", 4, &["node-c"]), now);
    assert_eq!(changed_services(&mut index), BTreeSet::from([key("other")]), "web-1 has both nodes of web");
    let gone = Version { uid: "web-1".to_owned(), resource_version: "5".to_owned() };
    let id = Id { namespace: "shop".to_owned(), name: "web-1".to_owned() };
    index.feed(kind, Delta::Deleted(id, gone), now);
    assert_eq!(changed_services(&mut index), BTreeSet::from([key("web")]));
    assert!(!index.take().0.endpoints.contains_key(&key("web")));
}

#[test]
fn a_node_that_only_drains_is_ending_whatever_slice_says_so() {
    let (now, mut index) = (start(), index());
    let draining = |name: &str, version: u64, ready: bool| {
        Delta::Applied(Entry {
            id: Id { namespace: "shop".to_owned(), name: name.to_owned() },
            version: Version { uid: name.to_owned(), resource_version: version.to_string() },
            object: Ok(Object::Slice(Slice {
                service: Some(key("web")),
                endpoints: Endpoints {
                    any: true,
                    nodes: ["node-a".try_into().unwrap()].into(),
                    ending: if ready { Few::new() } else { ["node-a".try_into().unwrap()].into() },
                    ..Endpoints::default()
                },
            })),
        })
    };
    index.feed(Kind::EndpointSlice, draining("v4", 1, false), now);
    assert_eq!(index.take().0.endpoints[&key("web")].ending.len(), 1);
    index.feed(Kind::EndpointSlice, draining("v6", 2, true), now);
    assert_eq!(index.take().0.endpoints[&key("web")].ending.len(), 0, "something on it is ready");
}

#[test]
fn what_went_during_a_gap_of_the_watch_is_found_by_the_next_list() {
    let (now, mut index) = (start(), index());
    for (version, name) in [(1, "a"), (2, "b")] {
        index.feed(Kind::Service, service(name, version, json!({})), now);
    }
    index.take();
    index.feed(Kind::Service, Delta::Begin, now);
    index.feed(Kind::Service, service("b", 2, json!({})), now);
    assert!(!index.has_changed(), "what is the same is no change");
    index.feed(Kind::Service, Delta::Complete, now);
    assert_eq!(changed_services(&mut index), BTreeSet::from([key("a")]));
}

#[test]
fn what_we_wrote_is_known_before_the_watch_tells_it_and_no_change_when_it_does() {
    let (now, mut index) = (start(), index());
    let announcement = |version: u64, pool: &str| {
        Delta::Applied(entry::<Decoded<arpeggio_common::api::Announcement>>(json!({
            "metadata": {"name": "192.0.2.1", "uid": "u", "resourceVersion": version.to_string()},
            "spec": {"address": "192.0.2.1", "pool": pool},
        })))
    };
    let address = "192.0.2.1".parse().unwrap();
    index.feed(Kind::Announcement, announcement(5, "home"), now);
    assert_eq!(index.take().1.addresses, BTreeSet::from([address]));
    index.feed(Kind::Announcement, announcement(5, "home"), now);
    assert!(!index.has_changed());
    let id = Id { namespace: String::new(), name: "192.0.2.1".to_owned() };
    index.deleted(Kind::Announcement, &id, "5");
    let (snapshot, changes) = index.take();
    assert_eq!((snapshot.announcements.len(), changes.addresses), (0, BTreeSet::from([address])));
    index.feed(Kind::Announcement, announcement(6, "home"), now);
    let version = Version { uid: "u".to_owned(), resource_version: "7".to_owned() };
    index.feed(Kind::Announcement, Delta::Deleted(id, version), now);
    assert!(!index.has_changed(), "old news of what we deleted");
}

fn lease(node: &str, version: u64, holder: Option<&str>) -> Delta {
    Delta::Applied(Entry {
        id: Id { namespace: "m".to_owned(), name: format!("speaker-{node}") },
        version: Version { uid: node.to_owned(), resource_version: version.to_string() },
        object: Ok(Object::Lease(LeaseFacts {
            speaker: Some(node.try_into().unwrap()),
            holder: holder.map(ToOwned::to_owned),
            renewed: Some(version.to_string()),
            duration: Duration::from_secs(10),
        })),
    })
}

#[test]
fn a_speaker_is_what_it_says_and_whether_its_lease_is_held() {
    let (start, mut index) = (start(), index());
    let speaker = Delta::Applied(entry::<Decoded<arpeggio_common::api::Speaker>>(json!({
        "metadata": {"name": "node-a", "uid": "s", "resourceVersion": "1"},
        "status": {"interfaces": [{"name": "eth0", "attached": "native"}]},
    })));
    index.feed(Kind::Speaker, speaker, start);
    let (snapshot, changes) = index.take();
    assert!(changes.topology && !snapshot.speakers.values().next().unwrap().live);
    index.feed(Kind::Lease, lease("node-a", 2, Some("x")), start);
    let (snapshot, changes) = index.take();
    let speaker = snapshot.speakers.values().next().unwrap();
    assert!(changes.topology && speaker.live && speaker.interfaces.len() == 1);
    for second in 1..10 {
        index.feed(Kind::Lease, lease("node-b", 10 + second, Some("x")), start + Duration::from_secs(second));
    }
    assert_eq!(index.take().0.speakers.values().filter(|speaker| speaker.live).count(), 2);
    index.feed(Kind::Lease, lease("node-b", 20, Some("x")), start + Duration::from_secs(10));
    let (snapshot, changes) = index.take();
    let live: Vec<_> = snapshot.speakers.values().filter(|speaker| speaker.live).map(|s| s.node.to_string()).collect();
    assert!(changes.topology);
    assert_eq!(live, ["node-b"]);
    index.feed(Kind::Lease, lease("node-b", 21, None), start + Duration::from_secs(11));
    assert!(index.take().1.topology);
}

fn pool(version: u64, address: &str, assigned: i64) -> Delta {
    Delta::Applied(entry::<Decoded<IPAddressPool>>(json!({
        "metadata": {"namespace": "m", "name": "home", "uid": "p", "resourceVersion": version.to_string()},
        "spec": IPAddressPoolSpec { addresses: vec![address.to_owned()], ..IPAddressPoolSpec::default() },
        "status": {"assignedIPv4": assigned, "assignedIPv6": 0, "availableIPv4": 0, "availableIPv6": 0},
    })))
}

#[test]
fn the_counters_of_a_pool_are_no_configuration() {
    let (now, mut index) = (start(), index());
    index.feed(Kind::Pool, pool(1, "192.0.2.0/24", 1), now);
    let (snapshot, changes) = index.take();
    assert!(changes.everything && snapshot.configuration.pools.contains_key("home"));
    assert_eq!(snapshot.pool_usage["home"].assigned_v4, 1);
    index.feed(Kind::Pool, pool(2, "192.0.2.0/24", 2), now);
    let (snapshot, changes) = index.take();
    assert_eq!(changes, Changes { configured: [ConfiguredName::pool("home")].into(), ..Changes::default() });
    assert_eq!(snapshot.pool_usage["home"].assigned_v4, 2);
    index.feed(Kind::Pool, pool(3, "192.0.2.0/25", 2), now);
    assert!(index.take().1.everything);
}

fn edited(version: u64, generation: i64, address: &str, conditions: Value) -> Delta {
    Delta::Applied(entry::<Decoded<IPAddressPool>>(json!({
        "metadata": {"namespace": "m", "name": "home", "uid": "p", "resourceVersion": version.to_string(), "generation": generation},
        "spec": {"addresses": [address]}, "status": {"conditions": conditions},
    })))
}

#[test]
fn what_is_said_about_a_pool_is_no_configuration_but_seen() {
    let (now, mut index) = (start(), index());
    let home = ConfiguredName::pool("home");
    index.feed(Kind::Pool, edited(1, 1, "192.0.2.0/24", json!([])), now);
    let (snapshot, changes) = index.take();
    assert_eq!(
        changes,
        Changes {
            everything: true,
            configuration: true,
            configured: BTreeSet::from([home.clone()]),
            ..Changes::default()
        }
    );
    assert_eq!(snapshot.configured[&home].accepted, None);
    let said = json!([{"type": "Accepted", "status": "True", "reason": "Valid", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let only = Changes { configured: BTreeSet::from([home.clone()]), ..Changes::default() };
    index.feed(Kind::Pool, edited(2, 1, "192.0.2.0/24", said.clone()), now);
    let (snapshot, changes) = index.take();
    assert_eq!((&changes, snapshot.configured[&home].accepted.is_some()), (&only, true));
    index.feed(Kind::Pool, edited(3, 1, "192.0.2.0/24", said.clone()), now);
    assert!(!index.has_changed(), "an echo");
    assert_eq!(index.take().0.configured[&home].resource_version, "3");
    index.feed(Kind::Pool, edited(4, 2, "192.0.2.0-192.0.2.255", said), now);
    assert_eq!(index.take().1, only, "the same in other words");
    let id = Id { namespace: "m".to_owned(), name: "home".to_owned() };
    index.feed(Kind::Pool, Delta::Deleted(id, Version { uid: "p".to_owned(), resource_version: "5".to_owned() }), now);
    let (snapshot, changes) = index.take();
    assert!(changes.everything && snapshot.configured.is_empty() && changes.configured == only.configured);
}

#[test]
fn an_object_that_cannot_be_read_is_left_out_alone_and_told_once() {
    let (now, mut index) = (start(), index());
    index.feed(Kind::Pool, pool(1, "192.0.2.0/24", 1), now);
    index.take();
    let broken = |version: u64| {
        Delta::Applied(entry::<Decoded<IPAddressPool>>(json!({
            "metadata": {"namespace": "m", "name": "broken", "uid": "b", "resourceVersion": version.to_string()},
            "spec": {"addresses": "192.0.2.0/24"},
        })))
    };
    index.feed(Kind::Pool, broken(2), now);
    let (snapshot, changes) = index.take();
    assert!(changes.everything);
    assert_eq!(snapshot.configuration.pools.len(), 1);
    assert!(snapshot.configuration.faults[0].to_string().contains("IPAddressPool m/broken"));
    index.feed(Kind::Pool, broken(3), now);
    assert!(!index.has_changed(), "broken as before");
    let id = Id { namespace: "m".to_owned(), name: "broken".to_owned() };
    index.feed(Kind::Pool, Delta::Deleted(id, Version { uid: "b".to_owned(), resource_version: "4".to_owned() }), now);
    assert_eq!(index.take().0.configuration.faults.len(), 0);
}

#[test]
fn a_speaker_that_cannot_be_read_is_missing_and_told_once() {
    let (now, mut index) = (start(), index());
    let speaker = |version: u64, evacuate: Value| {
        Delta::Applied(entry::<Decoded<arpeggio_common::api::Speaker>>(json!({
            "metadata": {"name": "node-a", "uid": "s", "resourceVersion": version.to_string()},
            "spec": {"evacuate": evacuate},
        })))
    };
    index.feed(Kind::Speaker, speaker(1, json!(true)), now);
    assert_eq!(index.take().0.speakers.len(), 1);
    let told = index.feed(Kind::Speaker, speaker(2, json!("perhaps")), now).unwrap();
    assert_eq!((told.kind, told.id.to_string()), (Kind::Speaker, "node-a".to_owned()));
    assert_eq!(index.feed(Kind::Speaker, speaker(3, json!("perhaps")), now), None);
    assert_eq!((index.take().0.speakers.len(), index.unreadable()), (0, 1));
    index.feed(Kind::Speaker, speaker(4, json!(false)), now);
    assert_eq!((index.take().0.speakers.len(), index.unreadable()), (1, 0));
}

#[test]
fn labels_of_a_namespace_matter_if_there_are_services_in_it() {
    let (now, mut index) = (start(), index());
    let namespace = |name: &str, version: u64, label: &str| {
        Delta::Applied(Entry {
            id: Id { namespace: String::new(), name: name.to_owned() },
            version: Version { uid: name.to_owned(), resource_version: version.to_string() },
            object: Ok(Object::Namespace(Labels::from([("a".to_owned(), label.to_owned())]))),
        })
    };
    index.feed(Kind::Namespace, namespace("shop", 1, "1"), now);
    assert!(!index.has_changed(), "nobody is in it");
    index.feed(Kind::Service, service("web", 2, json!({})), now);
    index.take();
    index.feed(Kind::Namespace, namespace("shop", 3, "2"), now);
    let (snapshot, changes) = index.take();
    assert_eq!((snapshot.namespaces["shop"]["a"].as_str(), changes.everything), ("2", false));
    assert_eq!(changes.services.iter().map(ToString::to_string).collect::<Vec<_>>(), ["shop/web"]);
    index.feed(Kind::Namespace, namespace("shop2", 4, "2"), now);
    assert!(!index.has_changed());
}

#[test]
fn a_deleted_service_is_not_brought_back_by_the_answer_to_our_write() {
    let (now, mut index) = (start(), index());
    let entry = |version: u64| {
        let Delta::Applied(entry) = service("web", version, json!({})) else { panic!("an object") };
        entry
    };
    index.feed(Kind::Service, service("web", 5, json!({})), now);
    let Entry { id, version, .. } = entry(7);
    index.feed(Kind::Service, Delta::Deleted(id, version), now);
    index.take();
    index.answered(Kind::Service, entry(6));
    assert!(!index.has_changed() && index.take().0.services.is_empty());
}

#[test]
fn an_etcd_that_was_restored_is_believed_by_its_list() {
    let (now, mut index) = (start(), index());
    index.feed(Kind::Service, service("web", 500, json!({"a": "late"})), now);
    index.take();
    for news in [Delta::Begin, service("web", 40, json!({"a": "early"})), Delta::Complete] {
        index.feed(Kind::Service, news, now);
    }
    let (snapshot, changes) = index.take();
    let (_, service) = snapshot.services.first_key_value().unwrap();
    let says = (service.resource_version.as_str(), service.labels["a"].as_str());
    assert_eq!((says, changes.services.len()), (("40", "early"), 1));
}

#[test]
fn a_node_with_the_longest_name_is_known_by_its_shortened_state() {
    let (now, mut index) = (start(), index());
    let long = format!("{}.x", vec!["a".repeat(48); 5].join("."));
    let node = json!({"metadata": {"name": long, "uid": "n", "resourceVersion": "1"}});
    index.feed(Kind::Node, Delta::Applied(entry::<k8s_openapi::api::core::v1::Node>(node)), now);
    let entry_of = |name: &str, object: Object| {
        let version = Version { uid: name.to_owned(), resource_version: "2".to_owned() };
        Delta::Applied(Entry {
            id: Id { namespace: "m".to_owned(), name: name.to_owned() },
            version,
            object: Ok(object),
        })
    };
    let long = NodeName::try_from(long.as_str()).unwrap();
    let name = crate::names::of_speaker(&long);
    let state =
        crate::cluster::ObservedState { resource_version: "2".to_owned(), content: None, since: None, owned: false };
    index.feed(Kind::ConfigurationState, entry_of(&name, Object::State(state)), now);
    let (snapshot, _) = index.take();
    assert_eq!(snapshot.states.keys().map(crate::cluster::StateOf::name).collect::<Vec<_>>(), [name]);
    assert!(snapshot.states.contains_key(&crate::cluster::StateOf::Speaker(long)));
}

#[test]
fn a_heartbeat_of_a_node_wakes_nobody() {
    let (now, mut index) = (start(), index());
    let node = |version: u64, time: &str, cut: &str| {
        Delta::Applied(entry::<k8s_openapi::api::core::v1::Node>(json!({
            "metadata": {"name": "node-a", "uid": "n", "resourceVersion": version.to_string()},
            "status": {"conditions": [{"type": "NetworkUnavailable", "status": cut, "lastHeartbeatTime": time}]},
        })))
    };
    index.feed(Kind::Node, node(1, "2026-01-01T00:00:00Z", "False"), now);
    assert!(index.take().1.topology);
    index.feed(Kind::Node, node(2, "2026-01-01T00:00:10Z", "False"), now);
    assert!(!index.has_changed());
    index.feed(Kind::Node, node(3, "2026-01-01T00:00:20Z", "True"), now);
    assert!(index.take().1.topology);
}

fn bgp_peer(name: &str, version: u64, spec: Value) -> Delta {
    Delta::Applied(entry::<Decoded<BGPPeer>>(json!({
        "metadata": {"namespace": "m", "name": name, "uid": name, "resourceVersion": version.to_string()}, "spec": spec,
    })))
}

fn labelled_node(version: u64, rack: &str) -> Delta {
    Delta::Applied(entry::<k8s_openapi::api::core::v1::Node>(json!({
        "metadata": {"name": "node-a", "uid": "n", "resourceVersion": version.to_string(), "labels": {"rack": rack}},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": format!("2026-01-01T00:00:{version:02}Z")}]},
    })))
}

#[test]
fn what_peers_are_told_is_looked_at_when_that_may_differ() {
    let (now, mut index) = (start(), index());
    index.feed(Kind::Pool, pool(1, "192.0.2.0/24", 1), now);
    index.take();
    let peer = |version: u64, password: &str| {
        bgp_peer(
            "rack",
            version,
            json!({"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", "password": password}),
        )
    };
    index.feed(Kind::BgpAdvertisement, Delta::Complete, now);
    let (snapshot, changes) = index.take();
    assert!(snapshot.knows_bgp && changes.bgp, "now it is known that there is no advertisement");
    index.feed(Kind::BgpAdvertisement, Delta::Complete, now);
    assert!(!index.take().1.bgp);
    index.feed(Kind::Peer, peer(2, "a"), now);
    assert!(index.take().1.bgp, "a peer that was not there");
    index.feed(Kind::Peer, peer(3, "b"), now);
    let changes = index.take().1;
    assert!(changes.configuration && !changes.bgp, "the password of a session changes no route");
    let advertisement = |version: u64, spec: Value| {
        Delta::Applied(entry::<Decoded<BGPAdvertisement>>(json!({
            "metadata": {"namespace": "m", "name": "all", "uid": "all", "resourceVersion": version.to_string()}, "spec": spec,
        })))
    };
    for (version, spec) in [(4, json!({})), (5, json!({"localPref": 200})), (6, json!({"aggregationLength": 40}))] {
        index.feed(Kind::BgpAdvertisement, advertisement(version, spec.clone()), now);
        let changes = index.take().1;
        assert!(changes.bgp && !changes.everything, "{spec}");
    }
}

#[test]
fn what_only_bgp_asks_for_makes_nobody_look_at_services() {
    let (now, mut index) = (start(), index());
    index.feed(Kind::Pool, pool(1, "192.0.2.0/24", 1), now);
    index.take();
    index.feed(
        Kind::Peer,
        bgp_peer("rack", 2, json!({"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1"})),
        now,
    );
    index.feed(Kind::Peer, bgp_peer("broken", 3, json!({"myASN": "x"})), now);
    let (snapshot, changes) = index.take();
    assert!(changes.configuration && !changes.everything && changes.configured.len() == 2, "{changes:?}");
    let configuration = &snapshot.configuration;
    assert_eq!((configuration.peers.len(), configuration.faults.len(), configuration.pools.len()), (1, 1, 1));
    // An edit that breaks it leaves it in force; that it goes does not.
    index.feed(Kind::Peer, bgp_peer("rack", 4, json!({"myASN": 0, "peerASN": 64513, "peerAddress": "192.0.2.1"})), now);
    let (snapshot, _) = index.take();
    assert_eq!((snapshot.configuration.peers.len(), snapshot.configuration.faults.len()), (1, 2));
    let id = |name: &str| Id { namespace: "m".to_owned(), name: name.to_owned() };
    let gone =
        |name: &str| Delta::Deleted(id(name), Version { uid: name.to_owned(), resource_version: "5".to_owned() });
    index.feed(Kind::Peer, gone("rack"), now);
    index.feed(Kind::Peer, gone("broken"), now);
    let (snapshot, changes) = index.take();
    assert!(snapshot.configuration.peers.is_empty() && snapshot.configuration.faults.is_empty());
    assert!(!changes.everything);
}

#[test]
fn heartbeats_of_nodes_cost_nothing_and_labels_only_where_somebody_selects_by_them() {
    let (now, mut index) = (start(), index());
    index.feed(Kind::Node, labelled_node(1, "one"), now);
    index.take();
    let published = Arc::clone(index.objects());
    index.feed(Kind::Node, labelled_node(2, "one"), now);
    assert!(!index.has_changed() && Arc::ptr_eq(&published, index.objects()), "a heartbeat");
    index.feed(Kind::Node, labelled_node(3, "two"), now);
    assert!(!index.stale_configuration, "no object selects nodes");
    assert_eq!(index.objects().nodes["node-a"]["rack"], "two");
    assert_eq!(published.nodes["node-a"]["rack"], "one", "who has it has it unchanged");
    let selective = json!({"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1",
        "nodeSelectors": [{"matchLabels": {"rack": "two"}}]});
    index.feed(Kind::Peer, bgp_peer("rack", 4, selective), now);
    index.take();
    index.feed(Kind::Node, labelled_node(5, "three"), now);
    assert!(index.stale_configuration);
    index.take();
    index.feed(Kind::Node, labelled_node(6, "three"), now);
    assert!(!index.has_changed());
    assert_eq!(index.objects().set("m").peers.len(), 1);
}
