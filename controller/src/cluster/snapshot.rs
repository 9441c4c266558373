//! Everything that decisions are made of, at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::model::{Configuration, Labels, NodeName};

use super::{
    Configured, ConfiguredName, Endpoints, Node, ObservedAnnouncement, ObservedBgpStatus, ObservedL2Status,
    ObservedState, PoolUsage, Service, ServiceKey, Speaker, StateOf,
};

/// What the administrator set by flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Only Services of this class are ours; `None`: those without a class.
    pub class: Option<String>,
    /// Nodes announce despite the label that excludes them.
    pub ignore_exclude_label: bool,
}

/// One moment of the cluster. Cheap to clone; never changed once made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// When it is, since some moment that stays the same: a clock that is never put back.
    pub at: Duration,
    /// Flags.
    pub settings: Settings,
    /// Every Service, whatever its type and class.
    pub services: Arc<BTreeMap<ServiceKey, Arc<Service>>>,
    /// Where Services can be served.
    pub endpoints: Arc<BTreeMap<ServiceKey, Arc<Endpoints>>>,
    /// Nodes.
    pub nodes: Arc<BTreeMap<NodeName, Arc<Node>>>,
    /// Labels of namespaces.
    pub namespaces: Arc<BTreeMap<String, Arc<Labels>>>,
    /// Pools and advertisements that keep the rules.
    pub configuration: Arc<Configuration>,
    /// Whether the advertisements to BGP peers were listed once. No Service waits for that; until then routes stay as they are.
    pub knows_bgp: bool,
    /// Every object of the configuration, those too that break the rules or cannot be read.
    pub configured: Arc<BTreeMap<ConfiguredName, Arc<Configured>>>,
    /// Agents.
    pub speakers: Arc<BTreeMap<NodeName, Arc<Speaker>>>,
    /// Announcements by address.
    pub announcements: Arc<BTreeMap<IpAddr, Arc<ObservedAnnouncement>>>,
    /// ServiceL2Status objects by name.
    pub l2_statuses: Arc<BTreeMap<String, Arc<ObservedL2Status>>>,
    /// ServiceBGPStatus objects by name.
    pub bgp_statuses: Arc<BTreeMap<String, Arc<ObservedBgpStatus>>>,
    /// ConfigurationState objects.
    pub states: Arc<BTreeMap<StateOf, Arc<ObservedState>>>,
    /// The counters that pools have in their status; pools without are missing.
    pub pool_usage: Arc<BTreeMap<String, PoolUsage>>,
}

/// What is different from the snapshot before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What of the configuration is for Services, or namespaces: everything has to be looked at. So too at the start and on
    /// becoming leader.
    pub everything: bool,
    /// Something of the configuration: what is said about it has to be looked at.
    pub configuration: bool,
    /// What of the configuration is for BGP alone: routes have to be looked at.
    pub bgp: bool,
    /// Nodes or speakers: who may own what has to be looked at.
    pub topology: bool,
    /// Services that came, changed or went, or whose endpoints or ServiceL2Status did.
    pub services: BTreeSet<ServiceKey>,
    /// Addresses whose Announcement came, changed (its status too) or went.
    pub addresses: BTreeSet<IpAddr>,
    /// Objects of the configuration that came or were edited, whatever that means for the configuration, or whose conditions
    /// changed.
    pub configured: BTreeSet<ConfiguredName>,
    /// ServiceBGPStatus objects that came or changed, by name.
    pub bgp_statuses: BTreeSet<String>,
    /// ConfigurationState objects that came, changed or went.
    pub states: BTreeSet<StateOf>,
}

impl Changes {
    /// Everything has to be looked at.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
