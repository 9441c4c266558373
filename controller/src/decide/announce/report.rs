//! What is told about Services: who answers for them, and why nobody does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::model::{Few, NodeName};

use super::{
    bgp::{self, Resolver},
    explain,
    standing::{AddressState, Part},
};
use crate::{
    cluster::{L2StatusContent, ObservedAnnouncement, Refusal, Service, ServiceKey, Snapshot},
    decide::types::{Notice, NoticeKind},
    names::l2_status,
};

/// What was last told about a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reported {
    owners: BTreeSet<NodeName>,
    silence: Option<Refusal>,
    complaint: Option<Refusal>,
}

/// What there is to tell about a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decide) struct ServiceReport {
    /// Who answers, by what speakers report.
    pub(in crate::decide) l2: BTreeSet<L2StatusContent>,
    /// Why nobody does.
    pub(in crate::decide) silence: Option<Refusal>,
    /// What is in the way of one protocol, although the other announces the Service.
    pub(in crate::decide) complaint: Option<Refusal>,
    /// What changed.
    pub(in crate::decide) notices: Vec<Notice>,
}

impl Reported {
    /// What a controller before us told, so far as it can be seen in the cluster.
    pub(super) fn seen(key: &ServiceKey, voice: &ServiceReport, snapshot: &Snapshot) -> Self {
        let told = |node: &&NodeName| {
            let there = snapshot.l2_statuses.get(&l2_status(key, node));
            there.and_then(|there| there.content.as_ref()).is_some_and(|content| content.node == **node)
        };
        // Nothing in the cluster shows which complaints were reported. Where an Announcement exists, an earlier leader did.
        let is_first =
            |service: &Arc<Service>| !service.ingress.iter().any(|it| snapshot.announcements.contains_key(it));
        let is_new = snapshot.services.get(key).is_none_or(is_first);
        Self {
            owners: voice.l2.iter().map(|status| &status.node).filter(told).cloned().collect(),
            silence: snapshot.services.get(key).and_then(|service| service.silence.clone()),
            complaint: voice.complaint.clone().filter(|_| !is_new),
        }
    }

    /// Events for what is different now: one for each new owner, one for silence. Nothing for what ends: the next owner, or what
    /// the user does, says it better.
    pub(super) fn update(&mut self, voice: &mut ServiceReport) {
        let owners: BTreeSet<NodeName> = voice.l2.iter().map(|status| status.node.clone()).collect();
        let new = voice.l2.iter().filter(|status| !self.owners.contains(&status.node)).map(assigned);
        voice.notices = new.collect();
        let silence = voice.silence.as_ref().filter(|_| voice.silence != self.silence);
        // What no speaker can do is told once, however often what layer 2 does changes meanwhile.
        let is_known = self.complaint.as_ref().is_some_and(|it| it.reason == bgp::NO_SPEAKER);
        let is_old = |now: &&Refusal| is_known && now.reason == bgp::NO_SPEAKER;
        let complaint = voice.complaint.as_ref().filter(|_| voice.complaint != self.complaint).filter(|it| !is_old(it));
        voice.notices.extend(silence.into_iter().chain(complaint).map(silent));
        self.owners = owners;
        self.silence.clone_from(&voice.silence);
        if voice.complaint.is_some() || !is_known {
            self.complaint.clone_from(&voice.complaint);
        }
    }
}

/// What there is to tell about a Service that has these addresses; events are still missing. An address that one protocol
/// announces is announced. `has_waited`: it has been without endpoints for more than a moment, if it is.
pub(super) fn voice<'s>(
    key: &ServiceKey,
    standings: impl Iterator<Item = (IpAddr, &'s AddressState)>,
    bgp: &Resolver,
    has_waited: bool,
    snapshot: &Snapshot,
) -> ServiceReport {
    let mut owned: BTreeMap<NodeName, Few<String>> = BTreeMap::new();
    let (mut silences, mut complaints): (Vec<Refusal>, Vec<Refusal>) = (Vec::new(), Vec::new());
    for (address, standing) in standings {
        let by_bgp = bgp.part(address, key);
        let has_route = by_bgp.is_some_and(|part| part.announced);
        let complaint = by_bgp.and_then(|part| part.complaint.clone());
        match standing.parts.get(key) {
            Some(Part::Wanted) => {}
            Some(Part::Uncovered | Part::Unserved { .. }) if has_route => {
                complaints.extend(complaint);
                continue;
            }
            Some(Part::Uncovered | Part::Unserved { .. }) => {
                silences.extend(standing.absence(key, address, by_bgp, has_waited));
                continue;
            }
            None => continue,
        }
        match &standing.silence {
            Some(silence) if !has_route => {
                silences.extend([Some(silence.clone()), complaint].into_iter().flatten());
                continue;
            }
            _ => complaints.extend(complaint),
        }
        if standing.silence.is_some() {
            continue;
        }
        let observed = snapshot.announcements.get(&address).map(Arc::as_ref);
        let trouble = observed.and_then(|observed| trouble(address, observed));
        if has_route { &mut complaints } else { &mut silences }.extend(trouble);
        // A node whose agent is gone may still be named by what it wrote last.
        let lives = |node: &&NodeName| snapshot.speakers.get(*node).is_some_and(|speaker| speaker.live);
        if let Some(observed) = observed
            && let Some(owner) = observed.owner.as_ref().filter(lives)
        {
            owned.entry(owner.clone()).or_default().extend(observed.interfaces.iter().cloned());
        }
    }
    let l2 = owned.into_iter().map(|(node, interfaces)| L2StatusContent { service: key.clone(), node, interfaces });
    let (silence, complaint) = (explain::together(silences), explain::together(complaints));
    ServiceReport { l2: l2.collect(), silence, complaint, notices: Vec::new() }
}

/// What speakers say is in the way. That nobody answers yet, or any more, is no such thing: it passes with the next claim.
fn trouble(address: IpAddr, observed: &ObservedAnnouncement) -> Option<Refusal> {
    let Refusal { reason, message } = &observed.trouble.as_ref()?.says;
    let is_news = reason != "NoOwner" && !explain::is_ours(reason);
    is_news.then(|| Refusal { reason: reason.clone(), message: format!("{address}: {message}") })
}

fn assigned(status: &L2StatusContent) -> Notice {
    let interfaces: Vec<&str> = status.interfaces.iter().map(String::as_str).collect();
    let on = if interfaces.is_empty() { String::new() } else { format!(" on {}", interfaces.join(", ")) };
    // MetalLB's words: scripts find the node by the quoted name.
    let message = format!("announcing from node {:?} with protocol \"layer2\"{on}", status.node.as_str());
    Notice { kind: NoticeKind::Normal, reason: "nodeAssigned", message }
}

/// Without an advertisement or an endpoint it may be meant so; everything else is in the way of what somebody wants.
fn silent(silence: &Refusal) -> Notice {
    let may_be_meant = [explain::NO_ADVERTISEMENT, explain::NO_ENDPOINTS].contains(&silence.reason.as_str());
    let kind = if may_be_meant { NoticeKind::Normal } else { NoticeKind::Warning };
    Notice { kind, reason: "announceFailed", message: silence.message.clone() }
}
