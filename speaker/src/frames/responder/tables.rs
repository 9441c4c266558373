//! What the decision reads and remembers, in ordered maps instead of BPF maps.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::abi::{
    CLIENTS_CAPACITY, Client, ClientKey, Event, Key4, Key6, Keys, Lease, NodeId, Outcome, Peer, PeerKey,
    SIGHTINGS_CAPACITY, Sighting, SightingKey, Sort, Stats, Vip,
};
use arpeggio_speaker_ebpf::Tables;
use arpeggio_succession::Role;
use tokio::sync::mpsc;

use super::recent::Recent;
use crate::{
    clock::monotonic_ns,
    dataplane::{Place, Sighted, Write, newest, wide_key},
};

/// The tables of the user-space responder. One thread decides at a time; the interior mutability is what the interface of
/// the kernel's maps looks like in Rust.
#[derive(Debug)]
pub(super) struct UserTables {
    vips4: BTreeMap<Key4, Vip>,
    vips6: BTreeMap<Key6, Vip>,
    stats: RefCell<BTreeMap<u32, Stats>>,
    outcomes: BTreeMap<Outcome, u64>,
    sightings: RefCell<Recent<SightingKey, Sighting>>,
    clients: RefCell<Recent<ClientKey, Client>>,
    peers: RefCell<BTreeMap<PeerKey, Peer>>,
    lease: Lease,
    keys: Keys,
    arrived_ns: u64,
    events: mpsc::Sender<Event>,
    events_lost: Cell<u64>,
}

impl UserTables {
    /// Empty, without lease: nothing is answered. Events go to `events` as long as there is room.
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            vips4: BTreeMap::new(),
            vips6: BTreeMap::new(),
            stats: RefCell::default(),
            outcomes: BTreeMap::new(),
            sightings: RefCell::new(Recent::new(SIGHTINGS_CAPACITY)),
            clients: RefCell::new(Recent::new(CLIENTS_CAPACITY)),
            peers: RefCell::default(),
            lease: Lease::NONE,
            keys: Keys::NONE,
            arrived_ns: 0,
            events,
            events_lost: Cell::new(0),
        }
    }

    /// Writes entries.
    pub(super) fn set(&mut self, writes: &[Write]) {
        let stats = self.stats.get_mut();
        for Write { place: (ifindex, address), vip, fresh_slot } in writes {
            let line = stats.entry(vip.slot()).or_default();
            if *fresh_slot {
                *line = Stats::default();
            }
            match address {
                IpAddr::V4(v4) => self.vips4.insert(Key4::new(*ifindex, v4.octets()), *vip),
                IpAddr::V6(v6) => self.vips6.insert(Key6::new(*ifindex, v6.octets()), *vip),
            };
        }
    }

    /// Removes entries and their counters.
    pub(super) fn remove(&mut self, places: &[Place]) {
        for (ifindex, address) in places {
            let removed = match address {
                IpAddr::V4(v4) => self.vips4.remove(&Key4::new(*ifindex, v4.octets())),
                IpAddr::V6(v6) => self.vips6.remove(&Key6::new(*ifindex, v6.octets())),
            };
            if let Some(vip) = removed {
                self.stats.get_mut().remove(&vip.slot());
            }
        }
    }

    /// Makes an entry say this role; `false` when there is none.
    pub(super) fn set_role(&mut self, (ifindex, address): Place, role: Role) -> bool {
        let vip = match address {
            IpAddr::V4(v4) => self.vips4.get_mut(&Key4::new(ifindex, v4.octets())),
            IpAddr::V6(v6) => self.vips6.get_mut(&Key6::new(ifindex, v6.octets())),
        };
        vip.map(|vip| *vip = role.written_to(*vip)).is_some()
    }

    /// Allows answering.
    pub(super) const fn set_lease(&mut self, lease: Lease) {
        self.lease = lease;
    }

    /// From now on tags are proven with these.
    pub(super) const fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// From now on these nodes are known, and no others.
    pub(super) fn know(&mut self, known: &BTreeSet<PeerKey>) {
        let peers = self.peers.get_mut();
        peers.retain(|key, _| known.contains(key));
        for key in known {
            peers.entry(*key).or_insert(Peer::UNHEARD);
        }
    }

    /// The next frame arrived at this time, stamped by the kernel.
    pub(super) const fn begin_frame(&mut self, at_ns: u64) {
        self.arrived_ns = at_ns;
    }

    /// Counts how the decision finished, as the kernel program does.
    pub(super) fn count_outcome(&mut self, outcome: Outcome) {
        if outcome.counter().is_some() {
            *self.outcomes.entry(outcome).or_default() += 1;
        }
    }

    /// Counters by line.
    pub(super) fn stats(&self) -> BTreeMap<u32, Stats> {
        self.stats.borrow().clone()
    }

    /// How often the decision finished in which way.
    pub(super) fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        self.outcomes.clone()
    }

    /// Who else was seen with an address.
    pub(super) fn sightings(&self) -> BTreeMap<Place, Sighting> {
        newest(self.sightings.borrow().iter())
    }

    /// Who was seen with one address.
    pub(super) fn sighted(&self, place: &Place) -> Sighted {
        let sightings = self.sightings.borrow();
        let one = |sort| sightings.get(&SightingKey::new(wide_key(place), sort));
        Sighted { speaker: one(Sort::Speaker), stranger: one(Sort::Stranger), answer: one(Sort::Answer) }
    }

    /// The other speakers, by interface index and node.
    pub(super) fn peers(&self) -> BTreeMap<(u32, NodeId), Peer> {
        let heard =
            |(key, peer): (&PeerKey, &Peer)| (*peer != Peer::UNHEARD).then_some(((key.ifindex(), key.node()?), *peer));
        self.peers.borrow().iter().filter_map(heard).collect()
    }

    /// Who asked for which address.
    pub(super) fn clients(&self) -> BTreeMap<(Place, IpAddr), Client> {
        let readable = |key: ClientKey| (place(key.vip()), IpAddr::from(key.client()).to_canonical());
        self.clients.borrow().iter().map(|(key, client)| (readable(key), client)).collect()
    }

    /// Events that found no room.
    pub(super) const fn events_lost(&self) -> u64 {
        self.events_lost.get()
    }

    /// Until when answering is allowed.
    pub(super) const fn lease(&self) -> Lease {
        self.lease
    }
}

fn place(key: Key6) -> Place {
    (key.ifindex(), IpAddr::from(key.address()).to_canonical())
}

impl Tables for UserTables {
    fn vip4(&self, key: &Key4) -> Option<Vip> {
        self.vips4.get(key).copied()
    }

    fn vip6(&self, key: &Key6) -> Option<Vip> {
        self.vips6.get(key).copied()
    }

    fn lease(&self) -> Lease {
        self.lease
    }

    fn coarse_now_ns(&self) -> u64 {
        // Not the time of arrival: a frame that waited while this process was stopped must not be answered after the lease.
        monotonic_ns()
    }

    fn now_ns(&self) -> u64 {
        // What is stamped with it is when somebody else spoke, however late it is read.
        self.arrived_ns
    }

    fn count(&self, slot: u32, count: impl FnOnce(&mut Stats)) {
        if let Some(stats) = self.stats.borrow_mut().get_mut(&slot) {
            count(stats);
        }
    }

    fn remember(&self, key: &ClientKey, mac: [u8; 6], now_ns: u64) {
        self.clients.borrow_mut().insert(*key, Client::new(mac, now_ns), now_ns);
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn sighting(&self, key: &SightingKey) -> Option<Sighting> {
        self.sightings.borrow().get(key)
    }

    fn sight(&self, key: &SightingKey, seen: &Sighting) {
        self.sightings.borrow_mut().insert(*key, *seen, seen.last_seen_ns());
    }

    fn peer(&self, key: &PeerKey) -> Option<Peer> {
        self.peers.borrow().get(key).copied()
    }

    fn hear(&self, key: &PeerKey, heard: Peer) {
        if let Some(peer) = self.peers.borrow_mut().get_mut(key) {
            *peer = peer.then(heard);
        }
    }

    fn report(&self, event: &Event) {
        if self.events.try_send(*event).is_err() {
            self.events_lost.set(self.events_lost.get() + 1);
        }
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
