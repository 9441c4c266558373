//! What may be changed and what may not; that what was wrong before bars no repair; that no JSON makes it panic.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::api::names::NAMESPACE;

/// Objects by kind and name, as they are stored.
#[derive(Default)]
struct Cluster(BTreeMap<(&'static str, String), Value>);

impl Cluster {
    fn of(objects: &[Value]) -> Self {
        let mut cluster = Self::default();
        for object in objects {
            cluster.store(object);
        }
        cluster
    }

    fn store(&mut self, object: &Value) {
        let kind = ConfigurationKind::named(object["kind"].as_str().unwrap()).unwrap();
        self.0.insert((kind.name(), object["metadata"]["name"].as_str().unwrap().to_owned()), object.clone());
    }

    fn decoded<K: Resource<DynamicType = ()> + DeserializeOwned>(&self) -> Vec<Decoded<K>> {
        self.0.iter().filter(|((kind, _), _)| *kind == K::kind(&())).map(|(_, object)| Decoded::read(object)).collect()
    }

    fn review(&self, operation: Operation, object: &Value) -> Result<Vec<String>, Vec<String>> {
        let (pools, l2, bgp) = (self.decoded(), self.decoded(), self.decoded());
        let (peers, communities, bfd_profiles) = (self.decoded(), self.decoded(), self.decoded());
        let set = Set {
            namespace: NAMESPACE,
            pools: pools.iter().collect(),
            l2: l2.iter().collect(),
            bgp: bgp.iter().collect(),
            peers: peers.iter().collect(),
            communities: communities.iter().collect(),
            bfd_profiles: bfd_profiles.iter().collect(),
            secrets: None,
            nodes: None,
        };
        let kind =
            ConfigurationKind::named(object["kind"].as_str().unwrap_or_default()).unwrap_or(ConfigurationKind::Pool);
        review(&set, &Change { operation, kind, object })
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn create(&self, object: &Value) -> Result<Vec<String>, Vec<String>> {
        self.review(Operation::Create, object)
    }

    fn update(&self, object: &Value) -> Result<Vec<String>, Vec<String>> {
        self.review(Operation::Update, object)
    }

    fn delete(&self, object: &Value) -> Result<Vec<String>, Vec<String>> {
        self.review(Operation::Delete, object)
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let version = if kind == "BGPPeer" { "metallb.io/v1beta2" } else { "metallb.io/v1beta1" };
    // All of one age: whoever changes is at fault, whatever its name.
    let metadata = json!({ "name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-01-01T00:00:00Z" });
    json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
}

fn pool(name: &str, addresses: &[&str]) -> Value {
    object("IPAddressPool", name, &json!({ "addresses": addresses }))
}

fn peer(name: &str, address: &str, rest: &Value) -> Value {
    let mut spec = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": address });
    for (field, value) in rest.as_object().unwrap() {
        spec[field] = value.clone();
    }
    object("BGPPeer", name, &spec)
}

fn bgp(name: &str, spec: &Value) -> Value {
    object("BGPAdvertisement", name, spec)
}

fn fine() -> Result<Vec<String>, Vec<String>> {
    Ok(Vec::new())
}

#[test]
fn whoever_changes_is_at_fault_whatever_its_name_and_age() {
    let cluster = Cluster::of(&[pool("home", &["192.0.2.0/24"])]);
    for name in ["a", "z"] {
        let told = cluster.create(&pool(name, &["192.0.2.9/32"])).unwrap_err();
        let sentence = format!(
            "IPAddressPool metallb-system/{name}: spec.addresses[0] \"192.0.2.9/32\" overlaps with already defined CIDR 192.0.2.0/24 of IPAddressPool \
             metallb-system/home; give each address to one pool; to move addresses, apply IPAddressPool metallb-system/home \
             without them first, then this again: Services keep theirs meanwhile"
        );
        assert_eq!(told, [sentence]);
        assert_eq!(cluster.create(&pool(name, &["198.51.100.0/24"])), fine());
    }
    assert_eq!(cluster.update(&pool("home", &["192.0.2.0/25"])), fine());
    let cluster = Cluster::of(&[pool("home", &["192.0.2.0/24"]), pool("work", &["198.51.100.0/24"])]);
    let told = cluster.update(&pool("home", &["192.0.2.0/24", "198.51.100.7/32"])).unwrap_err();
    assert!(told[0].starts_with("IPAddressPool metallb-system/home: spec.addresses[1]"), "{told:?}");
    assert!(!told[0].contains("until then"), "{told:?}");
}

#[test]
fn every_fault_of_an_object_is_told() {
    let told = Cluster::default().create(&pool("home", &["192.0.2.0", "x", "192.0.2.9-192.0.2.1"])).unwrap_err();
    assert_eq!(told.len(), 3, "{told:?}");
    let told =
        Cluster::default().create(&object("L2Advertisement", "lan", &json!({ "ipAddressPools": [7] }))).unwrap_err();
    assert!(told[0].contains("spec.ipAddressPools[0] \"7\" cannot be read"), "{told:?}");
}

#[test]
fn objects_in_foreign_namespaces_are_not_created_but_can_be_changed_away() {
    for kind in ConfigurationKind::ALL {
        let mut foreign = object(kind.name(), "x", &json!({}));
        foreign["metadata"]["namespace"] = json!("default");
        let told = Cluster::default().create(&foreign).unwrap_err();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].ends_with(
                "is not where the configuration is read from; the resource must be created in metallb-system namespace"
            ),
            "{told:?}"
        );
        assert_eq!(Cluster::default().update(&foreign), fine());
        assert_eq!(Cluster::default().delete(&foreign), fine());
    }
}

#[test]
fn what_was_wrong_before_bars_no_change_that_leaves_it_alone() {
    let broken = pool("broken", &["192.0.2.0/33", "x"]);
    let cluster = Cluster::of(&[broken.clone(), pool("home", &["192.0.2.0/24"])]);
    assert_eq!(cluster.create(&pool("work", &["198.51.100.0/24"])), fine());
    let mut labelled = broken.clone();
    labelled["metadata"]["labels"] = json!({ "team": "a" });
    assert_eq!(cluster.update(&labelled), fine());
    assert_eq!(cluster.update(&pool("broken", &["192.0.2.0/33"])), fine(), "one of two is mended");
    assert_eq!(cluster.update(&pool("broken", &["y"])).unwrap_err().len(), 1, "another fault is a new one");
    assert_eq!(cluster.delete(&broken), fine());
    let mut going = pool("home", &["nothing of this matters"]);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(cluster.update(&going), fine());
}

#[test]
fn an_edit_of_a_pool_must_not_break_an_advertisement() {
    let wide = bgp("wide", &json!({ "ipAddressPools": ["home"], "aggregationLength": 24 }));
    let cluster = Cluster::of(&[pool("home", &["192.0.2.0/24"]), wide]);
    let told = cluster.update(&pool("home", &["192.0.2.0/25"])).unwrap_err();
    assert_eq!(
        told,
        [
            "BGPAdvertisement metallb-system/wide: spec.aggregationLength \"24\" announces more than 192.0.2.0/25 of IPAddressPool \
          home (invalid aggregation length 24: prefix 25 in this pool is more specific than the aggregation length for addresses \
          192.0.2.0/25); use 25 or more, or leave the pool out"
        ]
    );
    assert_eq!(cluster.update(&pool("home", &["192.0.2.0/23"])), fine());
}

/// As `kubectl apply` writes it.
fn applied(mut object: Value) -> Value {
    object["metadata"]["annotations"] = json!({ "kubectl.kubernetes.io/last-applied-configuration": "{}" });
    object
}

#[test]
fn a_pool_is_renamed_with_one_apply_that_prunes() {
    let (old, new) = (pool("old", &["192.0.2.0/25", "2001:db8::/64"]), pool("new", &["2001:db8::/64", "192.0.2.0/25"]));
    let mut cluster = Cluster::of(&[applied(old.clone())]);
    let told = cluster.create(&applied(new.clone())).unwrap();
    assert!(
        told[0].contains("are the addresses of IPAddressPool metallb-system/old; it comes into force when"),
        "{told:?}"
    );
    // Nobody deletes the other: both would stay for ever.
    assert!(cluster.create(&new).is_err());
    assert!(Cluster::of(std::slice::from_ref(&old)).create(&applied(new.clone())).is_err());
    // Other addresses are no other name.
    assert!(cluster.create(&applied(pool("new", &["192.0.2.0/25"]))).is_err());
    assert!(cluster.create(&applied(pool("new", &["192.0.2.0/24", "2001:db8::/64"]))).is_err());
    cluster.store(&applied(new));
    assert_eq!(cluster.delete(&applied(old)), fine());
}

#[test]
fn the_order_of_creation_does_not_matter() {
    let peer = peer("tor", "192.0.2.254", &json!({ "bfdProfile": "fast" }));
    let told = Cluster::default().create(&peer).unwrap();
    assert_eq!(
        told,
        [
            "BGPPeer metallb-system/tor: spec.bfdProfile \"fast\" names no BFDProfile that is in force; create it; the peer waits for that"
        ]
    );
    let marked = bgp("all", &json!({ "communities": ["stay-inside"] }));
    let told = Cluster::default().create(&marked).unwrap();
    assert!(
        told[0].contains("spec.communities \"stay-inside\" names a community that no Community in force defines"),
        "{told:?}"
    );
    let profile = object("BFDProfile", "fast", &json!({}));
    let names = object("Community", "names", &json!({ "communities": [{ "name": "stay-inside", "value": "1:2" }] }));
    let cluster = Cluster::of(&[peer.clone(), marked.clone()]);
    assert_eq!((cluster.create(&profile), cluster.create(&names)), (fine(), fine()));
    let cluster = Cluster::of(&[profile, names.clone()]);
    assert_eq!((cluster.create(&peer), cluster.create(&marked)), (fine(), fine()));
    let cluster = Cluster::of(&[marked, names.clone()]);
    assert!(cluster.delete(&names).unwrap()[0].contains("names a community that no Community in force defines"));
}

#[test]
fn a_profile_in_use_cannot_go() {
    let profile = object("BFDProfile", "fast", &json!({}));
    let user = |name, address| peer(name, address, &json!({ "bfdProfile": "fast" }));
    let cluster = Cluster::of(&[profile.clone(), user("a", "192.0.2.1"), user("b", "192.0.2.2")]);
    assert_eq!(
        cluster.delete(&profile).unwrap_err(),
        [
            "BFDProfile metallb-system/fast: metadata.name \"fast\" is used by BGPPeer metallb-system/a and BGPPeer metallb-system/b \
          (failed to delete BFDProfile); take it out of spec.bfdProfile there before you delete it"
        ]
    );
    assert_eq!(Cluster::of(&[profile.clone(), peer("a", "192.0.2.1", &json!({}))]).delete(&profile), fine());
    assert_eq!(cluster.delete(&user("a", "192.0.2.1")), fine());
}

#[test]
fn peers_that_cannot_be_on_one_node_are_refused_and_others_are_not() {
    let rack = |rack: &str| json!([{ "matchLabels": { "rack": rack } }]);
    let cluster = Cluster::of(&[peer("a", "192.0.2.1", &json!({}))]);
    let told =
        cluster.create(&peer("b", "192.0.2.1", &json!({ "nodeSelectors": rack("1"), "peerPort": 1179 }))).unwrap_err();
    assert!(
        told[0].contains("spec.peerAddress \"192.0.2.1\" already exists: it is that of BGPPeer metallb-system/a too"),
        "{told:?}"
    );
    assert_eq!(cluster.create(&peer("b", "192.0.2.1", &json!({ "vrf": "red" }))), fine());
    assert_eq!(cluster.update(&peer("a", "192.0.2.1", &json!({ "routerID": "10.0.0.1" }))), fine());
}

#[test]
fn what_has_no_effect_is_said() {
    let told = Cluster::default()
        .create(&peer(
            "a",
            "192.0.2.1",
            &json!({ "disableMP": true, "passwordSecret": { "name": "s", "namespace": "default" } }),
        ))
        .unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    let told = Cluster::default().create(&peer("a", "home", &json!({ "disableMP": true }))).unwrap_err();
    assert_eq!(told.len(), 1, "a warning takes the place of no rule: {told:?}");
}

#[test]
fn a_pool_that_an_advertisement_names_and_that_is_missing_is_warned_of() {
    let lan = object("L2Advertisement", "lan", &json!({ "ipAddressPools": ["home"] }));
    let home = object("IPAddressPool", "home", &json!({ "addresses": ["192.0.2.0/28"] }));
    let missing = |told: Result<Vec<String>, Vec<String>>| {
        let told = told.unwrap();
        assert!(matches!(&told[..], [one] if one.contains("names no IPAddressPool that exists")), "{told:?}");
    };
    missing(Cluster::default().create(&lan));
    assert_eq!(Cluster::of(std::slice::from_ref(&home)).create(&lan), fine());
    let both = Cluster::of(&[lan.clone(), home.clone()]);
    missing(both.delete(&home));
    let alone = Cluster::of(&[lan]);
    assert_eq!(alone.create(&home), fine(), "and no more of what is known");
}

#[test]
fn the_old_version_of_peers_is_held_to_the_same_rules() {
    let mut old = peer("a", "192.0.2.1", &json!({}));
    old["apiVersion"] = json!("metallb.io/v1beta1");
    assert_eq!(Cluster::default().create(&old), fine());
    old["spec"]["peerAddress"] = json!("home");
    assert_eq!(Cluster::default().create(&old).unwrap_err().len(), 1);
    old["spec"]["peerAddress"] = json!("");
    let told = Cluster::default().create(&old).unwrap_err();
    assert!(told[0].contains("spec.peerAddress \"\" is missing"), "{told:?}");
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.:/ -]{0,12}".prop_map(Value::from),
        prop_oneof![
            Just("192.0.2.0/24"),
            Just("2001:db8::/32"),
            Just("99999999999999999999h"),
            Just("1:2"),
            Just("In")
        ]
        .prop_map(Value::from),
    ];
    let field = prop_oneof![
        "[a-z]{1,4}",
        prop::sample::select(vec![
            "metadata",
            "spec",
            "name",
            "namespace",
            "labels",
            "addresses",
            "serviceAllocation",
            "nodeSelectors",
            "matchLabels",
            "matchExpressions",
            "key",
            "operator",
            "values",
            "communities",
            "value",
            "peers",
            "aggregationLength",
            "localPref",
            "myASN",
            "peerASN",
            "peerAddress",
            "holdTime",
            "keepaliveTime",
            "connectTime",
            "password",
            "bfdProfile",
            "echoInterval",
            "creationTimestamp",
            "annotations",
            "preferredNodeSelectors",
            "weight",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(drawn in prop::collection::vec((0usize..6, json_value(), json_value()), 1..4), operation in 0u8..3) {
        let mut cluster = Cluster::default();
        let mut last = Value::Null;
        for (index, (kind, spec, whole)) in drawn.into_iter().enumerate() {
            last = object(ConfigurationKind::ALL[kind].name(), &format!("o{index}"), &spec);
            cluster.store(&last);
            let mut odd = whole;
            if let Value::Object(fields) = &mut odd {
                fields.insert("kind".to_owned(), json!(ConfigurationKind::ALL[kind].name()));
            }
            let _ = cluster.review(Operation::Create, &odd);
        }
        let operation = [Operation::Create, Operation::Update, Operation::Delete][usize::from(operation)];
        let _ = cluster.review(operation, &last);
    }
}
