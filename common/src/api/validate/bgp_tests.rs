//! BGP advertisements, communities and BFD profiles that are taken and refused, rule by rule; in the words users read.

use std::fmt::Debug;

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    api::{BFDProfile, BGPAdvertisement, Community},
    model::{self, Fault},
};

fn object<K: DeserializeOwned>(spec: &Value) -> K {
    serde_json::from_value(json!({ "metadata": { "name": "x", "namespace": "metallb-system" }, "spec": spec })).unwrap()
}

/// What is wrong, without the name of the object.
fn faults<K: Resource<DynamicType = ()>, T: Debug>(told: Result<T, Vec<Fault>>) -> Vec<String> {
    let prefix = format!("{} metallb-system/x: ", K::kind(&()));
    told.unwrap_err().iter().map(|fault| fault.to_string().strip_prefix(&prefix).unwrap().to_owned()).collect()
}

fn advertisement(spec: &Value) -> Result<model::BgpAdvertisement, Vec<Fault>> {
    object::<BGPAdvertisement>(spec).validate()
}

#[test]
fn an_advertisement_without_anything_is_for_everything_one_by_one() {
    for spec in [json!({}), Value::Null] {
        let advertisement = advertisement(&spec).unwrap();
        assert_eq!(
            (advertisement.aggregation_v4, advertisement.aggregation_v6, advertisement.local_pref),
            (32, 128, 0)
        );
        assert!(advertisement.covers_peer("any") && advertisement.covers_node(&[].into()));
        assert!(advertisement.covers_service(&[].into()) && advertisement.communities.is_empty());
    }
}

#[test]
fn communities_are_numbers_or_names() {
    let advertisement = advertisement(&json!({
        "communities": ["64512:100", "large:1:2:3", "stay-inside", "no-export"], "aggregationLength": 24, "aggregationLengthV6": 1,
        "localPref": u32::MAX, "peers": ["tor"], "ipAddressPools": ["home"],
    }))
    .unwrap();
    let shown: Vec<_> = advertisement.communities.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["64512:100", "large:1:2:3"]);
    assert_eq!(advertisement.aliases, ["no-export".to_owned(), "stay-inside".to_owned()].into());
    assert_eq!(
        (advertisement.aggregation_v4, advertisement.aggregation_v6, advertisement.local_pref),
        (24, 1, u32::MAX)
    );
    assert!(advertisement.covers_peer("tor") && !advertisement.covers_peer("other"));
}

#[test]
fn an_aggregate_of_ipv6_may_have_length_zero_and_one_of_ipv4_may_not() {
    assert_eq!(advertisement(&json!({ "aggregationLengthV6": 0 })).unwrap().aggregation_v6, 0);
    assert_eq!(advertisement(&json!({ "aggregationLength": 0 })).unwrap_err().len(), 1);
}

#[test]
fn advertisements_that_are_refused() {
    let section = "is no community (invalid community value: invalid section)";
    let grammar =
        "write two numbers from 0 to 65535 (64512:100), or large and three from 0 to 4294967295 (large:64512:100:1)";
    let hidden = "announces a network, which may hold addresses of Services that serviceSelectors leave out \
                  (serviceSelectors and aggregationLength are mutually exclusive)";
    let selectors = json!([{ "matchLabels": { "a": "b" } }]);
    for (spec, sentence) in [
        (
            json!({ "aggregationLength": 33 }),
            "spec.aggregationLength \"33\" is no prefix length to announce; use one from 1 to 32".to_owned(),
        ),
        (
            json!({ "aggregationLength": 0 }),
            "spec.aggregationLength \"0\" is no prefix length to announce; use one from 1 to 32".to_owned(),
        ),
        (
            json!({ "aggregationLengthV6": 129 }),
            "spec.aggregationLengthV6 \"129\" is no prefix length to announce; use one from 0 to 128".to_owned(),
        ),
        (
            json!({ "aggregationLengthV6": -1 }),
            "spec.aggregationLengthV6 \"-1\" is no prefix length to announce; use one from 0 to 128".to_owned(),
        ),
        (json!({ "communities": ["a", "65536:1"] }), format!("spec.communities[1] \"65536:1\" {section}; {grammar}")),
        (
            json!({ "communities": ["lar:123:9999:123"] }),
            format!(
                "spec.communities[0] \"lar:123:9999:123\" is no community (invalid community value: expected community to be \
                 of format large); {grammar}"
            ),
        ),
        (json!({ "communities": ["1:2:3"] }), format!("spec.communities[0] \"1:2:3\" is no community; {grammar}")),
        (
            json!({ "communities": ["a", "a"] }),
            "spec.communities[1] \"a\" repeats spec.communities[0]; name it once".to_owned(),
        ),
        (json!({ "peers": ["a", "b", "a"] }), "spec.peers[2] \"a\" repeats spec.peers[0]; name it once".to_owned()),
        (
            json!({ "ipAddressPools": ["a", "a"] }),
            "spec.ipAddressPools[1] \"a\" repeats spec.ipAddressPools[0]; name it once".to_owned(),
        ),
        (
            json!({ "nodeSelectors": [{}, {}] }),
            "spec.nodeSelectors[1] \"\" repeats spec.nodeSelectors[0]; write it once".to_owned(),
        ),
        (
            json!({ "serviceSelectors": selectors, "aggregationLength": 24 }),
            format!("spec.aggregationLength \"24\" {hidden}; use 32 beside serviceSelectors"),
        ),
        (
            json!({ "serviceSelectors": selectors, "aggregationLengthV6": 64 }),
            format!("spec.aggregationLengthV6 \"64\" {hidden}; use 128 beside serviceSelectors"),
        ),
    ] {
        assert_eq!(faults::<BGPAdvertisement, _>(advertisement(&spec)), [sentence], "{spec}");
    }
    let all = json!({ "aggregationLength": 0, "communities": ["x:y", "z:z"], "peers": ["a", "a"] });
    assert_eq!(advertisement(&all).unwrap_err().len(), 4);
}

#[test]
fn names_of_communities() {
    let names = |list: &Value| object::<Community>(&json!({ "communities": list })).validate();
    let taken = names(&json!([{ "name": "a", "value": "1:2" }, { "name": "b", "value": "large:1:2:3" }])).unwrap();
    assert_eq!(taken.values["b"].to_string(), "large:1:2:3");
    assert!(names(&json!([])).unwrap().values.is_empty() && names(&Value::Null).is_ok());
    let told = faults::<Community, _>(names(&json!([
        { "name": "a", "value": "1:2" }, { "name": "b" }, { "name": "a", "value": "1:3" }, { "name": "c", "value": "no-export" },
    ])));
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("spec.communities[1].value \"\" is no community; write two numbers"), "{told:#?}");
    assert_eq!(
        told[1],
        "spec.communities[2].name \"a\" repeats spec.communities[0].name (duplicate definition of community); define each name once"
    );
    assert!(told[2].starts_with("spec.communities[3].value \"no-export\" is no community"), "{told:#?}");
}

#[test]
fn profiles_within_and_out_of_their_ranges() {
    let profile = |spec: &Value| object::<BFDProfile>(spec).validate();
    let empty = profile(&json!({})).unwrap();
    assert_eq!(
        (empty.receive_interval, empty.detect_multiplier, empty.echo, empty.minimum_ttl),
        (None, None, false, None)
    );
    for (field, lowest, highest) in [
        ("receiveInterval", 10, 60_000),
        ("transmitInterval", 10, 60_000),
        ("echoInterval", 10, 60_000),
        ("detectMultiplier", 2, 255),
        ("minimumTtl", 1, 254),
    ] {
        for number in [lowest, highest] {
            assert!(profile(&json!({ field: number })).is_ok(), "{field} {number}");
        }
        for number in [0, lowest - 1, highest + 1, u32::MAX] {
            let sentence =
                format!("spec.{field} \"{number}\" is out of range; use a number from {lowest} to {highest}");
            assert_eq!(faults::<BFDProfile, _>(profile(&json!({ field: number }))), [sentence]);
        }
    }
    let both = profile(&json!({ "echoMode": true, "passiveMode": true, "minimumTtl": 254 })).unwrap();
    assert_eq!((both.echo, both.passive, both.minimum_ttl), (true, true, Some(254)));
    assert_eq!(profile(&json!({ "minimumTtl": 255, "echoInterval": 1, "detectMultiplier": 1 })).unwrap_err().len(), 3);
}
