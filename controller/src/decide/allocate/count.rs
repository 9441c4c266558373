//! What is different after a call, and how full pools are.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Allocation, book::Book, record::Before, types::Touched};

impl Allocation {
    /// What is different now.
    pub(super) fn touched(&mut self, addresses: BTreeSet<IpAddr>) -> Touched {
        let mut gone = std::mem::take(&mut self.gone);
        let mut services = BTreeSet::new();
        for key in std::mem::take(&mut self.concluded) {
            let Some(record) = self.records.get_mut(&key) else { continue };
            let Some(before) = record.before.take() else { continue };
            if !record.is_as(&gone.remove(&key).unwrap_or(before)) || !record.outcome.notices.is_empty() {
                services.insert(key);
            }
        }
        for address in std::mem::take(&mut self.lingering.free) {
            services.extend(self.book.users(address).iter().cloned());
        }
        services.extend(gone.into_iter().filter(|(_, before)| *before != Before::default()).map(|(key, _)| key));
        Touched { services, addresses, pools: self.count() }
    }

    /// Counts what is in use of pools where that changed, and says where it did.
    fn count(&mut self) -> BTreeSet<String> {
        let pools = &self.book.pools;
        let mut changed = BTreeSet::new();
        let reheld = std::mem::take(&mut self.book.reheld);
        for id in std::mem::take(&mut self.book.dirty) {
            let (name, usage) = (&pools.get(id).pool.name, pools.usage_of(id));
            if self.usage.insert(name.clone(), usage) != Some(usage) || reheld.contains(&id) {
                changed.insert(name.clone());
            }
        }
        self.usage.retain(|name, _| pools.named(name).is_some() || !changed.insert(name.clone()));
        changed
    }
}

/// Addresses with other users, or in another pool.
pub(super) fn different(old: &Book, new: &Book) -> BTreeSet<IpAddr> {
    let name = |book: &Book, address| book.pools.of(address).map(|id| book.pools.get(id).pool.name.clone());
    let addresses: BTreeSet<IpAddr> = old.addresses().chain(new.addresses()).collect();
    let moved =
        |address: &IpAddr| old.users(*address) != new.users(*address) || name(old, *address) != name(new, *address);
    addresses.into_iter().filter(moved).collect()
}
