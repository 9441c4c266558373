//! What is wrong with an object of the configuration, in one sentence for whoever wrote it.

use std::fmt;

/// Which object of the API a sentence is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The kind, as kubectl knows it: `IPAddressPool`.
    pub kind: &'static str,
    /// Empty for kinds without namespaces.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// One rule that an object breaks. The object and what depends on it are left out; nothing else is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{object}: {field} {value:?} {rule}; {remedy}")]
pub struct Fault {
    /// The object at fault.
    pub object: ObjectName,
    /// Path of the field: `spec.addresses[2]`.
    pub field: String,
    /// What it holds.
    pub value: String,
    /// What is wrong with that: `overlaps 192.0.2.0/24 of IPAddressPool metallb-system/home`.
    pub rule: String,
    /// The way out: `give each address to one pool only`.
    pub remedy: String,
}
