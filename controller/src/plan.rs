//! Pure: what has to be written so that the cluster becomes what was decided, and in which order.
//!
//! 1. Announcements that end. While one is there its owner answers, and the moment a Service loses the address kube-proxy
//!    forgets it: a node that is still asked then would send packets back to the network, where they circle. An address that
//!    nobody answers for is refused by the client's own machine.
//! 2. Statuses that lose an address: nobody else is given one that still stands in a status.
//!    It is not even planned for anybody else before it is seen to be gone there.
//! 3. Statuses that only gain one. It is the database: what is announced has to be found there by the next leader.
//! 4. Announcements that begin or change, those first that clients wait for.
//! 5. Reports, then events.
//!
//! A Service that gets an address costs one write of 3 and one of 4; what speakers and pools report afterwards, 5.

mod undone;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::model::NodeName;

pub use self::{
    undone::{overwritten, undone},
    write::{AcceptedChange, Class, ConditionChange, ConfiguredStatus, Matter, Object, ServiceStatus, Subject, Write},
};
use crate::{
    cluster::{
        Acceptance, AnnouncementContent, ConfigurationKind, Configured, ConfiguredName, L2StatusContent,
        ObservedAnnouncement, PoolUsage, Refusal, Service, Snapshot, StateOf,
    },
    decide::{AcceptanceWish, Decision, Notice, ServiceWish},
    names::{l2_prefix, l2_status},
};

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
    plan.silences(snapshot, decision);
    plan.configured(snapshot, decision);
    plan.l2_statuses(snapshot, decision);
    plan.states(snapshot, decision);
    plan.into_writes()
}

impl Decision {
    /// Whether an object was looked at: if nothing is planned for it, it is as it should be.
    pub fn covers(&self, object: &Object) -> bool {
        match object {
            Object::Service(key) => self.everything || self.services.contains_key(key),
            Object::Announcement(address) => self.everything || self.announcements.contains_key(address),
            Object::Configured(_) | Object::L2Status(_) | Object::BgpStatus(_) | Object::State(_) => false,
        }
    }
}

/// Writes by their place in the order.
#[derive(Default)]
struct Plan {
    ends: Vec<Write>,
    losses: Vec<Write>,
    gains: Vec<Write>,
    changes: Vec<Write>,
    standbys: Vec<Write>,
    silences: Vec<Write>,
    reports: Vec<Write>,
    events: Vec<Write>,
}

impl Plan {
    fn into_writes(self) -> Vec<Write> {
        let Self { ends, losses, gains, changes, standbys, silences, reports, events } = self;
        [ends, losses, gains, changes, standbys, silences, reports, events].into_iter().flatten().collect()
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
        let ends = before.is_some_and(|before| before.is_announced() && !content.is_announced());
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

    /// An Announcement for which nobody is to answer says why, as soon as its specification is as it should be: then speakers
    /// know that as well, and none says otherwise.
    fn silences(&mut self, snapshot: &Snapshot, decision: &Decision) {
        for (address, silence) in &decision.silences {
            let wish = decision.announcements.get(address).and_then(Option::as_ref);
            let Some(there) = snapshot.announcements.get(address).filter(|there| there.content.as_ref() == wish) else {
                continue;
            };
            let says = there.trouble.as_ref().map(|trouble| &trouble.says);
            if says != Some(silence) || there.owner.is_some() || !there.interfaces.is_empty() {
                self.silences.push(Write::Silence {
                    address: *address,
                    silence: silence.clone(),
                    since: there.trouble.as_ref().map(|trouble| trouble.since.clone()),
                    resource_version: there.resource_version.clone(),
                });
            }
        }
    }

    fn service(&mut self, service: &Service, wish: &ServiceWish) {
        let event = |notice: &Notice| Write::Event {
            about: Subject::Service(service.key.clone()),
            uid: service.uid.clone(),
            notice: notice.clone(),
        };
        self.events.extend(wish.notices.iter().map(event));
        let conflict = service.conflict.as_deref();
        let beside = service.allocated_from != wish.allocated_from
            || service.refusal != wish.refusal
            || service.silence != wish.silence;
        let matter = match (service.status_differs || service.ingress != wish.ingress, beside) {
            (true, _) => Matter::Traffic,
            (false, true) => Matter::Words,
            (false, false) if conflict != wish.conflict.as_ref() => Matter::Conflict,
            (false, false) => return,
        };
        let cured = if service.load_balancer { ConditionChange::Cured } else { ConditionChange::Remove };
        let loses = service.ingress.iter().any(|address| !wish.ingress.contains(address));
        let place = if loses { &mut self.losses } else { &mut self.gains };
        place.push(Write::ServiceStatus(ServiceStatus {
            key: service.key.clone(),
            uid: service.uid.clone(),
            resource_version: service.resource_version.clone(),
            ingress: wish.ingress.clone(),
            allocated_from: wish.allocated_from.clone(),
            allocated: change(service.refusal.as_ref(), wish.refusal.as_ref(), &cured),
            announced: change(service.silence.as_ref(), wish.silence.as_ref(), &cured),
            conflict: change(conflict, wish.conflict.as_ref(), &ConditionChange::Remove),
            matter,
            rival: service.rival.clone(),
        }));
    }

    /// One write for all that differs in the status of an object.
    fn configured(&mut self, snapshot: &Snapshot, decision: &Decision) {
        let pools = decision.pools.keys().map(|pool| ConfiguredName::pool(pool));
        let objects: BTreeSet<ConfiguredName> = pools.chain(decision.acceptances.keys().cloned()).collect();
        for object in objects {
            let wish = decision.acceptances.get(&object);
            let there = snapshot.configured.get(&object);
            let accepted = wish.zip(there).and_then(|(wish, there)| accepted(there, &wish.says));
            let usage = usage(&object, snapshot, decision, accepted.is_some());
            if let Some((AcceptanceWish { notices, .. }, there)) = wish.zip(there) {
                self.events.extend(notices.iter().map(|notice| Write::Event {
                    about: Subject::Configured(object.clone()),
                    uid: there.uid.clone(),
                    notice: notice.clone(),
                }));
            }
            if usage.is_some() || accepted.is_some() {
                self.reports.push(Write::Configured(ConfiguredStatus { object, usage, accepted }));
            }
        }
    }

    /// What a Pod owns is left to that.
    fn states(&mut self, snapshot: &Snapshot, decision: &Decision) {
        for (of, wish) in &decision.states {
            let there = snapshot.states.get(of);
            let resource_version = there.map(|there| there.resource_version.clone());
            if there.is_some_and(|there| there.owned || (wish.is_some() && there.content == *wish)) {
                continue;
            }
            let of = of.clone();
            if let Some(content) = wish.clone() {
                let since = there.and_then(|there| there.since.clone());
                let since = since.filter(|(said, _)| *said == content.soundness).map(|(_, since)| since);
                let owner = match &of {
                    StateOf::Speaker(node) => snapshot.nodes.get(node).map(|node| node.uid.clone()),
                    StateOf::Controller => None,
                };
                let owner = owner.filter(|uid| !uid.is_empty());
                self.reports.push(Write::State { of, content, since, owner, resource_version });
            } else if let Some(resource_version) = resource_version {
                self.reports.push(Write::DeleteState { of, resource_version });
            }
        }
        let stale = decision.stale_bgp_statuses.iter();
        self.reports.extend(stale.filter_map(|name| {
            let resource_version = snapshot.bgp_statuses.get(name)?.resource_version.clone();
            Some(Write::DeleteBgpStatus { name: name.clone(), resource_version })
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

/// What becomes of a condition. `cured`: if it says no longer that something is wrong.
fn change(before: Option<&Refusal>, after: Option<&Refusal>, cured: &ConditionChange) -> ConditionChange {
    match (before, after) {
        (Some(before), Some(after)) if before == after => ConditionChange::Keep,
        (Some(_), Some(after)) => ConditionChange::Still(after.clone()),
        (None, Some(after)) => ConditionChange::Trouble(after.clone()),
        (Some(_), None) => cured.clone(),
        (None, None) => ConditionChange::Keep,
    }
}

/// The counters of a pool that have to be written. A status with a condition has to have some.
fn usage(object: &ConfiguredName, snapshot: &Snapshot, decision: &Decision, with_condition: bool) -> Option<PoolUsage> {
    let before = snapshot.pool_usage.get(&object.name);
    match decision.pools.get(&object.name) {
        _ if object.kind != ConfigurationKind::Pool => None,
        Some(usage) => (before != Some(usage)).then_some(*usage),
        None => (with_condition && before.is_none()).then(PoolUsage::default),
    }
}

/// The condition of an object, if it does not say that of its present generation.
fn accepted(there: &Configured, says: &Acceptance) -> Option<AcceptedChange> {
    let before = there.accepted.as_ref();
    if before.is_some_and(|before| before.says == *says && before.generation == there.generation) {
        return None;
    }
    let same = before.filter(|before| before.says.accepted == says.accepted);
    Some(AcceptedChange {
        resource_version: there.resource_version.clone(),
        says: says.clone(),
        generation: there.generation,
        since: same.map(|before| before.since.clone()),
        others: there.others.clone(),
    })
}

/// Whether everybody goes on as before, whatever becomes of the order behind the owner.
fn moves_nothing(before: &AnnouncementContent, after: &AnnouncementContent, owner: Option<&NodeName>) -> bool {
    let first = |content: &AnnouncementContent| content.candidates.as_ref().and_then(|all| all.first()).cloned();
    let rest = AnnouncementContent { candidates: after.candidates.clone(), ..before.clone() };
    let (then, now) = (first(before), first(after));
    rest == *after && now.is_some() && (then == now || now.as_ref() == owner)
}
