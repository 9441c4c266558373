//! Objects of the API become slim values the moment they are decoded; the objects themselves are never kept.

mod announcement;
mod configuration;
mod node;
mod rival;
mod service;
mod speaker;
pub(crate) mod state;
mod stray;

use std::fmt;

use arpeggio_common::{
    api::{Decoded, ServiceL2Status},
    model::{InterfaceName, Labels, NodeName},
};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::Resource;
use serde::de::DeserializeOwned;

pub(in crate::cluster) use self::announcement::address_named;
pub use self::{
    announcement::AnnouncementFacts,
    service::{ALLOCATED, ANNOUNCED, CONFLICT, Slice},
    speaker::{LeaseFacts, SpeakerFacts},
};
use super::{
    ConfigurationKind, Configured, L2StatusContent, Node, ObservedBgpStatus, ObservedL2Status, ObservedState,
    PoolUsage, Service, ServiceKey, Written,
};

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `v1` Node.
    Node,
    /// `v1` Namespace.
    Namespace,
    /// `metallb.io/v1beta1` IPAddressPool.
    Pool,
    /// `metallb.io/v1beta1` L2Advertisement.
    L2Advertisement,
    /// `metallb.io/v1beta1` BGPAdvertisement.
    BgpAdvertisement,
    /// `metallb.io/v1beta2` BGPPeer.
    Peer,
    /// `metallb.io/v1beta1` Community.
    Community,
    /// `metallb.io/v1beta1` BFDProfile.
    BfdProfile,
    /// `arpeggio.io/v1alpha1` Speaker.
    Speaker,
    /// `coordination.k8s.io/v1` Lease of a speaker or of the controller.
    Lease,
    /// `arpeggio.io/v1alpha1` Announcement.
    Announcement,
    /// `metallb.io/v1beta1` ServiceL2Status.
    L2Status,
    /// `metallb.io/v1beta1` ServiceBGPStatus.
    BgpStatus,
    /// `metallb.io/v1beta1` ConfigurationState.
    ConfigurationState,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Service,
        Self::EndpointSlice,
        Self::Node,
        Self::Namespace,
        Self::Pool,
        Self::L2Advertisement,
        Self::BgpAdvertisement,
        Self::Peer,
        Self::Community,
        Self::BfdProfile,
        Self::Speaker,
        Self::Lease,
        Self::Announcement,
        Self::L2Status,
        Self::BgpStatus,
        Self::ConfigurationState,
    ];

    /// The kind as kubectl knows it: value of labels of metrics, and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Node => "Node",
            Self::Namespace => "Namespace",
            Self::Pool => "IPAddressPool",
            Self::L2Advertisement => "L2Advertisement",
            Self::BgpAdvertisement => "BGPAdvertisement",
            Self::Peer => "BGPPeer",
            Self::Community => "Community",
            Self::BfdProfile => "BFDProfile",
            Self::Speaker => "Speaker",
            Self::Lease => "Lease",
            Self::Announcement => "Announcement",
            Self::L2Status => "ServiceL2Status",
            Self::BgpStatus => "ServiceBGPStatus",
            Self::ConfigurationState => "ConfigurationState",
        }
    }

    /// Whether the controller itself writes objects of this kind and decides by what it wrote before. Whoever becomes leader
    /// reads these anew: what the leader before wrote last may not have come through the watch yet.
    pub const fn is_written(self) -> bool {
        match self {
            Self::Service
            | Self::Announcement
            | Self::L2Status
            | Self::BgpStatus
            | Self::ConfigurationState
            | Self::Pool
            | Self::L2Advertisement
            | Self::BgpAdvertisement
            | Self::Peer
            | Self::Community
            | Self::BfdProfile => true,
            Self::EndpointSlice | Self::Node | Self::Namespace | Self::Speaker | Self::Lease => false,
        }
    }

    /// Whether addresses can be given and announced without it: what only BGP and reports are made of. Such a kind may be missing
    /// from the API server, where an older installation has not got its definition, or wait for a webhook of our own.
    pub const fn is_optional(self) -> bool {
        match self {
            Self::BgpAdvertisement
            | Self::Peer
            | Self::Community
            | Self::BfdProfile
            | Self::BgpStatus
            | Self::ConfigurationState => true,
            Self::Service
            | Self::EndpointSlice
            | Self::Node
            | Self::Namespace
            | Self::Pool
            | Self::L2Advertisement
            | Self::Speaker
            | Self::Lease
            | Self::Announcement
            | Self::L2Status => false,
        }
    }

    /// The kind of configuration that it is; `None`: it is none.
    pub const fn configured(self) -> Option<ConfigurationKind> {
        Some(match self {
            Self::Pool => ConfigurationKind::Pool,
            Self::L2Advertisement => ConfigurationKind::L2Advertisement,
            Self::BgpAdvertisement => ConfigurationKind::BgpAdvertisement,
            Self::Peer => ConfigurationKind::Peer,
            Self::Community => ConfigurationKind::Community,
            Self::BfdProfile => ConfigurationKind::BfdProfile,
            Self::Service
            | Self::EndpointSlice
            | Self::Node
            | Self::Namespace
            | Self::Speaker
            | Self::Lease
            | Self::Announcement
            | Self::L2Status
            | Self::BgpStatus
            | Self::ConfigurationState => return None,
        })
    }
}

impl From<ConfigurationKind> for Kind {
    fn from(kind: ConfigurationKind) -> Self {
        match kind {
            ConfigurationKind::Pool => Self::Pool,
            ConfigurationKind::L2Advertisement => Self::L2Advertisement,
            ConfigurationKind::BgpAdvertisement => Self::BgpAdvertisement,
            ConfigurationKind::Peer => Self::Peer,
            ConfigurationKind::Community => Self::Community,
            ConfigurationKind::BfdProfile => Self::BfdProfile,
        }
    }
}

/// Which object of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Empty for kinds without namespaces.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

impl From<&Id> for ServiceKey {
    fn from(id: &Id) -> Self {
        Self::new(&*id.namespace, &*id.name)
    }
}

/// Which of the objects that had this name one after another, and which state of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
}

/// A projected object.
#[derive(Clone, Debug)]
pub enum Object {
    /// See [`Service`].
    Service(Box<Service>),
    /// See [`Slice`].
    Slice(Slice),
    /// See [`Node`].
    Node(Node),
    /// The labels of a namespace.
    Namespace(Labels),
    /// An object of the configuration as written, or why that cannot be read: validated when all of them are seen together.
    /// Beside it, who it is and, of a pool, its counters.
    Configured(Box<Written>, Box<Configured>, Option<PoolUsage>),
    /// See [`SpeakerFacts`].
    Speaker(SpeakerFacts),
    /// See [`LeaseFacts`].
    Lease(LeaseFacts),
    /// See [`AnnouncementFacts`].
    Announcement(Box<AnnouncementFacts>),
    /// See [`ObservedL2Status`].
    L2Status(ObservedL2Status),
    /// See [`ObservedBgpStatus`].
    BgpStatus(ObservedBgpStatus),
    /// See [`ObservedState`].
    State(ObservedState),
}

/// What came out of an object: who it is, and its content or why that cannot be read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which object.
    pub id: Id,
    /// Which state of it.
    pub version: Version,
    /// The content; a sentence where there is none.
    pub object: Result<Object, String>,
}

/// A type of the API that is watched.
pub trait Watched: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + 'static {
    /// Which kind it is.
    const KIND: Kind;

    /// The slim value of it.
    ///
    /// # Errors
    /// A sentence that says what cannot be read.
    fn project(self) -> Result<Object, String>;

    /// Identity and slim value.
    fn entry(self) -> Entry {
        let meta = self.meta();
        let id =
            Id { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() };
        Entry { id, version: version(meta), object: self.project() }
    }
}

fn version(meta: &ObjectMeta) -> Version {
    Version {
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
    }
}

impl Watched for Namespace {
    const KIND: Kind = Kind::Namespace;

    fn project(self) -> Result<Object, String> {
        Ok(Object::Namespace(self.metadata.labels.unwrap_or_default()))
    }
}

impl Watched for Decoded<ServiceL2Status> {
    const KIND: Kind = Kind::L2Status;

    fn project(self) -> Result<Object, String> {
        let (resource_version, status) = match self.0 {
            Ok(object) => (object.metadata.resource_version, object.status),
            // Whatever it says cannot be read: it is as if its status had never been written.
            Err(invalid) => (invalid.metadata.resource_version.clone(), None),
        };
        let content = status.and_then(|status| {
            let node = NodeName::try_from(status.node.as_str()).ok()?;
            let service = ServiceKey::new(status.service_namespace, status.service_name);
            let interfaces = status.interfaces.into_iter().map(|interface| interface.name).collect();
            Some(L2StatusContent { service, node, interfaces })
        });
        Ok(Object::L2Status(ObservedL2Status { resource_version: resource_version.unwrap_or_default(), content }))
    }
}

fn interface_name(name: &str) -> Result<InterfaceName, String> {
    InterfaceName::try_from(name).map_err(|error| error.to_string())
}

fn node_name(name: &str) -> Result<NodeName, String> {
    NodeName::try_from(name).map_err(|error| error.to_string())
}
