//! Decides until nothing changes any more, with what was decided carried out in memory.

use std::{net::IpAddr, sync::Arc};

use arpeggio_common::model::NodeName;
use arpeggio_controller::{
    cluster::{AnnouncementContent, Changes, ObservedAnnouncement, Service, Snapshot, Trouble},
    decide::{Decider, Decision},
};

/// More rounds than any change needs: addresses that change hands take three, and each waiting time one more.
const ROUNDS: usize = 32;

/// The controller, without an API server.
#[derive(Debug, Default)]
pub(super) struct Settler(Decider);

impl Settler {
    /// Carries out everything that the controller would do.
    pub(super) fn settle(&mut self, snapshot: &mut Snapshot) {
        let mut changes = Changes::everything();
        for _ in 0..ROUNDS {
            let decision = self.0.decide(snapshot, &changes);
            changes = apply(snapshot, decision);
            if changes.is_empty() {
                let Some(due) = self.0.next_due() else { return };
                snapshot.at = snapshot.at.max(due);
                changes.services = self.0.due(snapshot.at);
                if changes.services.is_empty() {
                    return;
                }
            }
        }
    }
}

/// Puts what was carried out into a later snapshot, but for Services that are written anew there.
pub(super) fn carry(settled: &Snapshot, present: &Snapshot, later: &mut Snapshot) {
    later.at = settled.at;
    let services = Arc::make_mut(&mut later.services);
    for (key, service) in services.iter_mut() {
        let (Some(done), Some(was)) = (settled.services.get(key), present.services.get(key)) else { continue };
        if Arc::ptr_eq(service, was) {
            *service = Arc::clone(done);
        } else {
            let one = Arc::make_mut(service);
            one.ingress.clone_from(&done.ingress);
            one.allocated_from.clone_from(&done.allocated_from);
        }
    }
    later.announcements = Arc::clone(&settled.announcements);
}

/// Carries out a decision. What changed by it.
fn apply(snapshot: &mut Snapshot, decision: Decision) -> Changes {
    let mut changes = Changes::default();
    let services = Arc::make_mut(&mut snapshot.services);
    for (key, wish) in decision.services {
        let Some(service) = services.get_mut(&key) else { continue };
        let new = Service {
            ingress: wish.ingress,
            allocated_from: wish.allocated_from,
            refusal: wish.refusal,
            silence: wish.silence,
            conflict: wish.conflict.map(Box::new),
            status_differs: false,
            ..Service::clone(service)
        };
        if **service != new {
            *service = Arc::new(new);
            changes.services.insert(key);
        }
    }
    for (address, content) in decision.announcements {
        let silence = decision.silences.get(&address).cloned();
        let trouble = silence.map(|says| Trouble { says, since: String::new() });
        if announce(snapshot, address, content, trouble) {
            changes.addresses.insert(address);
        }
    }
    changes
}

/// What the speakers make of an Announcement: the first candidate that lives owns it. Whether anything changed.
fn announce(
    snapshot: &mut Snapshot,
    address: IpAddr,
    content: Option<AnnouncementContent>,
    trouble: Option<Trouble>,
) -> bool {
    let known = snapshot.announcements.get(&address);
    let Some(content) = content else {
        return known.is_some() && Arc::make_mut(&mut snapshot.announcements).remove(&address).is_some();
    };
    let candidates = || content.candidates.iter().flatten();
    let lives = |node: &NodeName| snapshot.speakers.get(node).is_some_and(|speaker| speaker.live);
    let is_same = known.is_some_and(|known| known.content.as_ref() == Some(&content));
    let present = known.and_then(|known| known.owner.as_ref());
    let stays = present.filter(|owner| is_same && lives(owner) && candidates().any(|one| one == *owner));
    let owner = stays.or_else(|| candidates().find(|node| lives(node))).cloned();
    let new = ObservedAnnouncement {
        resource_version: known.map(|known| known.resource_version.clone()).unwrap_or_default(),
        owner,
        interfaces: known.map(|known| known.interfaces.clone()).unwrap_or_default(),
        trouble,
        content: Some(content),
    };
    let differs = known.is_none_or(|known| **known != new);
    if differs {
        Arc::make_mut(&mut snapshot.announcements).insert(address, Arc::new(new));
    }
    differs
}
