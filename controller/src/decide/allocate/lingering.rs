//! Losses before gains: an address that still stands in the status of a Service which has it no more is written into no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::cluster::ServiceKey;

/// Addresses that stand in the status of Services which have them no more.
#[derive(Clone, Debug, Default)]
pub(super) struct Lingering {
    by_address: BTreeMap<IpAddr, BTreeSet<ServiceKey>>,
    by_service: BTreeMap<ServiceKey, BTreeSet<IpAddr>>,
    /// During a call: addresses that no longer stand where they should not.
    pub(super) free: BTreeSet<IpAddr>,
}

impl Lingering {
    /// Says which addresses stand in the status of a Service that it has no more.
    pub(super) fn set(&mut self, key: &ServiceKey, addresses: BTreeSet<IpAddr>) {
        let before = if addresses.is_empty() {
            self.by_service.remove(key).unwrap_or_default()
        } else {
            self.by_service.insert(key.clone(), addresses.clone()).unwrap_or_default()
        };
        for address in before.difference(&addresses) {
            if let Some(services) = self.by_address.get_mut(address) {
                services.remove(key);
                if services.is_empty() {
                    self.by_address.remove(address);
                }
            }
            self.free.insert(*address);
        }
        for address in addresses.difference(&before) {
            self.by_address.entry(*address).or_default().insert(key.clone());
        }
    }

    /// Whether an address stands in the status of another Service, which has it no more.
    pub(super) fn elsewhere(&self, address: IpAddr, key: &ServiceKey) -> bool {
        self.by_address.get(&address).is_some_and(|services| services.iter().any(|service| service != key))
    }
}
