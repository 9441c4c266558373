//! Who announces which address, in which order, on which interfaces; the routes for BGP peers ([`bgp`]); and what is reported about
//! it.
//!
//! An address is looked at when it, its Services, their endpoints or its Announcement changed: one pass over the nodes. When
//! nodes or advertisements change all addresses are looked at, and those for which nothing has to change keep their order.
//!
//! Addresses of one Service have one owner, and one order, as far as the same nodes may own them: the lowest decides for all that
//! nobody keeps.
//!
//! What stays: the present owner, as speakers report it, else the first of the order in force that is still eligible, as long as
//! nobody is preferred to it by weight. An order in force stays as it is while it lists only eligible nodes, nobody behind or
//! outside of it is preferred, and it lists enough (`common::model::holds`): a node that comes to a large cluster changes
//! nothing, one that goes changes the orders that list it. Only a new address, or one whose whole order became ineligible, gets
//! an owner by rendezvous with bounded load.

mod bgp;
mod cover;
mod eligible;
mod explain;
mod patience;
mod report;
mod standing;
mod topology;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use arpeggio_common::model::{Few, Load};

pub(super) use self::report::ServiceReport;
use self::{
    bgp::Resolver,
    eligible::Ground,
    patience::Patience,
    report::Reported,
    standing::{AddressState, Draft, Kin, Part},
};
use crate::cluster::{AnnouncementContent, Refusal, ServiceKey, Snapshot};

/// Who has an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// The pool it is from.
    pub(super) pool: String,
    /// The Services that have it.
    pub(super) services: Few<ServiceKey>,
}

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Touch {
    /// Everything: `addresses` are all that somebody has.
    pub(super) everything: bool,
    /// Nodes or speakers changed.
    pub(super) topology: bool,
    /// Routes for BGP peers may be different.
    pub(super) bgp: bool,
    /// Addresses, and who has them; `None`: nobody.
    pub(super) addresses: BTreeMap<IpAddr, Option<Holding>>,
    /// Services, beside those that have one of the addresses.
    pub(super) services: BTreeSet<ServiceKey>,
}

/// What should be, of all that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) announcements: BTreeMap<IpAddr, Option<AnnouncementContent>>,
    /// Why nobody is to answer, for addresses of which that is so.
    pub(super) silences: BTreeMap<IpAddr, Refusal>,
    pub(super) voices: BTreeMap<ServiceKey, ServiceReport>,
}

/// The state between looks; all of it can be found again in a snapshot.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    ground: Ground,
    standings: BTreeMap<IpAddr, AddressState>,
    held: BTreeMap<ServiceKey, Few<IpAddr>>,
    load: Load,
    told: BTreeMap<ServiceKey, Reported>,
    patience: Patience,
    bgp: Resolver,
}

impl Announcer {
    /// When some Service has to be looked at although nothing changes.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.patience.next()
    }

    /// The Services that have to be looked at now although nothing changed.
    pub(super) fn due(&self, now: Duration) -> impl Iterator<Item = &ServiceKey> {
        self.patience.over(now)
    }

    /// Looks at what was touched.
    pub(super) fn look(&mut self, snapshot: &Snapshot, touch: Touch) -> Announced {
        let Touch { everything, topology, bgp, mut addresses, mut services } = touch;
        if everything || topology {
            self.ground = Ground::new(snapshot);
        }
        if everything {
            let known = self.standings.keys().chain(snapshot.announcements.keys());
            let gone: Vec<_> = known.filter(|address| !addresses.contains_key(*address)).copied().collect();
            addresses.extend(gone.into_iter().map(|address| (address, None)));
            services.extend(self.told.keys().cloned());
        }
        let mut looked: BTreeSet<IpAddr> = addresses.keys().copied().collect();
        if everything || topology {
            looked.extend(self.standings.keys());
        }
        for (address, holding) in addresses {
            self.hold(address, holding, &mut services);
        }
        let mut looked = if everything || topology { looked } else { self.kin(&looked) };
        self.order(&looked, snapshot);
        looked.extend(self.bgp.look(snapshot, everything || topology || bgp, &looked, &self.standings));
        for standing in looked.iter().filter_map(|address| self.standings.get(address)) {
            services.extend(standing.holding.services.iter().cloned());
        }
        services.iter().for_each(|key| self.wait(key, snapshot));
        let content = |address: &IpAddr| {
            let content = |standing: &AddressState| AnnouncementContent {
                routes: self.bgp.routes(*address),
                ..standing.content(*address, &self.ground, snapshot)
            };
            (*address, self.standings.get(address).map(content))
        };
        let contents = looked.iter().map(content);
        let announcements = contents.filter(|(address, content)| !self.is_early(*address, content, snapshot)).collect();
        let silence = |address: &IpAddr| {
            let by_bgp = |key: &ServiceKey| self.bgp.part(*address, key);
            let hush = self.standings.get(address)?.hush(*address, by_bgp, |key| self.patience.is_over(key))?;
            Some((*address, hush))
        };
        let silences = looked.iter().filter_map(silence).collect();
        let voices = services.into_iter().map(|key| (key.clone(), self.voice(&key, snapshot))).collect();
        Announced { announcements, silences, voices }
    }

    /// Notes who has an address. Services that lose it have to be looked at.
    fn hold(&mut self, address: IpAddr, holding: Option<Holding>, losers: &mut BTreeSet<ServiceKey>) {
        let before = self.standings.get(&address).map(|standing| &standing.holding.services);
        for key in before.into_iter().flatten() {
            if let Some(addresses) = self.held.get_mut(key) {
                addresses.remove(&address);
                if addresses.is_empty() {
                    self.held.remove(key);
                }
            }
            losers.insert(key.clone());
        }
        let Some(holding) = holding else {
            let gone = self.standings.remove(&address);
            gone.and_then(|gone| gone.owner()).into_iter().for_each(|owner| self.load.remove(owner));
            return;
        };
        for key in &holding.services {
            self.held.entry(key.clone()).or_default().insert(address);
        }
        match self.standings.get_mut(&address) {
            Some(standing) => standing.holding = holding,
            None => _ = self.standings.insert(address, AddressState::new(holding)),
        }
    }

    /// Finds the orders of these addresses: what is kept is counted first, so that what is free goes where room is left.
    fn order(&mut self, looked: &BTreeSet<IpAddr>, snapshot: &Snapshot) {
        self.load.bound(self.standings.len(), self.ground.topology.live());
        let mut drafts = Vec::with_capacity(looked.len());
        for address in looked {
            let Some(standing) = self.standings.remove(address) else { continue };
            standing.owner().into_iter().for_each(|owner| self.load.remove(owner));
            drafts.push(standing.draft(*address, &mut self.ground, snapshot));
        }
        drafts.iter().for_each(|draft| draft.count(&mut self.load));
        let mut free: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for draft in drafts.iter().filter(|draft| draft.is_free()) {
            *free.entry(self.lowest(draft)).or_default() += 1;
        }
        // Kin together, the lowest first: room for all of them is there when that is decided, and not taken by others meanwhile.
        drafts.sort_by_cached_key(|draft| (self.lowest(draft), draft.address()));
        for draft in drafts {
            let lowest = self.lowest(&draft);
            let lead = self.standings.get(&lowest).filter(|_| lowest != draft.address());
            let kin = Kin { address: lowest, lead, free: free.get(&lowest).copied().unwrap_or(1) };
            let (address, standing) = draft.settle(&mut self.load, kin);
            self.standings.insert(address, standing);
        }
    }

    /// The lowest address of the Services that have this one.
    fn lowest(&self, draft: &Draft) -> IpAddr {
        let first = |key| self.held.get(key)?.first();
        draft.services().iter().filter_map(first).min().copied().unwrap_or_else(|| draft.address())
    }

    /// These addresses, and all that a Service has together with one of them.
    fn kin(&self, looked: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
        let services =
            looked.iter().filter_map(|address| self.standings.get(address)).flat_map(|it| &it.holding.services);
        services.filter_map(|key| self.held.get(key)).flatten().chain(looked).copied().collect()
    }

    /// A Service without endpoints is waited for.
    fn wait(&mut self, key: &ServiceKey, snapshot: &Snapshot) {
        let is_unserved = |address: &IpAddr| {
            let by_layer2 = self.standings.get(address).and_then(|standing| standing.parts.get(key));
            matches!(by_layer2, Some(Part::Unserved { .. }))
                || self.bgp.part(*address, key).is_some_and(|part| part.unserved.is_some())
        };
        if self.held.get(key).into_iter().flatten().any(is_unserved) {
            let said = snapshot.services.get(key).and_then(|service| service.silence.as_ref());
            let is_known = said.is_some_and(|said| said.reason == explain::NO_ENDPOINTS);
            self.patience.begin(key, is_known, snapshot.at);
        } else {
            self.patience.end(key);
        }
    }

    /// Whether an Announcement would be made for nobody, and written again a moment later, when the endpoints of its Service come.
    fn is_early(&self, address: IpAddr, content: &Option<AnnouncementContent>, snapshot: &Snapshot) -> bool {
        let waits = |standing: &AddressState| standing.holding.services.iter().any(|key| self.patience.goes_on(key));
        content.as_ref().is_some_and(|content| !content.is_announced())
            && !snapshot.announcements.contains_key(&address)
            && self.standings.get(&address).is_some_and(waits)
    }

    fn voice(&mut self, key: &ServiceKey, snapshot: &Snapshot) -> ServiceReport {
        let addresses = self.held.get(key).into_iter().flatten();
        let standings = addresses.filter_map(|address| Some((*address, self.standings.get(address)?)));
        let mut voice = report::voice(key, standings, &self.bgp, self.patience.is_over(key), snapshot);
        if !snapshot.services.contains_key(key) {
            self.told.remove(key);
            return ServiceReport::default();
        }
        self.told.entry(key.clone()).or_insert_with(|| Reported::seen(key, &voice, snapshot)).update(&mut voice);
        voice
    }
}

#[cfg(test)]
mod tests;
