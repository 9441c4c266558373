//! Under which terms a Service uses an address: who may have the same one (MetalLB behaviour 2.4).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::cluster::{Port, Service};

/// Where the traffic of a Service may end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Backend {
    /// On any node: `externalTrafficPolicy: Cluster`.
    Anywhere,
    /// On nodes with these pods only: `externalTrafficPolicy: Local`. Services that share an address are announced by one
    /// node, which has to have endpoints of all of them: so the pods have to be the same.
    ///
    /// Without a selector somebody else says where the endpoints are. MetalLB takes such a Service for one of the policy
    /// Cluster; here it shares with its like only, as the rule says that Local and Cluster do not mix.
    Pods(BTreeMap<String, String>),
}

/// With whom an address is shared: with Services of which this is equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share {
    /// The annotation; never empty.
    pub(super) key: String,
    pub(super) backend: Backend,
}

/// What a Service brings to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// Ports that nobody else may use on the address.
    pub(super) ports: BTreeSet<Port>,
    /// `None`: it shares with nobody.
    pub(super) share: Option<Arc<Share>>,
}

impl Terms {
    /// The terms of a Service.
    pub(super) fn of(service: &Service) -> Self {
        let key = service.requests.sharing_key.as_ref().filter(|key| !key.is_empty());
        let share = key.map(|key| {
            let backend = if service.local { Backend::Pods(service.selector.clone()) } else { Backend::Anywhere };
            Arc::new(Share { key: key.clone(), backend })
        });
        Self { ports: service.ports.clone(), share }
    }
}
