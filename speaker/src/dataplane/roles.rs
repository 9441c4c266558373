//! Who answers, as one truth for everybody who writes entries: the agent that writes whole tables, and the succession that
//! turns single ones meanwhile.
//!
//! Whoever writes an entry holds the lock while it looks up the role and writes. So an entry always says what the role says,
//! however the two writers meet. The lock is held for a few entries at a time: a takeover waits for microseconds.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arpeggio_common::abi::Vip;
use arpeggio_succession::Role;

use super::tables::Place;
use crate::decide::{Desired, DesiredVip};

/// Entries that are written before the lock is given back: some 50 µs.
pub(crate) const ENTRIES_AT_ONCE: usize = 64;

/// The roles of this node. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Roles(Arc<Mutex<BTreeMap<Place, Role>>>);

/// The roles, locked.
#[derive(Debug)]
pub struct HeldRoles<'a>(MutexGuard<'a, BTreeMap<Place, Role>>);

impl Roles {
    /// Nobody else reads or changes roles until the result is dropped.
    pub fn hold(&self) -> HeldRoles<'_> {
        HeldRoles(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The role in a place; `None`: what was decided holds.
    pub fn get(&self, place: &Place) -> Option<Role> {
        self.hold().get(place)
    }

    /// What is desired, as the roles want it. Each entry as at some moment of this call: roles change meanwhile.
    #[must_use]
    pub fn applied_to(&self, desired: &Desired) -> Desired {
        let mut desired = desired.clone();
        self.turn(&mut desired.vips, |roles, place, vip| roles.desired(place, vip));
        desired
    }

    /// Brings entries in line with the roles, each as at some moment of this call.
    pub(crate) fn written_to(&self, entries: &mut BTreeMap<Place, Vip>) {
        self.turn(entries, |roles, place, vip| roles.entry(place, vip));
    }

    /// A few at a time: a takeover must not wait for ten thousand.
    fn turn<T: Copy>(&self, values: &mut BTreeMap<Place, T>, role: impl Fn(&HeldRoles<'_>, &Place, T) -> T) {
        let mut values = values.iter_mut();
        while let Some(first) = values.next() {
            let roles = self.hold();
            for (place, value) in std::iter::once(first).chain(values.by_ref().take(ENTRIES_AT_ONCE - 1)) {
                *value = role(&roles, place, *value);
            }
        }
    }
}

impl HeldRoles<'_> {
    /// The role in a place; `None`: what was decided holds.
    pub fn get(&self, place: &Place) -> Option<Role> {
        self.0.get(place).copied()
    }

    /// From now on this is the role there; the entry is to be written before the lock is given back.
    pub fn set(&mut self, place: Place, role: Role) {
        self.0.insert(place, role);
    }

    /// From now on what was decided holds there.
    pub fn forget(&mut self, place: &Place) {
        self.0.remove(place);
    }

    /// Every place that has a role.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.0.keys().copied()
    }

    /// The entry as its role wants it.
    #[must_use]
    pub fn entry(&self, place: &Place, vip: Vip) -> Vip {
        self.get(place).map_or(vip, |role| role.written_to(vip))
    }

    /// What is desired, as its role wants it.
    pub(crate) fn desired(&self, place: &Place, vip: DesiredVip) -> DesiredVip {
        self.get(place).map_or(vip, |Role { action, flags, buckets }| DesiredVip { action, flags, buckets, ..vip })
    }
}

#[cfg(test)]
mod tests {
    use arpeggio_common::abi::{ALL_BUCKETS, Action};

    use super::*;

    fn place(last: u8) -> Place {
        (7, [192, 0, 2, last].into())
    }

    #[test]
    fn where_there_is_no_role_the_decision_holds() {
        let roles = Roles::default();
        let vip = Vip::new([2, 0, 0, 0, 0, 1], Action::Suppress, 12, 0);
        roles.hold().set(place(1), Role::OWNER);
        assert_eq!(roles.hold().entry(&place(1), vip).buckets(), ALL_BUCKETS);
        assert_eq!(roles.hold().entry(&place(2), vip), vip);
        roles.clone().hold().forget(&place(1));
        assert_eq!(roles.get(&place(1)), None, "clones share");
    }

    #[test]
    fn every_entry_of_many_gets_its_role() {
        let roles = Roles::default();
        let vip = Vip::new([2, 0, 0, 0, 0, 1], Action::Suppress, 12, 0);
        let places = || (0..=u8::MAX).map(place);
        places().for_each(|place| roles.hold().set(place, Role::OWNER));
        let mut entries: BTreeMap<_, _> = places().map(|place| (place, vip)).collect();
        assert!(entries.len() > 2 * ENTRIES_AT_ONCE);
        roles.written_to(&mut entries);
        assert!(entries.values().all(|vip| vip.action() == Some(Action::Answer)));
    }
}
