//! Who has which address: the one place where addresses are taken and let go.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use super::{
    held::{Held, Holder},
    pools::{PoolId, Pools},
    refusal::{Why, protocol_name},
    terms::{Backend, Share, Terms},
};
use crate::cluster::{Family, Port, ServiceKey};

/// An address that Services of ours have.
#[derive(Clone, Debug)]
struct Entry {
    /// In order; most have one.
    users: Vec<ServiceKey>,
    /// Of all users; no two have the same.
    ports: BTreeSet<Port>,
    /// The same for all users; `None`: there is one.
    share: Option<Arc<Share>>,
}

/// What a Service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// IPv4 first.
    pub(super) addresses: Vec<IpAddr>,
    /// The pool they are from.
    pub(super) pool: Arc<str>,
    /// The terms under which it took them.
    pub(super) terms: Arc<Terms>,
}

/// Pools, and who has which address of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) pools: Pools,
    entries: BTreeMap<IpAddr, Entry>,
    claims: BTreeMap<ServiceKey, Claim>,
    /// Addresses of pools that Services have which are not ours to look after.
    foreign: BTreeMap<IpAddr, BTreeSet<ServiceKey>>,
    /// Addresses that are somebody's own.
    held: Held,
    /// Pools of which other addresses are somebody's own than before.
    pub(super) reheld: BTreeSet<PoolId>,
    /// Services that wait were told of other numbers of addresses than there are now.
    pub(super) retell: bool,
    /// Pools and families of which something came free, or can be shared with others than before.
    pub(super) loosened: BTreeSet<(PoolId, Family)>,
    /// Addresses that somebody took or let go of.
    pub(super) moved: BTreeSet<IpAddr>,
    /// Pools and families of which every address is in use. Shared with those that were told so.
    pub(super) spent: Arc<BTreeSet<(PoolId, Family)>>,
    /// Pools of which something else is in use than before.
    pub(super) dirty: BTreeSet<PoolId>,
    /// Users before the first change since this was last emptied; `None`: nobody asks.
    pub(super) before: Option<BTreeMap<IpAddr, Vec<ServiceKey>>>,
}

impl Book {
    /// Nobody has anything.
    pub(super) fn new(pools: Pools) -> Self {
        Self { pools, ..Self::default() }
    }

    /// What a Service has.
    pub(super) fn claim(&self, key: &ServiceKey) -> Option<&Claim> {
        self.claims.get(key)
    }

    /// The Services that have an address, in order.
    pub(super) fn users(&self, address: IpAddr) -> &[ServiceKey] {
        self.entries.get(&address).map_or(&[], |entry| &entry.users)
    }

    /// Every address that somebody has.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.keys().copied()
    }

    /// Whether the ports of `terms` are free on an address that others have.
    fn ports_are_free(entries: &BTreeMap<IpAddr, Entry>, address: IpAddr, terms: &Terms) -> bool {
        entries.get(&address).is_some_and(|entry| entry.ports.is_disjoint(&terms.ports))
    }

    /// The first address of a pool that a Service can have under `terms`.
    pub(super) fn lowest(&mut self, id: PoolId, family: Family, terms: &Terms) -> Option<IpAddr> {
        let Self { pools, entries, .. } = self;
        pools.get_mut(id).lowest(family, terms, |address| Self::ports_are_free(entries, address, terms))
    }

    /// Whether a Service that does not have the address may have it, as far as others go (MetalLB behaviour 27).
    ///
    /// # Errors
    /// Says who has it, and why it cannot be shared.
    pub(super) fn may_join(&self, address: IpAddr, terms: &Terms) -> Result<(), Why> {
        let Some(entry) = self.entries.get(&address) else { return Ok(()) };
        let in_use_by = |user: Option<&ServiceKey>, reason: String| match user {
            Some(user) => Err(Why::InUse { address, user: user.clone(), reason }),
            None => Ok(()),
        };
        let in_use = |reason: String| in_use_by(entry.users.first(), reason);
        match (&entry.share, &terms.share) {
            (None, _) => in_use("which does not share it".to_owned()),
            (Some(_), None) => in_use("which shares it only with Services that have its sharing key".to_owned()),
            // Never which: whoever knows the key can join.
            (Some(theirs), Some(ours)) if theirs.key != ours.key => {
                in_use("which shares it under another key".to_owned())
            }
            (Some(theirs), Some(ours)) if theirs.backend != ours.backend => {
                in_use(other_backend(&theirs.backend, &ours.backend).to_owned())
            }
            (Some(_), Some(_)) => match entry.ports.intersection(&terms.ports).next() {
                Some(port) => {
                    let has =
                        |user: &&ServiceKey| self.claims.get(*user).is_some_and(|it| it.terms.ports.contains(port));
                    let reason = format!("and so is its port {}/{}", port.number, protocol_name(port.protocol));
                    in_use_by(entry.users.iter().find(has), reason)
                }
                None => Ok(()),
            },
        }
    }

    /// What comes nearest to an address that a Service could share, in a pool of which nothing is free, and what is in the way:
    /// first an address under its key where a port is taken, then one under its key with another policy or selector, then the
    /// lowest. `None`: it shares with nobody.
    pub(super) fn nearest(&self, id: PoolId, family: Family, terms: &Terms) -> Option<Why> {
        let share = terms.share.as_ref()?;
        let ranges = &self.pools.get(id).ranges;
        let of_family = || ranges.iter().filter(|range| range.family() == family);
        let under_key = of_family().find_map(|range| range.shared(share));
        let under_key = under_key.or_else(|| of_family().find_map(|range| range.shared_under(&share.key)));
        let lowest = || {
            let written = self.pools.get(id).pool.ranges.iter();
            let mut used = written
                .filter(|range| Family::of(range.first()) == family)
                .filter_map(|range| self.entries.range(range.first()..=range.last()).next());
            used.next().map(|(address, _)| *address)
        };
        self.may_join(under_key.or_else(lowest)?, terms).err()
    }

    /// Whether somebody else's Service has the address, and none of ours.
    ///
    /// # Errors
    /// Says which.
    pub(super) fn is_not_foreign(&self, address: IpAddr) -> Result<(), Why> {
        match self.foreign.get(&address).and_then(BTreeSet::first) {
            Some(user) if !self.entries.contains_key(&address) => Err(Why::Foreign { address, user: user.clone() }),
            _ => Ok(()),
        }
    }

    /// Whether the address is nobody's own.
    ///
    /// # Errors
    /// Says whose it is.
    pub(super) fn is_not_held(&self, address: IpAddr) -> Result<(), Why> {
        match self.held.get(&address) {
            Some(holder) => Err(Why::Held { address, holder: holder.clone() }),
            None => Ok(()),
        }
    }

    /// The addresses of a pool that are somebody's own, in the order of its ranges.
    pub(super) fn held_in(&self, id: PoolId) -> impl Iterator<Item = (IpAddr, &Holder)> {
        let ranges = self.pools.get(id).pool.ranges.iter();
        ranges
            .flat_map(|range| self.held.range(range.first()..=range.last()))
            .map(|(address, holder)| (*address, holder))
    }

    /// Says which addresses are somebody's own. Returns the Services that have one of them, which may not keep it.
    pub(super) fn set_held(&mut self, held: Held) -> BTreeSet<ServiceKey> {
        let before = std::mem::replace(&mut self.held, held);
        let changed: Vec<IpAddr> = (before.iter().filter(|(address, holder)| self.held.get(*address) != Some(holder)))
            .chain(self.held.iter().filter(|(address, _)| !before.contains_key(*address)))
            .map(|(address, _)| *address)
            .collect();
        let mut losers = BTreeSet::new();
        for address in changed {
            let is_held = self.held.contains_key(&address);
            self.moved.insert(address);
            if is_held {
                // Of a pool that cannot be understood at present as well.
                losers.extend(self.users(address).iter().cloned());
            }
            let Some((id, range)) = self.pools.range_mut(address) else { continue };
            let family = Family::of(address);
            if is_held {
                range.hold(address);
            } else {
                range.release(address);
                self.loosened.insert((id, family));
            }
            self.dirty.insert(id);
            self.reheld.insert(id);
            self.retell = true;
            self.weigh(id, family);
        }
        losers
    }

    /// Gives addresses to a Service, beside those that it has. Whether it may have them was found out before.
    pub(super) fn take(&mut self, key: &ServiceKey, addresses: &[IpAddr], (pool, terms): (&Arc<str>, &Arc<Terms>)) {
        for address in addresses {
            self.remember(*address);
            if !self.entries.contains_key(address)
                && let Some((id, range)) = self.pools.range_mut(*address)
            {
                range.occupy(*address, terms.share.as_ref());
                self.dirty.insert(id);
                if self.foreign.contains_key(address) {
                    // It was nobody's to share, and not free either: whoever shares it may have waited for that.
                    self.loosened.insert((id, Family::of(*address)));
                }
                self.weigh(id, Family::of(*address));
            }
            self.moved.insert(*address);
            let entry = self.entries.entry(*address).or_insert_with(|| Entry {
                users: Vec::with_capacity(1),
                ports: BTreeSet::new(),
                share: terms.share.clone(),
            });
            if let Err(place) = entry.users.binary_search(key) {
                entry.users.insert(place, key.clone());
            }
            entry.ports.extend(&terms.ports);
        }
        let claim = self.claims.entry(key.clone()).or_insert_with(|| Claim {
            addresses: Vec::with_capacity(addresses.len()),
            pool: Arc::clone(pool),
            terms: Arc::clone(terms),
        });
        claim.addresses.extend(addresses);
        claim.addresses.sort_unstable();
    }

    /// Takes from a Service whatever it has.
    pub(super) fn leave(&mut self, key: &ServiceKey) {
        let Some(Claim { addresses, terms, .. }) = self.claims.remove(key) else { return };
        for address in addresses {
            self.remember(address);
            let Some(entry) = self.entries.get_mut(&address) else { continue };
            entry.users.retain(|user| user != key);
            entry.ports.retain(|port| !terms.ports.contains(port));
            let (free, share) = (entry.users.is_empty(), entry.share.clone());
            if free {
                self.entries.remove(&address);
            }
            self.moved.insert(address);
            if let Some((id, range)) = self.pools.range_mut(address) {
                if free {
                    range.vacate(address, share.as_ref());
                } else {
                    range.loosen(address, share.as_ref());
                }
                self.dirty.insert(id);
                self.loosened.insert((id, Family::of(address)));
                self.weigh(id, Family::of(address));
            }
            self.mark_foreign(address);
        }
    }

    /// What others have of our pools is not free.
    fn mark_foreign(&mut self, address: IpAddr) {
        if self.entries.contains_key(&address) {
            return;
        }
        let foreign = self.foreign.contains_key(&address);
        let Some((id, range)) = self.pools.range_mut(address) else { return };
        self.dirty.insert(id);
        let family = Family::of(address);
        if foreign {
            range.occupy(address, None);
        } else {
            range.vacate(address, None);
            self.loosened.insert((id, family));
        }
        self.weigh(id, family);
    }

    /// Finds out whether every address of a family in a pool is in use.
    fn weigh(&mut self, id: PoolId, family: Family) {
        let spent = self.pools.get(id).is_spent(family);
        if spent != self.spent.contains(&(id, family)) {
            let all = Arc::make_mut(&mut self.spent);
            if spent {
                all.insert((id, family))
            } else {
                all.remove(&(id, family))
            };
        }
    }

    /// Says which addresses a Service has that is not ours to look after.
    pub(super) fn set_foreign(&mut self, key: &ServiceKey, before: &[IpAddr], now: &[IpAddr]) {
        for address in before {
            if let Some(users) = self.foreign.get_mut(address) {
                users.remove(key);
                if users.is_empty() {
                    self.foreign.remove(address);
                }
            }
        }
        for address in now {
            self.foreign.entry(*address).or_default().insert(key.clone());
        }
        for address in before.iter().chain(now) {
            self.moved.insert(*address);
            self.mark_foreign(*address);
        }
    }

    fn remember(&mut self, address: IpAddr) {
        if let Some(before) = &mut self.before
            && !before.contains_key(&address)
        {
            let users = self.entries.get(&address).map(|entry| entry.users.clone());
            before.insert(address, users.unwrap_or_default());
        }
    }
}

const fn other_backend(theirs: &Backend, ours: &Backend) -> &'static str {
    match (theirs, ours) {
        (Backend::Anywhere, _) => "which shares it with Services of externalTrafficPolicy Cluster only",
        (_, Backend::Anywhere) => "which shares it with Services of externalTrafficPolicy Local only",
        _ => "which shares it with Services of externalTrafficPolicy Local that select the same pods only",
    }
}
