//! Pools as they are drawn from: in which order, by whom, and how much of them is in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::model::{Configuration, Labels, Pool, any_or_empty};

use super::{
    range::Range,
    refusal::{self, Why},
    terms::Terms,
};
use crate::cluster::{Family, PoolUsage, Service};

/// Place of a pool among all, ordered by name.
pub(super) type PoolId = usize;

/// A pool and what is in use of it.
#[derive(Clone, Debug)]
pub(super) struct Stock {
    pub(super) pool: Pool,
    /// Of the pool, as those keep it who have something of it.
    pub(super) name: Arc<str>,
    /// In the order written.
    pub(super) ranges: Vec<Range>,
}

impl Stock {
    /// How many addresses of a family are usable, and how many of these are in use.
    pub(super) fn count(&self, family: Family) -> (u128, u128) {
        let ranges = self.ranges.iter().filter(|range| range.family() == family);
        ranges.fold((0, 0), |(total, used), range| (range.total().saturating_add(total), used + range.used()))
    }

    /// How many addresses of a family are never given away because they are somebody's own.
    pub(super) fn held(&self, family: Family) -> usize {
        self.ranges.iter().filter(|range| range.family() == family).map(Range::held).sum()
    }

    /// Whether every address of a family is in use.
    pub(super) fn is_spent(&self, family: Family) -> bool {
        self.ranges.iter().all(|range| range.family() != family || range.used() == range.total())
    }

    /// The first address to give away: ranges in the order written, the lowest address of each.
    pub(super) fn lowest(
        &mut self,
        family: Family,
        terms: &Terms,
        mut ports_free: impl FnMut(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        if terms.share.is_none() && self.is_spent(family) {
            return None;
        }
        let mut ranges = self.ranges.iter_mut().filter(|range| range.family() == family);
        ranges.find_map(|range| range.lowest(terms, &mut ports_free))
    }

    fn usage(&self) -> PoolUsage {
        let clamp = |count: u128| i64::try_from(count).unwrap_or(i64::MAX);
        let [(total_v4, used_v4), (total_v6, used_v6)] = Family::ALL.map(|family| self.count(family));
        PoolUsage {
            assigned_v4: clamp(used_v4),
            assigned_v6: clamp(used_v6),
            available_v4: clamp(total_v4 - used_v4),
            available_v6: clamp(total_v6 - used_v6),
        }
    }
}

/// All pools.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    stocks: Vec<Stock>,
    by_name: BTreeMap<String, PoolId>,
    /// Ranges by their first address: which pool, which of its ranges. No two overlap.
    by_first: BTreeMap<IpAddr, (PoolId, usize)>,
    /// What Services that ask for nothing draw from, in this order.
    automatic: Vec<PoolId>,
    /// The same without the pools that are not for a namespace; found out once for each.
    by_namespace: BTreeMap<Arc<str>, Arc<[PoolId]>>,
    /// A pool asks for labels of Services.
    selects_services: bool,
    /// A pool asks for labels of namespaces.
    selects_namespaces: bool,
    namespaces: Arc<BTreeMap<String, Arc<Labels>>>,
    /// Names of pools that cannot be understood at present.
    faulty: BTreeSet<String>,
}

impl Pools {
    /// Pools of which nothing is in use.
    pub(super) fn new(configuration: &Configuration, namespaces: &Arc<BTreeMap<String, Arc<Labels>>>) -> Self {
        let mut pools = Self { namespaces: Arc::clone(namespaces), ..Self::default() };
        for (id, (name, pool)) in configuration.pools.iter().enumerate() {
            let ranges = pool.ranges.iter().enumerate().map(|(index, range)| {
                pools.by_first.insert(range.first(), (id, index));
                Range::new(range, pool.avoid_buggy)
            });
            let ranges = ranges.collect();
            pools.by_name.insert(name.clone(), id);
            pools.stocks.push(Stock { pool: pool.clone(), name: name.as_str().into(), ranges });
        }
        let selects = |pool: &Pool| pool.scope.as_ref().is_some_and(|scope| !scope.service_selectors.is_empty());
        pools.selects_services = configuration.pools.values().any(selects);
        let selects = |pool: &Pool| pool.scope.as_ref().is_some_and(|scope| !scope.namespace_selectors.is_empty());
        pools.selects_namespaces = configuration.pools.values().any(selects);
        pools.automatic = (0..pools.stocks.len()).filter(|id| pools.stocks[*id].pool.auto_assign).collect();
        let stocks = &pools.stocks;
        pools.automatic.sort_by_key(|id| {
            // Those reserved for somebody come first, by priority with 0 last; names are in order already.
            let scope = stocks[*id].pool.scope.as_ref();
            (scope.is_none(), scope.map(|scope| (scope.priority == 0, scope.priority)))
        });
        let faults = configuration.faults.iter().filter(|fault| fault.object.kind == "IPAddressPool");
        pools.faulty = faults.map(|fault| fault.object.name.clone()).collect();
        pools
    }

    /// Labels of namespaces as they are now. Services of namespaces whose labels changed have to be looked at.
    pub(super) fn set_namespaces(&mut self, namespaces: &Arc<BTreeMap<String, Arc<Labels>>>) {
        if !Arc::ptr_eq(&self.namespaces, namespaces) {
            self.namespaces = Arc::clone(namespaces);
            self.by_namespace.clear();
        }
    }

    /// Whether nobody can tell yet which pools are for Services of a namespace: a pool asks for labels of namespaces, and those of
    /// this one are not known. Watches of Services and of namespaces overtake each other.
    pub(super) fn cannot_tell(&self, namespace: &str) -> bool {
        self.selects_namespaces && !self.namespaces.contains_key(namespace)
    }

    /// Whether there is no pool at all.
    pub(super) fn is_empty(&self) -> bool {
        self.stocks.is_empty()
    }

    /// A pool.
    pub(super) fn get(&self, id: PoolId) -> &Stock {
        &self.stocks[id]
    }

    /// A pool, to draw from.
    pub(super) fn get_mut(&mut self, id: PoolId) -> &mut Stock {
        &mut self.stocks[id]
    }

    /// Every pool, by name.
    pub(super) fn ids(&self) -> std::ops::Range<PoolId> {
        0..self.stocks.len()
    }

    /// Whether a pool is for some Services or namespaces only.
    pub(super) fn is_reserved(&self, id: PoolId) -> bool {
        self.stocks[id].pool.scope.is_some()
    }

    /// The pool with a name.
    pub(super) fn named(&self, name: &str) -> Option<PoolId> {
        self.by_name.get(name).copied()
    }

    /// Whether there is a pool of the name that cannot be understood: it is left out, and back once it is repaired.
    pub(super) fn is_faulty(&self, name: &str) -> bool {
        self.faulty.contains(name)
    }

    /// The range that an address lies in.
    fn place(&self, address: IpAddr) -> Option<(PoolId, usize)> {
        let (_, (id, index)) = self.by_first.range(..=address).next_back()?;
        self.stocks[*id].pool.ranges[*index].contains(address).then_some((*id, *index))
    }

    /// The pool that an address lies in.
    pub(super) fn of(&self, address: IpAddr) -> Option<PoolId> {
        self.place(address).map(|(id, _)| id)
    }

    /// The range that an address lies in, to write down what becomes of it.
    pub(super) fn range_mut(&mut self, address: IpAddr) -> Option<(PoolId, &mut Range)> {
        let (id, index) = self.place(address)?;
        Some((id, &mut self.stocks[id].ranges[index]))
    }

    /// Whether the address lies in a pool that may give it away.
    pub(super) fn usable(&self, address: IpAddr) -> bool {
        self.place(address).is_some_and(|(id, index)| self.stocks[id].ranges[index].usable(address))
    }

    /// Whether a pool is for Services of a namespace: one that is named, or selected. A pool with selectors that select no
    /// namespace is for nobody, whoever asks. A namespace of which no labels are known may be selected: nobody loses an address
    /// because its namespace is told of later, or went earlier.
    fn is_for_namespace(&self, id: PoolId, namespace: &str) -> bool {
        let Some(scope) = &self.stocks[id].pool.scope else { return true };
        if scope.namespaces.is_empty() && scope.namespace_selectors.is_empty() {
            return true;
        }
        let is_selected = || match self.namespaces.get(namespace) {
            Some(labels) => scope.namespace_selectors.iter().any(|selector| selector.matches(labels)),
            None => !scope.namespace_selectors.is_empty(),
        };
        scope.namespaces.contains(namespace) || is_selected()
    }

    /// Whether a pool is for Services with these labels.
    fn is_for_labels(&self, id: PoolId, labels: &Labels) -> bool {
        self.stocks[id].pool.scope.as_ref().is_none_or(|scope| any_or_empty(&scope.service_selectors, labels))
    }

    /// Whether a Service may have addresses of a pool, asked for or not (MetalLB behaviour 19).
    ///
    /// # Errors
    /// Says for whom the pool is.
    pub(super) fn admits(&self, id: PoolId, service: &Service) -> Result<(), Why> {
        let reserved = |rule| Why::Reserved { pool: self.stocks[id].pool.name.clone(), rule };
        let scope = self.stocks[id].pool.scope.as_ref();
        if !self.is_for_namespace(id, &service.key.namespace) {
            return Err(reserved(scope.map_or_else(String::new, refusal::only_for_namespaces)));
        }
        if !self.is_for_labels(id, &service.labels) {
            return Err(reserved("only for Services that its serviceSelectors select".to_owned()));
        }
        Ok(())
    }

    /// The pools that a Service draws from if it asks for none, in order.
    pub(super) fn automatic(&mut self, service: &Service) -> Arc<[PoolId]> {
        let namespace = &service.key.namespace;
        let pools = if let Some(pools) = self.by_namespace.get(namespace) {
            Arc::clone(pools)
        } else {
            let pools = self.automatic.iter().copied().filter(|id| self.is_for_namespace(*id, namespace));
            let pools: Arc<[PoolId]> = pools.collect();
            self.by_namespace.insert(Arc::clone(namespace), Arc::clone(&pools));
            pools
        };
        if !self.selects_services {
            return pools;
        }
        pools.iter().copied().filter(|id| self.is_for_labels(*id, &service.labels)).collect()
    }

    /// How full a pool is. Addresses that are never given away count nowhere; addresses that Services of another class have
    /// count as in use.
    pub(super) fn usage_of(&self, id: PoolId) -> PoolUsage {
        self.stocks[id].usage()
    }
}
