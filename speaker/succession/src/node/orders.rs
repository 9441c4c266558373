//! New orders: machines begin and end, and hear what has changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arpeggio_common::model::{Mode, NodeId};

use super::{
    super::{Effect, Order, Orders, Place, exclusive, shared},
    Entry, Machine, Succession, index,
};

/// A node that is in no order is forgotten after this long.
const FORGOTTEN_NS: u64 = 60_000_000_000;

impl Succession {
    pub(super) fn follow(&mut self, orders: Arc<Orders>) {
        let before = std::mem::replace(&mut self.orders, orders);
        let orders = Arc::clone(&self.orders);
        self.peers.set_ports(&orders.own_macs, &orders.ports());
        let stays =
            |place: &Place, entry: &Entry| orders.places.get(place).is_some_and(|order| order.mode == entry.order.mode);
        let gone: Vec<_> =
            self.entries.iter().filter(|(place, entry)| !stays(place, entry)).map(|(place, _)| *place).collect();
        for place in gone {
            self.forget(place);
        }
        let fresh = self.begin(&orders);
        for (place, order) in &orders.places {
            let known = fresh.binary_search(place).is_err();
            let Some(entry) = self.entries.get_mut(place) else { continue };
            let rank_before = exclusive::rank(&entry.order.candidates, self.me);
            let first = exclusive::rank(&order.candidates, self.me) == Some(0);
            let promoted = known && first && rank_before != Some(0);
            let same = known
                && entry.order == *order
                && before.evacuate == orders.evacuate
                && before.is_usable(*place) == orders.is_usable(*place);
            if !same {
                let before = std::mem::replace(&mut entry.order, order.clone());
                if before.candidates != entry.order.candidates {
                    entry.former = Some(before.candidates);
                }
                self.tell(*place, exclusive::Event::Ordered { promoted }, shared::Event::Ordered);
                self.sync(*place);
            }
        }
        self.adopted.clear();
        self.audits.values_mut().for_each(|audit| audit.set_pace(orders.pace));
        self.interfaces = index::interfaces_of(self.entries.keys());
        self.forget_peers();
        if before.proxies != orders.proxies {
            self.doubt_proxies();
        }
    }

    /// Those who are in no order any more, a minute after they were heard last.
    fn forget_peers(&mut self) {
        let mut wanted = BTreeSet::new();
        let mut last: Option<&Arc<[NodeId]>> = None;
        // Thousands of addresses have the same candidates.
        for order in self.orders.places.values() {
            if last.is_none_or(|last| !Arc::ptr_eq(last, &order.candidates)) {
                wanted.extend(order.candidates.iter().copied());
                last = Some(&order.candidates);
            }
        }
        self.peers.retain(&wanted, self.now_ns.saturating_sub(FORGOTTEN_NS));
    }

    /// Machines for the addresses that have none; returns where, in order.
    fn begin(&mut self, orders: &Orders) -> Vec<Place> {
        let now_ns = self.now_ns;
        let entry = |order: &Order| {
            let machine = match order.mode {
                Mode::Exclusive => Machine::Exclusive(exclusive::Machine::new(now_ns)),
                Mode::Shared => Machine::Shared(shared::Machine::new(now_ns)),
            };
            let watched = BTreeSet::new();
            Entry {
                machine,
                order: order.clone(),
                former: None,
                due_ns: None,
                watched,
                told_ns: [0; 2],
                answer: (0, None),
            }
        };
        let fresh = orders.places.iter().filter(|(place, _)| !self.entries.contains_key(place));
        let mut fresh: BTreeMap<_, _> = fresh.map(|(place, order)| (*place, entry(order))).collect();
        let places: Vec<_> = fresh.keys().copied().collect();
        // At once where there are many: what is put into a map in order, one by one, leaves its nodes half empty.
        if fresh.len() > self.entries.len() {
            self.entries.append(&mut fresh);
        } else {
            self.entries.extend(fresh);
        }
        for place in &places {
            if self.adopted.contains(place) {
                self.tell(*place, exclusive::Event::Adopted, shared::Event::Adopted);
            }
        }
        places
    }

    fn forget(&mut self, place: Place) {
        let Some(entry) = self.entries.remove(&place) else { return };
        if let Some(due_ns) = entry.due_ns {
            self.due.remove(&(due_ns, place));
        }
        for mac in entry.watched {
            self.part(place, mac);
        }
        self.set_leaving(place, false);
        self.listening.remove(&place);
        self.probing.remove(&place);
        self.testing.remove(&place);
        self.shared.remove(&place);
        if let Some(audit) = self.audits.get_mut(&place.0) {
            audit.remove(place);
        }
        self.effects.push(Effect::Quiet(place));
    }
}
