//! The routes that BGP peers get for an address: prefixes, attributes, peers, nodes (MetalLB behaviour 5.1, 5.2).
//!
//! An address is looked at when it, its Services or their endpoints changed: one pass over the advertisements of its pool. All of
//! them are looked at when nodes, advertisements or peers changed. Nothing is asked where no advertisement is for BGP, and nothing
//! of layer 2 is asked here: neither protocol waits for the other.
//!
//! Every Announcement carries the routes of its own address. So an aggregate stays while one address in it needs it, and nobody has
//! to count: nodes unite what they find. A route names nodes only where selectors or endpoints restrict it. Whether a node may
//! announce at all (`NetworkUnavailable`, the label that excludes it) it sees itself, see [`Withheld`].
//!
//! [`Withheld`]: arpeggio_common::model::Withheld

mod explain;
mod ground;
mod nodes;
mod resolve;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::model::Route;

pub(super) use self::{
    explain::{NO_SPEAKER, REASONS},
    resolve::Part,
};
use self::{
    ground::Ground,
    resolve::{Outcome, resolve},
};
use super::standing::AddressState;
use crate::cluster::{ServiceKey, Snapshot};

/// The state between looks; all of it can be found again in a snapshot.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    ground: Ground,
    /// Of addresses that an advertisement is for.
    outcomes: BTreeMap<IpAddr, Outcome>,
}

impl Resolver {
    /// Looks at these addresses; `renew`: at all of them, as nodes or the configuration changed. Returns those for which something
    /// is different now.
    pub(super) fn look(
        &mut self,
        snapshot: &Snapshot,
        renew: bool,
        looked: &BTreeSet<IpAddr>,
        standings: &BTreeMap<IpAddr, AddressState>,
    ) -> BTreeSet<IpAddr> {
        if renew {
            self.ground = Ground::new(snapshot);
        }
        let mut changed = BTreeSet::new();
        if !self.ground.is_used() && self.outcomes.is_empty() {
            return changed;
        }
        let all: BTreeSet<IpAddr>;
        let addresses = if renew {
            all = standings.keys().chain(self.outcomes.keys()).copied().collect();
            &all
        } else {
            looked
        };
        for address in addresses {
            let holding = standings.get(address).map(|standing| &standing.holding);
            let outcome = holding.map(|holding| resolve(*address, holding, &self.ground, snapshot));
            let outcome = outcome.filter(|outcome| *outcome != Outcome::default());
            if self.outcomes.get(address) != outcome.as_ref() {
                changed.insert(*address);
            }
            match outcome {
                Some(outcome) => _ = self.outcomes.insert(*address, outcome),
                None => _ = self.outcomes.remove(address),
            }
        }
        changed
    }

    /// The routes of the address.
    pub(super) fn routes(&self, address: IpAddr) -> BTreeSet<Route> {
        self.outcomes.get(&address).map(|outcome| outcome.routes.clone()).unwrap_or_default()
    }

    /// How the Service takes part in that; `None`: no advertisement is for it.
    pub(super) fn part(&self, address: IpAddr, service: &ServiceKey) -> Option<&Part> {
        self.outcomes.get(&address)?.parts.get(service)
    }
}

#[cfg(test)]
mod tests;
