//! How addresses are announced at layer 2: `L2Advertisement.spec` after validation.

use std::collections::BTreeSet;

use super::{InterfaceName, Labels, Pool, Selector, selector::any_or_empty};

/// An advertisement that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L2Advertisement {
    /// Its name.
    pub name: String,
    /// Pools by name; names of pools that are not there are no fault.
    pub pools: BTreeSet<String>,
    /// Pools by label. Neither names nor selectors: all pools.
    pub pool_selectors: Vec<Selector>,
    /// Nodes that may announce; empty: all.
    pub node_selectors: Vec<Selector>,
    /// Interfaces to announce on; empty, and nothing in `impossible` either: all.
    pub interfaces: BTreeSet<InterfaceName>,
    /// What stands among the interfaces and can be the name of none: as good as the name of one that no node has.
    pub impossible: BTreeSet<String>,
    /// Services it is for; empty: all of the pools.
    pub service_selectors: Vec<Selector>,
    /// Weights (1 to 100) that nodes get when selected; they add up.
    pub preferred: Vec<(u32, Selector)>,
}

impl L2Advertisement {
    /// Whether addresses of the pool are announced by it.
    pub fn covers_pool(&self, pool: &Pool) -> bool {
        pool.is_selected(&self.pools, &self.pool_selectors)
    }

    /// Whether it is for Services with these labels.
    pub fn covers_service(&self, labels: &Labels) -> bool {
        any_or_empty(&self.service_selectors, labels)
    }

    /// Whether nodes with these labels may announce.
    pub fn covers_node(&self, labels: &Labels) -> bool {
        any_or_empty(&self.node_selectors, labels)
    }

    /// Whether it is for all interfaces.
    pub fn is_for_all_interfaces(&self) -> bool {
        self.interfaces.is_empty() && self.impossible.is_empty()
    }

    /// The sum of the weights that a node with these labels gets.
    pub fn weight(&self, labels: &Labels) -> u32 {
        self.preferred.iter().filter(|(_, preference)| preference.matches(labels)).map(|(weight, _)| weight).sum()
    }
}
