//! What a report is made of: plain values, gathered by whoever has them. All times are `CLOCK_MONOTONIC` nanoseconds, the
//! clock of the kernel program.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
};

use arpeggio_common::{
    abi::{Outcome, Sighting, Stats, Vip},
    model::{Keys, NodeId, NodeName},
    wire::Mac,
};
use arpeggio_succession::{Pace, Place, Proxy, View};

use super::{PathFault, client::Silence, parties::Names, path_faults};
use crate::{
    bgp::BgpReport,
    decide::{AttachMode, Desired},
    frames::messages::Signer,
    world::{ApiState, Links},
};

/// Everything a [`StatusReport`](super::StatusReport) is made of. Addresses are never IPv4-mapped.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The present.
    pub now_ns: u64,
    /// Name of this node, if it is known.
    pub node: Option<NodeName>,
    /// The cluster it belongs to; empty where nobody says.
    pub cluster: Arc<str>,
    /// The names of the nodes that the configuration knows.
    pub names: Names,
    /// The running agent; `None` when the facts come from the pinned maps alone.
    pub agent: Option<AgentFacts>,
    /// Why there is no agent to ask; says nothing where one runs.
    pub silence: Silence,
    /// The configuration in force.
    pub config: Option<ConfigFacts>,
    /// How it stands with the Kubernetes API; `None` in static mode and without an agent.
    pub api: Option<ApiFacts>,
    /// The content of the lease map; `None` when there is no such map, 0 when it was never granted.
    pub lease_until_ns: Option<u64>,
    /// The interfaces of this network namespace.
    pub links: Links,
    /// Why an interface is not used, by index; those that are not listed are eligible.
    pub ineligible: BTreeMap<u32, String>,
    /// Interfaces that stand by, and which other one answers for their segment, by index.
    pub standing_by: BTreeMap<u32, u32>,
    /// What should be; `None` without an agent.
    pub desired: Option<Desired>,
    /// How the program is attached, by interface index.
    pub attachments: BTreeMap<u32, AttachmentFacts>,
    /// What stands in the address maps (or in the user-space responder), by interface index and address.
    pub entries: BTreeMap<(u32, IpAddr), EntryFacts>,
    /// Who else was seen with an address, by interface index and address.
    pub sightings: BTreeMap<(u32, IpAddr), Sighting>,
    /// Who owns what, as far as this node knows; `None` without an agent.
    pub succession: Option<SuccessionFacts>,
    /// How often the program finished in which way.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Why a wanted entry could not be installed, by interface index and address.
    pub failures: BTreeMap<(u32, IpAddr), String>,
    /// Configured addresses that no interface carries, and why.
    pub unplaced: BTreeMap<IpAddr, String>,
    /// Those of them that some machine holds as an interface address.
    pub held: BTreeSet<IpAddr>,
    /// Solicited-node groups that are joined, by interface index.
    pub groups: BTreeSet<(u32, Ipv6Addr)>,
    /// Gratuitous frames sent.
    pub gratuitous: GratuitousFacts,
    /// The last errors, with their time.
    pub errors: Vec<(u64, String)>,
    /// How it stands with BGP, and the present in seconds since 1970; `None` without an agent.
    pub bgp: Option<(Arc<BgpReport>, u64)>,
}

impl Facts {
    /// What does not come through between this node and the others, from one interface.
    pub(super) fn path_faults(&self, index: u32) -> Vec<PathFault> {
        let views = self.succession.as_ref().map(|succession| &succession.views);
        views.map(|views| path_faults(views, &self.names, self.now_ns, index)).unwrap_or_default()
    }

    /// A node as frames and maps name it.
    pub(super) fn id_of(&self, name: &NodeName) -> NodeId {
        NodeId::of(&self.cluster, name)
    }

    /// How this node signs what it asks, if it is known.
    pub(crate) fn signer(&self) -> Option<Signer> {
        let keys = self.succession.as_ref().map(|succession| succession.keys.in_maps());
        Some(Signer { node: self.id()?, key: keys.and_then(|keys| keys.signing()) })
    }

    /// This node as frames and maps name it, if it is known.
    pub(crate) fn id(&self) -> Option<NodeId> {
        self.node.as_ref().map(|name| self.id_of(name))
    }
}

/// The running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentFacts {
    /// Its process id, as its own PID namespace numbers it.
    pub pid: u32,
    /// When it started.
    pub started_ns: u64,
}

/// The succession of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuccessionFacts {
    /// How fast.
    pub pace: Pace,
    /// This node is to lose everything to others.
    pub evacuating: bool,
    /// By what it knows the frames of others.
    pub keys: Keys,
    /// What this node is for every address on every interface.
    pub views: BTreeMap<Place, View>,
    /// The other speakers that were heard.
    pub peers: Vec<PeerFacts>,
    /// Devices that answer for every address.
    pub proxies: BTreeSet<Proxy>,
    /// Where another port of this node answers on the same segment, and its index.
    pub standing_by: BTreeMap<Place, u32>,
}

/// Another speaker on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// Which node it says it is.
    pub node: NodeId,
    /// Index of the interface.
    pub ifindex: u32,
    /// Its MAC there.
    pub mac: Mac,
    /// When it was heard last.
    pub last_ns: u64,
    /// When it last answered a question of ours, monotonic nanoseconds; 0 for never.
    pub answered_ns: u64,
    /// How many of its frames were heard.
    pub frames: u64,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFacts {
    /// Where it came from.
    pub file: PathBuf,
    /// Counts the configurations that were taken.
    pub generation: u64,
    /// When it was taken.
    pub loaded_ns: u64,
    /// The newest generation among the orders; 0: unknown.
    pub newest_order: u64,
    /// Why the newest file is not in force, if it is not.
    pub refused: Option<String>,
}

/// How it stands with the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiFacts {
    /// As the watches and writers know it.
    pub state: ApiState,
    /// What has to be added to monotonic nanoseconds to make them wall-clock time.
    pub wall_ahead_ns: u64,
}

/// How the program is attached to an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachmentFacts {
    /// The mode; `None` when nothing worked.
    pub mode: Option<AttachMode>,
    /// The better modes that were tried, and why each was not possible.
    pub steps_down: Vec<(AttachMode, String)>,
    /// Programs of others that see every frame first, as people should read them.
    pub behind: Vec<String>,
}

/// One entry of the address maps and its counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    /// The entry.
    pub vip: Vip,
    /// Summed over all CPUs.
    pub stats: Stats,
}

/// Gratuitous ARP frames and unsolicited neighbour advertisements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GratuitousFacts {
    /// How many were sent.
    pub frames: u64,
    /// How many could not be sent.
    pub failed: u64,
    /// When the last was sent.
    pub last_ns: Option<u64>,
}
