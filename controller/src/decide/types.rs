//! What a decision is: only what was looked at, each as it should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::cluster::{
    Acceptance, AnnouncementContent, ConfiguredName, L2StatusContent, PoolUsage, Refusal, ServiceKey, StateContent,
    StateOf,
};

/// What should be, of everything that a change may have touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Everything was looked at: what is there and is not named here must not be.
    pub everything: bool,
    /// Services whose status is ours to write. Who went, or belongs to somebody else, is missing.
    pub services: BTreeMap<ServiceKey, ServiceWish>,
    /// Announcements by address; `None`: must not be there.
    pub announcements: BTreeMap<IpAddr, Option<AnnouncementContent>>,
    /// Why nobody is to answer for an address, where that is so: then its Announcement says it, whatever stands there.
    pub silences: BTreeMap<IpAddr, Refusal>,
    /// How full pools are.
    pub pools: BTreeMap<String, PoolUsage>,
    /// Whether objects of the configuration are in force.
    pub acceptances: BTreeMap<ConfiguredName, AcceptanceWish>,
    /// Who answers for a Service: one for each node that owns an address of it; empty: nobody does, none may be there.
    pub l2_statuses: BTreeMap<ServiceKey, BTreeSet<L2StatusContent>>,
    /// ServiceBGPStatus objects that must not be there, by name.
    pub stale_bgp_statuses: BTreeSet<String>,
    /// ConfigurationState objects; `None`: must not be there.
    pub states: BTreeMap<StateOf, Option<StateContent>>,
}

/// What the status of a Service should be, and what there is to tell about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceWish {
    /// `status.loadBalancer.ingress`, IPv4 before IPv6, each with `ipMode: VIP`.
    pub ingress: Vec<IpAddr>,
    /// Annotation `ip-allocated-from-pool`; `None`: must not be there.
    pub allocated_from: Option<String>,
    /// Why it has no address or not the one it asks for: condition `arpeggio.io/Allocated` is false.
    pub refusal: Option<Refusal>,
    /// Why nobody announces it although it has an address: condition `arpeggio.io/Announced` is false.
    pub silence: Option<Refusal>,
    /// Who else writes its status again and again: condition `arpeggio.io/StatusConflict` is true.
    pub conflict: Option<Refusal>,
    /// Events on it, in order.
    pub notices: Vec<Notice>,
}

/// What the status of an object of the configuration should say, and what there is to tell about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptanceWish {
    /// Its condition `Accepted`.
    pub says: Acceptance,
    /// Events on it.
    pub notices: Vec<Notice>,
}

/// Whether an event is a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// Type `Normal`.
    Normal,
    /// Type `Warning`.
    Warning,
}

impl Notice {
    /// What tells such an event in MetalLB (behaviour 2.6): users look for events by that.
    pub fn source(&self) -> &'static str {
        match self.reason {
            "nodeAssigned" | "announceFailed" => "metallb-speaker",
            _ => "metallb-controller",
        }
    }
}

/// An event that a change caused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Notice {
    /// Its type.
    pub kind: NoticeKind,
    /// Its reason, as MetalLB names it: `IPAllocated`, `announceFailed`.
    pub reason: &'static str,
    /// One line.
    pub message: String,
}
