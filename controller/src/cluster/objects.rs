//! Slim twins of API objects: only what decisions are made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::{
    api::speaker::Authentication,
    model::{Few, FewMap, InterfaceName, Labels, NodeName, Route},
};
use ipnet::IpNet;

/// Namespace and name of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl ServiceKey {
    /// Namespace and name, which whoever clones the key shares.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first: the order in which addresses of a Service are written.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// `spec.ipFamilyPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FamilyPolicy {
    /// One family.
    #[default]
    Single,
    /// Both where they can be had.
    Prefer,
    /// Both or nothing.
    Require,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port that clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub number: u16,
}

/// What a Service asks for, as written; nothing is parsed yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Annotation `address-pool`.
    pub pool: Option<String>,
    /// Annotation `loadBalancerIPs`.
    pub addresses: Option<String>,
    /// `spec.loadBalancerIP`; `None` if empty.
    pub load_balancer_ip: Option<String>,
    /// Annotation `allow-shared-ip`; may be empty, which shares nothing.
    pub sharing_key: Option<String>,
    /// Annotations with the prefix of MetalLB up to 0.14 that it carries, by full name.
    pub deprecated: BTreeSet<String>,
    /// Labels and annotations that nobody reads, and that look like one of those above.
    pub strays: Vec<Stray>,
}

/// A label or an annotation that looks like a request, and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its key.
    pub name: String,
    /// A label; else an annotation.
    pub is_label: bool,
    /// The annotation that was meant.
    pub meant: &'static str,
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, is_label, meant } = self;
        match (is_label, name == meant) {
            (true, true) => write!(f, "{name} is a label, which is not read; make it an annotation"),
            (true, false) => write!(f, "the label {name} is not read; write the annotation {meant}"),
            (false, _) => write!(f, "the annotation {name} is not read; write {meant}"),
        }
    }
}

/// Why a Service has no address (or not the one it asks for): the condition on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Reason of condition and event, in CamelCase: `AllocationFailed`, `LoadBalancerFailed`.
    pub reason: String,
    /// One line that names every pool looked at and why it refused.
    pub message: String,
}

/// Who else writes the status of a Service, by the names of `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rival {
    /// It set something that is ours after us.
    Writer(String),
    /// Something that we set is gone; these, separated by commas, write the Service beside us.
    Among(String),
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name of the Service.
    pub key: ServiceKey,
    /// Tells it from one of the same name before it.
    pub uid: String,
    /// Version of the object that this was read from.
    pub resource_version: String,
    /// Its labels.
    pub labels: Labels,
    /// `spec.type: LoadBalancer`.
    pub load_balancer: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<String>,
    /// `spec.clusterIPs`; empty if headless or not yet given.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.ipFamilyPolicy`.
    pub family_policy: FamilyPolicy,
    /// `spec.ipFamilies`, the preferred one first.
    pub families: Vec<Family>,
    /// `spec.ports`.
    pub ports: BTreeSet<Port>,
    /// `spec.externalTrafficPolicy: Local`.
    pub local: bool,
    /// `spec.selector`, where it counts: of a Service that is [`local`](Self::local).
    pub selector: BTreeMap<String, String>,
    /// What it asks for.
    pub requests: Requests,
    /// `status.loadBalancer.ingress`, addresses alone, in order.
    pub ingress: Vec<IpAddr>,
    /// Whether the status holds anything that leads traffic another way (a hostname for an address, another `ipMode`, a broken
    /// address). What others add to an entry with an address (a hostname, ports) is theirs.
    pub status_differs: bool,
    /// Who else writes the status, if that can be seen.
    pub rival: Option<Box<Rival>>,
    /// Annotation `ip-allocated-from-pool`.
    pub allocated_from: Option<String>,
    /// Our condition `arpeggio.io/Allocated` on it, if it says that the Service was refused.
    pub refusal: Option<Refusal>,
    /// Our condition `arpeggio.io/Announced` on it, if it says that nobody announces the Service.
    pub silence: Option<Refusal>,
    /// Our condition `arpeggio.io/StatusConflict` on it, if it says that somebody else writes the status as well.
    pub conflict: Option<Box<Refusal>>,
}

/// Namespace and name of the Service whose endpoints are the API server.
pub const API_SERVER: (&str, &str) = ("default", "kubernetes");

/// Where a Service can be served, from all its EndpointSlices. Servable: `ready` true or absent, or `serving` true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// There is a servable endpoint anywhere.
    pub any: bool,
    /// Nodes with a servable endpoint on them.
    pub nodes: Few<NodeName>,
    /// Those of them on which no endpoint is `ready` (or leaves that open): they are about to lose the Service.
    pub ending: Few<NodeName>,
    /// Addresses of the endpoints, of the Service [`API_SERVER`] alone.
    pub api_server: Few<IpAddr>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of the node.
    pub name: NodeName,
    /// Tells it from one of the same name before it.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Condition `NetworkUnavailable` is true.
    pub network_unavailable: bool,
    /// The annotation that evacuates it.
    pub evacuate: bool,
    /// Its own addresses, internal and external.
    pub addresses: BTreeSet<IpAddr>,
}

impl Node {
    /// Whether an address can be a machine's own.
    pub const fn may_have(address: &IpAddr) -> bool {
        !(address.is_unspecified() || address.is_loopback() || address.is_multicast())
    }
}

/// The agent of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The node.
    pub node: NodeName,
    /// Its lease is held.
    pub live: bool,
    /// `spec.evacuate`.
    pub evacuate: bool,
    /// Interfaces on which it can announce, with their addresses.
    pub interfaces: BTreeMap<InterfaceName, Vec<IpNet>>,
    /// Addresses that its interfaces hold with a subnet, whether it can announce there or not.
    pub held: BTreeSet<IpAddr>,
    /// By what it knows the frames of others; `None`: it does not say.
    pub authentication: Option<Authentication>,
    /// Why it does not understand every Announcement; `None`: it does.
    pub refused: Option<String>,
    /// It says that it tells BGP peers what Announcements ask for.
    pub tells_peers: bool,
}

/// The specification of an Announcement: the same type for what is there and what should be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnnouncementContent {
    /// The address.
    pub address: IpAddr,
    /// The pool it is from.
    pub pool: String,
    /// The Services that have it, with their uids.
    pub services: FewMap<ServiceKey, String>,
    /// The order of succession at layer 2; `None`: not announced there.
    pub candidates: Option<Vec<NodeName>>,
    /// Interfaces to announce on; empty: all eligible ones.
    pub interfaces: BTreeSet<InterfaceName>,
    /// What is announced to BGP peers; empty: nothing.
    pub routes: BTreeSet<Route>,
}

impl AnnouncementContent {
    /// Whether a node is to answer for it, or to announce a route.
    pub fn is_announced(&self) -> bool {
        self.candidates.as_ref().is_some_and(|candidates| !candidates.is_empty()) || !self.routes.is_empty()
    }
}

/// An Announcement that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedAnnouncement {
    /// Version of the object.
    pub resource_version: String,
    /// Its specification; `None` if it cannot be read, and has to be written again.
    pub content: Option<AnnouncementContent>,
    /// The node that says it answers.
    pub owner: Option<NodeName>,
    /// Interfaces on which it does.
    pub interfaces: Few<String>,
    /// Condition `Announced` is not true.
    pub trouble: Option<Trouble>,
}

/// A condition `Announced` that is not true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its reason and message.
    pub says: Refusal,
    /// Since when it is not: an RFC 3339 time.
    pub since: String,
}

/// What a ServiceL2Status says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L2StatusContent {
    /// The Service.
    pub service: ServiceKey,
    /// The node that answers.
    pub node: NodeName,
    /// On which interfaces; empty: all.
    pub interfaces: Few<String>,
}

/// A ServiceL2Status that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedL2Status {
    /// Version of the object.
    pub resource_version: String,
    /// What it says; `None` if it says nothing that can be read (its status was never written).
    pub content: Option<L2StatusContent>,
}

/// How full a pool is. An address that Services share counts once; numbers above 2^63 - 1 are that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PoolUsage {
    /// IPv4 addresses in use.
    pub assigned_v4: i64,
    /// IPv6 addresses in use.
    pub assigned_v6: i64,
    /// IPv4 addresses left.
    pub available_v4: i64,
    /// IPv6 addresses left.
    pub available_v6: i64,
}
