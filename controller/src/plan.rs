//! Pure: what has to be written so that the cluster becomes what was decided.

use std::net::IpAddr;

use crate::{
    cluster::{AnnouncementContent, L2StatusContent, PoolUsage, Refusal, ServiceKey},
    decide::Notice,
};

/// What becomes of a condition on a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionChange {
    /// It stays as it is, or stays away.
    Keep,
    /// It is false, for this reason.
    False(Refusal),
    /// It was false and is true.
    True,
    /// It goes: the Service is no longer ours.
    Remove,
}

/// What a Service's status is made to be: one patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Which Service.
    pub key: ServiceKey,
    /// Only the one with this uid.
    pub uid: String,
    /// The version that the decision was made from.
    pub resource_version: String,
    /// `status.loadBalancer.ingress`, all of it.
    pub ingress: Vec<IpAddr>,
    /// Annotation `ip-allocated-from-pool`; `None` removes it.
    pub allocated_from: Option<String>,
    /// Condition `arpeggio.io/Allocated`.
    pub allocated: ConditionChange,
    /// Condition `arpeggio.io/Announced`.
    pub announced: ConditionChange,
}

/// One request to the API server, or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Patches the status of a Service.
    ServiceStatus(ServiceStatus),
    /// Creates an Announcement or replaces its specification.
    Announcement {
        /// All of it.
        content: AnnouncementContent,
        /// Version of the object that is there; `None`: there is none.
        resource_version: Option<String>,
        /// Whether only the order behind the first candidate changes: can wait.
        standbys_only: bool,
    },
    /// Deletes the Announcement of an address.
    DeleteAnnouncement {
        /// Its address.
        address: IpAddr,
        /// Only this version.
        resource_version: String,
    },
    /// Writes the counters of a pool.
    PoolStatus {
        /// Its name.
        pool: String,
        /// The counters.
        usage: PoolUsage,
    },
    /// Creates a ServiceL2Status or writes its status.
    L2Status {
        /// Its name.
        name: String,
        /// Its status; the labels say the same.
        content: L2StatusContent,
        /// Version of the object that is there; `None`: there is none.
        resource_version: Option<String>,
    },
    /// Deletes a ServiceL2Status.
    DeleteL2Status {
        /// Its name.
        name: String,
        /// Only this version.
        resource_version: String,
    },
    /// Tells something about a Service.
    Event {
        /// The Service.
        service: ServiceKey,
        /// Its uid.
        uid: String,
        /// What.
        notice: Notice,
    },
}

/// What has to wait for what when there is more to write than the API server takes. The first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Clients are waiting: addresses and their owners.
    Clients,
    /// Only matters at the next failure: orders of standbys.
    Standbys,
    /// Somebody may look at it: ServiceL2Status, counters.
    Reports,
    /// Events.
    Events,
}

/// The object that a write changes: two writes of one object must not overtake each other, and the later one replaces the earlier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A Service.
    Service(ServiceKey),
    /// An Announcement.
    Announcement(IpAddr),
    /// A pool.
    Pool(String),
    /// A ServiceL2Status.
    L2Status(String),
}

impl Write {
    /// How urgent it is.
    pub const fn class(&self) -> Class {
        match self {
            Self::ServiceStatus(_) | Self::DeleteAnnouncement { .. } => Class::Clients,
            Self::Announcement { standbys_only: false, .. } => Class::Clients,
            Self::Announcement { standbys_only: true, .. } => Class::Standbys,
            Self::PoolStatus { .. } | Self::L2Status { .. } | Self::DeleteL2Status { .. } => Class::Reports,
            Self::Event { .. } => Class::Events,
        }
    }

    /// What it changes; `None` for events, which change nothing.
    pub fn object(&self) -> Option<Object> {
        match self {
            Self::ServiceStatus(status) => Some(Object::Service(status.key.clone())),
            Self::Announcement { content, .. } => Some(Object::Announcement(content.address)),
            Self::DeleteAnnouncement { address, .. } => Some(Object::Announcement(*address)),
            Self::PoolStatus { pool, .. } => Some(Object::Pool(pool.clone())),
            Self::L2Status { name, .. } | Self::DeleteL2Status { name, .. } => Some(Object::L2Status(name.clone())),
            Self::Event { .. } => None,
        }
    }
}
