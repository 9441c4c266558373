//! What should be on this node.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use arpeggio_common::{
    abi::{Action, Flags},
    wire::Mac,
};

use crate::world::{AttachPolicy, LinkKind};

/// Where the decision function runs for one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// XDP in the driver.
    Native,
    /// tcx ingress (Linux 6.6).
    Tcx,
    /// XDP on the socket buffer, after the driver.
    Generic,
    /// A raw socket of the agent: no BPF at all.
    User,
}

impl AttachMode {
    /// The ladder from the best to the last resort.
    pub const LADDER: [Self; 4] = [Self::Native, Self::Tcx, Self::Generic, Self::User];
}

/// An interface that should carry the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredInterface {
    /// Its present name.
    pub name: String,
    /// Its present MAC.
    pub mac: Mac,
    /// What sort of device: native XDP is not for all, see the attach ladder.
    pub kind: LinkKind,
    /// VLAN devices sit on it: XDP would take their frames for its own, see the attach ladder.
    pub carries_vlans: bool,
    /// Carrier present.
    pub carrier: bool,
    /// What the administrator wants.
    pub policy: AttachPolicy,
}

/// One address on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DesiredVip {
    /// MAC of the interface.
    pub mac: Mac,
    /// What to do with requests.
    pub action: Action,
    /// Modifiers.
    pub flags: Flags,
    /// The shares of clients this node answers; all ones for an exclusive owner, 0 where it does not answer.
    pub buckets: u64,
    /// This node may own the address there: in a full map such an entry goes before those that only suppress.
    pub may_own: bool,
    /// The generation of the order that it follows from; 0 where none is known.
    pub generation: u64,
}

/// Everything that should be, and the generation of the world it was decided from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Counts the worlds.
    pub generation: u64,
    /// Interfaces that carry the program, by index.
    pub interfaces: BTreeMap<u32, DesiredInterface>,
    /// Entries of the address maps, by interface index and address.
    pub vips: BTreeMap<(u32, IpAddr), DesiredVip>,
    /// Solicited-node groups to be joined, by interface index.
    pub groups: BTreeSet<(u32, Ipv6Addr)>,
}
