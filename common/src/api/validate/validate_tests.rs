//! What is taken and what is refused, rule by rule; in the words users read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    api::{IPAddressPool, L2Advertisement},
    model::{self, Fault, Pool, Requirement, Selector},
};

fn pool(spec: &Value) -> Result<Pool, Vec<Fault>> {
    let object = json!({ "metadata": { "name": "home", "namespace": "metallb-system" }, "spec": spec });
    serde_json::from_value::<IPAddressPool>(object).unwrap().validate()
}

fn advertisement(spec: &Value) -> Result<model::L2Advertisement, Vec<Fault>> {
    let object = json!({ "metadata": { "name": "lan", "namespace": "metallb-system" }, "spec": spec });
    serde_json::from_value::<L2Advertisement>(object).unwrap().validate()
}

fn sentences<T: std::fmt::Debug>(result: Result<T, Vec<Fault>>) -> Vec<String> {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

/// The one sentence about a pool, without the name of the object.
fn pool_fault(spec: &Value) -> String {
    let told = sentences(pool(spec));
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].strip_prefix("IPAddressPool metallb-system/home: ").unwrap().to_owned()
}

fn advertisement_fault(spec: &Value) -> String {
    let told = sentences(advertisement(spec));
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].strip_prefix("L2Advertisement metallb-system/lan: ").unwrap().to_owned()
}

#[test]
fn a_pool_with_everything_is_taken() {
    let pool = pool(&json!({
        "addresses": ["192.0.2.0/24", "2001:db8::1 - 2001:db8::9"],
        "autoAssign": false,
        "avoidBuggyIPs": true,
        "serviceAllocation": {
            "priority": -5,
            "namespaces": ["shop"],
            "namespaceSelectors": [{ "matchLabels": { "team": "a" } }],
            "serviceSelectors": [{ "matchExpressions": [{ "key": "tier", "operator": "Exists" }] }],
        },
    }))
    .unwrap();
    assert_eq!(
        pool.ranges.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.0.2.0/24", "2001:db8::1-2001:db8::9"]
    );
    assert!(!pool.auto_assign && pool.avoid_buggy);
    let scope = pool.scope.unwrap();
    assert_eq!((scope.priority, scope.namespaces), (-5, BTreeSet::from(["shop".to_owned()])));
    assert_eq!(scope.namespace_selectors, [Selector::new([Requirement::In("team".into(), ["a".to_owned()].into())])]);
    assert_eq!(scope.service_selectors, [Selector::new([Requirement::Exists("tier".into())])]);
}

#[test]
fn defaults_are_those_of_metallb() {
    let minimal =
        pool(&json!({ "addresses": ["192.0.2.0/24"], "autoAssign": null, "serviceAllocation": null })).unwrap();
    assert!(minimal.auto_assign && !minimal.avoid_buggy && minimal.scope.is_none());
    let scoped = pool(&json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": { "namespaces": null } })).unwrap();
    assert_eq!(scoped.scope, Some(model::Scope::default()));
    for spec in [json!(null), json!({}), json!({ "ipAddressPools": null, "nodeSelectors": null, "interfaces": null })] {
        let all = advertisement(&spec).unwrap();
        assert!(all.pools.is_empty() && all.interfaces.is_empty() && all.node_selectors.is_empty());
    }
    assert!(
        serde_json::from_value::<L2Advertisement>(json!({ "metadata": { "name": "bare" } }))
            .unwrap()
            .validate()
            .is_ok()
    );
}

#[test]
fn addresses_that_are_refused() {
    for (addresses, sentence) in [
        (
            json!([]),
            "spec.addresses \"\" lists no addresses; list networks (192.0.2.0/24) or ranges (192.0.2.1-192.0.2.9)",
        ),
        (
            json!(null),
            "spec.addresses \"\" lists no addresses; list networks (192.0.2.0/24) or ranges (192.0.2.1-192.0.2.9)",
        ),
        (
            json!(["192.0.2.1"]),
            "spec.addresses[0] \"192.0.2.1\" is an address without a prefix length; write 192.0.2.1/32 for it alone",
        ),
        (
            json!(["192.0.2.9-192.0.2.1"]),
            "spec.addresses[0] \"192.0.2.9-192.0.2.1\" ends before it starts; write 192.0.2.1-192.0.2.9 if that is meant",
        ),
        (
            json!(["192.0.2.0/24", "192.0.3.0/33"]),
            "spec.addresses[1] \"192.0.3.0/33\" is no network: \"33\" is not a prefix length from 0 to 32; write a network (192.0.2.0/24) or a range (192.0.2.1-192.0.2.9)",
        ),
        (
            json!(["192.0.2.0/24", "192.0.2.9/24"]),
            "spec.addresses[1] \"192.0.2.9/24\" overlaps with already defined CIDR 192.0.2.0/24 of the same pool; list each address once",
        ),
        (
            json!(["192.0.2.1-192.0.2.9", "192.0.2.9-192.0.2.20"]),
            "spec.addresses[1] \"192.0.2.9-192.0.2.20\" overlaps with already defined CIDR 192.0.2.1-192.0.2.9 of the same pool; list each address once",
        ),
        (
            json!(["2001:db8::7/128", "2001:db8::/120"]),
            "spec.addresses[1] \"2001:db8::/120\" overlaps with already defined CIDR 2001:db8::7/128 of the same pool; list each address once",
        ),
    ] {
        assert_eq!(pool_fault(&json!({ "addresses": addresses })), sentence);
    }
    assert!(pool(&json!({ "addresses": ["192.0.2.0-192.0.2.9", "192.0.2.10-192.0.2.20"] })).is_ok(), "side by side");
}

#[test]
fn every_fault_is_told_at_once() {
    let told = sentences(pool(&json!({
        "addresses": ["192.0.2.1", "home", "192.0.2.0/24", "192.0.2.128/25"],
        "serviceAllocation": {
            "namespaces": ["a", "b", "a"],
            "serviceSelectors": [{ "matchLabels": { "-": "" } }],
        },
    })));
    let fields: Vec<_> = told.iter().map(|sentence| sentence.split(' ').nth(2).unwrap()).collect();
    assert_eq!(
        fields,
        [
            "spec.addresses[0]",
            "spec.addresses[1]",
            "spec.addresses[3]",
            "spec.serviceAllocation.namespaces[2]",
            "spec.serviceAllocation.serviceSelectors[0].matchLabels"
        ]
    );
    let nameless: IPAddressPool = serde_json::from_value(json!({ "spec": { "addresses": ["192.0.2.0/24"] } })).unwrap();
    assert_eq!(sentences(nameless.validate()), ["IPAddressPool : metadata.name \"\" is empty; give the object a name"]);
}

/// A list of selectors as it stands in four places: what is refused in one is refused in all.
fn selectors_fault(selectors: &Value) -> String {
    let mut told = BTreeSet::new();
    for name in ["namespaceSelectors", "serviceSelectors"] {
        let field = format!("spec.serviceAllocation.{name}");
        let spec = json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": { name: selectors } });
        told.insert(pool_fault(&spec).replace(&field, "*"));
    }
    for name in ["ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors"] {
        told.insert(advertisement_fault(&json!({ name: selectors })).replace(&format!("spec.{name}"), "*"));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    told.pop_first().unwrap()
}

fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] })
}

#[test]
fn selectors_that_are_refused() {
    let key = "is no key of a label; use 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit; \
               a prefix ends with one '/'";
    let value = "cannot be the value of a label; use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a \
                 letter or digit";
    let long = "a".repeat(64);
    for (selector, sentence) in [
        (expression("tier", "Equals", &["a"]), "*[0].matchExpressions[0].operator \"Equals\" is no operator; write In, NotIn, Exists or DoesNotExist".to_owned()),
        (expression("tier", "in", &["a"]), "*[0].matchExpressions[0].operator \"in\" is no operator; write In, NotIn, Exists or DoesNotExist".to_owned()),
        (expression("tier", "In", &[]), "*[0].matchExpressions[0].values \"\" is empty, but In compares with values; list at least one value, or use Exists or DoesNotExist".to_owned()),
        (expression("tier", "Exists", &["a", "b"]), "*[0].matchExpressions[0].values \"a, b\" is not empty, but Exists compares with no value; remove the values, or use In or NotIn".to_owned()),
        (expression("tier", "NotIn", &["a", "b", "a"]), "*[0].matchExpressions[0].values[2] \"a\" repeats *[0].matchExpressions[0].values[0]; name it once".to_owned()),
        (expression("", "Exists", &[]), format!("*[0].matchExpressions[0].key \"\" {key}")),
        (expression("a/b/c", "Exists", &[]), format!("*[0].matchExpressions[0].key \"a/b/c\" {key}")),
        (expression("Example.org/tier", "Exists", &[]), "*[0].matchExpressions[0].key \"Example.org/tier\" has a prefix that is no DNS name; use lower-case letters, digits, '-' and '.' before the '/', at most 253 characters".to_owned()),
        (expression("tier", "In", &["a b"]), format!("*[0].matchExpressions[0].values[0] \"a b\" {value}")),
        (json!({ "matchLabels": { long.as_str(): "a" } }), format!("*[0].matchLabels \"{long}\" {key}")),
        (json!({ "matchLabels": { "tier": long } }), format!("*[0].matchLabels[tier] \"{long}\" {value}")),
        (json!({ "matchLabels": { "tier": "-a" } }), format!("*[0].matchLabels[tier] \"-a\" {value}")),
    ] {
        assert_eq!(selectors_fault(&json!([selector])), sentence);
    }
}

#[test]
fn repeated_selectors_and_expressions_are_refused() {
    let twice = json!([
        { "matchLabels": { "zone": "a" }, "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["x", "y"] }] },
        { "matchLabels": {} },
        { "matchLabels": { "zone": "a" }, "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["y", "x"] }] },
    ]);
    assert_eq!(selectors_fault(&twice), "*[2] \"zone=a,tier in (x, y)\" repeats *[0]; write it once");
    let within = json!([{ "matchExpressions": [
        { "key": "tier", "operator": "NotIn", "values": ["x", "y"] },
        { "key": "tier", "operator": "NotIn", "values": ["y", "x"] },
    ] }]);
    assert_eq!(
        selectors_fault(&within),
        "*[0].matchExpressions[1] \"tier notin (x, y)\" repeats an expression before it; write it once"
    );
    // Empty in two ways is empty.
    assert_eq!(
        selectors_fault(&json!([{}, { "matchLabels": {}, "matchExpressions": [] }])),
        "*[1] \"\" repeats *[0]; write it once"
    );
}

#[test]
fn what_metallb_takes_is_taken() {
    // The same meaning in another order or form is no repetition there.
    let expressions = |first: &str, second: &str| json!({ "matchExpressions": [{ "key": first, "operator": "Exists" }, { "key": second, "operator": "Exists" }] });
    let same_meaning = json!([
        expressions("a", "b"),
        expressions("b", "a"),
        { "matchLabels": { "zone": "a" } },
        { "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }] },
        { "matchLabels": { "example.org/zone": "", "UPPER_case.key": "V-1_2.3" } },
    ]);
    assert!(advertisement(&json!({ "nodeSelectors": same_meaning })).is_ok());
    let preferred = json!({ "weight": 1, "preference": expression("zone", "In", &["a", "a"]) });
    assert!(advertisement(&json!({ "preferredNodeSelectors": [preferred, preferred] })).is_ok());
    assert!(advertisement(&json!({ "interfaces": ["eth0", "eth0"] })).is_ok());
    // A name that cannot exist is the name of an interface that no node has: never a word for all interfaces.
    for (names, possible, impossible) in
        [(&["eth0", "much-too-long-name"][..], 1, 1), (&["a/b"], 0, 1), (&["", "eth 0", ""], 0, 2), (&[], 0, 0)]
    {
        let read = advertisement(&json!({ "interfaces": names })).unwrap();
        assert_eq!((read.interfaces.len(), read.impossible.len()), (possible, impossible), "{names:?}");
        assert_eq!(read.is_for_all_interfaces(), names.is_empty());
    }
    assert!(advertisement(&json!({ "ipAddressPools": ["no-such-pool"] })).is_ok());
}

#[test]
fn advertisements_that_are_refused() {
    for (spec, sentence) in [
        (json!({ "ipAddressPools": ["a", "b", "a"] }), "spec.ipAddressPools[2] \"a\" repeats spec.ipAddressPools[0]; name it once".to_owned()),
        (json!({ "preferredNodeSelectors": [{ "weight": 0, "preference": {} }] }), "spec.preferredNodeSelectors[0].weight \"0\" is no weight; use a number from 1 to 100".to_owned()),
        (json!({ "preferredNodeSelectors": [{ "weight": 101, "preference": {} }] }), "spec.preferredNodeSelectors[0].weight \"101\" is no weight; use a number from 1 to 100".to_owned()),
        (json!({ "preferredNodeSelectors": [{ "weight": 9, "preference": expression("a", "Is", &[]) }] }), "spec.preferredNodeSelectors[0].preference.matchExpressions[0].operator \"Is\" is no operator; write In, NotIn, Exists or DoesNotExist".to_owned()),
    ] {
        assert_eq!(advertisement_fault(&spec), sentence);
    }
}

mod oracle {
    //! Selectors as the documentation of Kubernetes defines them, read off the JSON without any of our types.

    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn holds(expression: &Value, labels: &BTreeMap<String, String>) -> bool {
        let has = labels.get(expression["key"].as_str().unwrap());
        let listed = has.is_some_and(|value| expression["values"].as_array().unwrap().contains(&json!(value)));
        match expression["operator"].as_str().unwrap() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => has.is_some(),
            _ => has.is_none(),
        }
    }

    fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
        let pairs = selector["matchLabels"].as_object().unwrap();
        pairs.iter().all(|(key, value)| labels.get(key).is_some_and(|has| json!(has) == *value))
            && selector["matchExpressions"].as_array().unwrap().iter().all(|expression| holds(expression, labels))
    }

    fn word() -> impl Strategy<Value = String> {
        "[abc]".prop_map(|word| word)
    }

    fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map(word(), word(), 0..3)
    }

    fn expression() -> impl Strategy<Value = Value> {
        let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
        (word(), operator, prop::collection::btree_set(word(), 1..3)).prop_map(|(key, operator, values)| {
            let values = if operator.ends_with("In") { json!(values) } else { json!([]) };
            json!({ "key": key, "operator": operator, "values": values })
        })
    }

    fn selector() -> impl Strategy<Value = Value> {
        (pairs(), prop::collection::btree_set(expression().prop_map(|one| one.to_string()), 0..3)).prop_map(
            |(labels, expressions)| {
                let expressions: Vec<Value> =
                    expressions.iter().map(|one| serde_json::from_str(one).unwrap()).collect();
                json!({ "matchLabels": labels, "matchExpressions": expressions })
            },
        )
    }

    proptest! {
        #[test]
        fn a_selector_selects_what_it_says(selector in selector(), labels in pairs()) {
            let advertisement = super::advertisement(&json!({ "nodeSelectors": [selector] })).unwrap();
            prop_assert_eq!(advertisement.covers_node(&labels), selects(&selector, &labels));
        }
    }
}
