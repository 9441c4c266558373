//! A small cluster for tests: three nodes, one pool, one advertisement, two Services with addresses.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::objects::Objects;

/// The moment of every fixture.
pub(crate) const NOW: &str = "2026-01-01T12:00:00Z";

pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn node(name: &str) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": {"kubernetes.io/hostname": name}}})
}

pub(crate) fn speaker(name: &str, last: usize) -> Value {
    json!({"metadata": {"name": name, "uid": format!("speaker-{name}"), "resourceVersion": "1"}, "spec": {}, "status": {
        "version": "0.1.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "addresses": [format!("192.0.2.{last}/24")], "attached": "xdp-native"}],
        "conditions": [condition("Ready", "True", "Ready", "it answers")]}})
}

pub(crate) fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": NOW})
}

pub(crate) fn lease(name: &str, labels: Value, duration: i32) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": labels},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": duration, "renewTime": "2026-01-01T11:59:58.000000Z"}})
}

pub(crate) fn pool(name: &str, addresses: &[&str]) -> Value {
    json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": "metallb-system", "uid": name, "resourceVersion": "1"},
        "spec": {"addresses": addresses}})
}

pub(crate) fn advertisement(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement",
        "metadata": {"name": name, "namespace": "metallb-system", "uid": name, "resourceVersion": "1"}, "spec": spec})
}

/// A Service with an address of the pool `pool`; empty: without any.
pub(crate) fn service(name: &str, address: &str) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "ipFamilies": ["IPv4"], "ports": [{"port": 80, "protocol": "TCP"}]}});
    if !address.is_empty() {
        object["metadata"]["annotations"] = json!({"metallb.io/ip-allocated-from-pool": "pool"});
        object["status"] = json!({"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}});
    }
    object
}

pub(crate) fn slice(service: &str, nodes: &[&str]) -> Value {
    let endpoints: Vec<Value> = nodes
        .iter()
        .map(|node| json!({"addresses": ["10.1.0.1"], "nodeName": node, "conditions": {"ready": true}}))
        .collect();
    json!({"metadata": {"name": format!("{service}-1"), "namespace": "shop", "uid": format!("slice-{service}"), "resourceVersion": "1",
        "labels": {"kubernetes.io/service-name": service}}, "addressType": "IPv4", "endpoints": endpoints})
}

pub(crate) fn announcement(address: &str, service: &str, candidates: &[&str]) -> Value {
    json!({"metadata": {"name": address, "uid": address, "resourceVersion": "1"},
        "spec": {"address": address, "pool": "pool", "services": [{"namespace": "shop", "name": service, "uid": service}],
            "l2": {"candidates": candidates}},
        "status": {"owner": candidates[0], "since": NOW, "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01"}],
            "conditions": [condition("Announced", "True", "Announced", "it is answered for")]}})
}

/// The cluster; all is well in it.
pub(crate) fn cluster() -> Objects {
    let names = ["node-a", "node-b", "node-c"];
    let component = |name: &str| json!({"app.kubernetes.io/component": name});
    let mut leases = vec![typed(lease("arpeggio-controller", component("arpeggio-controller"), 15))];
    leases.extend(names.map(|name| typed(lease(&format!("speaker-{name}"), component("arpeggio-speaker"), 10))));
    let mut home = pool("pool", &["192.0.2.100-192.0.2.109"]);
    home["status"] = json!({"assignedIPv4": 2, "assignedIPv6": 0, "availableIPv4": 8, "availableIPv6": 0});
    Objects {
        now: NOW.parse::<Timestamp>().unwrap(),
        namespace: "metallb-system".to_owned(),
        nodes: names.map(|name| typed(node(name))).into(),
        speakers: names.iter().enumerate().map(|(at, name)| typed(speaker(name, at + 1))).collect(),
        leases,
        pools: vec![typed(home)],
        l2_advertisements: vec![typed(advertisement("all", json!({})))],
        services: vec![typed(service("web", "192.0.2.100")), typed(service("api", "192.0.2.101"))],
        slices: vec![typed(slice("web", &names)), typed(slice("api", &names))],
        announcements: vec![
            typed(announcement("192.0.2.100", "web", &["node-a", "node-b", "node-c"])),
            typed(announcement("192.0.2.101", "api", &["node-b", "node-c", "node-a"])),
        ],
        ..Objects::default()
    }
}

/// The lease of a speaker is not renewed any more.
pub(crate) fn kill(objects: &mut Objects, node: &str) {
    let name = format!("speaker-{node}");
    let lease = objects.leases.iter_mut().find(|lease| lease.metadata.name.as_deref() == Some(name.as_str())).unwrap();
    let time = lease.spec.as_mut().unwrap().renew_time.as_mut().unwrap();
    time.0 = time.0.checked_sub(Duration::from_secs(60)).unwrap();
}
