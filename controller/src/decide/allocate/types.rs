//! What allocation says about Services, addresses and pools.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use crate::{
    cluster::{Refusal, ServiceKey},
    decide::Notice,
};

/// The addresses of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// One, or one of each family: IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// The one pool that all of them are from.
    pub pool: Arc<str>,
}

/// What became of a Service beside its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Why it has no address, or not what it asks for.
    pub refusal: Option<Refusal>,
    /// Events that the latest [`super::Allocation::reconcile`] caused; the next one forgets them.
    pub notices: Vec<Notice>,
}

/// What may be different after a [`super::Allocation::reconcile`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Services whose addresses, pool or refusal are others than before, or that have notices; or of which an address can be
    /// written that could not before.
    pub services: BTreeSet<ServiceKey>,
    /// Addresses whose users, or whose pool, are others than before.
    pub addresses: BTreeSet<IpAddr>,
    /// Pools whose usage is another than before; also those that came and went.
    pub pools: BTreeSet<String>,
}

impl Touched {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.addresses.is_empty() && self.pools.is_empty()
    }
}
