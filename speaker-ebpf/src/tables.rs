//! The one door to the maps.

use arpeggio_common::abi::{
    ClientKey, Event, Key4, Key6, Keys, Lease, Peer, PeerKey, Sighting, SightingKey, Stats, Vip,
};

/// What the decision reads and remembers. In the kernel these are BPF maps, in the user-space responder ordered maps.
pub trait Tables {
    /// The entry for an IPv4 address.
    fn vip4(&self, key: &Key4) -> Option<Vip>;
    /// The entry for an IPv6 address.
    fn vip6(&self, key: &Key6) -> Option<Vip>;
    /// Until when answering is allowed, and who this node is.
    fn lease(&self) -> Lease;
    /// What tags are proven with.
    fn keys(&self) -> &Keys;
    /// Monotonic nanoseconds, exact to a clock tick: cheap.
    fn coarse_now_ns(&self) -> u64;
    /// Monotonic nanoseconds, exact.
    fn now_ns(&self) -> u64;
    /// Lets `count` change the counters of a slot; a slot that does not exist is not counted.
    fn count(&self, slot: u32, count: impl FnOnce(&mut Stats));
    /// Remembers who asked.
    fn remember(&self, key: &ClientKey, mac: [u8; 6], now_ns: u64);
    /// What was recorded of somebody else who spoke for an address.
    fn sighting(&self, key: &SightingKey) -> Option<Sighting>;
    /// Records that somebody else spoke for an address.
    fn sight(&self, key: &SightingKey, seen: &Sighting);
    /// What is known of a node; `None` of one that the agent does not know: it speaks like a stranger.
    fn peer(&self, key: &PeerKey) -> Option<Peer>;
    /// Records that a node is there: a frame with its tag came. One that the agent does not know is not recorded.
    fn hear(&self, key: &PeerKey, heard: Peer);
    /// Tells the agent; lost when it does not keep up.
    fn report(&self, event: &Event);
}
