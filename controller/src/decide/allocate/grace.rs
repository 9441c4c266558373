//! A short grace before an address is taken back that no pool has any more: pools that are split, renamed or moved come one by one,
//! and what is in a pool before and after is not to be lost on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::cluster::ServiceKey;

/// How long a Service keeps addresses that are in no pool.
pub(super) const GRACE: Duration = Duration::from_secs(15);

/// Services with addresses that are in no pool, and until when they keep them.
#[derive(Clone, Debug, Default)]
pub(super) struct Grace(BTreeMap<ServiceKey, Duration>);

impl Grace {
    /// Whether a Service keeps such addresses now; the time begins to run when that is first asked.
    pub(super) fn covers(&mut self, key: &ServiceKey, now: Duration) -> bool {
        let until = self.0.entry(key.clone()).or_insert(now + GRACE);
        now < *until
    }

    /// Whether the time of a Service is over.
    pub(super) fn is_over(&self, key: &ServiceKey, now: Duration) -> bool {
        self.0.get(key).is_some_and(|until| *until <= now)
    }

    /// The addresses of a Service are in a pool, or it has none; or its time is over.
    pub(super) fn ends(&mut self, key: &ServiceKey) {
        self.0.remove(key);
    }

    /// When the next grace ends.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.values().min().copied()
    }

    /// Services whose grace is over.
    pub(super) fn over(&self, now: Duration) -> BTreeSet<ServiceKey> {
        self.0.iter().filter(|(_, until)| **until <= now).map(|(key, _)| key.clone()).collect()
    }
}
