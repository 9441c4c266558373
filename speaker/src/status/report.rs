//! The report of `speaker status`: what is written as JSON and YAML, field names included. Ages are milliseconds before the
//! report was made; MACs are text. Fields may be added; a field that exists keeps its meaning.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{
    bgp::BgpStatus,
    cluster::KubernetesReport,
    ownership::{OwnershipReport, SuccessionReport},
};
use crate::decide::AttachMode;

/// Everything about the agent of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// What is not as it should be, each in a sentence; empty when all is well.
    #[serde(default)]
    pub problems: Vec<String>,
    /// Name of the node, if it is known.
    pub node: Option<String>,
    /// The cluster it belongs to; absent where nobody says: then a node is known by its name alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Version of the program that made the report.
    pub version: String,
    /// The agent. When it is not running, the report was made of the pinned maps alone.
    pub agent: AgentReport,
    /// The configuration in force; absent without an agent.
    pub config: Option<ConfigReport>,
    /// How it stands with the Kubernetes API; absent in static mode and without an agent.
    pub kubernetes: Option<KubernetesReport>,
    /// Whether the kernel may answer.
    pub lease: LeaseReport,
    /// How the nodes watch each other; absent without an agent.
    pub succession: Option<SuccessionReport>,
    /// Every interface of the network namespace, by index.
    pub interfaces: Vec<InterfaceReport>,
    /// Every address on every interface, by address.
    pub addresses: Vec<AddressReport>,
    /// Frames that the program finished with, by outcome; those that never happened are left out.
    pub outcomes: BTreeMap<String, u64>,
    /// Solicited-node groups that are joined.
    pub groups: Vec<GroupReport>,
    /// Gratuitous ARP frames and unsolicited neighbour advertisements.
    pub gratuitous: GratuitousReport,
    /// The last errors, the newest first.
    pub errors: Vec<ErrorReport>,
    /// How it stands with BGP; absent without an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp: Option<BgpStatus>,
}

/// The agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AgentReport {
    /// It runs.
    Running {
        /// Its process id, as its own PID namespace numbers it.
        pid: u32,
        /// For how long it has been running.
        for_ms: u64,
    },
    /// Nobody listens on the control socket.
    NotRunning,
    /// It is there and does not answer.
    Silent {
        /// How it is, as `agent: …`.
        reason: String,
    },
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigReport {
    /// Where it came from.
    pub file: PathBuf,
    /// Counts the configurations that were taken.
    pub generation: u64,
    /// When it was taken.
    pub loaded_ago_ms: u64,
    /// The newest generation among the orders, by which nodes tell which of them knows the newer one; 0: unknown.
    #[serde(default)]
    pub newest_order: u64,
    /// Why the newest file is not in force.
    pub refused: Option<String>,
}

/// Whether the kernel may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LeaseReport {
    /// It may.
    Valid {
        /// For how long, unless the agent renews.
        left_ms: u64,
    },
    /// It no longer may: every request is passed on.
    Lapsed {
        /// Since when.
        ago_ms: u64,
    },
    /// It was never allowed to, or there is no lease map.
    Missing,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceReport {
    /// Its present name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Its Ethernet address, if it has one.
    pub mac: Option<String>,
    /// Whether addresses may be announced on it.
    pub eligible: bool,
    /// Why not.
    pub reason: Option<String>,
    /// How the program is attached; absent when it is not.
    pub attach: Option<AttachMode>,
    /// The better modes that were not possible.
    pub steps_down: Vec<StepDown>,
    /// Programs of others that see every frame before ours: what they answer, accept or drop never comes to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<String>,
    /// The interface that answers for this one, as both are on one segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_by_for: Option<String>,
    /// What does not come through between this node and the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Whether something is at the other end.
    pub carrier: bool,
    /// Bytes.
    pub mtu: u32,
}

/// A mode of attaching that was not possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepDown {
    /// The mode.
    pub mode: AttachMode,
    /// Why not.
    pub reason: String,
}

/// What this node does when somebody asks for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It answers.
    Owner,
    /// It drops the request, so that its own kernel does not answer.
    Suppressed,
    /// It watches who answers.
    Observed,
    /// Nothing: there is no entry for the address.
    NotInstalled,
}

/// One address on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// The interface; absent when no interface carries the address.
    pub interface: Option<String>,
    /// What stands in the maps, or that nothing does.
    pub role: Role,
    /// Who owns it, and what this node is to it; absent without an agent, and where nobody announces it.
    pub ownership: Option<OwnershipReport>,
    /// Why it is not installed, or in what the entry is not what it should be.
    pub note: Option<String>,
    /// The MAC of the entry.
    pub mac: Option<String>,
    /// How many of the 64 shares of clients are answered: 64 for an exclusive owner.
    pub shares: u32,
    /// Whether heartbeats of the other candidates are left unanswered.
    pub evacuating: bool,
    /// Counted by the program.
    pub counters: Counters,
    /// The last request.
    pub last_request: Option<LastRequest>,
    /// Who else was last seen with the address.
    pub seen: Option<OtherSender>,
}

/// Counted by the program, for one address on one interface, since the entry was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Requests and solicitations of clients.
    pub requests: u64,
    /// Answers, to clients and to heartbeats.
    pub replies: u64,
    /// Requests dropped so that no kernel answers.
    pub suppressed: u64,
    /// Heartbeats of other candidates.
    pub heartbeats: u64,
    /// Claims and answers of others.
    pub claims: u64,
}

/// The last request for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// Time since the request, in milliseconds.
    pub ago_ms: u64,
    /// The last client that was answered; absent when there was none, and for probes, which have no sender address.
    pub client: Option<IpAddr>,
    /// Its MAC.
    pub mac: Option<String>,
}

/// How somebody else showed that it has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SenderKind {
    /// A gratuitous frame or an unsolicited advertisement.
    Claim,
    /// An answer to somebody's request.
    Reply,
    /// An answer to our own heartbeat or probe.
    Heartbeat,
    /// Ordinary requests that name the address as their sender.
    Use,
    /// Something that this version does not know.
    Unknown,
}

/// Somebody else with the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherSender {
    /// Which node it said it is; absent where it did not say.
    pub node: Option<String>,
    /// Its MAC.
    pub mac: String,
    /// When it was last seen.
    pub ago_ms: u64,
    /// How it showed itself.
    pub kind: SenderKind,
    /// How often anybody else was seen with the address.
    pub count: u64,
}

/// A solicited-node group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupReport {
    /// Where it is joined.
    pub interface: String,
    /// The group.
    pub group: Ipv6Addr,
}

/// Gratuitous frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GratuitousReport {
    /// How many were sent.
    pub frames: u64,
    /// How many could not be sent.
    pub failed: u64,
    /// When the last was sent.
    pub last_ago_ms: Option<u64>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    /// Time since the error, in milliseconds.
    pub ago_ms: u64,
    /// What, and what to do about it.
    pub text: String,
}

/// What somebody wants to see. Empty means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// These addresses only.
    pub addresses: BTreeSet<IpAddr>,
    /// These interfaces only.
    pub interfaces: BTreeSet<String>,
}

impl StatusReport {
    /// Whether all is well: the agent runs, the kernel may answer, and nothing else is in the way.
    pub const fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }

    /// The same report without what `filter` does not ask for. An address that no interface carries is kept when only
    /// interfaces are asked for: it may belong there.
    #[must_use]
    pub fn filtered(mut self, filter: &Filter) -> Self {
        let wanted = |name: &str| filter.interfaces.is_empty() || filter.interfaces.contains(name);
        self.interfaces.retain(|interface| wanted(&interface.name));
        self.groups.retain(|group| wanted(&group.interface));
        self.addresses.retain(|address| {
            address.interface.as_deref().is_none_or(wanted)
                && (filter.addresses.is_empty() || filter.addresses.contains(&address.address))
        });
        self
    }
}
