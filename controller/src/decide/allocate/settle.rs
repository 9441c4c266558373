//! One Service: what it may keep, what it gets, and what it is told (MetalLB behaviour 2.2).

use std::{net::IpAddr, sync::Arc};

use super::{
    Allocation, Evaluation,
    book::Claim,
    choose::{choose, elsewhere, may_have, second},
    record::Current,
    refusal::{self, Why, list},
    request::{Demand, Families},
    types::Given,
    waiting::{Waiting, WaitingFor},
};
use crate::{
    cluster::{Family, Refusal, Service, ServiceKey},
    decide::{Notice, NoticeKind},
};

/// What became of a Service beside what it has.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    refusal: Option<Refusal>,
    /// Why it has one address although it would rather have two.
    single: Option<String>,
    /// What may make it worth another look.
    waits: Option<Waiting>,
}

impl Verdict {
    /// It has no address, and is told why.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), ..Self::default() }
    }
}

/// What a Service had, and what could not be left to it.
#[derive(Debug, Default)]
pub(super) struct Previous {
    /// What it had, whether its status shows it or not.
    pub(super) had: Vec<IpAddr>,
    /// Why it may not keep it.
    pub(super) lost: Option<Why>,
    /// It keeps one of two.
    pub(super) reduced: bool,
}

impl Allocation {
    /// Leaves to a Service what it has, as far as the rules allow (steps 5 and 6). All or nothing: but for the address of a
    /// family that it no longer needs, and where one will do and the other cannot stay.
    ///
    /// Where somebody else wrote its status, what stands there counts if it is allowed; else what was decided before.
    pub(super) fn reclaim(&mut self, evaluation: &Evaluation<'_>) -> Previous {
        let Evaluation { service, demand, current, decided } = evaluation;
        let mut had = current.addresses.clone();
        had.extend(decided);
        if current.addresses.is_empty() {
            self.book.leave(&service.key);
            return Previous { had, ..Previous::default() };
        }
        let lost = match self.keep(service, demand, current) {
            Ok(lost) => return Previous { had, reduced: lost.is_some(), lost },
            Err(lost) => lost,
        };
        if !decided.is_empty() && *decided != current.addresses {
            let current = Current { addresses: decided.clone(), observed: false };
            if let Ok(lost) = self.keep(service, demand, &current) {
                return Previous { had, reduced: lost.is_some(), lost };
            }
        }
        Previous { had, lost: Some(lost), reduced: false }
    }

    /// Why not all of it stays, if some does.
    fn keep(&mut self, service: &Service, demand: &Demand, current: &Current) -> Result<Option<Why>, Why> {
        let key = &service.key;
        let mut lost = None;
        let ruled = demand.keep(&current.addresses).and_then(|kept| match self.pool_of(service, &kept) {
            Ok(pool) => Ok((pool, kept)),
            Err(why) => {
                let part = self.part_of(service, demand, &kept).ok_or_else(|| why.clone())?;
                lost = Some(why);
                Ok(part)
            }
        });
        let (pool, kept) = match ruled {
            Ok(ruled) => ruled,
            Err(why) => {
                self.book.leave(key);
                return Err(why);
            }
        };
        let claim = Claim { addresses: kept, pool, terms: Arc::clone(&demand.terms) };
        if self.book.claim(key) == Some(&claim) {
            return Ok(lost);
        }
        self.book.leave(key);
        for address in &claim.addresses {
            if let Err(why) = self.book.may_join(*address, &claim.terms)
                && !(current.observed && self.evict(*address))
            {
                return Err(why);
            }
        }
        self.book.take(key, &claim.addresses, (&claim.pool, &claim.terms));
        Ok(lost)
    }

    /// Which one of two addresses can stay, for a Service that can do with one: of the family that it prefers, else the other.
    fn part_of(&mut self, service: &Service, demand: &Demand, addresses: &[IpAddr]) -> Option<(Arc<str>, Vec<IpAddr>)> {
        let Families::Both { fallback: Some(preferred) } = demand.families else { return None };
        if addresses.len() < 2 || !matches!(demand.addresses, Ok(None)) {
            return None;
        }
        let (first, then): (Vec<IpAddr>, Vec<IpAddr>) =
            addresses.iter().partition(|address| Family::of(**address) == preferred);
        first.into_iter().chain(then).find_map(|address| Some((self.pool_of(service, &[address]).ok()?, vec![address])))
    }

    /// The pool of addresses that a Service has. A pool that cannot be understood at present says nothing about what was
    /// given from it: it stays, so that a slip in an edit costs nobody an address. Nor does one that is gone, for a while.
    fn pool_of(&mut self, service: &Service, addresses: &[IpAddr]) -> Result<Arc<str>, Why> {
        // Each of them, before any is found to be in no pool.
        addresses.iter().try_for_each(|address| self.book.is_not_held(*address))?;
        let pools = &self.book.pools;
        let why = match may_have(&self.book, service, addresses) {
            Ok(id) => {
                self.grace.ends(&service.key);
                return Ok(Arc::clone(&pools.get(id).name));
            }
            Err(why) => why,
        };
        let given = self.records.get(&service.key).and_then(|record| record.given.as_ref());
        let Some(name) = given.map(|given| &*given.pool).or(service.allocated_from.as_deref()) else { return Err(why) };
        let is_unknown = pools.is_faulty(name) && addresses.iter().all(|address| pools.of(*address).is_none());
        // What somebody else wrote into its status was never in a pool.
        let is_ours = given.is_none_or(|given| addresses.iter().all(|address| given.addresses.contains(address)));
        if is_unknown || (is_ours && matches!(why, Why::NoPool(_)) && self.grace.covers(&service.key, self.now)) {
            return Ok(name.into());
        }
        Err(why)
    }

    /// Takes an address from Services to which it was given, but in whose status it was never seen, because it stands in the
    /// status of another: whoever wrote that knew better. Does nothing if one of them shows it too.
    fn evict(&mut self, address: IpAddr) -> bool {
        let users: Vec<ServiceKey> = self.book.users(address).to_vec();
        if users.iter().any(|user| self.records.get(user).is_none_or(|record| record.has_shown(address))) {
            return false;
        }
        for user in users {
            self.book.leave(&user);
            self.evicted.insert(user);
        }
        true
    }

    /// Gives a Service what it needs and asks for, and tells it.
    pub(super) fn settle(&mut self, service: &Service, demand: &Demand, previous: &Previous) {
        let verdict = self.fill(service, demand, previous.reduced);
        self.conclude(service, verdict, previous);
    }

    /// Steps 7 to 10. `reduced`: it had two addresses and keeps one.
    fn fill(&mut self, service: &Service, demand: &Demand, reduced: bool) -> Verdict {
        let key = &service.key;
        // Nobody can tell what is asked for: what it has stays, whatever else changed.
        let wanted = match &demand.addresses {
            Ok(wanted) => wanted.as_deref(),
            // The reasons are MetalLB's.
            Err(bad) => {
                let reason = if self.book.claim(key).is_some() { refusal::INVALID } else { refusal::FAILED };
                return Verdict::refused(refusal::refusal(reason, bad));
            }
        };
        let suits = |claim: &Claim| {
            demand.pool.as_ref().is_none_or(|pool| **pool == *claim.pool)
                && wanted.is_none_or(|wanted| wanted == claim.addresses)
        };
        if self.book.pools.cannot_tell(&key.namespace) {
            // It is looked at again when its namespace is known; until then what it has stays.
            return match self.book.claim(key) {
                Some(_) => Verdict::default(),
                None => Verdict::refused(refusal::namespace_unknown(&key.namespace)),
            };
        }
        match self.book.claim(key).cloned() {
            Some(claim) if !suits(&claim) => {
                self.book.leave(key);
                self.allocate(service, demand, wanted)
            }
            Some(claim) if reduced && self.move_out(service, demand, &claim) => Verdict::default(),
            Some(claim) => self.complete(service, demand, &claim).unwrap_or_else(|| {
                self.book.leave(key);
                self.allocate(service, demand, wanted)
            }),
            None => self.allocate(service, demand, wanted),
        }
    }

    /// Gives a Service whose pool lost a family both from another pool, if there is one (MetalLB behaviour 24).
    fn move_out(&mut self, service: &Service, demand: &Demand, claim: &Claim) -> bool {
        let Some(choice) = elsewhere(&mut self.book, service, demand, &claim.pool) else { return false };
        let pool = Arc::clone(&self.book.pools.get(choice.pool).name);
        self.book.leave(&service.key);
        self.book.take(&service.key, &choice.addresses, (&pool, &demand.terms));
        true
    }

    /// Adds the second family to what a Service has; `None` if it cannot do with less (step 9).
    fn complete(&mut self, service: &Service, demand: &Demand, claim: &Claim) -> Option<Verdict> {
        let (Families::Both { fallback }, [has]) = (demand.families, &*claim.addresses) else {
            return Some(Verdict::default());
        };
        if matches!(demand.addresses, Ok(Some(_))) {
            // It asked for exactly this one while it needed no other.
            return fallback.map(|_| Verdict::default());
        }
        // A pool that cannot be understood gives nothing, and takes nothing.
        let Some(pool) = self.book.pools.named(&claim.pool) else { return Some(Verdict::default()) };
        match second(&mut self.book, pool, *has, demand) {
            Ok(address) => {
                self.book.take(&service.key, &[address], (&claim.pool, &demand.terms));
                Some(Verdict::default())
            }
            Err(single) => {
                fallback?;
                let family = if has.is_ipv4() { Family::V6 } else { Family::V4 };
                let stock = self.book.pools.get(pool);
                // What nodes have may come free one day.
                let may_come = stock.count(family).0 > 0 || stock.held(family) > 0;
                Some(Verdict {
                    single: Some(single),
                    waits: may_come.then(|| self.waits(WaitingFor::Second(pool, family), demand)),
                    ..Verdict::default()
                })
            }
        }
    }

    /// Step 10.
    fn allocate(&mut self, service: &Service, demand: &Demand, wanted: Option<&[IpAddr]>) -> Verdict {
        match choose(&mut self.book, service, demand, wanted) {
            Ok(choice) => {
                let pool = Arc::clone(&self.book.pools.get(choice.pool).name);
                let claim = Claim { addresses: choice.addresses, pool, terms: Arc::clone(&demand.terms) };
                self.book.take(&service.key, &claim.addresses, (&claim.pool, &claim.terms));
                self.complete(service, demand, &claim).unwrap_or_default()
            }
            Err(mut message) => {
                for stray in &service.requests.strays {
                    message.push_str(&format!("; {stray}"));
                }
                let refusal = refusal::refusal(refusal::FAILED, message);
                let waiting_for = wanted.map_or(WaitingFor::Anything, |wanted| WaitingFor::Exactly(wanted.to_vec()));
                Verdict { waits: Some(self.waits(waiting_for, demand)), ..Verdict::refused(refusal) }
            }
        }
    }

    /// A Service that was told just now what it lacks.
    fn waits(&self, waiting_for: WaitingFor, demand: &Demand) -> Waiting {
        Waiting { waiting_for, shares: demand.terms.share.is_some(), told: Arc::clone(&self.book.spent) }
    }

    /// Writes down what was decided, and what there is to tell: only what is new (MetalLB behaviour 2.6).
    pub(super) fn conclude(&mut self, service: &Service, verdict: Verdict, previous: &Previous) {
        let key = &service.key;
        match verdict.waits {
            Some(waits) => self.waiting.insert(key.clone(), waits),
            None => self.waiting.remove(key),
        };
        let given = self
            .book
            .claim(key)
            .map(|claim| Given { addresses: claim.addresses.clone(), pool: Arc::clone(&claim.pool) });
        let Some(record) = self.records.get_mut(key) else { return };
        let now: &[IpAddr] = given.as_ref().map_or(&[], |given| &given.addresses);
        let new: Vec<IpAddr> = now.iter().copied().filter(|address| !previous.had.contains(address)).collect();
        // Of this call: a Service may be looked at again before it ends, and then only the last refusal counts.
        let mut notices = std::mem::take(&mut record.outcome.notices);
        let still = |notice: &Notice| verdict.refusal.as_ref().is_some_and(|refusal| refusal.message == notice.message);
        notices.retain(|notice| !is_refusal(notice.reason) || still(notice));
        let mut tell = |kind, reason, message| notices.push(Notice { kind, reason, message });
        if let Some(why) = &previous.lost {
            let kind = if matches!(why, Why::Held { .. }) { NoticeKind::Warning } else { NoticeKind::Normal };
            tell(kind, "ClearAssignment", format!("the address is taken back: {why}"));
        }
        if let (false, Some(given)) = (new.is_empty(), &given) {
            let message = format!("{} given from pool {}", list(&new), given.pool);
            tell(NoticeKind::Normal, "IPAllocated", message);
        }
        if let Some(single) = &verdict.single
            && record.single.as_ref() != Some(single)
            // Whoever has had one address since before this program began knows it.
            && (record.given.is_some() || !new.is_empty())
        {
            tell(NoticeKind::Normal, "AdditionalAssignFailed", single.clone());
        }
        if let Some(refusal) = &verdict.refusal
            && record.outcome.refusal.as_ref() != Some(refusal)
            // That passes within moments, and is no warning.
            && refusal.reason != refusal::NAMESPACE_UNKNOWN
        {
            tell(NoticeKind::Warning, reason(refusal), refusal.message.clone());
        }
        let changed = !new.is_empty() || previous.had.iter().any(|address| !now.contains(address));
        let deprecated = &service.requests.deprecated;
        if changed && !deprecated.is_empty() {
            let names = deprecated.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message =
                format!("annotations with a prefix that is no longer used: {names}; the new one is metallb.io/");
            tell(NoticeKind::Warning, "deprecatedAnnotation", message);
        }
        if changed && !service.requests.strays.is_empty() {
            let strays: Vec<String> = service.requests.strays.iter().map(ToString::to_string).collect();
            tell(NoticeKind::Warning, "annotationNotRead", strays.join("; "));
        }
        if !notices.is_empty() {
            self.noticed.push(key.clone());
        }
        record.single = verdict.single;
        record.outcome.notices = notices;
        if record.decide(given, verdict.refusal) {
            self.concluded.push(key.clone());
        }
        self.lingering.set(key, record.lingering());
        let book = &self.book;
        let is_outside = |claim: &Claim| claim.addresses.iter().any(|address| book.pools.of(*address).is_none());
        if !book.claim(key).is_some_and(is_outside) || self.grace.is_over(key, self.now) {
            self.grace.ends(key);
        }
    }
}

fn is_refusal(reason: &str) -> bool {
    [refusal::FAILED, refusal::INVALID, NOT_ENOUGH_EVENT].contains(&reason)
}

/// The reason of MetalLB's event for [`refusal::NOT_ENOUGH`]; a condition cannot have it.
const NOT_ENOUGH_EVENT: &str = "not enough clusterips";

/// The reason of an event for a refusal: MetalLB's.
fn reason(refusal: &Refusal) -> &'static str {
    match refusal.reason.as_str() {
        refusal::INVALID => refusal::INVALID,
        refusal::NOT_ENOUGH => NOT_ENOUGH_EVENT,
        _ => refusal::FAILED,
    }
}
