//! The rules between objects of BGP, and what stays in force while one of them is broken.

use kube::Resource;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{IPAddressPool, condition::Conditioned, names::NAMESPACE},
    model::Community as Mark,
};

/// Objects with their ages: the later in its list, the younger.
#[derive(Clone, Debug, Default)]
struct Objects {
    pools: Vec<Decoded<IPAddressPool>>,
    l2: Vec<Decoded<L2Advertisement>>,
    bgp: Vec<Decoded<BGPAdvertisement>>,
    peers: Vec<Decoded<BGPPeer>>,
    communities: Vec<Decoded<Community>>,
    bfd_profiles: Vec<Decoded<BFDProfile>>,
    nodes: BTreeMap<String, Labels>,
    secrets: Option<BTreeMap<String, PasswordSecret>>,
}

fn objects<K: Resource<DynamicType = ()> + DeserializeOwned>(list: &[(&str, Value)]) -> Vec<Decoded<K>> {
    let object = |(index, (name, spec)): (usize, &(&str, Value))| {
        let created = format!("2026-01-01T00:00:{index:02}Z");
        let metadata = json!({ "name": name, "namespace": NAMESPACE, "creationTimestamp": created });
        Decoded::read(&json!({ "metadata": metadata, "spec": spec }))
    };
    list.iter().enumerate().map(object).collect()
}

impl Objects {
    fn pools(mut self, list: &[(&str, &[&str])]) -> Self {
        let list: Vec<_> = list.iter().map(|(name, addresses)| (*name, json!({ "addresses": addresses }))).collect();
        self.pools = objects(&list);
        self
    }

    fn bgp(mut self, list: &[(&str, Value)]) -> Self {
        self.bgp = objects(list);
        self
    }

    fn peers(mut self, list: &[(&str, Value)]) -> Self {
        self.peers = objects(list);
        self
    }

    fn communities(mut self, list: &[(&str, &[(&str, &str)])]) -> Self {
        let spec = |aliases: &[(&str, &str)]| {
            let list: Vec<_> = aliases.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            json!({ "communities": list })
        };
        let list: Vec<_> = list.iter().map(|(name, aliases)| (*name, spec(aliases))).collect();
        self.communities = objects(&list);
        self
    }

    fn profiles(mut self, list: &[(&str, Value)]) -> Self {
        self.bfd_profiles = objects(list);
        self
    }

    fn nodes(mut self, list: &[(&str, &str)]) -> Self {
        let labels = |rack: &str| Labels::from([("rack".to_owned(), rack.to_owned())]);
        self.nodes = list.iter().map(|(name, rack)| ((*name).to_owned(), labels(rack))).collect();
        self
    }

    fn after(&self, before: &Configuration) -> Configuration {
        let set = Set {
            namespace: NAMESPACE,
            pools: self.pools.iter().collect(),
            l2: self.l2.iter().collect(),
            bgp: self.bgp.iter().collect(),
            peers: self.peers.iter().collect(),
            communities: self.communities.iter().collect(),
            bfd_profiles: self.bfd_profiles.iter().collect(),
            secrets: self.secrets.as_ref(),
            nodes: Some(&self.nodes),
        };
        set.assemble(before)
    }

    fn fresh(&self) -> Configuration {
        self.after(&Configuration::default())
    }
}

fn sentences(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

fn keys<T>(map: &BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

/// The one sentence, which has to hold these words.
fn one(faults: &[Fault], words: &[&str]) {
    let told = sentences(faults);
    assert_eq!(told.len(), 1, "{told:#?}");
    for part in words {
        assert!(told[0].contains(part), "{part:?} in {told:?}");
    }
}

fn peer(address: &str, rest: &Value) -> Value {
    let mut spec = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": address });
    for (field, value) in rest.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

#[test]
fn an_advertisement_says_which_of_its_pools_are_missing_and_is_in_force() {
    let mut all = Objects::default().pools(&[("home", &["192.0.2.0/28"]), ("broken", &["nonsense"])]);
    all.l2 = objects(&[("lan", json!({ "ipAddressPools": ["home", "broken", "hoem"] })), ("every", json!({}))]);
    let configuration = all.fresh();
    assert_eq!(keys(&configuration.l2), ["every", "lan"]);
    one(&configuration.remarks, &["L2Advertisement", "lan", "spec.ipAddressPools \"hoem\" names no IPAddressPool"]);
    let all = all.pools(&[("home", &["192.0.2.0/28"]), ("broken", &["nonsense"]), ("hoem", &["192.0.2.32/28"])]);
    assert_eq!(all.after(&configuration).remarks, []);
}

fn rack(rack: &str) -> Value {
    json!([{ "matchLabels": { "rack": rack } }])
}

#[test]
fn aliases_are_resolved_wherever_they_are_defined() {
    let marked = json!({ "communities": ["1:1", "a", "b"] });
    let all = Objects::default()
        .bgp(&[("marked", marked)])
        .communities(&[("one", &[("a", "1:2")]), ("two", &[("b", "large:1:2:3"), ("c", "1:3")])]);
    let configuration = all.fresh();
    assert!(configuration.faults.is_empty() && configuration.pending.is_empty(), "{configuration:?}");
    let communities = &configuration.bgp["marked"].communities;
    assert_eq!(communities, &[Mark::Standard(1, 1), Mark::Standard(1, 2), Mark::Large(1, 2, 3)].into());
}

#[test]
fn a_route_carries_so_many_communities_and_no_more() {
    let many =
        |count: usize| (1..count).map(|number| format!("1:{number}")).chain(["a".to_owned()]).collect::<Vec<_>>();
    for (count, fine) in [(63, true), (64, false)] {
        let all = Objects::default()
            .bgp(&[("marked", json!({ "communities": many(count) }))])
            .communities(&[("one", &[("a", "large:1:2:3")])]);
        let configuration = all.fresh();
        assert_eq!(configuration.bgp.contains_key("marked"), fine, "{count}");
        if !fine {
            one(&configuration.faults, &["spec.communities", "max supported communities is 63, got 64"]);
        }
    }
}

#[test]
fn an_advertisement_waits_for_an_alias_and_nothing_else_waits_with_it() {
    let all = Objects::default().bgp(&[("marked", json!({ "communities": ["a", "b"] })), ("plain", json!({}))]);
    let waiting = all.fresh();
    assert!(waiting.faults.is_empty(), "{:?}", waiting.faults);
    assert_eq!((waiting.pending.len(), keys(&waiting.bgp)), (2, vec!["plain"]));
    let defined = all.clone().communities(&[("names", &[("a", "1:1"), ("b", "1:2")])]);
    let complete = defined.after(&waiting);
    assert!(complete.pending.is_empty() && complete.bgp.contains_key("marked"));
    // The definition goes: what is in force stays in force.
    let again = all.after(&complete);
    assert_eq!((again.bgp == complete.bgp, again.pending.len()), (true, 2));
    assert!(again.pending[0].to_string().ends_with("until then it stays in force as it was"));
}

#[test]
fn a_name_that_two_objects_define_is_the_older_ones() {
    let all = Objects::default().communities(&[("z", &[("a", "1:1")]), ("b", &[("a", "1:2"), ("c", "1:3")])]);
    let configuration = all.fresh();
    one(
        &configuration.faults,
        &["Community metallb-system/b: spec.communities \"a\" is defined by Community metallb-system/z too"],
    );
    assert_eq!(keys(&configuration.communities), ["z"]);
}

#[test]
fn a_peer_waits_for_its_profile_and_keeps_it() {
    let all = Objects::default().peers(&[("tor", peer("192.0.2.1", &json!({ "bfdProfile": "fast" })))]);
    let waiting = all.fresh();
    one(&waiting.pending, &["BGPPeer metallb-system/tor: spec.bfdProfile \"fast\" names no BFDProfile"]);
    assert!(waiting.peers.is_empty() && waiting.faults.is_empty());
    let complete = all.clone().profiles(&[("fast", json!({ "detectMultiplier": 5 }))]).after(&waiting);
    assert_eq!(complete.peers["tor"].bfd.as_ref().unwrap().detect_multiplier, Some(5));
    let changed = all.clone().profiles(&[("fast", json!({ "detectMultiplier": 6 }))]).after(&complete);
    assert_eq!(changed.peers["tor"].bfd.as_ref().unwrap().detect_multiplier, Some(6));
    let broken = all.clone().profiles(&[("fast", json!({ "detectMultiplier": 1 }))]).after(&changed);
    assert_eq!((broken.peers == changed.peers, broken.faults.len()), (true, 1));
    let gone = all.after(&changed);
    assert_eq!((gone.peers == changed.peers, gone.pending.len()), (true, 1));
}

#[test]
fn peers_in_conflict_on_one_node() {
    let ids = |id: &str| json!({ "routerID": id });
    for (second, words) in [
        (
            peer("192.0.2.1", &json!({ "peerPort": 1179 })),
            "spec.peerAddress \"192.0.2.1\" already exists: it is that of BGPPeer metallb-system/one too",
        ),
        (
            peer("192.0.2.2", &ids("10.0.0.2")),
            "spec.routerID \"10.0.0.2\" differs from none of BGPPeer metallb-system/one",
        ),
        (
            peer("192.0.2.2", &json!({ "myASN": 1 })),
            "spec.myASN \"1\" differs from 64512 of BGPPeer metallb-system/one",
        ),
        (peer("192.0.2.2", &json!({ "routerID": "10.0.0.2", "vrf": "red" })), "spec.routerID"),
    ] {
        let all = Objects::default().peers(&[("one", peer("192.0.2.1", &json!({}))), ("another", second)]);
        let configuration = all.fresh();
        one(&configuration.faults, &["BGPPeer metallb-system/another: ", words]);
        assert_eq!(keys(&configuration.peers), ["one"]);
    }
    for second in [
        peer("192.0.2.2", &json!({})),
        peer("192.0.2.1", &json!({ "vrf": "red", "myASN": 1 })),
        peer("", &json!({ "interface": "eth1" })),
    ] {
        let all = Objects::default().peers(&[("one", peer("192.0.2.1", &json!({}))), ("another", second.clone())]);
        assert!(all.fresh().faults.is_empty(), "{second}: {:?}", all.fresh().faults);
    }
}

#[test]
fn peers_of_different_nodes_do_not_meet_until_a_node_has_both() {
    let on = |number: &str| {
        peer("192.0.2.1", &json!({ "nodeSelectors": rack(number), "routerID": format!("10.0.0.{number}") }))
    };
    let all = Objects::default().peers(&[("one", on("1")), ("two", on("2"))]);
    assert_eq!(all.fresh().faults.len(), 2, "without nodes, any two selections may meet");
    let all = all.nodes(&[("a", "1"), ("b", "2")]);
    let apart = all.fresh();
    assert_eq!((apart.faults.len(), apart.peers.len()), (0, 2));
    // Rack 2 is opened to nodes of rack 1 by an edit: that peer is at fault, and stays as it was.
    let wider = json!([{ "matchExpressions": [{ "key": "rack", "operator": "Exists" }] }]);
    let edited = all.clone().peers(&[("one", on("1")), ("two", peer("192.0.2.1", &json!({ "nodeSelectors": wider })))]);
    let after = edited.after(&apart);
    assert_eq!((after.peers == apart.peers, after.faults.len()), (true, 2));
    assert!(
        sentences(&after.faults)
            .iter()
            .all(|told| told.contains("BGPPeer metallb-system/two") && told.ends_with("stays in force as it was"))
    );
}

#[test]
fn a_change_of_places_frees_what_the_other_one_wants() {
    let before =
        Objects::default().peers(&[("a", peer("192.0.2.1", &json!({}))), ("b", peer("192.0.2.2", &json!({})))]).fresh();
    let moved = Objects::default()
        .peers(&[("a", peer("192.0.2.2", &json!({}))), ("b", peer("192.0.2.3", &json!({})))])
        .after(&before);
    assert!(moved.faults.is_empty(), "{:?}", moved.faults);
    // Back onto the address of one that stays: refused, and nobody loses a session.
    let clash = Objects::default()
        .peers(&[("a", peer("192.0.2.3", &json!({}))), ("b", peer("192.0.2.3", &json!({})))])
        .after(&moved);
    assert_eq!(clash.peers, moved.peers);
    one(&clash.faults, &["BGPPeer metallb-system/a: spec.peerAddress \"192.0.2.3\"", "until then it stays in force"]);
}

#[test]
fn networks_are_not_wider_than_the_pool() {
    for (addresses, length, fine) in [
        (&["192.0.2.0/24"][..], json!({ "aggregationLength": 24 }), true),
        (&["192.0.2.0/24"], json!({ "aggregationLength": 28 }), true),
        (&["192.0.2.0/24"], json!({ "aggregationLength": 23 }), false),
        (&["192.0.2.1-192.0.2.9"], json!({ "aggregationLength": 30 }), true),
        (&["192.0.2.1-192.0.2.9"], json!({ "aggregationLength": 29 }), false),
        (&["192.0.2.0/24", "198.51.100.0/28"], json!({ "aggregationLength": 24 }), false),
        (&["2001:db8::/64"], json!({ "aggregationLength": 1, "aggregationLengthV6": 64 }), true),
        (&["2001:db8::/64"], json!({ "aggregationLengthV6": 63 }), false),
        (&["192.0.2.7/32"], json!({}), true),
    ] {
        let mut spec = length.clone();
        spec["ipAddressPools"] = json!(["home"]);
        let all =
            Objects::default().pools(&[("home", addresses), ("other", &["203.0.113.9/32"])]).bgp(&[("all", spec)]);
        let configuration = all.fresh();
        assert_eq!(configuration.faults.is_empty(), fine, "{addresses:?} {length}: {:?}", configuration.faults);
        assert_eq!((configuration.bgp.contains_key("all"), configuration.pools.len()), (fine, 2));
    }
}

#[test]
fn an_advertisement_that_no_longer_fits_its_pool_does_not_stay_in_force() {
    let all = Objects::default()
        .bgp(&[("wide", json!({ "aggregationLength": 24 })), ("plain", json!({ "aggregationLength": 32 }))]);
    let before = all.clone().pools(&[("home", &["192.0.2.0/24"])]).fresh();
    assert_eq!(before.bgp.len(), 2, "{:?}", before.faults);
    let after = all.pools(&[("home", &["192.0.2.0/25"])]).after(&before);
    one(
        &after.faults,
        &["BGPAdvertisement metallb-system/wide: spec.aggregationLength \"24\" announces more than 192.0.2.0/25"],
    );
    assert_eq!(keys(&after.bgp), ["plain"]);
}

#[test]
fn addresses_of_ipv6_do_not_go_to_peers_with_echo() {
    let all = Objects::default()
        .pools(&[("six", &["2001:db8::/64"]), ("four", &["192.0.2.0/24"])])
        .profiles(&[("echo", json!({ "echoMode": true }))])
        .peers(&[
            ("tor", peer("192.0.2.254", &json!({ "bfdProfile": "echo" }))),
            ("other", peer("192.0.2.253", &json!({}))),
        ])
        .bgp(&[
            ("four", json!({ "ipAddressPools": ["four"] })),
            ("elsewhere", json!({ "ipAddressPools": ["six"], "peers": ["other"] })),
            ("all", json!({})),
        ]);
    let configuration = all.fresh();
    one(
        &configuration.faults,
        &["BGPAdvertisement metallb-system/all: spec.ipAddressPools \"six\" has IPv6 addresses, but BGPPeer tor"],
    );
    assert_eq!(keys(&configuration.bgp), ["elsewhere", "four"]);
}

#[test]
fn two_preferences_for_one_route() {
    let four: &[&str] = &["192.0.2.0/24"];
    let six: &[&str] = &["2001:db8::/64"];
    let both: &[&str] = &["192.0.2.0/24", "2001:db8::/64"];
    let plain = json!({ "localPref": 100 });
    for (pool, first, second, fine) in [
        (four, plain.clone(), json!({ "localPref": 200 }), false),
        (four, plain.clone(), json!({}), false),
        (four, plain.clone(), plain.clone(), true),
        (four, plain.clone(), json!({ "localPref": 200, "aggregationLength": 24 }), true),
        (four, plain.clone(), json!({ "localPref": 200, "aggregationLengthV6": 64 }), false),
        (six, plain.clone(), json!({ "localPref": 200, "aggregationLength": 24 }), false),
        (six, plain.clone(), json!({ "localPref": 200, "aggregationLengthV6": 64 }), true),
        (both, plain.clone(), json!({ "localPref": 200, "aggregationLength": 24 }), false),
        (both, plain.clone(), json!({ "localPref": 200, "aggregationLengthV6": 64 }), false),
        (both, plain.clone(), json!({ "localPref": 200, "aggregationLength": 24, "aggregationLengthV6": 64 }), true),
        (four, json!({ "localPref": 100, "peers": ["a"] }), json!({ "localPref": 200, "peers": ["b"] }), true),
        (four, json!({ "localPref": 100, "peers": ["a", "b"] }), json!({ "localPref": 200, "peers": ["b"] }), false),
        (four, json!({ "localPref": 100, "peers": ["a"] }), json!({ "localPref": 200 }), false),
        (
            four,
            json!({ "localPref": 100, "nodeSelectors": rack("1") }),
            json!({ "localPref": 200, "nodeSelectors": rack("2") }),
            true,
        ),
        (four, json!({ "localPref": 100, "nodeSelectors": rack("1") }), json!({ "localPref": 200 }), false),
        (
            four,
            json!({ "localPref": 100, "ipAddressPools": ["p"] }),
            json!({ "localPref": 200, "ipAddressPools": ["q"] }),
            true,
        ),
        (four, plain.clone(), json!({ "localPref": 200, "serviceSelectors": rack("1") }), true),
    ] {
        let all = Objects::default()
            .pools(&[("p", pool)])
            .nodes(&[("a", "1"), ("b", "2")])
            .bgp(&[("first", first.clone()), ("another", second.clone())]);
        let configuration = all.fresh();
        if fine {
            assert!(configuration.faults.is_empty(), "{pool:?} {first} {second}: {:?}", configuration.faults);
        } else {
            one(
                &configuration.faults,
                &[
                    "BGPAdvertisement metallb-system/another: spec.localPref",
                    "of BGPAdvertisement metallb-system/first",
                ],
            );
            assert_eq!(keys(&configuration.bgp), ["first"], "{pool:?} {first} {second}");
        }
    }
}

/// A few peers over few addresses, racks and router IDs, so that they meet often.
fn few_peers() -> impl Strategy<Value = Objects> {
    let one = (0u8..3, 0u8..3, 0u8..2, any::<bool>());
    prop::collection::vec(prop::option::of(one), 0..6).prop_map(|drawn| {
        let mut list = Vec::new();
        for (name, one) in ["a", "b", "c", "d", "e", "f"].into_iter().zip(drawn) {
            let Some((address, number, id, valid)) = one else { continue };
            let selectors = if number == 0 { json!([]) } else { rack(&number.to_string()) };
            let asn = if valid { 64512 } else { 0 };
            let rest = json!({ "nodeSelectors": selectors, "routerID": format!("10.0.0.{}", id + 1), "myASN": asn });
            list.push((name, peer(&format!("192.0.2.{}", address + 1), &rest)));
        }
        Objects::default().peers(&list).nodes(&[("x", "1"), ("y", "2")])
    })
}

proptest! {
    #[test]
    fn what_is_in_force_never_excludes_itself_and_everything_left_out_is_told(steps in prop::collection::vec(few_peers(), 1..5)) {
        let mut before = Configuration::default();
        for objects in steps {
            let now = objects.after(&before);
            let holder = object_name("x");
            for (name, one) in &now.peers {
                for other in now.peers.values().filter(|other| other.name != *name) {
                    prop_assert!(exclusion::peers(one, other, &holder, Some(&objects.nodes)).is_empty());
                }
            }
            for object in &objects.peers {
                let name = object.0.as_ref().unwrap().metadata.name.clone().unwrap();
                let as_written = object.0.as_ref().unwrap().validate().ok();
                let told = now.faults.iter().any(|fault| fault.object.name == name);
                prop_assert_eq!(now.peers.get(&name) != as_written.as_ref() || as_written.is_none(), told, "{}", name);
                // Nobody who is in force and unchanged has to go.
                if before.peers.get(&name).is_some_and(|old| Some(old) == as_written.as_ref()) {
                    prop_assert!(now.peers.contains_key(&name), "{} had to go", name);
                }
            }
            prop_assert_eq!(&objects.after(&now).peers, &now.peers, "looking again changes nothing");
            before = now;
        }
    }
}

#[test]
fn a_peer_waits_for_a_secret_that_holds_a_password_and_stays_as_it_was_meanwhile() {
    let named =
        |address: &str| peer(address, &json!({ "passwordSecret": { "name": "bgp", "namespace": "elsewhere" } }));
    let mut all = Objects::default().peers(&[("tor", named("192.0.2.1"))]);
    let fresh = all.fresh();
    assert_eq!((keys(&fresh.peers), fresh.pending.len()), (vec!["tor"], 0), "nothing is known of Secrets");
    let knows = |all: &mut Objects, secret: PasswordSecret| all.secrets = Some([("bgp".to_owned(), secret)].into());
    all.secrets = Some(BTreeMap::new());
    assert_eq!(all.fresh().pending, [], "it was not read yet");
    knows(&mut all, PasswordSecret::Missing);
    let waits = all.fresh();
    assert_eq!((waits.peers.len(), waits.faults.len()), (0, 0));
    one(
        &waits.pending,
        &["BGPPeer metallb-system/tor: spec.passwordSecret.name \"bgp\"", "no Secret in metallb-system"],
    );
    for (secret, words) in [
        (PasswordSecret::Type("Opaque".to_owned()), "of type Opaque (secret type mismatch); delete it and create one"),
        (PasswordSecret::Empty, "without a password"),
        (PasswordSecret::Unusable("is too long", "shorten it"), "a password that is too long; shorten it"),
    ] {
        knows(&mut all, secret);
        let now = all.after(&fresh);
        one(&now.pending, &[words, "until then it stays in force as it was"]);
        assert_eq!(keys(&now.peers), ["tor"], "a session goes on with the password that it has");
        assert_eq!(all.fresh().peers.len(), 0);
        // The condition that says so is written, and read.
        let mut told = all.clone();
        say(&mut told.peers[0], ("False", "Pending"), 2);
        let now = told.after(&now);
        one(&now.pending, &[words, "until then it stays in force as it was"]);
        assert_eq!(keys(&now.peers), ["tor"]);
    }
    knows(&mut all, PasswordSecret::Good);
    assert_eq!((keys(&all.fresh().peers), all.fresh().pending.len()), (vec!["tor"], 0));
    // Both that are missing are told of at once.
    let mut all = Objects::default()
        .peers(&[("tor", peer("192.0.2.1", &json!({ "passwordSecret": { "name": "bgp" }, "bfdProfile": "quick" })))]);
    knows(&mut all, PasswordSecret::Missing);
    assert_eq!(all.fresh().pending.len(), 2);
}

fn object_name(name: &str) -> ObjectName {
    ObjectName { kind: "BGPPeer", namespace: NAMESPACE.to_owned(), name: name.to_owned() }
}

/// Says of an object what the controller says of one that is in force as written.
fn accept<K: Conditioned>(object: &mut Decoded<K>, status: &str, generation: i64) {
    say(object, (status, "Valid"), generation);
}

fn say<K: Conditioned>(object: &mut Decoded<K>, (status, reason): (&str, &str), generation: i64) {
    let condition = json!({"type": "Accepted", "status": status, "reason": reason, "message": "", "observedGeneration": generation,
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let object = object.0.as_mut().unwrap();
    object.meta_mut().generation = Some(2);
    object.say_only(vec![serde_json::from_value(condition).unwrap()]);
}

#[test]
fn after_a_restart_whoever_was_in_force_as_written_is_so_again_whatever_its_age() {
    let aliases: &[(&str, &str)] = &[("a", "1:1")];
    let all = Objects::default()
        .peers(&[("old", peer("192.0.2.1", &json!({}))), ("young", peer("192.0.2.1", &json!({})))])
        .communities(&[("old", aliases), ("young", aliases)]);
    let holders = |all: &Objects| {
        let fresh = all.fresh();
        assert_eq!(fresh.faults.len(), 2);
        (keys(&fresh.peers)[0].to_owned(), keys(&fresh.communities)[0].to_owned())
    };
    assert_eq!(holders(&all), ("old".to_owned(), "old".to_owned()));
    let said = |status: &str, generation: i64| {
        let mut all = all.clone();
        accept(&mut all.peers[1], status, generation);
        accept(&mut all.communities[1], status, generation);
        all
    };
    assert_eq!(holders(&said("True", 2)), ("young".to_owned(), "young".to_owned()));
    assert_eq!(holders(&said("True", 1)), ("old".to_owned(), "old".to_owned()), "of an edit before");
    assert_eq!(holders(&said("False", 2)), ("old".to_owned(), "old".to_owned()));
}
