//! Nodes.

use std::net::IpAddr;

use arpeggio_common::api::names;
use k8s_openapi::api::core::v1::Node as ApiNode;

use super::{Kind, Object, Watched, node_name};
use crate::cluster::Node;

/// Types of addresses that are a node's own; the others are names.
const OWN: [&str; 2] = ["InternalIP", "ExternalIP"];

impl Watched for ApiNode {
    const KIND: Kind = Kind::Node;

    fn project(self) -> Result<Object, String> {
        let status = self.status.unwrap_or_default();
        let (conditions, addresses) = (status.conditions.unwrap_or_default(), status.addresses.unwrap_or_default());
        let own = addresses.iter().filter(|address| OWN.contains(&address.type_.as_str()));
        let annotations = self.metadata.annotations.unwrap_or_default();
        Ok(Object::Node(Node {
            name: node_name(&self.metadata.name.unwrap_or_default())?,
            uid: self.metadata.uid.unwrap_or_default(),
            labels: self.metadata.labels.unwrap_or_default(),
            network_unavailable: conditions.iter().any(|c| c.type_ == "NetworkUnavailable" && c.status == "True"),
            evacuate: annotations.get(names::EVACUATE).is_some_and(|value| value == "true"),
            addresses: own
                .filter_map(|address| Some(address.address.parse::<IpAddr>().ok()?.to_canonical()))
                .filter(Node::may_have)
                .collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(object: Value) -> Node {
        let object = serde_json::from_value::<ApiNode>(object).unwrap().project().unwrap();
        let Object::Node(node) = object else { panic!("{object:?}") };
        node
    }

    #[test]
    fn a_node_says_which_addresses_are_its_own() {
        let node = node(json!({"metadata": {"name": "node-a"}, "status": {"addresses": [
            {"type": "InternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": "2001:db8::1"},
            {"type": "ExternalIP", "address": "::ffff:198.51.100.1"}, {"type": "Hostname", "address": "192.0.2.9"},
            {"type": "InternalIP", "address": "127.0.0.1"}, {"type": "ExternalIP", "address": "a.example.org"}]}}));
        let addresses: Vec<_> = node.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["192.0.2.1", "198.51.100.1", "2001:db8::1"]);
    }

    #[test]
    fn a_node_says_whether_it_may_announce() {
        let plain = node(json!({"metadata": {"name": "node-a", "labels": {"zone": "1"}}, "status": {"conditions": [
            {"type": "Ready", "status": "False"}, {"type": "NetworkUnavailable", "status": "False"}]}}));
        assert_eq!((plain.network_unavailable, plain.evacuate, plain.labels.len()), (false, false, 1));
        let cut = node(json!({"metadata": {"name": "node-a", "annotations": {"arpeggio.io/evacuate": "true"}},
            "status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]}}));
        assert_eq!((cut.network_unavailable, cut.evacuate), (true, true));
        assert!(!node(json!({"metadata": {"name": "n", "annotations": {"arpeggio.io/evacuate": "false"}}})).evacuate);
    }
}
