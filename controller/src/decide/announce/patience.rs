//! A moment of patience with Services that have no endpoints: when one is made its endpoints come a little later, and to tell
//! what passes by itself costs writes of every Service.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::cluster::ServiceKey;

/// How long nothing is said.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// Services without endpoints that have an address and an advertisement.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    /// Until when each is waited for; `None`: it has been.
    until: BTreeMap<ServiceKey, Option<Duration>>,
    due: BTreeSet<(Duration, ServiceKey)>,
}

impl Patience {
    /// The Service has no endpoints now. `known`: that has been told already.
    pub(super) fn begin(&mut self, key: &ServiceKey, known: bool, now: Duration) {
        let before = self.until.get(key).copied();
        let over = before.flatten().is_some_and(|until| until <= now);
        if known || over {
            self.end(key);
            self.until.insert(key.clone(), None);
        } else if before.is_none() {
            self.until.insert(key.clone(), Some(now + MOMENT));
            self.due.insert((now + MOMENT, key.clone()));
        }
    }

    /// The Service has endpoints, or needs none.
    pub(super) fn end(&mut self, key: &ServiceKey) {
        if let Some(Some(until)) = self.until.remove(key) {
            self.due.remove(&(until, key.clone()));
        }
    }

    /// Whether the Service has been waited for.
    pub(super) fn is_over(&self, key: &ServiceKey) -> bool {
        self.until.get(key).is_some_and(Option::is_none)
    }

    /// Whether the Service is being waited for.
    pub(super) fn goes_on(&self, key: &ServiceKey) -> bool {
        self.until.get(key).is_some_and(Option::is_some)
    }

    /// When the next moment is over.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(until, _)| *until)
    }

    /// The Services whose moment is over.
    pub(super) fn over(&self, now: Duration) -> impl Iterator<Item = &ServiceKey> {
        self.due.iter().take_while(move |(until, _)| *until <= now).map(|(_, key)| key)
    }
}
