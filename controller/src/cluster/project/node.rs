//! Nodes.

use arpeggio_common::api::names;
use k8s_openapi::api::core::v1::Node as ApiNode;

use super::{Kind, Object, Watched, node_name};
use crate::cluster::Node;

impl Watched for ApiNode {
    const KIND: Kind = Kind::Node;

    fn project(self) -> Result<Object, String> {
        let conditions = self.status.and_then(|status| status.conditions).unwrap_or_default();
        let annotations = self.metadata.annotations.unwrap_or_default();
        Ok(Object::Node(Node {
            name: node_name(&self.metadata.name.unwrap_or_default())?,
            labels: self.metadata.labels.unwrap_or_default(),
            network_unavailable: conditions.iter().any(|c| c.type_ == "NetworkUnavailable" && c.status == "True"),
            evacuate: annotations.get(names::EVACUATE).is_some_and(|value| value == "true"),
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
