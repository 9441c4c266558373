//! What is said about the configuration as a whole: one ConfigurationState for the controller, one for each node with an agent.
//! And which ServiceBGPStatus objects nobody stands by.
//!
//! The controller answers for pools and communities, as MetalLB's does; the rest stands in the conditions of the objects themselves.
//! The agent of a node takes over what concerns its node: of BGP, the objects whose selectors of nodes select it (MetalLB
//! behaviour 3.1). What only waits for another object counts there alone, as in MetalLB.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::{
    api::secret::BASIC_AUTH,
    model::{Fault, Labels, NodeName, any_or_empty},
};

use super::accept;
use crate::cluster::{
    Changes, ConfigurationKind, ConfiguredName, ObservedBgpStatus, Snapshot, Soundness, Speaker, StateContent, StateOf,
};

/// What the controller's state is about.
const CONTROLLERS: [ConfigurationKind; 2] = [ConfigurationKind::Pool, ConfigurationKind::Community];
/// How MetalLB begins what it says about a configuration.
const ERROR: &str = "configuration error: ";

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
    let of_controller =
        |trouble: &&Trouble<'_>| CONTROLLERS.iter().any(|kind| kind.name() == trouble.fault.object.kind);
    let controller = said(troubles.iter().filter(of_controller).map(|trouble| summary(trouble.fault)));
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
        let errors = format!("the speaker of node {name} does not renew its lease: its state is unknown");
        return Some(StateContent { soundness: Soundness::Unknown, errors });
    }
    let concern = troubles.iter().filter(|trouble| trouble.concerns(&node.labels));
    let own = refused.iter().map(|why| format!("the speaker does not understand every Announcement: {why}"));
    Some(said(concern.map(|trouble| summary(trouble.fault)).chain(own)))
}

fn said(sentences: impl Iterator<Item = String>) -> StateContent {
    let errors = accept::joined(sentences, "\n");
    if errors.is_empty() {
        return StateContent { soundness: Soundness::Valid, errors };
    }
    StateContent { soundness: Soundness::Invalid, errors: format!("{ERROR}{errors}") }
}

/// A fault in MetalLB's words where scripts know those; else in ours. What to do stands in the condition of the object.
fn summary(fault: &Fault) -> String {
    let Fault { object, field, value, rule, .. } = fault;
    let name = &object.name;
    match (ConfigurationKind::named(object.kind), field.as_str()) {
        (Some(ConfigurationKind::Peer), "spec.bfdProfile") => {
            format!("peer {name} referencing non existing bfd profile {value}")
        }
        (Some(ConfigurationKind::Peer), "spec.passwordSecret.name") => {
            let namespace = &object.namespace;
            let what = if rule.contains("type mismatch") {
                format!("secret type mismatch on {namespace:?}/{value:?}, type {BASIC_AUTH:?} is expected ")
            } else if rule.contains("not specified") {
                format!("password not specified in the secret {namespace:?}/{value:?}")
            } else if rule.contains("not found") {
                format!("secret ref not found for peer config {namespace:?}/{name:?}")
            } else {
                format!("secret {namespace:?}/{value:?} {rule}")
            };
            format!("parsing peer {name} {what}\nfailed to parse peer {name} password secret")
        }
        (Some(ConfigurationKind::Peer), "spec.peerAddress" | "spec.interface")
            if rule.starts_with("already exists") =>
        {
            format!("peer {value} already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node")
        }
        (Some(ConfigurationKind::BgpAdvertisement), "spec.communities") if rule.starts_with("are too many") => {
            format!("max supported communities is {}, got {value}", arpeggio_common::model::MOST_COMMUNITIES)
        }
        (Some(ConfigurationKind::BgpAdvertisement), "spec.communities") => {
            format!("invalid community format: {value}\ninvalid community {value:?} in BGP advertisement")
        }
        _ => fault.to_string(),
    }
}

/// Names of ServiceBGPStatus objects that must not be there: their node has no speaker that tells BGP peers, and so nobody stands by
/// them. A speaker that does writes its own; one that says nothing yet may be about to be written. What a Pod owns is that Pod's: it
/// was written by MetalLB, and goes when that does.
pub(super) fn stale_bgp(snapshot: &Snapshot, changes: &Changes) -> BTreeSet<String> {
    let tells = |node: &NodeName| snapshot.speakers.get(node).is_some_and(|speaker| speaker.tells_peers);
    let stands = |status: &ObservedBgpStatus| match &status.content {
        Some(content) => tells(&content.node),
        None => snapshot.speakers.keys().any(tells),
    };
    let is_stale =
        |name: &&String| snapshot.bgp_statuses.get(*name).is_some_and(|status| !status.owned && !stands(status));
    let all = changes.everything || changes.topology;
    let looked_at: Vec<&String> =
        if all { snapshot.bgp_statuses.keys().collect() } else { changes.bgp_statuses.iter().collect() };
    looked_at.into_iter().filter(is_stale).cloned().collect()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
