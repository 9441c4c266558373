//! Objects of the configuration as objects: who they are, and what their status says about what they say.

use std::fmt;

use arpeggio_common::{api::admission::ConfigurationKind, model::Selector};

/// Which object of the configuration; all of them are in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfiguredName {
    /// Its kind.
    pub kind: ConfigurationKind,
    /// Its name.
    pub name: String,
}

impl ConfiguredName {
    /// An object.
    pub fn new(kind: ConfigurationKind, name: &str) -> Self {
        Self { kind, name: name.to_owned() }
    }

    /// A pool.
    pub fn pool(name: &str) -> Self {
        Self { kind: ConfigurationKind::Pool, name: name.to_owned() }
    }

    /// A layer-2 advertisement.
    pub fn l2(name: &str) -> Self {
        Self { kind: ConfigurationKind::L2Advertisement, name: name.to_owned() }
    }
}

impl fmt::Display for ConfiguredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}

/// Whether an object is in force as it is written, and why not: what its condition `Accepted` says or should say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Acceptance {
    /// Whether it is.
    pub accepted: bool,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// The condition `Accepted` as it stands in a status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptedCondition {
    /// What it says.
    pub says: Acceptance,
    /// Of which generation of the object; 0 if it does not say.
    pub generation: i64,
    /// Since when it is as it is, as written there.
    pub since: String,
}

/// An object of the configuration that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// Tells it from one of the same name before it.
    pub uid: String,
    /// Version of the object that this was read from.
    pub resource_version: String,
    /// Counts the edits of what it says; 0 if the API server gives none.
    pub generation: i64,
    /// Its condition `Accepted`; `None` if there is none, or none that can be read.
    pub accepted: Option<AcceptedCondition>,
    /// The nodes that it is for; empty: all of them, or they cannot be read. Only objects of BGP count as being for some.
    pub nodes: Vec<Selector>,
    /// Its other conditions as they stand there: whoever writes one writes all.
    pub others: Vec<serde_json::Value>,
}
