//! Addresses that nodes have are given to no Service; and generations of Announcements, which tell the newer order from the older.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    clients,
    cluster::{Cluster, NAMESPACE},
    eventually,
};

use super::{
    bed::{Bed, SOON, address, configured, name},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a_pool_of_the_nodes_addresses_gives_none_of_them", a_pool_of_the_nodes_addresses_gives_none_of_them),
    ("an_address_is_taken_back_when_a_node_comes_with_it", an_address_is_taken_back_when_a_node_comes_with_it),
    ("the_generation_of_an_order_counts_orders_alone", the_generation_of_an_order_counts_orders_alone),
];

fn condition(object: &Value, kind: &str) -> Result<(String, String)> {
    let all = object["status"]["conditions"].as_array().context("no conditions")?;
    let found = all.iter().find(|condition| condition["type"] == kind).with_context(|| format!("{all:?}"))?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Ok((text("status"), text("message")))
}

/// A Service of IPv4 that asks for something.
fn service(name: &str, annotation: (&str, &str)) -> String {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": {annotation.0: annotation.1}},
        "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}})
    .to_string()
}

fn refused_with(cluster: &Cluster, service: &str, words: &str) {
    eventually(SOON, &format!("{service} to be refused: {words}"), || {
        let (status, message) = condition(&cluster.get(&["service", service])?, "arpeggio.io/Allocated")?;
        ensure!(status == "False" && message.contains(words), "{status}: {message}");
        ensure!(address(cluster, service).is_err(), "it has an address");
        let events = cluster.get(&["events", "--field-selector", &format!("involvedObject.name={service}")])?;
        let told = |event: &Value| event["message"].as_str().is_some_and(|message| message.contains(words));
        ensure!(events["items"].as_array().is_some_and(|all| all.iter().any(told)), "no event: {events}");
        Ok(())
    })
    .unwrap();
}

fn a_pool_of_the_nodes_addresses_gives_none_of_them(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let spec = json!({"addresses": ["192.0.2.1-192.0.2.4"], "autoAssign": false});
    let pool = configured("IPAddressPool", "nodes", NAMESPACE, &spec);
    cluster.apply(&pool).unwrap();
    eventually(SOON, "the pool to say which addresses it does not give", || {
        let pool = cluster.get(&["ipaddresspool", "nodes", "--namespace", NAMESPACE])?;
        let (status, message) = condition(&pool, "Accepted")?;
        ensure!(status == "True", "{status}: {message}");
        for part in ["192.0.2.1 (node node-a)", "192.0.2.2 (node node-b)", "192.0.2.3 (node node-c)"] {
            ensure!(message.contains(part), "{message}");
        }
        ensure!(pool["status"]["availableIPv4"] == 1, "{}", pool["status"]);
        Ok(())
    })
    .unwrap();
    cluster.apply(&service("certain", ("metallb.io/loadBalancerIPs", "192.0.2.2"))).unwrap();
    refused_with(cluster, "certain", "192.0.2.2 belongs to node node-b");
    cluster.apply(&service("first", ("metallb.io/address-pool", "nodes"))).unwrap();
    let given = eventually(SOON, "the rest of the pool to go on", || address(cluster, "first")).unwrap();
    assert_eq!(given, IpAddr::from([192, 0, 2, 4]));
    cluster.apply(&service("second", ("metallb.io/address-pool", "nodes"))).unwrap();
    refused_with(cluster, "second", "3 not given out because nodes have them");
    // Nobody took the nodes off the network.
    for node in ["node-a", "node-b", "node-c"] {
        let node = bed.node(node);
        clients::expect_only(&cluster.segment().client, node.ipv4.into(), &node.mac).unwrap();
        clients::ping(&cluster.segment().client, node.ipv4.into()).unwrap();
    }
    cluster.kubectl(&["delete", "service", "certain", "first", "second"]).unwrap();
    cluster.delete(&pool).unwrap();
}

fn an_address_is_taken_back_when_a_node_comes_with_it(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    bed.serve("taken");
    let vip = bed.address("taken");
    let patch = |operation: Value| {
        let patch = json!([operation]).to_string();
        cluster.kubectl(&["patch", "node", "node-c", "--subresource=status", "--type=json", "-p", &patch]).unwrap()
    };
    let before = cluster.get(&["node", "node-c"]).unwrap()["status"]["addresses"].clone();
    let own = json!({"type": "ExternalIP", "address": vip.to_string()});
    patch(json!({"op": "add", "path": "/status/addresses/-", "value": own}));
    eventually(SOON, "the Service to have another address", || {
        let now = address(cluster, "taken")?;
        ensure!(now != vip, "it has {vip} still");
        ensure!(cluster.get(&["announcement", &name(vip)]).is_err(), "it is announced still");
        let events = cluster.get(&["events", "--field-selector", "involvedObject.name=taken"])?;
        let told = |event: &Value| {
            let words = format!("{vip} belongs to node node-c");
            event["reason"] == "ClearAssignment" && event["message"].as_str().is_some_and(|it| it.contains(&words))
        };
        ensure!(events["items"].as_array().is_some_and(|all| all.iter().any(told)), "{events}");
        Ok(())
    })
    .unwrap();
    eventually(SOON, "nobody to answer for it", || clients::expect_silence(&cluster.segment().client, vip)).unwrap();
    patch(json!({"op": "replace", "path": "/status/addresses", "value": before}));
}

/// The API server counts changes of the specification, and we write none where nothing changed: so a number is an order.
fn the_generation_of_an_order_counts_orders_alone(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let [vip, _] = bed.addresses();
    let owner = bed.owner(vip, "");
    let generation = || cluster.get(&["announcement", &name(vip)]).unwrap()["metadata"]["generation"].as_u64();
    let before = generation();
    // Another leader looks at everything, and the status was written by the owner meanwhile.
    bed.settled();
    let leader = bed.leader().unwrap();
    leader.terminate().unwrap();
    leader.restart().unwrap();
    bed.settled();
    assert_eq!((generation(), bed.owner(vip, "")), (before, owner), "nothing changed");
    // Another order.
    let evacuate = |on: &str| {
        let value = format!("arpeggio.io/evacuate{on}");
        cluster.kubectl(&["annotate", "node", owner, &value, "--overwrite"]).unwrap();
    };
    evacuate("=true");
    let next = bed.owner(vip, owner);
    assert!(generation() > before, "another order: {:?} {before:?}", generation());
    // Every speaker says which order it follows, as kubectl shows it.
    eventually(SOON, "speakers to know the newest order", || {
        let words = format!("generation {} of the object made", generation().context("none")?);
        let output = bed.speaker(next).cli(&["explain", &vip.to_string()]).output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        ensure!(told.contains(&words), "{words}: {told}");
        Ok(())
    })
    .unwrap();
    evacuate("-");
}
