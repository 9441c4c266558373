//! Pure: what has to be written so that the cluster becomes what was decided, and in which order.
//!
//! 1. Announcements that end. While one is there its owner answers, and the moment a Service loses the address kube-proxy
//!    forgets it: a node that is still asked then would send packets back to the network, where they circle. An address that
//!    nobody answers for is refused by the client's own machine.
//! 2. Statuses that lose an address: nobody else is given one that still stands in a status.
//! 3. Statuses that only gain one. It is the database: what is announced has to be found there by the next leader.
//! 4. Announcements that begin or change, those first that clients wait for.
//! 5. Reports, then events.
//!
//! A Service that gets an address costs one write of 3 and one of 4; what speakers and pools report afterwards, 5.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::model::NodeName;

use crate::{
    cluster::{
        AnnouncementContent, L2StatusContent, ObservedAnnouncement, PoolUsage, Refusal, Service, ServiceKey, Snapshot,
    },
    decide::{Decision, Notice, ServiceWish},
    names::{l2_prefix, l2_status},
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

/// What has to be written, in the order in which it has to begin. Nothing, where everything is as decided.
pub fn plan(snapshot: &Snapshot, decision: &Decision) -> Vec<Write> {
    let mut plan = Plan::default();
    for (address, wish) in &decision.announcements {
        plan.announcement(*address, wish.as_ref(), snapshot.announcements.get(address).map(Arc::as_ref));
    }
    for (key, wish) in &decision.services {
        if let Some(service) = snapshot.services.get(key) {
            plan.service(service, wish);
        }
    }
    for (pool, usage) in &decision.pools {
        if snapshot.pool_usage.get(pool) != Some(usage) {
            plan.reports.push(Write::PoolStatus { pool: pool.clone(), usage: *usage });
        }
    }
    plan.l2_statuses(snapshot, decision);
    plan.into_writes()
}

/// Writes by their place in the order.
#[derive(Default)]
struct Plan {
    ends: Vec<Write>,
    losses: Vec<Write>,
    gains: Vec<Write>,
    changes: Vec<Write>,
    standbys: Vec<Write>,
    reports: Vec<Write>,
    events: Vec<Write>,
}

impl Plan {
    fn into_writes(self) -> Vec<Write> {
        let Self { ends, losses, gains, changes, standbys, reports, events } = self;
        [ends, losses, gains, changes, standbys, reports, events].into_iter().flatten().collect()
    }

    fn announcement(
        &mut self,
        address: IpAddr,
        wish: Option<&AnnouncementContent>,
        observed: Option<&ObservedAnnouncement>,
    ) {
        let resource_version = observed.map(|observed| observed.resource_version.clone());
        let Some(content) = wish.cloned() else {
            let delete = |resource_version| Write::DeleteAnnouncement { address, resource_version };
            self.ends.extend(resource_version.map(delete));
            return;
        };
        let before = observed.and_then(|observed| observed.content.as_ref());
        if before == Some(&content) {
            return;
        }
        let ends = before.is_some_and(|before| is_announced(before) && !is_announced(&content));
        let standbys_only = match (before, observed.and_then(|observed| observed.owner.as_ref())) {
            (Some(before), owner) => moves_nothing(before, &content, owner),
            (None, _) => false,
        };
        let place = match (ends, standbys_only) {
            (true, _) => &mut self.ends,
            (false, true) => &mut self.standbys,
            (false, false) => &mut self.changes,
        };
        place.push(Write::Announcement { content, resource_version, standbys_only });
    }

    fn service(&mut self, service: &Service, wish: &ServiceWish) {
        let event = |notice: &Notice| Write::Event {
            service: service.key.clone(),
            uid: service.uid.clone(),
            notice: notice.clone(),
        };
        self.events.extend(wish.notices.iter().map(event));
        let same = service.ingress == wish.ingress
            && !service.status_differs
            && service.allocated_from == wish.allocated_from
            && service.refusal == wish.refusal
            && service.silence == wish.silence;
        if same {
            return;
        }
        let change = |before: &Option<Refusal>, after: &Option<Refusal>| match (before, after) {
            (before, Some(after)) if before.as_ref() == Some(after) => ConditionChange::Keep,
            (_, Some(after)) => ConditionChange::False(after.clone()),
            (Some(_), None) if service.load_balancer => ConditionChange::True,
            (Some(_), None) => ConditionChange::Remove,
            (None, None) => ConditionChange::Keep,
        };
        let loses = service.ingress.iter().any(|address| !wish.ingress.contains(address));
        let place = if loses { &mut self.losses } else { &mut self.gains };
        place.push(Write::ServiceStatus(ServiceStatus {
            key: service.key.clone(),
            uid: service.uid.clone(),
            resource_version: service.resource_version.clone(),
            ingress: wish.ingress.clone(),
            allocated_from: wish.allocated_from.clone(),
            allocated: change(&service.refusal, &wish.refusal),
            announced: change(&service.silence, &wish.silence),
        }));
    }

    fn l2_statuses(&mut self, snapshot: &Snapshot, decision: &Decision) {
        let mut wishes: BTreeMap<String, &L2StatusContent> = BTreeMap::new();
        let mut there: BTreeSet<&String> = BTreeSet::new();
        for (key, contents) in &decision.l2_statuses {
            wishes.extend(contents.iter().map(|content| (l2_status(key, &content.node), content)));
            let prefix = l2_prefix(key);
            let ours = snapshot.l2_statuses.range(prefix.clone()..).map(|(name, _)| name);
            there.extend(ours.take_while(|name| name.starts_with(&prefix)));
        }
        if decision.everything {
            there.extend(snapshot.l2_statuses.keys());
        }
        for name in there.into_iter().filter(|name| !wishes.contains_key(*name)) {
            if let Some(observed) = snapshot.l2_statuses.get(name) {
                let resource_version = observed.resource_version.clone();
                self.reports.push(Write::DeleteL2Status { name: name.clone(), resource_version });
            }
        }
        for (name, content) in wishes {
            let observed = snapshot.l2_statuses.get(&name);
            if observed.and_then(|observed| observed.content.as_ref()) != Some(content) {
                let resource_version = observed.map(|observed| observed.resource_version.clone());
                self.reports.push(Write::L2Status { name, content: content.clone(), resource_version });
            }
        }
    }
}

/// Whether a node is to answer.
fn is_announced(content: &AnnouncementContent) -> bool {
    content.candidates.as_ref().is_some_and(|candidates| !candidates.is_empty())
}

/// Whether everybody goes on as before, whatever becomes of the order behind the owner.
fn moves_nothing(before: &AnnouncementContent, after: &AnnouncementContent, owner: Option<&NodeName>) -> bool {
    let first = |content: &AnnouncementContent| content.candidates.as_ref().and_then(|all| all.first()).cloned();
    let rest = AnnouncementContent { candidates: after.candidates.clone(), ..before.clone() };
    let (then, now) = (first(before), first(after));
    rest == *after && now.is_some() && (then == now || now.as_ref() == owner)
}
