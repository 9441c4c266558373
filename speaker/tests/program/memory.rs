//! The maps as plain collections, for the host build of the decision.

use std::{cell::RefCell, collections::BTreeMap};

use arpeggio_common::abi::{
    Client, ClientKey, Event, Key4, Key6, Keys, Lease, Peer, PeerKey, Sighting, SightingKey, Stats, Vip,
};
use arpeggio_speaker_ebpf::Tables;

/// The maps and the time.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) vips4: BTreeMap<Key4, Vip>,
    pub(crate) vips6: BTreeMap<Key6, Vip>,
    pub(crate) lease: Lease,
    pub(crate) keys: Keys,
    /// Monotonic nanoseconds; both clocks of the kernel show it.
    pub(crate) now_ns: u64,
    /// Number of slots.
    pub(crate) slots: u32,
    /// Slots that were touched.
    pub(crate) stats: RefCell<BTreeMap<u32, Stats>>,
    pub(crate) sightings: RefCell<BTreeMap<SightingKey, Sighting>>,
    pub(crate) peers: RefCell<BTreeMap<PeerKey, Peer>>,
    pub(crate) clients: RefCell<BTreeMap<ClientKey, Client>>,
    pub(crate) events: RefCell<Vec<Event>>,
}

impl Tables for Memory {
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
        self.now_ns
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn count(&self, slot: u32, count: impl FnOnce(&mut Stats)) {
        if slot < self.slots {
            count(self.stats.borrow_mut().entry(slot).or_default());
        }
    }

    fn remember(&self, key: &ClientKey, mac: [u8; 6], now_ns: u64) {
        self.clients.borrow_mut().insert(*key, Client::new(mac, now_ns));
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn sighting(&self, key: &SightingKey) -> Option<Sighting> {
        self.sightings.borrow().get(key).copied()
    }

    fn sight(&self, key: &SightingKey, seen: &Sighting) {
        self.sightings.borrow_mut().insert(*key, *seen);
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
        self.events.borrow_mut().push(*event);
    }
}
