//! The layout of the BPF maps: what the kernel program and user space agree on, byte for byte.
//!
//! Addresses and MACs are byte arrays in network order, so that neither side can get the order wrong. Interface indices,
//! times and counts are native integers: that is what the kernel hands out, and `bpftool map dump` prints them as numbers.
//! Any change of a size, an offset or a meaning needs a new [`LAYOUT_VERSION`], which is the name of the pin directory.

mod client;
mod event;
mod key;
mod keys;
mod lease;
mod node;
mod outcome;
mod peer;
#[cfg(feature = "aya")]
mod pod;
mod sighting;
mod stats;
mod stray;
mod vip;

pub use client::{Client, ClientKey};
pub use event::{Event, EventKind};
pub use key::{Key4, Key6};
pub use keys::{KEYS, Keys};
pub use lease::Lease;
pub use node::NodeId;
#[cfg(feature = "std")]
pub(crate) use node::avalanche;
pub use outcome::{Disposition, Outcome};
pub use peer::{Peer, PeerKey};
pub use sighting::{Sighting, SightingKey, SightingKind, Sort};
pub use stats::Stats;
pub use stray::{Stray, StrayKey};
pub use vip::{ALL_BUCKETS, Action, BUCKETS, Flags, Vip, bucket, bucket_of};

/// Version of everything in this module; the pin directory is named `v<LAYOUT_VERSION>`.
pub const LAYOUT_VERSION: u32 = 2;

/// Name of the directory below the pin directory in which this layout lives.
pub const LAYOUT_DIRECTORY: &str = "v2";

/// Names of the maps. The BPF program declares statics with exactly these names; a test compares the two.
pub mod names {
    /// Hash: [`Key4`](super::Key4) → [`Vip`](super::Vip).
    pub const VIPS4: &str = "VIPS4";
    /// Hash: [`Key6`](super::Key6) → [`Vip`](super::Vip).
    pub const VIPS6: &str = "VIPS6";
    /// Per-CPU array: slot of an entry → [`Stats`](super::Stats).
    pub const STATS: &str = "STATS";
    /// Per-CPU array: [`Outcome`](super::Outcome) → number of frames.
    pub const OUTCOMES: &str = "OUTCOMES";
    /// LRU hash: [`SightingKey`](super::SightingKey) → [`Sighting`](super::Sighting).
    pub const SIGHTINGS: &str = "SIGHTINGS";
    /// LRU hash: [`ClientKey`](super::ClientKey) → [`Client`](super::Client).
    pub const CLIENTS: &str = "CLIENTS";
    /// Array of one: the [`Lease`](super::Lease).
    pub const LEASE: &str = "LEASE";
    /// Ring buffer of [`Event`](super::Event).
    pub const EVENTS: &str = "EVENTS";
    /// Array of one: the [`Keys`](super::Keys) that tags are proven with.
    pub const KEYS: &str = "KEYS";
    /// Hash: [`PeerKey`](super::PeerKey) → [`Peer`](super::Peer). The agent alone makes and removes entries.
    pub const PEERS: &str = "PEERS";
    /// LRU hash: [`StrayKey`](super::StrayKey) → [`Stray`](super::Stray). Written by the healing program only.
    pub const STRAYS: &str = "STRAYS";

    /// Every map of the layout, in the order in which they are pinned.
    pub const ALL: [&str; 11] = [VIPS4, VIPS6, STATS, OUTCOMES, SIGHTINGS, CLIENTS, LEASE, KEYS, EVENTS, PEERS, STRAYS];

    /// XDP entry for kernels that know multi-buffer frames (5.18 and later).
    pub const XDP_FRAGS_PROGRAM: &str = "arpeggio_xdp_frags";
    /// XDP entry for older kernels.
    pub const XDP_PROGRAM: &str = "arpeggio_xdp";
    /// tc entry, attached at the tcx ingress hook (6.6 and later).
    pub const TC_PROGRAM: &str = "arpeggio_tc";
    /// Healing: a socket filter that counts who sends frames for addresses of others to this node.
    pub const HEAL_PROGRAM: &str = "arpeggio_heal";

    /// Every program of the object.
    pub const PROGRAMS: [&str; 4] = [XDP_FRAGS_PROGRAM, XDP_PROGRAM, TC_PROGRAM, HEAL_PROGRAM];
}

/// Entries in [`names::VIPS4`] and in [`names::VIPS6`], and slots in [`names::STATS`], unless the agent asks for more.
pub const DEFAULT_CAPACITY: u32 = 16_384;
/// Entries in [`names::SIGHTINGS`].
pub const SIGHTINGS_CAPACITY: u32 = 32_768;
/// Entries in [`names::CLIENTS`].
pub const CLIENTS_CAPACITY: u32 = 65_536;
/// Entries in [`names::PEERS`]: nodes times interfaces.
pub const PEERS_CAPACITY: u32 = 4_096;
/// Entries in [`names::STRAYS`].
pub const STRAYS_CAPACITY: u32 = 4_096;
/// Bytes in [`names::EVENTS`]; a power of two and a multiple of every page size in use.
pub const EVENTS_BYTES: u32 = 256 * 1024;

/// How long a client that was remembered is not written to [`names::CLIENTS`] again, in nanoseconds.
pub const CLIENT_REFRESH_NS: u64 = 1_000_000_000;
/// At most one event about strangers per address and interface in this time, in nanoseconds, whatever their MAC.
pub const EVENT_INTERVAL_NS: u64 = 1_000_000_000;
/// A claim of a speaker that follows the last event of the address by less, in nanoseconds, makes none: both forms of an ARP
/// claim are one fact.
pub const CLAIM_INTERVAL_NS: u64 = 10_000_000;
/// The same where the claim is another speaker's: two that claim at once are both told of.
pub const RIVAL_INTERVAL_NS: u64 = 1_000_000;
/// After the end of the lease requests are suppressed for as long as a speaker was heard on the interface within this time, in
/// nanoseconds: a kernel that holds the address must not answer beside the node that took over.
pub const SUPPRESSION_NS: u64 = 60_000_000_000;
