//! One address: what its Services ask for, who may own it, who does, and the order of succession.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use arpeggio_common::model::{
    Eligible, Few, FewMap, InterfaceName, Load, NodeId, NodeName, Wish, holds, keeper, newcomer, order,
};

use super::{
    Holding, bgp,
    eligible::{Ground, Group, Life, Local, Terms},
    explain,
};
use crate::cluster::{AnnouncementContent, ObservedAnnouncement, Refusal, ServiceKey, Snapshot};

/// How a Service takes part in announcing an address that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// No advertisement is for it.
    Uncovered,
    /// It has no servable endpoint where one is needed: it keeps silent (MetalLB behaviour 48).
    Unserved {
        /// One on the node that announces it is needed.
        is_local: bool,
    },
    /// It is to be announced.
    Wanted,
}

/// What became of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AddressState {
    pub(super) holding: Holding,
    pub(super) parts: FewMap<ServiceKey, Part>,
    /// Why nobody may own it, although a Service wants it announced.
    pub(super) silence: Option<Refusal>,
    /// The order of succession that was decided.
    order: Vec<NodeId>,
    interfaces: BTreeSet<InterfaceName>,
    /// The order in force when that was decided: as long as it is still in force, our write is under way.
    base: Option<Vec<NodeId>>,
    /// Whose load it is.
    owner: Option<NodeId>,
}

/// An address on the way to its order.
pub(super) struct Draft {
    address: IpAddr,
    standing: AddressState,
    /// Who may own it, by number. `None`: the order is found, or there is none.
    group: Option<(Arc<[Group]>, usize)>,
    /// The order in force, if it can stay.
    kept: Option<Vec<NodeId>>,
}

/// What the addresses of a Service have to do with each other: clients and reports are to see one owner for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kin<'a> {
    /// The lowest of them, which is decided first.
    pub(super) address: IpAddr,
    /// What was decided for that, if it is another.
    pub(super) lead: Option<&'a AddressState>,
    /// How many of them nobody keeps.
    pub(super) free: usize,
}

impl AddressState {
    pub(super) fn new(holding: Holding) -> Self {
        Self { holding, ..Self::default() }
    }

    /// Whose load it is.
    pub(super) const fn owner(&self) -> Option<NodeId> {
        self.owner
    }

    /// The first part: what is asked for, who may own it, and who keeps it. What nobody keeps is for [`Draft::settle`], after
    /// all that is kept has been counted.
    pub(super) fn draft(self, address: IpAddr, ground: &mut Ground, snapshot: &Snapshot) -> Draft {
        let observed = snapshot.announcements.get(&address).map(Arc::as_ref);
        let in_force = observed.map(listed);
        let current = self.current(in_force.as_deref());
        let reported = observed.and_then(|observed| observed.owner.as_ref()).map(NodeId::from);
        let (parts, terms) = terms(&self.holding, ground, snapshot);
        let mut standing = Self { parts, base: in_force, ..Self::new(self.holding) };
        let Some(terms) = terms else {
            standing.leave(observed, ground);
            return Draft { address, standing, group: None, kept: None };
        };
        let owners: Vec<NodeId> = reported.into_iter().chain(current.iter().copied()).collect();
        let groups = ground.eligible(address, &terms, Life::Live);
        let Some(group) = choose(&groups, &owners) else {
            standing.stand(&current, &ground.eligible(address, &terms, Life::Any), &owners);
            // Who was to hand over to somebody who does not live goes on answering, and says so.
            let owner = observed.and_then(|observed| observed.owner.as_ref());
            let answers = owner.is_some_and(|owner| snapshot.speakers.get(owner).is_some_and(|speaker| speaker.live));
            if standing.order.is_empty() || !answers {
                standing.silence = Some(explain::no_node(ground, &terms, &standing.holding, address));
            }
            return Draft { address, standing, group: None, kept: None };
        };
        let number = groups.iter().position(|other| std::ptr::eq(other, group));
        let group_of = |number| (Arc::clone(&groups), number);
        standing.interfaces.clone_from(&group.interfaces);
        // An order that needs no change stays, whoever of it owns the address: to follow every report would make two nodes that
        // are reported late chase each other.
        if !current.is_empty() && holds(&current, &group.nodes) {
            standing.owner = keeper(&group.nodes, owners.into_iter().filter(|owner| current.contains(owner)));
            return Draft { address, standing, group: number.map(group_of), kept: Some(current) };
        }
        standing.owner = keeper(&group.nodes, owners);
        Draft { address, standing, group: number.map(group_of), kept: None }
    }

    /// The order in force, or the one that is on its way to be.
    fn current(&self, in_force: Option<&[NodeId]>) -> Vec<NodeId> {
        match in_force {
            Some(in_force) if self.base.as_deref() != Some(in_force) => in_force.to_vec(),
            Some(in_force) if self.order.is_empty() => in_force.to_vec(),
            Some(_) | None => self.order.clone(),
        }
    }

    /// Nobody lives who may own it: the order stands, so far as it is still allowed. Whoever of it is not dead after all goes on,
    /// and a controller that sees no lease takes nothing from anybody.
    fn stand(&mut self, current: &[NodeId], groups: &[Group], owners: &[NodeId]) {
        let Some(group) = choose(groups, owners) else { return };
        let may = |node: &NodeId| group.nodes.iter().any(|eligible| eligible.node == *node);
        self.order = current.iter().copied().filter(may).collect();
        if !self.order.is_empty() {
            self.interfaces.clone_from(&group.interfaces);
            self.owner = owners.iter().copied().find(may);
        }
    }

    /// No advertisement covers it, but one that does may be at fault: what is announced stays announced, as it is.
    fn leave(&mut self, observed: Option<&ObservedAnnouncement>, ground: &Ground) {
        let in_doubt = ground.advertisements.doubts(&self.holding.pool)
            && self.parts.values().all(|part| *part == Part::Uncovered);
        let Some(content) = observed.and_then(|observed| observed.content.as_ref()).filter(|_| in_doubt) else {
            return;
        };
        let Some(candidates) = &content.candidates else { return };
        self.parts.values_mut().for_each(|part| *part = Part::Wanted);
        self.order = candidates.iter().map(NodeId::from).filter(|id| ground.topology.by_id(*id).is_some()).collect();
        self.interfaces.clone_from(&content.interfaces);
        self.owner = self.order.first().copied();
    }

    /// Why nobody is to answer for it, nor to announce it to BGP peers (`by_bgp`: how each Service takes part in that). A Service
    /// that has not waited may have endpoints in a moment: nothing is said yet.
    pub(super) fn hush<'p>(
        &self,
        address: IpAddr,
        by_bgp: impl Fn(&ServiceKey) -> Option<&'p bgp::Part>,
        has_waited: impl Fn(&ServiceKey) -> bool,
    ) -> Option<Refusal> {
        if self.parts.keys().any(|key| by_bgp(key).is_some_and(|part| part.announced)) {
            return None;
        }
        let mut all = Vec::new();
        if self.parts.values().any(|part| *part == Part::Wanted) {
            all.push(self.silence.clone()?);
            all.extend(self.parts.keys().filter_map(|key| by_bgp(key)?.complaint.clone()));
        } else {
            let each = self.parts.keys().map(|key| self.absence(key, address, by_bgp(key), has_waited(key)));
            all = each.collect::<Option<Vec<_>>>()?;
        }
        // Services that share the address have the same complaint.
        let mut distinct: Vec<Refusal> = Vec::new();
        all.into_iter().for_each(|one| {
            if !distinct.contains(&one) {
                distinct.push(one)
            }
        });
        explain::together(distinct)
    }

    /// Why neither protocol announces the address for a Service that layer 2 has nothing to do with now.
    pub(super) fn absence(
        &self,
        key: &ServiceKey,
        address: IpAddr,
        by_bgp: Option<&bgp::Part>,
        has_waited: bool,
    ) -> Option<Refusal> {
        let is_local = match (self.parts.get(key)?, by_bgp) {
            (Part::Wanted, _) => return None,
            (Part::Uncovered, None) => return Some(explain::no_advertisement(key, address, &self.holding.pool)),
            (Part::Uncovered, Some(bgp::Part { unserved: Some(is_local), .. })) | (Part::Unserved { is_local }, _) => {
                *is_local
            }
            (Part::Uncovered, Some(part)) => return part.complaint.clone(),
        };
        has_waited.then(|| explain::no_endpoints(key, address, is_local))
    }

    /// What its Announcement should say.
    pub(super) fn content(&self, address: IpAddr, ground: &Ground, snapshot: &Snapshot) -> AnnouncementContent {
        let uid = |key: &ServiceKey| Some((key.clone(), snapshot.services.get(key)?.uid.clone()));
        let name = |id: &NodeId| ground.topology.by_id(*id).map(|host| host.name().clone());
        let covered = self.parts.values().any(|part| *part != Part::Uncovered);
        let candidates: Vec<NodeName> = self.order.iter().filter_map(name).collect();
        AnnouncementContent {
            address,
            pool: self.holding.pool.clone(),
            services: self.holding.services.iter().filter_map(uid).collect(),
            candidates: covered.then_some(candidates),
            interfaces: self.interfaces.clone(),
            routes: BTreeSet::new(),
        }
    }
}

impl Draft {
    /// The address of the draft.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    /// The Services that have it.
    pub(super) const fn services(&self) -> &Few<ServiceKey> {
        &self.standing.holding.services
    }

    /// Whether it is to have an owner, and nobody keeps it.
    pub(super) const fn is_free(&self) -> bool {
        self.group.is_some() && self.standing.owner.is_none()
    }

    /// Counts the address for whoever keeps it.
    pub(super) fn count(&self, load: &mut Load) {
        self.standing.owner.into_iter().for_each(|owner| load.add(owner));
    }

    /// The second part: an owner for what nobody keeps, and the order. What nobody keeps follows its kin; so do standbys, where
    /// that moves nothing: both addresses of a Service then go the same way when their owner dies.
    pub(super) fn settle(mut self, load: &mut Load, kin: Kin<'_>) -> (IpAddr, AddressState) {
        let group = self.group.take();
        let Some(group) = group.as_ref().and_then(|(groups, number)| groups.get(*number)) else {
            return (self.address, self.standing);
        };
        if self.standing.owner.is_none() {
            let with_kin = kin.lead.and_then(|lead| keeper(&group.nodes, lead.owner));
            self.standing.owner = with_kin.or_else(|| newcomer(self.address, &group.nodes, load, kin.free));
            self.count(load);
        }
        let owner = self.standing.owner;
        let moves_nothing = |lead: &&AddressState| {
            let first = lead.order.first();
            first.is_some() && (first == owner.as_ref() || self.kept.as_ref().is_some_and(|kept| kept.first() == first))
        };
        let same =
            kin.lead.filter(|lead| lead.owner == owner && holds(&lead.order, &group.nodes)).filter(moves_nothing);
        let wish = Wish { address: kin.address, eligible: &group.nodes, owner };
        self.standing.order = match (same, self.kept) {
            (Some(lead), _) => lead.order.clone(),
            (None, Some(kept)) => kept,
            (None, None) => order(&wish, owner),
        };
        (self.address, self.standing)
    }
}

/// The order in an Announcement that is there.
fn listed(observed: &ObservedAnnouncement) -> Vec<NodeId> {
    let candidates = observed.content.as_ref().and_then(|content| content.candidates.as_ref());
    candidates.into_iter().flatten().map(NodeId::from).collect()
}

/// How each Service takes part, and what they ask for together; `None`: nothing is to be announced.
fn terms(holding: &Holding, ground: &Ground, snapshot: &Snapshot) -> (FewMap<ServiceKey, Part>, Option<Terms>) {
    let mut parts = FewMap::new();
    let mut terms = Terms::default();
    for key in &holding.services {
        let Some(service) = snapshot.services.get(key) else { continue };
        let ads = ground.advertisements.of(&holding.pool, &service.labels);
        let endpoints = snapshot.endpoints.get(key);
        let served = endpoints.is_some_and(|there| if service.local { !there.nodes.is_empty() } else { there.any });
        let part = match (ads.is_empty(), served) {
            (true, _) => Part::Uncovered,
            (false, false) => Part::Unserved { is_local: service.local },
            (false, true) => Part::Wanted,
        };
        parts.insert(key.clone(), part);
        if part != Part::Wanted {
            continue;
        }
        terms.ads.insert(ads);
        if let Some(endpoints) = endpoints.filter(|_| service.local) {
            let here = Local {
                hosts: ground.topology.numbers(&endpoints.nodes),
                ending: ground.topology.numbers(&endpoints.ending),
            };
            terms.local = Some(match terms.local.take() {
                Some(other) => other.and(&here),
                None => here,
            });
        }
    }
    let terms = (!terms.ads.is_empty()).then_some(terms);
    (parts, terms)
}

/// The group with the most preferred nodes, then with the present owner, then the largest.
fn choose<'a>(groups: &'a [Group], owners: &[NodeId]) -> Option<&'a Group> {
    if let [only] = groups {
        return Some(only);
    }
    let weight = |group: &Group| group.nodes.iter().map(|eligible| eligible.weight).max();
    let has = |group: &Group, owner: &NodeId| group.nodes.iter().any(|eligible: &Eligible| eligible.node == *owner);
    let owner = owners.iter().find(|owner| groups.iter().any(|group| has(group, owner)));
    let value = |group: &&'a Group| (weight(group), owner.is_some_and(|owner| has(group, owner)), group.nodes.len());
    groups.iter().rev().max_by_key(value)
}
