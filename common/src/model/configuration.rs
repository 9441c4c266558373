//! The whole configuration of a cluster after validation, beside what was left out of it and why.

use std::collections::BTreeMap;

use super::{Fault, L2Advertisement, Pool};

/// Everything that keeps the rules. An object at fault is missing here, and with it what depends on it; nothing else is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// Layer-2 advertisements by name.
    pub l2: BTreeMap<String, L2Advertisement>,
    /// What is wrong with the rest, ordered by object.
    pub faults: Vec<Fault>,
}
