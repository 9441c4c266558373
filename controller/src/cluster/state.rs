//! What is said about the configuration as a whole, and what is left there about BGP, as plain values.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::model::NodeName;

use super::ServiceKey;
use crate::names;

/// What begins the name of a ConfigurationState of a node.
const SPEAKER: &str = "speaker-";
/// The label that names the node.
pub(crate) const NODE_LABEL: &str = "metallb.io/node-name";
/// What a condition says that has nothing to say.
const SOUND: &str = "every object of the configuration is in force as written";

/// Whose ConfigurationState it is. Names and labels are MetalLB's (behaviour 1.9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateOf {
    /// The controller's.
    Controller,
    /// That of the agent of a node.
    Speaker(NodeName),
}

impl StateOf {
    /// Whose it is, of these nodes: a name that was shortened says it only so.
    pub fn named_among<'a>(name: &str, mut nodes: impl Iterator<Item = &'a NodeName>) -> Option<Self> {
        let is_short = name.len() < names::LONGEST_NAME - 32;
        let known = if is_short { None } else { nodes.find(|node| names::of_speaker(node) == name) };
        known.cloned().map(Self::Speaker).or_else(|| Self::named(name))
    }

    /// Whose it is by its name; `None`: nobody's.
    pub fn named(name: &str) -> Option<Self> {
        match name.strip_prefix(SPEAKER) {
            Some(node) => node.try_into().ok().map(Self::Speaker),
            None => (name == "controller").then_some(Self::Controller),
        }
    }

    /// Name of the object.
    pub fn name(&self) -> String {
        match self {
            Self::Controller => "controller".to_owned(),
            Self::Speaker(node) => names::of_speaker(node),
        }
    }

    /// Labels of the object.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let component = |name: &str| ("metallb.io/component-type".to_owned(), name.to_owned());
        match self {
            Self::Controller => [component("controller")].into(),
            Self::Speaker(node) => [component("speaker"), (NODE_LABEL.to_owned(), names::label_value(node))].into(),
        }
    }

    /// Under which field manager its status is written: MetalLB's.
    pub const fn field_manager(&self) -> &'static str {
        match self {
            Self::Controller => "poolReconciler",
            Self::Speaker(_) => "configReconciler",
        }
    }

    /// Type of its condition.
    pub const fn condition(&self) -> &'static str {
        match self {
            Self::Controller => "poolReconcilerValid",
            Self::Speaker(_) => "configReconcilerValid",
        }
    }
}

/// Whether all of a configuration is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Soundness {
    /// It is.
    Valid,
    /// Something is wrong with it.
    Invalid,
    /// Nobody can tell.
    Unknown,
}

impl Soundness {
    /// `status` and `reason` of the condition that says so.
    pub const fn condition(self) -> (&'static str, &'static str) {
        match self {
            Self::Valid => ("True", "Reconciled"),
            Self::Invalid => ("False", "ConfigurationError"),
            Self::Unknown => ("Unknown", "UnknownError"),
        }
    }
}

/// What a ConfigurationState says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateContent {
    /// Whether all is in force.
    pub soundness: Soundness,
    /// What is not, one sentence to a line; empty only if all is.
    pub errors: String,
}

impl StateContent {
    /// The message of its condition.
    pub fn message(&self) -> &str {
        if self.errors.is_empty() { SOUND } else { &self.errors }
    }
}

/// A ConfigurationState that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedState {
    /// Version of the object.
    pub resource_version: String,
    /// What it says; `None` if it says anything that we would not say, in its labels too.
    pub content: Option<StateContent>,
    /// What its condition says and since when.
    pub since: Option<(Soundness, String)>,
    /// A Pod owns it: one of MetalLB's. It is that Pod's to write, and goes with it.
    pub owned: bool,
}

/// What a ServiceBGPStatus says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BgpStatusContent {
    /// The Service.
    pub service: ServiceKey,
    /// The node that announces it.
    pub node: NodeName,
    /// Names of the peers that it is announced to.
    pub peers: BTreeSet<String>,
}

/// A ServiceBGPStatus that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedBgpStatus {
    /// Version of the object.
    pub resource_version: String,
    /// What it says; `None` if that cannot be read.
    pub content: Option<BgpStatusContent>,
    /// A Pod owns it: see [`ObservedState::owned`].
    pub owned: bool,
}
