//! Sets of nodes, of which the most frequent one is all of them.

use std::collections::BTreeSet;

use arpeggio_common::model::NodeName;

/// These nodes; `None`: every node, also those that come.
pub(super) type Nodes = Option<BTreeSet<NodeName>>;

/// Those in both.
pub(super) fn both(one: &Nodes, other: &Nodes) -> Nodes {
    match (one, other) {
        (Some(one), Some(other)) => Some(one & other),
        (Some(these), None) | (None, Some(these)) => Some(these.clone()),
        (None, None) => None,
    }
}

/// Those in either.
pub(super) fn either(one: Nodes, other: &Nodes) -> Nodes {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.extend(other.iter().cloned());
            Some(one)
        }
        (_, None) | (None, _) => None,
    }
}

/// Whether there is none, whoever comes.
pub(super) fn is_nobody(nodes: &Nodes) -> bool {
    nodes.as_ref().is_some_and(BTreeSet::is_empty)
}
