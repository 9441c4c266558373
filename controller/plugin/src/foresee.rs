//! What a change would do to Services, before it is made: the controller's own decisions, on the cluster as it is and as it would be.
//!
//! Both are decided until nothing changes any more, with the writes of each round carried out and the waiting times of the
//! controller over. So a pool that is split or renamed is judged by the end, not by the steps.

mod change;
mod compare;
mod render;
mod settle;

use serde::Serialize;
use serde_json::Value;

pub use self::render::render;
use self::{
    compare::{compare, faults},
    settle::Settler,
};
use crate::{objects::Objects, output::Finding};

/// Services whose addresses the controller would take or change if it began to work on the cluster as it is.
pub fn takeover(objects: &Objects) -> Vec<Change> {
    let (present, _) = objects.index().take();
    let mut after = present.clone();
    Settler::default().settle(&mut after);
    let mut changes = compare(&present, &after);
    changes.retain(|change| matches!(change.effect, Effect::Loses | Effect::Moves));
    changes
}

/// What is to be changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// Objects to be applied.
    pub documents: Vec<Value>,
    /// The documents are the whole configuration: pools, advertisements and peers that are not among them are deleted.
    pub prune: bool,
    /// Nodes whose speaker dies.
    pub down: Vec<String>,
    /// Nodes that are evacuated.
    pub evacuate: Vec<String>,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the sections")]
pub struct Foresight {
    pub findings: Vec<Finding>,
    pub services: usize,
    pub changes: Vec<Change>,
}

/// What becomes of a Service, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It has no address any more.
    Loses,
    /// It has an address, and nobody announces it any more.
    Silenced,
    /// It has another address: its clients have to learn it.
    Moves,
    /// It has an address, and had none.
    Gets,
    /// Somebody announces it, and nobody did.
    Announced,
    /// Another node answers.
    Owner,
    /// The same address counts for another pool.
    Pool,
    /// It has no address before and after, for another reason.
    Reason,
}

impl Effect {
    /// Whether clients notice: the exit code is 1.
    pub const fn is_harm(self) -> bool {
        matches!(self, Self::Loses | Self::Silenced | Self::Moves)
    }
}

/// A Service that changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct Change {
    pub effect: Effect,
    pub service: String,
    pub before: String,
    pub after: String,
    pub why: String,
}

impl Foresight {
    /// What the scenario would do to the cluster.
    pub fn new(objects: &Objects, scenario: &Scenario) -> Self {
        let mut index = objects.index();
        let mut settler = Settler::default();
        let (present, _) = index.take();
        let mut before = present.clone();
        settler.settle(&mut before);
        let mut findings = change::make(&mut index, objects, scenario);
        let (mut after, _) = index.take();
        settle::carry(&before, &present, &mut after);
        settler.settle(&mut after);
        let pending = compare(&present, &before).len();
        if pending > 0 {
            let message = format!("{pending} Services change anyway: the controller has not finished its present work");
            findings.push(Finding::warning("the cluster", message, "kubectl arpeggio status"));
        }
        findings.extend(faults(&before, &after));
        let mut changes = compare(&before, &after);
        changes.sort();
        findings.sort();
        let services = after.services.values().filter(|service| crate::cluster::is_ours(&after, service)).count();
        Self { findings, services, changes }
    }

    /// Whether no client notices, and everything would be accepted.
    pub fn is_well(&self) -> bool {
        !Finding::any_problem(&self.findings) && !self.changes.iter().any(|change| change.effect.is_harm())
    }
}

#[cfg(test)]
#[path = "foresee/tests.rs"]
mod tests;
