//! Allocation and announcing, one after the other.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use super::{
    accept,
    allocate::Allocation,
    announce::{Announcer, Holding, ServiceReport, Touch},
    conflict::{Conflicts, Overwritten},
    state,
    types::{Decision, ServiceWish},
};
use crate::cluster::{Changes, ConfiguredName, ServiceKey, Snapshot};

/// Decides. What it keeps between calls follows from the snapshots that it was shown, and can be found again in one of them.
#[derive(Debug, Default)]
pub struct Decider {
    allocation: Allocation,
    announcer: Announcer,
    conflicts: Conflicts,
}

impl Decider {
    /// Nothing is known yet: show it everything first.
    pub fn new() -> Self {
        Self::default()
    }

    /// What should be, of all that these changes may have touched. Costs as much as that is, not as much as there is, unless
    /// everything has to be looked at or the nodes changed.
    pub fn decide(&mut self, snapshot: &Snapshot, changes: &Changes) -> Decision {
        self.conflicts.inherit(snapshot.services.values().map(Arc::as_ref), snapshot.at);
        self.conflicts.end(snapshot.at);
        let touched = self.allocation.reconcile(snapshot, changes);
        let mut services = touched.services;
        services.extend(changes.services.iter().cloned());
        if changes.everything {
            services.extend(snapshot.services.keys().cloned());
        }
        let mut addresses: BTreeSet<IpAddr> = touched.addresses.union(&changes.addresses).copied().collect();
        let given = services.iter().filter_map(|key| self.allocation.given(key));
        addresses.extend(given.flat_map(|given| given.addresses.iter().copied()));
        let touch = Touch {
            everything: changes.everything,
            topology: changes.topology,
            bgp: changes.bgp,
            addresses: addresses.into_iter().map(|address| (address, self.holding(address))).collect(),
            services,
        };
        let announced = self.announcer.look(snapshot, touch);

        let mut decision = Decision {
            everything: changes.everything,
            announcements: announced.announcements,
            silences: announced.silences,
            ..Decision::default()
        };
        let usage = self.allocation.usage();
        // A pool has one status: whatever of it was touched, all of it is looked at.
        let objects = accept::touched(snapshot, changes, &touched.pools);
        let looked_at = |pool: &str| {
            touched.pools.contains(pool) || objects.contains(&ConfiguredName::pool(pool)) || changes.everything
        };
        let pools = usage.iter().filter(|(pool, _)| looked_at(pool));
        decision.pools = pools.map(|(pool, usage)| (pool.clone(), *usage)).collect();
        decision.acceptances = accept::look(snapshot, objects, &self.allocation);
        decision.states = state::look(snapshot, changes);
        decision.stale_bgp_statuses = state::stale_bgp(snapshot, changes);
        for (key, mut voice) in announced.voices {
            decision.l2_statuses.insert(key.clone(), std::mem::take(&mut voice.l2));
            if let Some(wish) = self.wish(&key, voice, snapshot) {
                decision.services.insert(key, wish);
            }
        }
        decision
    }

    /// The status of a Service was written once more, because somebody had undone it again and again. Whether the Service has to be
    /// looked at: there is something new to say.
    pub fn overwritten(&mut self, what: Overwritten<'_>, now: Duration) -> bool {
        self.conflicts.overwritten(what, now)
    }

    /// When some Service has to be looked at although nothing changes: then [`Self::due`] says which.
    pub fn next_due(&self) -> Option<Duration> {
        [self.allocation.next_due(), self.announcer.next_due(), self.conflicts.next()].into_iter().flatten().min()
    }

    /// The Services that have to be looked at now although nothing changed.
    pub fn due(&self, now: Duration) -> BTreeSet<ServiceKey> {
        let mut due = self.allocation.due(now);
        due.extend(self.announcer.due(now).chain(self.conflicts.over(now)).cloned());
        due
    }

    /// Who has an address.
    fn holding(&self, address: IpAddr) -> Option<Holding> {
        let services = self.allocation.users(address);
        let pool = services.iter().find_map(|key| self.allocation.given(key)).map(|given| given.pool.to_string())?;
        Some(Holding { pool, services: services.iter().cloned().collect() })
    }

    /// What the status of a Service should be; `None`: it is not ours to write.
    ///
    /// While an address of it still stands in the status of another, it goes without, and nothing else is said of it.
    fn wish(&self, key: &ServiceKey, voice: ServiceReport, snapshot: &Snapshot) -> Option<ServiceWish> {
        let outcome = self.allocation.outcome(key)?;
        let given = self.allocation.given(key);
        let ingress = self.allocation.writable(key);
        let is_whole = given.is_none_or(|given| given.addresses == ingress);
        let service = snapshot.services.get(key);
        let conflict = service.and_then(|service| self.conflicts.says(key, &service.uid)).cloned();
        let present = service.filter(|_| !is_whole);
        let mut notices = outcome.notices.clone();
        notices.extend(voice.notices);
        Some(ServiceWish {
            allocated_from: given.filter(|_| !ingress.is_empty()).map(|given| given.pool.to_string()),
            ingress,
            refusal: present.map_or_else(|| outcome.refusal.clone(), |service| service.refusal.clone()),
            silence: voice.silence,
            conflict,
            notices,
        })
    }
}

#[cfg(test)]
#[path = "decider_tests.rs"]
mod tests;
