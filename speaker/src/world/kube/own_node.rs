//! What BGP has to know of this node's Node object: its labels, and the condition `NetworkUnavailable`.

use arpeggio_common::{
    api::names,
    model::{Labels, Withheld},
};
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::Deserialize;

use super::like::resource_like;

/// A Node, of whose status only the conditions are kept: images and volumes are most of its size.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ConditionedNode {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    status: String,
}

/// What counts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BgpNode {
    pub(super) labels: Labels,
    network_unavailable: bool,
}

impl From<ConditionedNode> for BgpNode {
    fn from(node: ConditionedNode) -> Self {
        let unavailable = |it: &Condition| it.kind == "NetworkUnavailable" && it.status == "True";
        let network_unavailable = node.status.conditions.iter().any(unavailable);
        Self { labels: node.metadata.labels.unwrap_or_default(), network_unavailable }
    }
}

impl BgpNode {
    /// Why the node announces nothing.
    pub(super) fn withheld(&self, ignore_exclude_label: bool) -> Option<Withheld> {
        Withheld::of(self.network_unavailable, self.labels.contains_key(names::EXCLUDE), ignore_exclude_label)
    }
}

resource_like!(ConditionedNode, Node);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn point_60_condition_and_label_of_a_node_are_read() {
        let read =
            |object: serde_json::Value| BgpNode::from(serde_json::from_value::<ConditionedNode>(object).unwrap());
        let node = |labels: serde_json::Value, status: &str| {
            read(json!({"metadata": {"name": "a", "labels": labels}, "status": {"images": [7], "conditions": [
                {"type": "Ready", "status": "True"}, {"type": "NetworkUnavailable", "status": status, "reason": "x"}]}}))
        };
        let none = json!({});
        let excluded = json!({"node.kubernetes.io/exclude-from-external-load-balancers": ""});
        assert_eq!(node(none.clone(), "False").withheld(false), None);
        assert_eq!(node(none.clone(), "True").withheld(true), Some(Withheld::NetworkUnavailable));
        assert_eq!(node(none, "Unknown").withheld(false), None);
        assert_eq!(node(excluded.clone(), "False").withheld(false), Some(Withheld::Excluded));
        assert_eq!(node(excluded, "False").withheld(true), None);
        assert_eq!(read(json!({"metadata": {"name": "a"}})), BgpNode::default());
    }
}
