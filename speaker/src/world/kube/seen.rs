//! What the watches show, for those who write to the same objects: they compare before they write.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arpeggio_common::{api::speaker::SpeakerStatus, model::NodeName};
use tokio::sync::watch;

use super::{index::Index, observed::Observed, state::ApiState};

/// What is known of an object: nothing yet, that it does not exist, or what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known<T> {
    /// No list was complete yet.
    #[default]
    Unknown,
    /// It does not exist.
    Absent,
    /// It is this.
    Present(T),
}

impl<T> Known<T> {
    /// What it is, if it is.
    pub const fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Unknown | Self::Absent => None,
        }
    }

    /// Whether a list was complete.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// The Speaker object of this node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnSpeaker {
    /// `spec.evacuate`.
    pub evacuate: bool,
    /// What it says; `None` when nobody wrote a status that can be read.
    pub status: Option<SpeakerStatus>,
}

/// The Node object of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnNode {
    /// The annotation [`EVACUATE`](arpeggio_common::api::names::EVACUATE).
    pub evacuate: bool,
    /// Tells it from one of the same name before it.
    pub uid: String,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) index: Index,
    pub(super) speaker: Known<OwnSpeaker>,
    pub(super) node: Known<OwnNode>,
    pub(super) state: ApiState,
    /// Nodes that had an agent when this one began.
    pub(super) nodes: Vec<NodeName>,
}

/// Everything that the watches show.
#[derive(Debug, Default)]
pub struct Seen {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
    routes: watch::Sender<u64>,
}

impl Seen {
    /// Nobody holds it for longer than a comparison takes.
    pub(super) fn hold(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed that writers compare with.
    pub(super) fn tell(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A route for BGP peers changed.
    pub(super) fn tell_routes(&self) {
        self.routes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever a route for BGP peers changed.
    pub(super) fn route_changes(&self) -> watch::Receiver<u64> {
        self.routes.subscribe()
    }

    /// Changes whenever something changed that writers compare with.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Hands over every Announcement's status; `None` before the first complete list. Short work only: the watches wait.
    pub fn statuses<R>(&self, work: impl FnOnce(&mut dyn Iterator<Item = (IpAddr, &Observed)>) -> R) -> Option<R> {
        let inner = self.hold();
        inner.index.synced().then(|| work(&mut inner.index.observed()))
    }

    /// The status of one Announcement; `None` when there is none that can be written to.
    pub fn status(&self, address: IpAddr) -> Option<Observed> {
        let inner = self.hold();
        inner.index.synced().then(|| inner.index.of(address).cloned()).flatten()
    }

    /// The Services that have each address, as namespace/name.
    pub fn services(&self) -> BTreeMap<IpAddr, Arc<[String]>> {
        self.hold().index.services().collect()
    }

    /// The Speaker object of this node.
    pub fn speaker(&self) -> Known<OwnSpeaker> {
        self.hold().speaker.clone()
    }

    /// The Node object of this node.
    pub fn node(&self) -> Known<OwnNode> {
        self.hold().node.clone()
    }

    /// Hands over the names of the nodes that had an agent when this one began. Short work only: the watches wait.
    pub fn nodes<R>(&self, work: impl FnOnce(&[NodeName]) -> R) -> R {
        work(&self.hold().nodes)
    }

    /// How it stands with the API server.
    pub fn state(&self) -> ApiState {
        let inner = self.hold();
        let faults = inner.index.faults().map(|(name, fault)| (name.to_owned(), fault.to_owned())).collect();
        let evacuate_spec = inner.speaker.present().is_some_and(|speaker| speaker.evacuate);
        let evacuate_annotation = inner.node.present().is_some_and(|node| node.evacuate);
        ApiState { faults, evacuate_spec, evacuate_annotation, ..inner.state.clone() }
    }

    /// A request was answered, or not: that is how one knows whether the API server is there, as a watch that nothing happens
    /// in is silent.
    pub fn heard(&self, result: Result<(), String>, now_ns: u64) {
        self.hold().state.heard(result, now_ns);
    }
}
