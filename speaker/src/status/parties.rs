//! Whoever takes part, as people and programs read it: names instead of numbers where they are known.

use std::collections::BTreeMap;

use arpeggio_common::{
    model::{NodeId, NodeName},
    wire::Mac,
};
use arpeggio_succession::Origin;
use serde::{Deserialize, Serialize};

/// The names of the nodes that the configuration knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<NodeId, NodeName>);

impl Names {
    /// Of these nodes.
    pub fn new<'a>(cluster: &str, names: impl IntoIterator<Item = &'a NodeName>) -> Self {
        Self(names.into_iter().map(|name| (NodeId::of(cluster, name), name.clone())).collect())
    }

    /// These as well.
    pub fn learn<'a>(&mut self, cluster: &str, names: impl IntoIterator<Item = &'a NodeName>) {
        for name in names {
            self.0.entry(NodeId::of(cluster, name)).or_insert_with(|| name.clone());
        }
    }

    /// The name, or the number of a node that is not in the configuration.
    pub fn of(&self, node: NodeId) -> String {
        self.0.get(&node).map_or_else(|| node.to_string(), ToString::to_string)
    }
}

/// Somebody on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// Its name, or its number when the configuration does not know it; absent for a stranger, whose frames name no node.
    pub node: Option<String>,
    /// Its MAC.
    pub mac: String,
}

impl Party {
    /// Whoever spoke.
    pub fn new(voice: Origin, names: &Names) -> Self {
        Self::of(voice.node, voice.mac, names)
    }

    /// The node with this MAC.
    pub fn of(node: Option<NodeId>, mac: Mac, names: &Names) -> Self {
        Self { node: node.map(|node| names.of(node)), mac: mac.to_string() }
    }

    /// The name alone where there is one: for tables.
    pub fn short(&self) -> &str {
        self.node.as_deref().unwrap_or(&self.mac)
    }
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{node} ({})", self.mac),
            None => f.write_str(&self.mac),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_name_if_the_configuration_knows_it() {
        let name = NodeName::try_from("node-a").unwrap();
        let names = Names::new("", [&name]);
        let party = |node| Party::of(node, Mac([2, 0, 0, 0, 0, 1]), &names);
        assert_eq!(party(Some(NodeId::from(&name))).to_string(), "node-a (02:00:00:00:00:01)");
        assert_eq!(party(NodeId::from_number(0xbeef)).to_string(), "000000000000beef (02:00:00:00:00:01)");
        assert_eq!(party(None).to_string(), "02:00:00:00:00:01");
        assert_eq!(
            (party(NodeId::from_number(0xbeef)).short(), party(None).short()),
            ("000000000000beef", "02:00:00:00:00:01")
        );
    }
}
