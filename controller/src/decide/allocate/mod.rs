//! Allocation: which Service has which addresses (MetalLB behaviour 1 to 30, sections 2.1 to 2.6).
//!
//! The status of Services is the database. [`Allocation`] keeps in memory what follows from it: who has which address
//! (`book`), what of each range is in use (`range`), and for each Service what was decided and not seen in its status yet
//! (`record`): a decision holds from the moment it is made.
//!
//! Where MetalLB leaves a choice to chance, or does harm, this is what is done here:
//! - Pools that are equally good are tried by name.
//! - What Services have in their status is theirs before anybody gets anything: nobody loses an address to a Service that
//!   came first in some list.
//! - A Service that changes from two families to one keeps the address of that family; one that requires both and has one
//!   keeps it if its pool has the other.
//! - An address that is in no pool any more is taken back after a short grace only: see `grace`.
//! - A pool that cannot be understood since its last edit gives nothing more, but what it gave stays given.
//! - Addresses in the status of Services of another class lie untouched: they are not given away while they stand there
//!   (unless a Service of ours had them already), and count as used.
//! - A status that somebody emptied is filled again with the same addresses.
//! - An address that a node, an interface of a speaker or the API server has is given to nobody, and taken back from a Service
//!   that has it when the node comes: announced, it would take the node off the network.

mod book;
mod choose;
mod count;
mod grace;
mod held;
mod intervals;
mod lingering;
mod pools;
mod range;
mod record;
mod refusal;
mod request;
mod settle;
mod terms;
#[cfg(test)]
mod tests;
mod types;
mod waiting;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::model::Configuration;

use self::{
    book::Book,
    count::different,
    grace::Grace,
    lingering::Lingering,
    pools::{PoolId, Pools},
    record::{Before, Current, Record},
    refusal::Why,
    request::Demand,
    settle::{Previous, Verdict},
    waiting::Waiting,
};
pub use self::{
    held::Holder,
    types::{Given, Outcome, Touched},
};
use crate::cluster::{Changes, PoolUsage, Service, ServiceKey, Settings, Snapshot};

/// Whose a Service is.
enum Responsibility {
    /// Of our class: it is to have addresses.
    Ours,
    /// Not of type LoadBalancer, and still carrying something that we wrote.
    Leftover,
    /// Another controller evaluations after it.
    Foreign,
    /// It has nothing to do with load balancers.
    Other,
}

/// A Service that is looked at.
struct Evaluation<'a> {
    service: &'a Service,
    demand: Demand,
    current: Current,
    /// What was decided when it was last looked at.
    decided: Vec<IpAddr>,
}

/// Who has which address. What should be follows from the snapshots that it was shown.
#[derive(Clone, Debug, Default)]
pub struct Allocation {
    /// Of the last call; `None`: there was none.
    configuration: Option<Arc<Configuration>>,
    book: Book,
    /// Services that are ours.
    records: BTreeMap<ServiceKey, Record>,
    /// Addresses of Services that are not.
    foreign: BTreeMap<ServiceKey, Vec<IpAddr>>,
    /// Services that did not get everything.
    waiting: BTreeMap<ServiceKey, Waiting>,
    usage: BTreeMap<String, PoolUsage>,
    lingering: Lingering,
    grace: Grace,
    /// Of the snapshot that is being looked at.
    now: Duration,
    /// Services with notices.
    noticed: Vec<ServiceKey>,
    /// During a call: Services whose address stands in the status of another.
    evicted: BTreeSet<ServiceKey>,
    /// During a call: Services of which something was decided.
    concluded: Vec<ServiceKey>,
    /// During a call: what Services had and were told before it that are ours no more.
    gone: BTreeMap<ServiceKey, Before>,
}

impl Allocation {
    /// Nobody has anything; the first snapshot tells who does.
    pub fn new() -> Self {
        Self::default()
    }

    /// The addresses of a Service.
    pub fn given(&self, service: &ServiceKey) -> Option<&Given> {
        self.records.get(service)?.given.as_ref()
    }

    /// The addresses of a Service that can stand in its status now. The others still stand in the status of one that has them no
    /// more: two statuses never show one address.
    pub fn writable(&self, service: &ServiceKey) -> Vec<IpAddr> {
        let all = self.given(service).map_or(&[][..], |given| &given.addresses);
        all.iter().copied().filter(|address| !self.lingering.elsewhere(*address, service)).collect()
    }

    /// When some Service has to be looked at again although nothing changed: then [`Self::due`] says which.
    pub fn next_due(&self) -> Option<Duration> {
        self.grace.next()
    }

    /// The Services that have to be looked at now although nothing changed.
    pub fn due(&self, now: Duration) -> BTreeSet<ServiceKey> {
        self.grace.over(now)
    }

    /// The Services of ours that have an address, in order.
    pub fn users(&self, address: IpAddr) -> &[ServiceKey] {
        self.book.users(address)
    }

    /// What a Service is told. `None`: its status is not ours to write. Without addresses ([`Self::given`]) its status has to
    /// be empty and without our annotation; so it is for what we left on Services that are no load balancers any more.
    pub fn outcome(&self, service: &ServiceKey) -> Option<&Outcome> {
        self.records.get(service).map(|record| &record.outcome)
    }

    /// The addresses of a pool that are somebody's own and therefore not given away, in the order of its ranges.
    pub fn held(&self, pool: &str) -> impl Iterator<Item = (IpAddr, &Holder)> {
        self.book.pools.named(pool).into_iter().flat_map(|id| self.book.held_in(id))
    }

    /// How full every pool is, by name.
    pub fn usage(&self) -> &BTreeMap<String, PoolUsage> {
        &self.usage
    }

    /// Looks at what changed and decides anew what follows from it. Shown the same twice, it touches nothing the second time.
    ///
    /// Where everything changed, all is rebuilt from the status of Services and from what is still on its way there.
    pub fn reconcile(&mut self, snapshot: &Snapshot, changes: &Changes) -> Touched {
        self.now = snapshot.at;
        for key in std::mem::take(&mut self.noticed) {
            if let Some(record) = self.records.get_mut(&key) {
                record.outcome.notices.clear();
            }
        }
        let everything = changes.everything || self.configuration.as_ref() != Some(&snapshot.configuration);
        if !everything {
            self.book.before = Some(BTreeMap::new());
            self.book.pools.set_namespaces(&snapshot.namespaces);
            let mut losers = BTreeSet::new();
            if held::concerns(changes) {
                losers = self.book.set_held(held::held(snapshot));
            }
            let service = |key| (key, snapshot.services.get(key).map(|service| &**service));
            self.work(snapshot, changes.services.union(&losers).map(service));
            let addresses = self.book.before.take().unwrap_or_default().into_iter();
            let addresses = addresses.filter(|(address, users)| self.book.users(*address) != *users);
            let addresses = addresses.map(|(address, _)| address).collect();
            return self.touched(addresses);
        }
        self.configuration = Some(Arc::clone(&snapshot.configuration));
        let fresh = Book::new(Pools::new(&snapshot.configuration, &snapshot.namespaces));
        let old = std::mem::replace(&mut self.book, fresh);
        self.book.dirty.extend(self.book.pools.ids());
        self.hold_all(snapshot, &old);
        self.foreign.clear();
        self.waiting.clear();
        let gone = self.records.keys().filter(|key| !snapshot.services.contains_key(*key));
        for key in gone.cloned().collect::<Vec<_>>() {
            self.forget(&key);
        }
        self.work(snapshot, snapshot.services.iter().map(|(key, service)| (key, Some(&**service))));
        let addresses = different(&old, &self.book);
        self.touched(addresses)
    }

    /// Writes down in a new book what is somebody's own. Every Service is about to be looked at.
    fn hold_all(&mut self, snapshot: &Snapshot, old: &Book) {
        let book = &mut self.book;
        book.set_held(held::held(snapshot));
        (book.moved, book.loosened, book.retell) = (BTreeSet::new(), BTreeSet::new(), false);
        let same = |id: &PoolId| match old.pools.named(&book.pools.get(*id).pool.name) {
            Some(before) => book.held_in(*id).eq(old.held_in(before)),
            None => book.held_in(*id).next().is_none(),
        };
        let reheld = book.pools.ids().filter(|id| !same(id)).collect();
        book.reheld = reheld;
    }

    /// Looks at some Services, and at those that wait for what these let go.
    fn work<'a>(&mut self, snapshot: &Snapshot, services: impl Iterator<Item = (&'a ServiceKey, Option<&'a Service>)>) {
        let (evaluations, foreign) = self.sort_out(&snapshot.settings, services);
        let mut settled: Vec<(Evaluation<'_>, Previous)> = Vec::with_capacity(evaluations.len());
        for evaluation in evaluations {
            let previous = self.reclaim(&evaluation);
            settled.push((evaluation, previous));
        }
        // Those that are looked at are settled below.
        for (evaluation, _) in &settled {
            self.evicted.remove(&evaluation.service.key);
        }
        // Only now: what Services of ours have is theirs, also after a restart.
        for (key, addresses) in foreign {
            let before = self.foreign.remove(&key).unwrap_or_default();
            self.book.set_foreign(&key, &before, &addresses);
            if !addresses.is_empty() {
                self.foreign.insert(key, addresses);
            }
        }
        for (evaluation, previous) in &settled {
            self.settle(evaluation.service, &evaluation.demand, previous);
        }
        self.wake(snapshot);
    }

    /// Lets go of what is no longer ours, and says what to look at and in which order: first what stands in the status of
    /// Services, those with more addresses first; then by name.
    fn sort_out<'a>(
        &mut self,
        settings: &Settings,
        services: impl Iterator<Item = (&'a ServiceKey, Option<&'a Service>)>,
    ) -> (Vec<Evaluation<'a>>, Vec<(ServiceKey, Vec<IpAddr>)>) {
        let mut evaluations = Vec::new();
        let mut foreign = Vec::new();
        for (key, service) in services {
            let standing = service.map_or(Responsibility::Other, |service| self.standing(settings, service));
            let theirs = match (&standing, service) {
                (Responsibility::Foreign, Some(service)) => record::in_status(service),
                _ => Vec::new(),
            };
            if !theirs.is_empty() || self.foreign.contains_key(key) {
                foreign.push((key.clone(), theirs));
            }
            match (standing, service) {
                (Responsibility::Ours, Some(service)) => evaluations.extend(self.evaluate(service)),
                (Responsibility::Leftover, Some(service)) => {
                    self.book.leave(key);
                    self.record(service).0.see(service);
                    self.conclude(service, Verdict::default(), &Previous::default());
                }
                _ => self.forget(key),
            }
        }
        evaluations.sort_by_key(|evaluation| {
            (Reverse((evaluation.current.observed, evaluation.current.addresses.len())), &evaluation.service.key)
        });
        (evaluations, foreign)
    }

    fn standing(&self, settings: &Settings, service: &Service) -> Responsibility {
        if service.load_balancer {
            return if service.class == settings.class { Responsibility::Ours } else { Responsibility::Foreign };
        }
        // What is on its way to its status arrives with our annotation.
        let ours = service.allocated_from.is_some() || service.refusal.is_some();
        let emptied = service.ingress.is_empty() && !service.status_differs;
        if ours || (self.records.contains_key(&service.key) && !emptied) {
            Responsibility::Leftover
        } else {
            Responsibility::Other
        }
    }

    /// The record of a Service; a new one if it is another of the same name. Tells whether it is new.
    fn record(&mut self, service: &Service) -> (&mut Record, bool) {
        let key = &service.key;
        let known = self.records.get(key).map(|record| record.uid == service.uid);
        if known == Some(false) {
            self.forget(key);
        }
        let is_new = known != Some(true);
        (self.records.entry(key.clone()).or_insert_with(|| Record::new(service)), is_new)
    }

    fn evaluate<'a>(&mut self, service: &'a Service) -> Option<Evaluation<'a>> {
        let (record, is_new) = self.record(service);
        let current = record.look(service, is_new);
        let decided = record.decided().to_vec();
        match Demand::of(service) {
            Ok(demand) => Some(Evaluation { service, demand, current, decided }),
            Err(refusal) => {
                self.book.leave(&service.key);
                let previous = Previous { had: current.addresses, ..Previous::default() };
                self.conclude(service, Verdict::refused(refusal), &previous);
                None
            }
        }
    }

    /// Takes back what a Service has that is not ours, or gone.
    fn forget(&mut self, key: &ServiceKey) {
        self.book.leave(key);
        self.waiting.remove(key);
        self.lingering.set(key, BTreeSet::new());
        self.grace.ends(key);
        if let Some(record) = self.records.remove(key) {
            // The one of the name that was there before this call counts.
            self.gone.entry(key.clone()).or_insert_with(|| record.before_this_call());
        }
    }

    /// Looks again at Services that wait for something, by name, as long as something comes free; and at those that were told
    /// what is no longer so.
    fn wake(&mut self, snapshot: &Snapshot) {
        loop {
            let evicted = std::mem::take(&mut self.evicted);
            for key in &evicted {
                self.re_evaluate(snapshot, key, true);
            }
            let loosened = std::mem::take(&mut self.book.loosened);
            let moved = std::mem::take(&mut self.book.moved);
            let news = !(loosened.is_empty() && moved.is_empty());
            let retell = std::mem::take(&mut self.book.retell);
            self.re_evaluate_where(snapshot, |waiting, book| {
                retell || (news && waiting.is_concerned(&loosened, &moved, book)) || waiting.is_out_of_date(book)
            });
            if self.evicted.is_empty() && self.book.loosened.is_empty() && self.book.moved.is_empty() {
                return;
            }
        }
    }

    /// Looks again at those that `concerns` picks out; by name, and each asked only when it is its turn.
    fn re_evaluate_where(&mut self, snapshot: &Snapshot, concerns: impl Fn(&Waiting, &Book) -> bool) {
        let mut last: Option<ServiceKey> = None;
        loop {
            let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut rest = self.waiting.range::<ServiceKey, _>((from, Bound::Unbounded));
            let Some((key, _)) = rest.find(|(_, waiting)| concerns(waiting, &self.book)) else { return };
            let key = key.clone();
            self.re_evaluate(snapshot, &key, false);
            last = Some(key);
        }
    }

    /// `evicted`: what it had stands in the status of another.
    fn re_evaluate(&mut self, snapshot: &Snapshot, key: &ServiceKey, evicted: bool) {
        let (Some(service), Some(record)) = (snapshot.services.get(key), self.records.get(key)) else { return };
        let Ok(demand) = Demand::of(service) else { return };
        let had = record.decided().to_vec();
        let lost = had.first().filter(|_| evicted).map(|address| Why::Taken(*address));
        self.settle(service, &demand, &Previous { had, lost, reduced: false });
    }
}
