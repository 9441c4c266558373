//! Every map, and the door to them. The names are those of `arpeggio_common::abi::names`; a test compares the two.

use arpeggio_common::abi::{
    CLIENTS_CAPACITY, Client, ClientKey, DEFAULT_CAPACITY, EVENTS_BYTES, Event, Key4, Key6, Keys, Lease, Outcome,
    PEERS_CAPACITY, Peer, PeerKey, SIGHTINGS_CAPACITY, STRAYS_CAPACITY, Sighting, SightingKey, Stats, Stray, StrayKey,
    Vip,
};
use arpeggio_speaker_ebpf::Tables;
use aya_ebpf::{
    bindings::{BPF_ANY, BPF_EXIST},
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
    helpers::bpf_ktime_get_ns,
    macros::btf_map,
};

use crate::clock;

#[btf_map]
static VIPS4: HashMap<Key4, Vip, { DEFAULT_CAPACITY as usize }> = HashMap::new();
#[btf_map]
static VIPS6: HashMap<Key6, Vip, { DEFAULT_CAPACITY as usize }> = HashMap::new();
#[btf_map]
static STATS: PerCpuArray<Stats, { DEFAULT_CAPACITY as usize }> = PerCpuArray::new();
#[btf_map]
static OUTCOMES: PerCpuArray<u64, { Outcome::COUNT }> = PerCpuArray::new();
#[btf_map]
static SIGHTINGS: LruHashMap<SightingKey, Sighting, { SIGHTINGS_CAPACITY as usize }> = LruHashMap::new();
#[btf_map]
static CLIENTS: LruHashMap<ClientKey, Client, { CLIENTS_CAPACITY as usize }> = LruHashMap::new();
#[btf_map]
static LEASE: Array<Lease, 1> = Array::new();
#[btf_map]
static KEYS: Array<Keys, 1> = Array::new();
#[btf_map]
static EVENTS: RingBuf<Event, { EVENTS_BYTES as usize }> = RingBuf::new();
#[btf_map]
static PEERS: HashMap<PeerKey, Peer, { PEERS_CAPACITY as usize }> = HashMap::new();
#[btf_map]
static STRAYS: LruHashMap<StrayKey, Stray, { STRAYS_CAPACITY as usize }> = LruHashMap::new();

/// The BPF maps.
pub(crate) struct Maps;

impl Maps {
    /// Counts an outcome that no address is charged with.
    #[inline(always)]
    pub(crate) fn count_outcome(outcome: Outcome) {
        let Some(index) = outcome.counter() else { return };
        if let Some(count) = OUTCOMES.get_ptr_mut(index) {
            // SAFETY: the pointer is to this CPU's own slot of a per-CPU array, which lives as long as the map; programs are
            // not preempted by programs on the same slot, XDP and tc run with bottom halves disabled.
            unsafe { *count += 1 };
        }
    }

    /// Records a frame that was sent to this node although the address belongs to another.
    #[inline(always)]
    pub(crate) fn stray(key: &StrayKey, source: [u8; 16]) {
        // SAFETY: copied out at once, see `vip4`.
        let before = unsafe { STRAYS.get(key) }.copied();
        let fresh = Stray::new(source, clock::read());
        // Nothing to be done when the map is out of memory: the next frame comes.
        let _ = STRAYS.insert(key, before.map_or(fresh, |before| before.then(fresh)), u64::from(BPF_ANY));
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn vip4(&self, key: &Key4) -> Option<Vip> {
        // SAFETY: the value is copied out at once. The agent may replace the entry meanwhile: the slot is then reused by
        // another address of the same agent, so that one frame may meet a neighbour's entry, never invalid memory.
        unsafe { VIPS4.get(key) }.copied()
    }

    #[inline(always)]
    fn vip6(&self, key: &Key6) -> Option<Vip> {
        // SAFETY: as in `vip4`.
        unsafe { VIPS6.get(key) }.copied()
    }

    #[inline(always)]
    fn lease(&self) -> Lease {
        LEASE.get(0).copied().unwrap_or(Lease::NONE)
    }

    #[inline(always)]
    fn keys(&self) -> &Keys {
        // The agent may replace them meanwhile: then one tag does not count.
        KEYS.get(0).unwrap_or(&Keys::NONE)
    }

    #[inline(always)]
    fn coarse_now_ns(&self) -> u64 {
        clock::coarse_now_ns()
    }

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: the helper has no arguments and no preconditions.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn count(&self, slot: u32, count: impl FnOnce(&mut Stats)) {
        if let Some(stats) = STATS.get_ptr_mut(slot) {
            // SAFETY: as in `count_outcome`; the closure ends before anything else looks at the slot.
            count(unsafe { &mut *stats });
        }
    }

    #[inline(always)]
    fn remember(&self, key: &ClientKey, mac: [u8; 6], now_ns: u64) {
        // Nothing to be done when the map is out of memory: the cache is not corrected by unicast then.
        let _ = CLIENTS.insert(key, Client::new(mac, now_ns), u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn sighting(&self, key: &SightingKey) -> Option<Sighting> {
        // SAFETY: copied out at once, see `vip4`. Not changed in place: the kernel may give an entry of an LRU map to another
        // key at any time.
        unsafe { SIGHTINGS.get(key) }.copied()
    }

    #[inline(always)]
    fn sight(&self, key: &SightingKey, seen: &Sighting) {
        // Nothing to be done when the map is out of memory: the next frame comes.
        let _ = SIGHTINGS.insert(key, seen, u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn peer(&self, key: &PeerKey) -> Option<Peer> {
        // SAFETY: copied out at once, see `vip4`.
        unsafe { PEERS.get(key) }.copied()
    }

    #[inline(always)]
    fn hear(&self, key: &PeerKey, heard: Peer) {
        if let Some(before) = self.peer(key) {
            // Fails when the agent has just removed it: then it is known no more.
            let _ = PEERS.insert(key, before.then(heard), u64::from(BPF_EXIST));
        }
    }

    #[inline(always)]
    fn report(&self, event: &Event) {
        // A full ring means that the agent does not keep up; the sighting is recorded all the same.
        let _ = EVENTS.output(event, 0);
    }
}
