//! The one door to the maps.

use arpeggio_common::abi::{ClientKey, Event, Key4, Key6, Lease, Peer, PeerKey, Sighting, Stats, Vip};

/// What the decision reads and remembers. In the kernel these are BPF maps, in the user-space responder ordered maps.
pub trait Tables {
    /// The entry for an IPv4 address.
    fn vip4(&self, key: &Key4) -> Option<Vip>;
    /// The entry for an IPv6 address.
    fn vip6(&self, key: &Key6) -> Option<Vip>;
    /// Until when answering is allowed, and who this node is.
    fn lease(&self) -> Lease;
    /// Monotonic nanoseconds, exact to a clock tick: cheap.
    fn coarse_now_ns(&self) -> u64;
    /// Monotonic nanoseconds, exact.
    fn now_ns(&self) -> u64;
    /// Lets `count` change the counters of a slot; a slot that does not exist is not counted.
    fn count(&self, slot: u32, count: impl FnOnce(&mut Stats));
    /// Remembers who asked.
    fn remember(&self, key: &ClientKey, mac: [u8; 6], now_ns: u64);
    /// Records that somebody else spoke for an address and returns what was recorded of it before.
    fn sight(&self, key: &Key6, seen: Sighting) -> Option<Sighting>;
    /// Records that a node is there: a frame with its tag came.
    fn hear(&self, key: &PeerKey, heard: Peer);
    /// Tells the agent; lost when it does not keep up.
    fn report(&self, event: &Event);
}
