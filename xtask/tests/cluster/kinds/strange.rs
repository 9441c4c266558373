//! Whatever the definitions let through where no webhook judges it, the controller goes on: Services get their addresses from the
//! pools that are sound, each strange object hides no other, and nobody crashes.

use anyhow::{Context as _, ensure};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, NAMESPACE},
    eventually,
};

use super::{Ask, SOON, ask};

/// How many objects of each kind.
const EACH: usize = 40;

const SOUND: &str = "
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: sound, namespace: metallb-system}
spec: {addresses: [192.0.2.160-192.0.2.169]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: sound, namespace: metallb-system}
spec: {ipAddressPools: [sound]}
";

/// Texts that are nearly something, and any.
fn text() -> BoxedStrategy<Value> {
    let known = [
        "",
        "sound",
        "eth0",
        "192.0.2.0/24",
        "192.0.2.165-192.0.2.160",
        "0.0.0.0/0",
        "::/0",
        "::ffff:192.0.2.1/96",
        "192.0.2.1",
        "1:1",
        "large:1:2:3",
        "internal",
        "-1s",
        "9999999999h",
        "1s",
        "3m0.5s",
        "a=b",
        "\u{0}",
        "🦀",
    ];
    prop_oneof![
        3 => proptest::sample::select(known.to_vec()).prop_map(Value::from),
        1 => "\\PC{0,40}".prop_map(Value::from),
        1 => "[0-9a-f:./-]{0,30}".prop_map(Value::from),
    ]
    .boxed()
}

fn selector() -> BoxedStrategy<Value> {
    let operator = proptest::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist", "Gt", ""]);
    let values = proptest::collection::vec(text(), 0..3);
    let expression = (text(), operator, values)
        .prop_map(|(key, operator, values)| json!({ "key": key, "operator": operator, "values": values }));
    let labels = (text(), text()).prop_map(|(key, value)| json!({ key.as_str().unwrap_or_default(): value }));
    (proptest::option::of(labels), proptest::collection::vec(expression, 0..3))
        .prop_map(|(labels, expressions)| json!({ "matchLabels": labels, "matchExpressions": expressions }))
        .boxed()
}

fn list(of: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    proptest::collection::vec(of, 0..4).prop_map(Value::from).boxed()
}

fn number() -> BoxedStrategy<Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::from),
        (-2i64..300).prop_map(Value::from),
        any::<u32>().prop_map(Value::from)
    ]
    .boxed()
}

fn flag() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

/// Some of the fields.
fn fields(all: &[(&'static str, BoxedStrategy<Value>)]) -> BoxedStrategy<Value> {
    let maybe = |(name, value): &(&'static str, BoxedStrategy<Value>)| {
        let name = *name;
        proptest::option::of(value.clone()).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let all: Vec<_> = all.iter().map(maybe).collect();
    all.prop_map(|fields| fields.into_iter().flatten().collect::<serde_json::Map<_, _>>().into()).boxed()
}

fn scope() -> BoxedStrategy<Value> {
    fields(&[
        ("priority", number()),
        ("namespaces", list(text())),
        ("namespaceSelectors", list(selector())),
        ("serviceSelectors", list(selector())),
    ])
}

fn advertisement(more: &[(&'static str, BoxedStrategy<Value>)]) -> BoxedStrategy<Value> {
    let both = [
        ("ipAddressPools", list(text())),
        ("ipAddressPoolSelectors", list(selector())),
        ("nodeSelectors", list(selector())),
        ("serviceSelectors", list(selector())),
    ];
    fields(&[&both[..], more].concat())
}

/// Kind, version, name in paths, and what its spec may be.
fn kinds() -> Vec<(&'static str, &'static str, &'static str, BoxedStrategy<Value>)> {
    let aliases = list(fields(&[("name", text()), ("value", text())]));
    let aggregation = [
        ("aggregationLength", number()),
        ("aggregationLengthV6", number()),
        ("localPref", number()),
        ("communities", list(text())),
        ("peers", list(text())),
    ];
    let intervals =
        [("receiveInterval", number()), ("detectMultiplier", number()), ("echoMode", flag()), ("minimumTtl", number())];
    let peer = [
        ("myASN", number()),
        ("peerASN", number()),
        ("dynamicASN", text()),
        ("peerAddress", text()),
        ("interface", text()),
        ("holdTime", text()),
        ("keepaliveTime", text()),
        ("routerID", text()),
        ("nodeSelectors", list(selector())),
        ("bfdProfile", text()),
        ("vrf", text()),
        ("password", text()),
        ("peerPort", number()),
        ("ebgpMultiHop", flag()),
    ];
    let pool = [
        ("addresses", list(text())),
        ("autoAssign", flag()),
        ("avoidBuggyIPs", flag()),
        ("serviceAllocation", scope()),
    ];
    vec![
        ("IPAddressPool", "v1beta1", "ipaddresspools", fields(&pool)),
        ("L2Advertisement", "v1beta1", "l2advertisements", advertisement(&[("interfaces", list(text()))])),
        ("BGPAdvertisement", "v1beta1", "bgpadvertisements", advertisement(&aggregation)),
        ("BGPPeer", "v1beta2", "bgppeers", fields(&peer)),
        ("Community", "v1beta1", "communities", fields(&[("communities", aliases)])),
        ("BFDProfile", "v1beta1", "bfdprofiles", fields(&intervals)),
    ]
}

pub(super) fn strange_objects_stop_nobody(cluster: &Cluster) {
    let installed = cluster.install().unwrap();
    let controller = installed.start_controller(cluster, 1, &[]).unwrap();
    controller.wait_ready().unwrap();
    // The sound ones are the older ones: they hold what others claim, too.
    cluster.apply(SOUND).unwrap();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut asks = Vec::new();
    for (kind, version, plural, spec) in kinds() {
        for number in 0..EACH {
            let spec = spec.new_tree(&mut runner).unwrap().current();
            let path = format!("/apis/metallb.io/{version}/namespaces/{NAMESPACE}/{plural}");
            let metadata = json!({ "name": format!("strange-{number}"), "namespace": NAMESPACE });
            let body = json!({ "apiVersion": format!("metallb.io/{version}"), "kind": kind, "metadata": metadata, "spec": spec });
            asks.push(Ask { method: "POST", path, body });
        }
    }
    let replies = ask(cluster, &asks.iter().collect::<Vec<_>>()).unwrap();
    let stored = replies.iter().filter(|reply| reply.code == 201).count();
    let why = || replies.iter().find(|reply| reply.code != 201).map(|reply| reply.body["message"].clone());
    assert!(
        stored > asks.len() / 5,
        "only {stored} of {} were stored; the first that was not: {:?}",
        asks.len(),
        why()
    );

    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "sane", "namespace": "default",
        "annotations": { "metallb.io/address-pool": "sound" } },
        "spec": { "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{ "port": 80 }] } });
    cluster.apply(&service.to_string()).unwrap();
    eventually(SOON, "an address in spite of all that", || {
        controller.check()?;
        let object = cluster.get(&["service", "sane"])?;
        let address = object["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().context("no address")?;
        ensure!(address.starts_with("192.0.2.16"), "{address}");
        Ok(())
    })
    .unwrap();
    // What cannot be in force says so: each pool that there is has the condition.
    eventually(SOON, "every pool to be judged", || {
        let pools = cluster.get(&["ipaddresspools", "--namespace", NAMESPACE])?;
        let silent = |pool: &&Value| pool["status"]["conditions"].as_array().is_none_or(Vec::is_empty);
        let silent: Vec<&Value> = pools["items"].as_array().context("no list")?.iter().filter(silent).collect();
        ensure!(silent.is_empty(), "{} are not, for example {}", silent.len(), silent[0]);
        Ok(())
    })
    .unwrap();
    controller.check().unwrap();
    assert!(!controller.log().contains("panicked"), "{}", controller.log());
    cluster.delete(&service.to_string()).unwrap();
    for (_, version, plural, _) in kinds() {
        let path = format!("/apis/metallb.io/{version}/namespaces/{NAMESPACE}/{plural}");
        cluster.kubectl(&["delete", "--raw", &path]).unwrap();
    }
    cluster.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]).unwrap();
}
