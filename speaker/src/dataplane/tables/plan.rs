//! Pure: which entries to write and which to remove, and which line of the counters each one gets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::abi::{Action, Vip};

use super::Place;
use crate::decide::DesiredVip;

/// What the two address maps hold together.
pub type Entries = BTreeMap<Place, Vip>;

/// One entry to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Interface index and address.
    pub place: Place,
    /// The whole value.
    pub vip: Vip,
    /// The line of counters was not this entry's before: it has to be zeroed first.
    pub fresh_slot: bool,
}

/// The difference, in the order in which it is to be applied: removals first, both in order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Entries that should not be there.
    pub remove: Vec<Place>,
    /// Entries that are missing or differ. One that only differs keeps its line of counters and is one atomic write.
    pub set: Vec<Write>,
    /// Entries that found no room.
    pub left_out: Vec<Place>,
}

impl Plan {
    /// Whether there is nothing to do and nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.left_out.is_empty()
    }
}

/// Plans the difference between what the maps hold and what they should hold. `capacity` is the number of lines of
/// counters. Where it is too small, what this node answers for comes first, then what it may have to answer for, then what it
/// only suppresses; and in each of them what is already there before what is new.
pub fn plan(observed: &Entries, desired: &BTreeMap<Place, DesiredVip>, capacity: u32) -> Plan {
    let left_out = beyond(observed, desired, capacity);
    let admitted = |place: &Place| desired.contains_key(place) && !left_out.contains(place);
    let mut plan =
        Plan { remove: observed.keys().filter(|place| !admitted(place)).copied().collect(), ..Plan::default() };
    let kept = keep_slots(observed, admitted, capacity);
    let mut free = {
        let taken: BTreeSet<u32> = kept.values().copied().collect();
        (0..capacity).filter(move |slot| !taken.contains(slot))
    };
    for (place, wanted) in desired.iter().filter(|(place, _)| admitted(place)) {
        let kept_slot = kept.get(place).copied();
        let Some(slot) = kept_slot.or_else(|| free.next()) else { continue };
        let vip = Vip::new(wanted.mac.0, wanted.action, slot, wanted.buckets)
            .with_flags(wanted.flags)
            .with_generation(wanted.generation);
        if observed.get(place) != Some(&vip) {
            plan.set.push(Write { place: *place, vip, fresh_slot: kept_slot.is_none() });
        }
    }
    plan.left_out = left_out.into_iter().collect();
    plan
}

/// The entries that find no room.
fn beyond(observed: &Entries, desired: &BTreeMap<Place, DesiredVip>, capacity: u32) -> BTreeSet<Place> {
    let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
    if desired.len() <= capacity {
        return BTreeSet::new();
    }
    let mut order: Vec<_> = desired.iter().collect();
    order.sort_by_key(|(place, vip)| {
        (vip.action != Action::Answer, !vip.may_own, !observed.contains_key(place), **place)
    });
    order.into_iter().skip(capacity).map(|(place, _)| *place).collect()
}

/// The lines of the entries that stay. An entry whose line is out of range or already another one's gets a new one:
/// nothing of ours writes that, but the maps are open to whoever is root.
fn keep_slots(observed: &Entries, admitted: impl Fn(&Place) -> bool, capacity: u32) -> BTreeMap<Place, u32> {
    let mut taken = BTreeSet::new();
    observed
        .iter()
        .filter(|(place, _)| admitted(place))
        .filter(|(_, vip)| vip.slot() < capacity && taken.insert(vip.slot()))
        .map(|(place, vip)| (*place, vip.slot()))
        .collect()
}

/// The addresses that this node answers for now and did not before, or answers for with another MAC: the caches of the
/// neighbours have to be corrected.
pub fn taken(previous: &Entries, applied: &Entries) -> Vec<(u32, IpAddr)> {
    let answers = |vip: &Vip| vip.action() == Some(Action::Answer);
    applied
        .iter()
        .filter(|(_, vip)| answers(vip))
        .filter(|(place, vip)| !previous.get(place).is_some_and(|before| answers(before) && before.mac() == vip.mac()))
        .map(|(place, _)| *place)
        .collect()
}

#[cfg(test)]
mod tests {
    use arpeggio_common::{abi::Flags, wire::Mac};
    use proptest::{collection::btree_map, prelude::*};

    use super::*;

    const CAPACITY: u32 = 12;

    fn wanted(action: Action) -> DesiredVip {
        DesiredVip {
            mac: Mac([2, 0, 0, 0, 0, 1]),
            action,
            flags: Flags::NONE,
            buckets: u64::MAX,
            may_own: false,
            generation: 0,
        }
    }

    fn place(last: u8) -> Place {
        (7, IpAddr::from([192, 0, 2, last]))
    }

    /// What the kernel would hold afterwards.
    fn applied(mut entries: Entries, plan: &Plan) -> Entries {
        for place in &plan.remove {
            assert!(entries.remove(place).is_some(), "removes only what is there");
        }
        for write in &plan.set {
            entries.insert(write.place, write.vip);
        }
        entries
    }

    fn load(places: impl IntoIterator<Item = u8>) -> BTreeMap<Place, DesiredVip> {
        places.into_iter().map(|last| (place(last), wanted(Action::Answer))).collect()
    }

    #[test]
    fn a_change_of_one_entry_is_one_write() {
        let mut desired = load(0..10);
        let entries = applied(Entries::new(), &plan(&Entries::new(), &desired, CAPACITY));
        let slot = entries[&place(4)].slot();
        desired.insert(place(4), wanted(Action::Suppress));
        let plan = plan(&entries, &desired, CAPACITY);
        assert!(plan.remove.is_empty());
        let vip = Vip::new([2, 0, 0, 0, 0, 1], Action::Suppress, slot, u64::MAX);
        assert_eq!(plan.set, [Write { place: place(4), vip, fresh_slot: false }]);
    }

    #[test]
    fn what_is_answered_finds_room_before_what_is_suppressed() {
        let mut desired: BTreeMap<_, _> = (0..20).map(|last| (place(last), wanted(Action::Suppress))).collect();
        let full = applied(Entries::new(), &plan(&Entries::new(), &desired, CAPACITY));
        assert_eq!(full.len(), CAPACITY as usize);
        desired.insert(place(99), wanted(Action::Answer));
        let change = plan(&full, &desired, CAPACITY);
        assert_eq!((change.remove.len(), change.set.len(), change.left_out.len()), (1, 1, 9));
        let entries = applied(full, &change);
        assert_eq!(entries[&place(99)].action(), Some(Action::Answer));
        let again = plan(&entries, &desired, CAPACITY);
        assert!(again.set.is_empty() && again.remove.is_empty(), "settled: {again:?}");
    }

    #[test]
    fn where_this_node_may_own_an_address_goes_before_where_it_only_suppresses() {
        let standby = DesiredVip { may_own: true, ..wanted(Action::Suppress) };
        let mut desired: BTreeMap<_, _> = (0..20).map(|last| (place(last), wanted(Action::Suppress))).collect();
        let full = applied(Entries::new(), &plan(&Entries::new(), &desired, CAPACITY));
        desired.extend((90..95).map(|last| (place(last), standby)));
        let entries = applied(full.clone(), &plan(&full, &desired, CAPACITY));
        assert!((90..95).all(|last| entries.contains_key(&place(last))), "{entries:?}");
        desired.insert(place(99), wanted(Action::Answer));
        desired.extend((100..120).map(|last| (place(last), standby)));
        let entries = applied(entries.clone(), &plan(&entries, &desired, CAPACITY));
        assert!(entries.contains_key(&place(99)), "who answers goes first");
        assert!((90..95).all(|last| entries.contains_key(&place(last))), "who is there stays");
        assert!(entries.keys().all(|place| desired[place].may_own || *place == self::place(99)));
    }

    #[test]
    fn a_new_mac_rewrites_every_entry_and_keeps_its_counters() {
        let desired = load(0..4);
        let entries = applied(Entries::new(), &plan(&Entries::new(), &desired, CAPACITY));
        let moved: BTreeMap<_, _> = desired
            .into_iter()
            .map(|(place, vip)| (place, DesiredVip { mac: Mac([2, 0, 0, 0, 0, 2]), ..vip }))
            .collect();
        let plan = plan(&entries, &moved, CAPACITY);
        assert_eq!((plan.remove.len(), plan.set.len()), (0, 4));
        assert!(plan.set.iter().all(|write| !write.fresh_slot && write.vip.slot() == entries[&write.place].slot()));
        let after = applied(entries.clone(), &plan);
        assert_eq!(taken(&entries, &after), (0..4).map(place).collect::<Vec<_>>(), "neighbours know the old MAC");
    }

    #[test]
    fn freed_lines_are_used_again_from_the_lowest() {
        let entries = applied(Entries::new(), &plan(&Entries::new(), &load(0..5), CAPACITY));
        let plan = plan(&entries, &load([0, 2, 4, 8, 9, 10]), CAPACITY);
        assert_eq!(plan.remove, [place(1), place(3)]);
        let slots: Vec<_> = plan.set.iter().map(|write| (write.place, write.vip.slot(), write.fresh_slot)).collect();
        assert_eq!(slots, [(place(8), 1, true), (place(9), 3, true), (place(10), 5, true)]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_the_rest_is_served() {
        let entries = applied(Entries::new(), &plan(&Entries::new(), &load(10..20), 10));
        let plan = plan(&entries, &load(0..20), 10);
        assert!(plan.set.is_empty() && plan.remove.is_empty(), "who is there stays: {plan:?}");
        assert_eq!(plan.left_out, (0..10).map(place).collect::<Vec<_>>());
    }

    #[test]
    fn a_line_that_is_not_ours_to_use_is_replaced() {
        let vip = |slot| Vip::new([2, 0, 0, 0, 0, 1], Action::Answer, slot, u64::MAX);
        let entries = Entries::from([(place(0), vip(3)), (place(1), vip(3)), (place(2), vip(CAPACITY))]);
        let plan = plan(&entries, &load(0..3), CAPACITY);
        let slots: Vec<_> = plan.set.iter().map(|write| (write.place, write.vip.slot(), write.fresh_slot)).collect();
        assert_eq!(slots, [(place(1), 0, true), (place(2), 1, true)]);
    }

    #[test]
    fn an_entry_without_a_line_is_removed_when_there_is_no_room() {
        let vip = |slot| Vip::new([2, 0, 0, 0, 0, 1], Action::Answer, slot, u64::MAX);
        let entries = Entries::from([(place(0), vip(0)), (place(1), vip(9))]);
        let plan = plan(&entries, &load(0..2), 1);
        assert_eq!((plan.set.len(), plan.remove, plan.left_out), (0, vec![place(1)], vec![place(1)]));
    }

    #[test]
    fn only_what_turned_to_answer_is_taken() {
        let vip = |action| Vip::new([2, 0, 0, 0, 0, 1], action, 0, u64::MAX);
        let before = Entries::from([
            (place(0), vip(Action::Answer)),
            (place(1), vip(Action::Suppress)),
            (place(2), vip(Action::Answer)),
            (place(3), vip(Action::Observe)),
        ]);
        let after = Entries::from([
            (place(0), vip(Action::Answer)),
            (place(1), vip(Action::Answer)),
            (place(2), vip(Action::Suppress)),
            (place(3), vip(Action::Observe)),
            (place(4), vip(Action::Answer)),
        ]);
        assert_eq!(taken(&before, &after), [place(1), place(4)]);
    }

    prop_compose! {
        fn some_vip()(mac: [u8; 6], action in 0..3u8, evacuating: bool, buckets: u64, may_own: bool, generation: u64) -> DesiredVip {
            let flags = if evacuating { Flags::EVACUATING } else { Flags::NONE };
            DesiredVip { mac: Mac(mac), action: Action::from_code(action).unwrap(), flags, buckets, may_own, generation }
        }
    }

    prop_compose! {
        fn some_place()(ifindex in 1..3u32, last in 0..8u8, v6: bool) -> Place {
            let mut wide = [0; 16];
            wide[15] = last;
            (ifindex, if v6 { IpAddr::from(wide) } else { IpAddr::from([192, 0, 2, last]) })
        }
    }

    proptest! {
        /// One random state after the other, never starting afresh.
        #[test]
        fn the_second_plan_is_empty(states in proptest::collection::vec(btree_map(some_place(), some_vip(), 0..20), 1..12)) {
            let mut entries = Entries::new();
            for desired in states {
                let first = plan(&entries, &desired, CAPACITY);
                prop_assert_eq!(&first, &plan(&entries, &desired, CAPACITY), "same input, same plan");
                let before = entries.clone();
                entries = applied(entries, &first);
                let again = plan(&entries, &desired, CAPACITY);
                prop_assert!(again.set.is_empty() && again.remove.is_empty(), "{:?}", again);
                prop_assert_eq!(again.left_out, first.left_out.clone());

                let capacity = CAPACITY as usize;
                prop_assert_eq!(first.left_out.len(), desired.len().saturating_sub(capacity));
                prop_assert_eq!(entries.len(), desired.len().min(capacity));
                let slots: BTreeSet<_> = entries.values().map(Vip::slot).collect();
                prop_assert!(slots.len() == entries.len() && slots.iter().all(|slot| *slot < CAPACITY));
                for (place, vip) in &entries {
                    let wanted = &desired[place];
                    prop_assert_eq!((vip.mac(), vip.action(), vip.flags(), vip.buckets()),
                                    (wanted.mac.0, Some(wanted.action), wanted.flags, wanted.buckets));
                    if let Some(kept) = before.get(place) {
                        prop_assert_eq!(kept.slot(), vip.slot(), "counters stay with their entry");
                    }
                }
            }
        }
    }
}
