//! What advertisements allow: which nodes, with which weight, on which interfaces.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arpeggio_common::model::{Configuration, InterfaceName, L2Advertisement, Labels};

use super::topology::{Host, Topology};

/// The advertisements that are for a Service, by number.
pub(super) type Ads = BTreeSet<usize>;

/// The interfaces that a node may announce on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Allowed {
    /// Those named.
    Only(BTreeSet<InterfaceName>),
    /// All it has.
    All,
}

impl Allowed {
    fn of(ad: &L2Advertisement) -> Self {
        if ad.is_for_all_interfaces() { Self::All } else { Self::Only(ad.interfaces.clone()) }
    }

    pub(super) fn covers(&self, interface: &InterfaceName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(interface),
        }
    }

    /// What either allows.
    pub(super) fn or(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(mut names), Self::Only(others)) => {
                names.extend(others.iter().cloned());
                Self::Only(names)
            }
            (Self::All, _) | (_, Self::All) => Self::All,
        }
    }

    /// What both allow.
    fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(names), Self::Only(others)) => Self::Only(names.intersection(others).cloned().collect()),
            (Self::All, other) => other.clone(),
            (this @ Self::Only(_), Self::All) => this,
        }
    }

    /// The names, if not all are allowed.
    pub(super) const fn named(&self) -> Option<&BTreeSet<InterfaceName>> {
        match self {
            Self::Only(names) => Some(names),
            Self::All => None,
        }
    }

    /// The interfaces that the host has of these.
    pub(super) fn on<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a InterfaceName> {
        host.speaker.interfaces.keys().filter(|interface| self.covers(interface))
    }
}

/// What a host may do for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// The sum of the preferences for it (MetalLB behaviour 51).
    pub(super) weight: u32,
    /// On which interfaces (52).
    pub(super) allowed: Arc<Allowed>,
}

/// For each host by number what it may do; `None`: nothing.
pub(super) type Coverage = Vec<Option<Cover>>;

/// The advertisements, prepared for being asked often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Advertisements {
    ads: Vec<L2Advertisement>,
    by_pool: BTreeMap<String, Ads>,
    /// Pools that nothing is known of but that they are at fault.
    unknown_pools: BTreeSet<String>,
    /// An advertisement is at fault, and nothing else is known of it.
    unknown_ads: bool,
}

impl Advertisements {
    pub(super) fn new(configuration: &Configuration) -> Self {
        let ads: Vec<_> = configuration.l2.values().cloned().collect();
        let by_pool = configuration.pools.values().map(|pool| {
            let covering = ads.iter().enumerate().filter(|(_, ad)| ad.covers_pool(pool)).map(|(number, _)| number);
            (pool.name.clone(), covering.collect())
        });
        let faults = configuration.faults.iter().map(|fault| &fault.object);
        let (pools, l2): (Vec<_>, Vec<_>) = faults.partition(|object| object.kind == "IPAddressPool");
        let names = pools.into_iter().map(|object| object.name.clone());
        Self {
            by_pool: by_pool.collect(),
            unknown_pools: names.filter(|name| !configuration.pools.contains_key(name)).collect(),
            unknown_ads: l2.iter().any(|it| it.kind == "L2Advertisement" && !configuration.l2.contains_key(&it.name)),
            ads,
        }
    }

    /// Whether it cannot be told what covers the pool: something is at fault, and we never saw it whole (an object that an edit
    /// breaks stays as it was, but not through a restart). Or the pool is gone, and its Services keep their addresses for a while.
    pub(super) fn doubts(&self, pool: &str) -> bool {
        self.unknown_ads || self.unknown_pools.contains(pool) || !self.by_pool.contains_key(pool)
    }

    /// The advertisements for Services with these labels that have an address of the pool.
    pub(super) fn of(&self, pool: &str, labels: &Labels) -> Ads {
        let ads = self.by_pool.get(pool).into_iter().flatten().copied();
        ads.filter(|number| self.ads.get(*number).is_some_and(|ad| ad.covers_service(labels))).collect()
    }

    /// Names of advertisements.
    pub(super) fn names<'a>(&'a self, ads: &'a Ads) -> impl Iterator<Item = &'a str> {
        ads.iter().filter_map(|number| self.ads.get(*number)).map(|ad| ad.name.as_str())
    }

    /// Whether one of these advertisements selects a node with these labels.
    pub(super) fn select(&self, ads: &Ads, node: &Labels) -> bool {
        ads.iter().filter_map(|number| self.ads.get(*number)).any(|ad| ad.covers_node(node))
    }

    /// What hosts may do for an address of Services with these sets of advertisements.
    ///
    /// For one Service: the union of the advertisements that cover the node (50, 52). Services that share an address cannot be
    /// announced apart, so the node has to be covered for each of them, and only interfaces that each allows are used:
    /// nothing is announced where an advertisement forbids it. (MetalLB announces such Services nowhere as soon as an
    /// advertisement selects Services.) Weights add up over all advertisements of all Services, each counted once.
    pub(super) fn coverage(&self, topology: &Topology, sets: &BTreeSet<Ads>) -> Coverage {
        let every: Ads = sets.iter().flatten().copied().collect();
        let weight = |host: &Host| self.covering(&every, host).map(|ad| ad.weight(&host.node.labels)).sum();
        let allowed = |host: &Host| {
            let mut each = sets
                .iter()
                .map(|ads| self.covering(ads, host).map(Allowed::of).reduce(|allowed, other| allowed.or(&other)));
            let first = each.next()??;
            each.try_fold(first, |allowed, other| Some(allowed.and(&other?)))
        };
        let mut known: Vec<Arc<Allowed>> = Vec::new();
        let mut share = |allowed: Allowed| {
            if let Some(same) = known.iter().find(|other| ***other == allowed) {
                return Arc::clone(same);
            }
            let shared = Arc::new(allowed);
            known.push(Arc::clone(&shared));
            shared
        };
        let cover = |host: &Host| allowed(host).map(|allowed| Cover { weight: weight(host), allowed: share(allowed) });
        topology.hosts().iter().map(cover).collect()
    }

    fn covering<'a>(&'a self, ads: &'a Ads, host: &'a Host) -> impl Iterator<Item = &'a L2Advertisement> {
        ads.iter().filter_map(|number| self.ads.get(*number)).filter(|ad| ad.covers_node(&host.node.labels))
    }
}
