//! What is said about the configuration as a whole: one ConfigurationState for the controller, one for each node with an agent.
//! And which ServiceBGPStatus objects nobody stands by.
//!
//! The agent of a node takes over what concerns its node: of BGP, the objects whose selectors of nodes select it (MetalLB
//! behaviour 3.1). What only waits for another object counts there alone, as in MetalLB.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::model::{Fault, Labels, NodeName, any_or_empty};

use super::accept;
use crate::cluster::{Changes, ConfigurationKind, ConfiguredName, Snapshot, Soundness, Speaker, StateContent, StateOf};

/// What these states should say; `None`: must not be there.
pub(super) fn look(snapshot: &Snapshot, changes: &Changes) -> BTreeMap<StateOf, Option<StateContent>> {
    let everybody = || {
        let there = snapshot.states.keys().cloned();
        let wanted = snapshot.speakers.keys().cloned().map(StateOf::Speaker);
        there.chain(wanted).chain([StateOf::Controller]).collect()
    };
    let all = changes.everything || changes.configuration || changes.topology;
    let looked_at: BTreeSet<StateOf> = if all { everybody() } else { changes.states.clone() };
    if looked_at.is_empty() {
        return BTreeMap::new();
    }
    let wrong = snapshot.configuration.faults.iter();
    let mut troubles = wrong.map(|fault| Trouble::new(snapshot, fault)).collect::<Vec<_>>();
    let controller = said(troubles.iter().map(|trouble| trouble.fault.to_string()));
    troubles.extend(snapshot.configuration.pending.iter().map(|fault| Trouble::new(snapshot, fault)));
    let wish = |of: StateOf| {
        let says = match &of {
            StateOf::Controller => Some(controller.clone()),
            StateOf::Speaker(node) => of_node(snapshot, node, &troubles),
        };
        (of, says)
    };
    looked_at.into_iter().map(wish).collect()
}

/// A fault and the nodes that it concerns.
struct Trouble<'a> {
    fault: &'a Fault,
    /// Empty: all of them.
    nodes: &'a [arpeggio_common::model::Selector],
}

impl<'a> Trouble<'a> {
    fn new(snapshot: &'a Snapshot, fault: &'a Fault) -> Self {
        let kind = ConfigurationKind::named(fault.object.kind);
        let object = kind.and_then(|kind| snapshot.configured.get(&ConfiguredName::new(kind, &fault.object.name)));
        Self { fault, nodes: object.map_or(&[], |object| &object.nodes) }
    }

    fn concerns(&self, labels: &Labels) -> bool {
        any_or_empty(self.nodes, labels)
    }
}

fn of_node(snapshot: &Snapshot, name: &NodeName, troubles: &[Trouble<'_>]) -> Option<StateContent> {
    let node = snapshot.nodes.get(name)?;
    let Speaker { live, refused, .. } = &**snapshot.speakers.get(name)?;
    if !live {
        let errors = format!("the speaker of node {name} does not renew its lease: nobody knows what it does");
        return Some(StateContent { soundness: Soundness::Unknown, errors });
    }
    let concern = troubles.iter().filter(|trouble| trouble.concerns(&node.labels));
    let own = refused.iter().map(|why| format!("the speaker does not understand every Announcement: {why}"));
    Some(said(concern.map(|trouble| trouble.fault.to_string()).chain(own)))
}

fn said(sentences: impl Iterator<Item = String>) -> StateContent {
    let errors = accept::joined(sentences, "\n");
    let soundness = if errors.is_empty() { Soundness::Valid } else { Soundness::Invalid };
    StateContent { soundness, errors }
}

/// Names of ServiceBGPStatus objects that must not be there: nobody announces the Service, which is what an agent that holds no
/// sessions says of every Service. What a Pod owns is that Pod's: it was written by MetalLB, and goes when that does.
pub(super) fn stale_bgp(snapshot: &Snapshot, changes: &Changes) -> BTreeSet<String> {
    let is_stale = |name: &&String| snapshot.bgp_statuses.get(*name).is_some_and(|status| !status.owned);
    let all = changes.everything || changes.topology;
    let looked_at: Vec<&String> =
        if all { snapshot.bgp_statuses.keys().collect() } else { changes.bgp_statuses.iter().collect() };
    looked_at.into_iter().filter(is_stale).cloned().collect()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
