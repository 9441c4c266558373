//! What can be written: one request to the API server each, and what is the same object to all of them.

use std::{fmt, net::IpAddr};

use crate::{
    cluster::{
        Acceptance, AnnouncementContent, ConfiguredName, L2StatusContent, PoolUsage, Refusal, Rival, ServiceKey,
        StateContent, StateOf,
    },
    decide::Notice,
};

/// What becomes of a condition on a Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConditionChange {
    /// It stays as it is, or stays away.
    Keep,
    /// It says that something is wrong from now on, for this reason.
    Trouble(Refusal),
    /// Something is wrong as before, for another reason: since when stays as it is.
    Still(Refusal),
    /// Something was wrong, and is right.
    Cured,
    /// It goes.
    Remove,
}

/// What of the status of a Service is not as it should be: the worst of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matter {
    /// The addresses in the status are others, or not to be used as they are: traffic goes wrong.
    Traffic,
    /// Only what is said beside them.
    Words,
    /// Only the condition that tells of another writer.
    Conflict,
}

/// What a Service's status is made to be: one patch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Condition `arpeggio.io/StatusConflict`.
    pub conflict: ConditionChange,
    /// What is wrong until this is written.
    pub matter: Matter,
    /// Who else writes it, as seen in the version that the decision was made from.
    pub rival: Option<Box<Rival>>,
}

/// What the status of an object of the configuration is made to be: one patch of what differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfiguredStatus {
    /// Which object.
    pub object: ConfiguredName,
    /// The counters of a pool; `None`: they stay. Without a condition they are written whatever is there.
    pub usage: Option<PoolUsage>,
    /// Condition `Accepted`; `None`: it stays.
    pub accepted: Option<AcceptedChange>,
}

/// A condition `Accepted` to write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AcceptedChange {
    /// The version that the decision was made from.
    pub resource_version: String,
    /// What it says.
    pub says: Acceptance,
    /// Of which generation of the object.
    pub generation: i64,
    /// Since when, where it says yes or no as before; `None`: from now on.
    pub since: Option<String>,
    /// The other conditions: the list is replaced as a whole.
    pub others: Vec<serde_json::Value>,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A Service.
    Service(ServiceKey),
    /// An object of the configuration.
    Configured(ConfiguredName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "Service {key}"),
            Self::Configured(name) => write!(f, "{name}"),
        }
    }
}

/// One request to the API server, or an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Replaces the status of an Announcement for which nobody is to answer.
    Silence {
        /// Its address.
        address: IpAddr,
        /// The reason why no node answers.
        silence: Refusal,
        /// Since when nobody answers, where that stays; `None`: from now on.
        since: Option<String>,
        /// Only this version: a node that says since then that it answers is not contradicted unseen.
        resource_version: String,
    },
    /// Deletes the Announcement of an address.
    DeleteAnnouncement {
        /// Its address.
        address: IpAddr,
        /// Only this version.
        resource_version: String,
    },
    /// Patches the status of an object of the configuration.
    Configured(ConfiguredStatus),
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
    /// Deletes a ServiceBGPStatus.
    DeleteBgpStatus {
        /// Its name.
        name: String,
        /// Only this version.
        resource_version: String,
    },
    /// Creates a ConfigurationState or writes its status and labels.
    State {
        /// Whose.
        of: StateOf,
        /// What it says.
        content: StateContent,
        /// Since when, where that stays; `None`: from now on.
        since: Option<String>,
        /// Uid of the Node that it goes with; `None`: it stays.
        owner: Option<String>,
        /// Version of the object that is there; `None`: there is none.
        resource_version: Option<String>,
    },
    /// Deletes a ConfigurationState.
    DeleteState {
        /// Whose.
        of: StateOf,
        /// Only this version.
        resource_version: String,
    },
    /// Tells something about an object.
    Event {
        /// The object.
        about: Subject,
        /// Its uid.
        uid: String,
        /// The content of the event.
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
    /// Somebody may look at it: ServiceL2Status, counters, what of the configuration is in force.
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
    /// An object of the configuration.
    Configured(ConfiguredName),
    /// A ServiceL2Status.
    L2Status(String),
    /// A ServiceBGPStatus.
    BgpStatus(String),
    /// A ConfigurationState.
    State(StateOf),
}

impl Write {
    /// How urgent it is.
    pub const fn class(&self) -> Class {
        match self {
            Self::ServiceStatus(_) | Self::DeleteAnnouncement { .. } => Class::Clients,
            Self::Announcement { standbys_only: false, .. } => Class::Clients,
            Self::Announcement { standbys_only: true, .. } => Class::Standbys,
            Self::Silence { .. } | Self::Configured(_) => Class::Reports,
            Self::L2Status { .. } | Self::DeleteL2Status { .. } => Class::Reports,
            Self::State { .. } | Self::DeleteState { .. } | Self::DeleteBgpStatus { .. } => Class::Reports,
            Self::Event { .. } => Class::Events,
        }
    }

    /// What it changes; `None` for events, which change nothing.
    pub fn object(&self) -> Option<Object> {
        match self {
            Self::ServiceStatus(status) => Some(Object::Service(status.key.clone())),
            Self::Announcement { content, .. } => Some(Object::Announcement(content.address)),
            Self::DeleteAnnouncement { address, .. } | Self::Silence { address, .. } => {
                Some(Object::Announcement(*address))
            }
            Self::Configured(status) => Some(Object::Configured(status.object.clone())),
            Self::L2Status { name, .. } | Self::DeleteL2Status { name, .. } => Some(Object::L2Status(name.clone())),
            Self::DeleteBgpStatus { name, .. } => Some(Object::BgpStatus(name.clone())),
            Self::State { of, .. } | Self::DeleteState { of, .. } => Some(Object::State(of.clone())),
            Self::Event { .. } => None,
        }
    }
}
