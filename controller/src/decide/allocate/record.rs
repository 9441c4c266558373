//! What is remembered of a Service between calls: what was decided, and what of it has been seen in its status.

use std::{collections::BTreeSet, net::IpAddr};

use super::types::{Given, Outcome};
use crate::cluster::{Refusal, Service};

/// Decisions whose writes may still be under way. More than these are not: each write waits for the one before.
const EARLIER: usize = 8;

/// What a Service had, and what it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    given: Option<Given>,
    refusal: Option<Refusal>,
}

/// What is remembered of a Service that is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Which of those of the name.
    pub(super) uid: String,
    /// What was decided.
    pub(super) given: Option<Given>,
    /// What else.
    pub(super) outcome: Outcome,
    /// Why it has one address although it would rather have two.
    pub(super) single: Option<String>,
    /// The addresses in its status when it was last looked at, in order.
    seen: Vec<IpAddr>,
    /// What was decided before and never seen: may still come.
    earlier: Vec<Vec<IpAddr>>,
    /// During a call in which something was decided: how it was before.
    pub(super) before: Option<Before>,
}

/// Addresses that a Service has as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Current {
    /// IPv4 first.
    pub(super) addresses: Vec<IpAddr>,
    /// They stand in its status: everybody can know them. Otherwise they are on their way there.
    pub(super) observed: bool,
}

/// The addresses in the status of a Service, in order.
pub(super) fn in_status(service: &Service) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = service.ingress.iter().map(|address| address.to_canonical()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

impl Record {
    /// Of a Service that was never looked at. Its condition tells what it was told before.
    pub(super) fn new(service: &Service) -> Self {
        let mut record = Self { uid: service.uid.clone(), ..Self::default() };
        record.outcome.refusal.clone_from(&service.refusal);
        record
    }

    /// What was decided, as addresses.
    pub(super) fn decided(&self) -> &[IpAddr] {
        self.given.as_ref().map_or(&[], |given| &given.addresses)
    }

    /// Notes the status of a Service that is not to have any address.
    pub(super) fn see(&mut self, service: &Service) {
        self.seen = in_status(service);
    }

    /// Addresses that stood in the status when it was last looked at, and that it has no more.
    pub(super) fn lingering(&self) -> BTreeSet<IpAddr> {
        self.seen.iter().copied().filter(|address| !self.decided().contains(address)).collect()
    }

    /// Whether an address stood in the status when it was last looked at.
    pub(super) fn has_shown(&self, address: IpAddr) -> bool {
        self.seen.contains(&address)
    }

    /// Looks at the status. It is the source of truth, but for what is on its way there: a status that shows what it showed
    /// before, or something that was decided earlier, has not heard of the decision yet. A status that somebody emptied is
    /// filled again; anything else was put there by somebody and is taken seriously.
    pub(super) fn look(&mut self, service: &Service, is_new: bool) -> Current {
        let status = in_status(service);
        let known = !is_new && (status == self.seen || self.earlier.contains(&status) || status.is_empty());
        let current = if status == self.decided() {
            self.earlier.clear();
            Current { addresses: status.clone(), observed: true }
        } else if known {
            Current { addresses: self.decided().to_vec(), observed: false }
        } else {
            Current { addresses: status.clone(), observed: true }
        };
        self.seen = status;
        current
    }

    /// Writes down a decision. Tells whether it is the first one of this call.
    pub(super) fn decide(&mut self, given: Option<Given>, refusal: Option<Refusal>) -> bool {
        let given = std::mem::replace(&mut self.given, given);
        let refusal = std::mem::replace(&mut self.outcome.refusal, refusal);
        let before: &[IpAddr] = given.as_ref().map_or(&[], |given| &given.addresses);
        if before != self.decided() && before != self.seen && !self.earlier.iter().any(|earlier| earlier == before) {
            self.earlier.push(before.to_vec());
            let spare = self.earlier.len().saturating_sub(EARLIER);
            self.earlier.drain(..spare);
        }
        let first = self.before.is_none();
        if first {
            self.before = Some(Before { given, refusal });
        }
        first
    }

    /// How it was before this call.
    pub(super) fn before_this_call(self) -> Before {
        self.before.unwrap_or(Before { given: self.given, refusal: self.outcome.refusal })
    }

    /// Whether it has, and was told, the same as then.
    pub(super) fn is_as(&self, before: &Before) -> bool {
        self.given == before.given && self.outcome.refusal == before.refusal
    }
}
