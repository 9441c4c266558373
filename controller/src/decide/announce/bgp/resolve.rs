//! Pure: the routes of one address.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::model::{NodeName, Route};

use super::{
    explain::{self, Conflict},
    ground::{Ad, Ground, Reach, Tellers},
    nodes::{Nodes, both, either, is_nobody},
};
use crate::{
    cluster::{Endpoints, Refusal, Service, ServiceKey, Snapshot},
    decide::announce::Holding,
};

/// How a Service takes part in the routes of an address that it has. Without a servable endpoint it asks for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decide::announce) struct Part {
    /// A peer gets it, as far as the configuration and what speakers say of themselves go.
    pub(in crate::decide::announce) announced: bool,
    /// It has no servable endpoint, on a known node if that is `true`.
    pub(in crate::decide::announce) unserved: Option<bool>,
    /// What is in the way, of all of it or of some.
    pub(in crate::decide::announce) complaint: Option<Refusal>,
}

/// The routes of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) routes: BTreeSet<Route>,
    /// The Services that an advertisement is for.
    pub(super) parts: BTreeMap<ServiceKey, Part>,
}

/// Routes without nodes, and the nodes that announce each.
type Routes = BTreeMap<Route, Nodes>;

/// The routes of an address, and for each Service what is in the way of them.
///
/// Services that share it are announced one by one, and what several of them ask for is asked for once: nodes of one Service join
/// those of another. With `externalTrafficPolicy: Local` these are the nodes with a servable endpoint.
///
/// Where no speaker tells peers anything the routes are decided all the same, but nothing of them counts as announced.
pub(super) fn resolve(address: IpAddr, holding: &Holding, ground: &Ground, snapshot: &Snapshot) -> Outcome {
    let mut outcome = wished(address, holding, ground, snapshot);
    if ground.tellers != Tellers::Live {
        for (key, part) in &mut outcome.parts {
            let service = snapshot.services.get(key);
            let ads = service.map(|service| ground.of(&holding.pool, &service.labels)).unwrap_or_default();
            let complaint = Some(explain::no_speaker(address, &ads, ground.tellers));
            *part = Part { complaint, ..Part::default() };
        }
    }
    outcome
}

fn wished(address: IpAddr, holding: &Holding, ground: &Ground, snapshot: &Snapshot) -> Outcome {
    let (mut routes, mut parts) = (Routes::new(), BTreeMap::new());
    for key in &holding.services {
        let Some(service) = snapshot.services.get(key) else { continue };
        let ads = ground.of(&holding.pool, &service.labels);
        if ads.is_empty() {
            continue;
        }
        let part = match served(service, snapshot.endpoints.get(key).map(Arc::as_ref)) {
            Some(serving) => Asking { address, key, ads: &ads, serving, ground }.join(&mut routes),
            None => Part { unserved: Some(service.local), ..Part::default() },
        };
        parts.insert(key.clone(), part);
    }
    if parts.is_empty() && ground.doubts(&holding.pool) {
        return keep(address, holding, snapshot);
    }
    Outcome { routes: finish(routes), parts }
}

/// The nodes by which a Service can be reached; `None`: by none of them.
fn served(service: &Service, endpoints: Option<&Endpoints>) -> Option<Nodes> {
    match endpoints? {
        Endpoints { nodes, .. } if service.local => (!nodes.is_empty()).then(|| Some(nodes.iter().cloned().collect())),
        Endpoints { any, .. } => any.then_some(None),
    }
}

/// A Service that can be served.
struct Asking<'a> {
    address: IpAddr,
    key: &'a ServiceKey,
    /// The advertisements that are for it.
    ads: &'a [&'a Ad],
    /// By which nodes it can be reached.
    serving: Nodes,
    ground: &'a Ground,
}

impl<'a> Asking<'a> {
    /// Adds its routes.
    fn join(&self, routes: &mut Routes) -> Part {
        let conflicts = self.conflicts();
        let everywhere = conflicts.iter().any(|conflict| conflict.nodes.is_none());
        let lost: BTreeSet<NodeName> =
            conflicts.iter().flat_map(|conflict| &conflict.nodes).flatten().cloned().collect();
        let mut reached = None;
        for ad in self.ads.iter().filter(|_| !everywhere) {
            let nodes = both(&self.ground.without(&ad.nodes, &lost), &self.serving);
            let Some(route) = ad.route(self.address).filter(|_| !is_nobody(&nodes)) else { continue };
            reached = reached.max(Some(self.ground.reach(ad, &nodes)));
            let known = routes.remove(&route);
            let nodes = known.map_or_else(|| nodes.clone(), |known| either(known, &nodes));
            routes.insert(route, nodes);
        }
        let complaint = if conflicts.is_empty() {
            let local = self.serving.as_ref();
            explain::short(self.address, self.ads, reached, local)
        } else {
            explain::conflicts(self.address, self.key, &conflicts)
        };
        Part { announced: reached == Some(Reach::Peer), unserved: None, complaint }
    }

    /// Advertisements that would give one route to the same peers two local preferences. Where that is the Service is not announced,
    /// as in MetalLB; those without serviceSelectors are refused before they come here.
    fn conflicts(&self) -> Vec<Conflict<'a>> {
        let length = |ad: &Ad| if self.address.is_ipv4() { ad.spec.aggregation_v4 } else { ad.spec.aggregation_v6 };
        let mut found = Vec::new();
        for (index, one) in self.ads.iter().enumerate() {
            for other in self.ads.iter().skip(index + 1) {
                let nodes = both(&one.nodes, &other.nodes);
                let is_one_route = length(one) == length(other) && one.spec.shares_peers(&other.spec);
                if one.spec.local_pref != other.spec.local_pref && is_one_route && !is_nobody(&nodes) {
                    found.push(Conflict { ads: [&one.spec, &other.spec], nodes });
                }
            }
        }
        found
    }
}

/// No advertisement in force covers it, but one that does may be at fault: its routes stay, where the Services are served.
fn keep(address: IpAddr, holding: &Holding, snapshot: &Snapshot) -> Outcome {
    let observed = snapshot.announcements.get(&address).and_then(|observed| observed.content.as_ref());
    let Some(content) = observed.filter(|content| !content.routes.is_empty()) else { return Outcome::default() };
    let mut parts = BTreeMap::new();
    let mut serving = Some(BTreeSet::new());
    for key in &holding.services {
        let Some(service) = snapshot.services.get(key) else { continue };
        let nodes = served(service, snapshot.endpoints.get(key).map(Arc::as_ref));
        let unserved = nodes.is_none().then_some(service.local);
        parts.insert(key.clone(), Part { announced: nodes.is_some(), unserved, complaint: None });
        serving = nodes.map_or_else(|| serving.clone(), |nodes| either(serving.clone(), &nodes));
    }
    let mut routes = Routes::new();
    for route in &content.routes {
        let nodes = both(&route.nodes, &serving);
        routes.insert(Route { nodes: None, ..route.clone() }, nodes);
    }
    Outcome { routes: finish(routes), parts }
}

fn finish(routes: Routes) -> BTreeSet<Route> {
    let somebody = routes.into_iter().filter(|(_, nodes)| !is_nobody(nodes));
    somebody.map(|(route, nodes)| Route { nodes, ..route }).collect()
}
