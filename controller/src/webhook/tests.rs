//! Reviews and conversions, right, wrong and random.

use std::sync::Arc;

use arpeggio_common::api::{
    admission::{Change, ConfigurationKind, review as judge_by},
    set::Set,
};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Judge, SharedJudge, convert, path, review};

const NAMESPACE: &str = "metallb-system";

/// Judges by the real rules, with nothing there.
fn judge(change: &Change<'_>) -> Option<Result<Vec<String>, Vec<arpeggio_common::model::Fault>>> {
    Some(judge_by(&Set { namespace: NAMESPACE, ..Set::default() }, change))
}

fn ask(kind: ConfigurationKind, body: &Value) -> (u16, Value) {
    let reply = review::answer(kind, body.to_string().as_bytes(), &judge);
    (reply.status, reply.body)
}

fn object(kind: &str, namespace: &str, spec: &Value) -> Value {
    let version = if kind == "BGPPeer" { "metallb.io/v1beta2" } else { "metallb.io/v1beta1" };
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "one", "namespace": namespace }, "spec": spec })
}

fn review_of(operation: &str, object: &Value) -> Value {
    let (now, old) = if operation == "DELETE" { (Value::Null, object.clone()) } else { (object.clone(), Value::Null) };
    let version = object["apiVersion"].as_str().unwrap_or_default().trim_start_matches("metallb.io/");
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5",
            "kind": { "group": "metallb.io", "version": version, "kind": object["kind"] },
            "operation": operation,
            "namespace": object["metadata"]["namespace"],
            "object": now,
            "oldObject": old,
        },
    })
}

fn pool(addresses: &[&str]) -> Value {
    object("IPAddressPool", NAMESPACE, &json!({ "addresses": addresses }))
}

#[test]
fn what_keeps_the_rules_is_allowed() {
    let (status, body) = ask(ConfigurationKind::Pool, &review_of("CREATE", &pool(&["192.0.2.0/24"])));
    assert_eq!((status, &body["response"]), (200, &json!({ "uid": "705ab4f5", "allowed": true })));
    assert_eq!((&body["apiVersion"], &body["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
}

#[test]
fn a_refusal_is_the_sentences_of_the_rules() {
    let broken = pool(&["192.0.2.9-192.0.2.1", "198.51.100.0/33"]);
    let (status, body) = ask(ConfigurationKind::Pool, &review_of("UPDATE", &broken));
    let response = &body["response"];
    assert_eq!((status, &response["allowed"], &response["status"]["code"]), (200, &json!(false), &json!(403)));
    let message = response["status"]["message"].as_str().unwrap();
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 2, "a line for each fault: {message}");
    assert!(
        lines[0].starts_with("IPAddressPool metallb-system/one: spec.addresses[0] \"192.0.2.9-192.0.2.1\""),
        "{message}"
    );
}

#[test]
fn a_new_object_in_a_foreign_namespace_is_refused() {
    for kind in ConfigurationKind::ALL {
        let (_, body) = ask(kind, &review_of("CREATE", &object(kind.name(), "elsewhere", &json!({}))));
        assert_eq!(body["response"]["allowed"], false, "{body}");
        let message = body["response"]["status"]["message"].as_str().unwrap();
        assert!(message.contains("elsewhere"), "{message}");
    }
}

#[test]
fn what_is_worth_knowing_becomes_warnings() {
    let spec = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "disableMP": true });
    let (_, body) = ask(ConfigurationKind::Peer, &review_of("CREATE", &object("BGPPeer", NAMESPACE, &spec)));
    assert_eq!(body["response"]["allowed"], true, "{body}");
    assert!(body["response"]["warnings"][0].as_str().unwrap().contains("disableMP"), "{body}");
}

#[test]
fn before_the_objects_are_known_nothing_is_said() {
    let unknown: &Judge = &|_| None;
    let body = review_of("CREATE", &pool(&["192.0.2.0/24"])).to_string();
    let reply = review::answer(ConfigurationKind::Pool, body.as_bytes(), unknown);
    assert_eq!(reply.status, 503);
    assert!(reply.body.as_str().unwrap().contains("has not read the configuration yet"));
}

#[rstest]
#[case::no_json("{", "this is no AdmissionReview")]
#[case::empty("", "this is no AdmissionReview")]
#[case::a_list("[]", "this is no AdmissionReview")]
#[case::no_request(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, "missing field `request`")]
#[case::an_old_version(
    r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"","kind":{"kind":"x"},"operation":""}}"#,
    "ask with admission.k8s.io/v1"
)]
fn what_is_no_review_is_told_so(#[case] body: &str, #[case] words: &str) {
    let reply = review::answer(ConfigurationKind::Pool, body.as_bytes(), &judge);
    let told = reply.body.as_str().unwrap();
    assert!(reply.status == 400 && told.contains(words), "{told}");
    assert_eq!(convert::answer(body.as_bytes()).status, 400);
}

#[test]
fn kinds_at_the_wrong_path_and_reviews_without_an_object_are_told_so() {
    let right = review_of("CREATE", &pool(&["192.0.2.0/24"]));
    let (status, body) = ask(ConfigurationKind::Peer, &right);
    assert!(status == 400 && body.as_str().unwrap().contains("this is the path of BGPPeer of metallb.io"), "{body}");
    let mut foreign = right.clone();
    foreign["request"]["kind"]["group"] = json!("example.org");
    assert_eq!(ask(ConfigurationKind::Pool, &foreign).0, 400);
    for (operation, object) in [("CREATE", json!(null)), ("UPDATE", json!("text")), ("DELETE", json!(null))] {
        let mut empty = right.clone();
        empty["request"]["operation"] = json!(operation);
        empty["request"]["object"] = object;
        assert_eq!(ask(ConfigurationKind::Pool, &empty).0, 400, "{operation}");
    }
    let mut other = right;
    other["request"]["operation"] = json!("CONNECT");
    assert_eq!(ask(ConfigurationKind::Pool, &other).1["response"]["allowed"], true);
}

#[test]
fn a_profile_in_use_cannot_be_deleted() {
    let peer = object(
        "BGPPeer",
        NAMESPACE,
        &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "bfdProfile": "one" }),
    );
    let peer = serde_json::from_value(peer).unwrap();
    let with_peer: SharedJudge = Arc::new(move |change| {
        Some(judge_by(&Set { namespace: NAMESPACE, peers: vec![&peer], ..Set::default() }, change))
    });
    let body = review_of("DELETE", &object("BFDProfile", NAMESPACE, &json!({}))).to_string();
    let reply = review::answer(ConfigurationKind::BfdProfile, body.as_bytes(), &*with_peer);
    let message = reply.body["response"]["status"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("is used by BGPPeer metallb-system/one"), "{message}");
    let (_, body) =
        ask(ConfigurationKind::BfdProfile, &review_of("DELETE", &object("BFDProfile", NAMESPACE, &json!({}))));
    assert_eq!(body["response"]["allowed"], true);
}

fn conversion(desired: &str, objects: &[Value]) -> Value {
    let review = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": { "uid": "705ab4f5", "desiredAPIVersion": desired, "objects": objects },
    });
    let reply = convert::answer(review.to_string().as_bytes());
    assert_eq!(reply.status, 200);
    reply.body["response"].clone()
}

#[test]
fn every_object_is_converted_in_its_order() {
    let peer = |name: &str| {
        let mut peer =
            object("BGPPeer", NAMESPACE, &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "vrf": name }));
        peer["metadata"]["name"] = json!(name);
        peer
    };
    let objects: Vec<Value> = ["c", "a", "b"].map(peer).into();
    let down = conversion("metallb.io/v1beta1", &objects);
    assert_eq!((&down["uid"], &down["result"]["status"]), (&json!("705ab4f5"), &json!("Success")));
    let down = down["convertedObjects"].as_array().unwrap().clone();
    assert!(
        down.iter()
            .zip(["c", "a", "b"])
            .all(|(one, name)| one["metadata"]["name"] == name && one["spec"]["vrf"].is_null())
    );
    assert_eq!(conversion("metallb.io/v1beta2", &down)["convertedObjects"], json!(objects));
}

#[test]
fn a_failed_conversion_names_the_object() {
    let peer = object("BGPPeer", NAMESPACE, &json!({}));
    for (desired, objects, words) in [
        ("metallb.io/v1", vec![peer.clone()], "BGPPeer metallb-system/one: convert a BGPPeer to \"metallb.io/v1\""),
        ("metallb.io/v1beta1", vec![peer, pool(&[])], "IPAddressPool metallb-system/one: convert \"IPAddressPool\""),
        ("metallb.io/v1beta1", vec![json!(7)], "object /: convert"),
    ] {
        let response = conversion(desired, &objects);
        assert_eq!((&response["result"]["status"], &response["convertedObjects"]), (&json!("Failure"), &json!([])));
        let message = response["result"]["message"].as_str().unwrap();
        assert!(message.starts_with(words), "{message}");
    }
}

#[test]
fn every_kind_has_a_path_of_its_own() {
    let paths: std::collections::BTreeSet<&str> = ConfigurationKind::ALL.into_iter().map(path).collect();
    assert_eq!(paths.len(), ConfigurationKind::ALL.len());
    for kind in ConfigurationKind::ALL {
        assert!(path(kind).ends_with(&kind.name().to_lowercase()), "{}", path(kind));
    }
    let shared: SharedJudge = Arc::new(|_: &Change<'_>| None);
    // It would panic if two were the same.
    let sources = Arc::new(super::limits::Sources::new(super::limits::Limits::DEFAULT));
    drop(super::server::router(&shared, &sources));
}

/// Any JSON, with words that mean something here among the keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "metallb.io/v1beta1",
            "metallb.io/v1beta2",
            "192.0.2.0/24",
            "metallb-system",
            "CREATE"
        ])
        .prop_map(Value::from),
    ];
    let keys = [
        "metadata",
        "name",
        "namespace",
        "annotations",
        "spec",
        "addresses",
        "peers",
        "nodeSelectors",
        "matchLabels",
        "communities",
        "ipAddressPools",
        "aggregationLength",
        "bfdProfile",
        "peerAddress",
        "peerASN",
        "status",
        "deletionTimestamp",
        "passwordSecret",
        "localPref",
        "apiVersion",
        "kind",
        "arpeggio.io/bgppeer-v1beta2",
    ];
    let key = prop_oneof![prop::sample::select(keys.to_vec()).prop_map(str::to_owned), ".{0,6}"];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_makes_it_panic(
        object in any_json(),
        spec in any_json(),
        kind in prop::sample::select(ConfigurationKind::ALL.to_vec()),
        operation in prop::sample::select(vec!["CREATE", "UPDATE", "DELETE"]),
    ) {
        let mut whole = super::tests::object(kind.name(), NAMESPACE, &spec);
        for object in [&object, &whole.clone()] {
            let mut review = review_of(operation, object);
            review["request"]["kind"]["kind"] = json!(kind.name());
            let (status, body) = ask(kind, &review);
            prop_assert!(matches!(status, 200 | 400), "{status} {body}");
            let answered = conversion("metallb.io/v1beta1", std::slice::from_ref(object));
            prop_assert!(answered["result"]["status"].is_string());
        }
        whole["metadata"] = spec;
        ask(kind, &review_of(operation, &whole));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), review in any_json()) {
        prop_assert_eq!(review::answer(ConfigurationKind::Pool, &bytes, &judge).status, 400);
        let text = review.to_string();
        prop_assert_eq!(review::answer(ConfigurationKind::Peer, text.as_bytes(), &judge).status, 400);
        prop_assert_eq!(convert::answer(text.as_bytes()).status, 400);
    }
}
