//! Address pools and who may draw from them: `IPAddressPool.spec` after validation.

use std::collections::BTreeSet;

use super::{AddressRange, Labels, Selector};

/// Which Services a pool is reserved for (`spec.serviceAllocation`); MetalLB behaviour 18 to 20.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Lower numbers are tried first; 0 means last.
    pub priority: i64,
    /// Namespaces by name.
    pub namespaces: BTreeSet<String>,
    /// Namespaces by label, beside those named.
    pub namespace_selectors: Vec<Selector>,
    /// Services by label; empty selects all.
    pub service_selectors: Vec<Selector>,
}

/// A pool that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its own labels, by which advertisements select it.
    pub labels: Labels,
    /// In the order written; no two overlap, in this pool or any other.
    pub ranges: Vec<AddressRange>,
    /// Whether Services that ask for nothing may draw from it.
    pub auto_assign: bool,
    /// Whether IPv4 addresses that end in .0 or .255 are never given away.
    pub avoid_buggy: bool,
    /// `None`: for everybody.
    pub scope: Option<Scope>,
}

impl Pool {
    /// Whether an advertisement with these names and selectors of pools is for this one: named or selected; without any of
    /// them, every pool is.
    pub fn is_selected(&self, names: &BTreeSet<String>, selectors: &[Selector]) -> bool {
        (names.is_empty() && selectors.is_empty())
            || names.contains(&self.name)
            || selectors.iter().any(|selector| selector.matches(&self.labels))
    }
}
