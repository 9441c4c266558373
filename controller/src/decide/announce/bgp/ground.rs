//! What advertisements to BGP peers ask for, prepared for being asked often.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    api::names::EXCLUDE,
    model::{BgpAdvertisement, Labels, NodeName, Route, Selector, Withheld, any_or_empty},
};
use ipnet::IpNet;

use super::nodes::Nodes;
use crate::cluster::{ConfigurationKind, Snapshot};

/// An advertisement, and the nodes that its selectors select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ad {
    pub(super) spec: BgpAdvertisement,
    /// `None`: it has no selectors.
    pub(super) nodes: Nodes,
}

impl Ad {
    /// Its route for an address, without the nodes.
    pub(super) fn route(&self, address: IpAddr) -> Option<Route> {
        let BgpAdvertisement { aggregation_v4, aggregation_v6, local_pref, communities, peers, .. } = &self.spec;
        let length = if address.is_ipv4() { aggregation_v4 } else { aggregation_v6 };
        Some(Route {
            prefix: IpNet::new(address, *length).ok()?.trunc(),
            local_pref: *local_pref,
            communities: communities.clone(),
            peers: peers.clone(),
            nodes: None,
        })
    }
}

/// How far a route gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// No node that is to announce it has a speaker that tells peers and may announce.
    NoNode,
    /// None of those has a session with a peer that is to get it.
    NoPeer,
    /// Somebody gets it, as far as the configuration goes.
    Peer,
}

/// Whether somebody tells BGP peers what stands in Announcements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tellers {
    /// No speaker does.
    #[default]
    None,
    /// Speakers did, and none of them lives.
    Dead,
    /// One does.
    Live,
}

/// Everything about nodes, peers and advertisements that addresses have in common.
#[derive(Debug, Default)]
pub(super) struct Ground {
    ads: Vec<Ad>,
    by_pool: BTreeMap<String, Vec<usize>>,
    /// Pools that nothing is known of but that they are at fault.
    unknown_pools: BTreeSet<String>,
    /// Advertisements are not listed yet, or one is at fault or waits for another object, and nothing else is known of it.
    unknown_ads: bool,
    /// Names of peers, and the nodes that have a session with them.
    peers: Vec<(String, Nodes)>,
    /// All nodes.
    every: BTreeSet<NodeName>,
    /// Those with a speaker that tells peers and may announce. Where one lives, whether this one does is another matter: the router
    /// daemon beside it goes on.
    able: BTreeSet<NodeName>,
    /// Whether routes are more than a wish.
    pub(super) tellers: Tellers,
}

impl Ground {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let configuration = &snapshot.configuration;
        let faults = || configuration.faults.iter().chain(&configuration.pending).map(|fault| &fault.object);
        let of = |kind: ConfigurationKind| faults().filter(move |object| object.kind == kind.name());
        let unknown_ads = !snapshot.knows_bgp
            || of(ConfigurationKind::BgpAdvertisement).any(|object| !configuration.bgp.contains_key(&object.name));
        if configuration.bgp.is_empty() && !unknown_ads {
            return Self::default();
        }
        let ad = |spec: &BgpAdvertisement| Ad { spec: spec.clone(), nodes: selected(&spec.node_selectors, snapshot) };
        let ads: Vec<Ad> = configuration.bgp.values().map(ad).collect();
        let by_pool = configuration.pools.values().map(|pool| {
            let covering = ads.iter().enumerate().filter(|(_, ad)| ad.spec.covers_pool(pool));
            (pool.name.clone(), covering.map(|(number, _)| number).collect())
        });
        let unknown_pools =
            of(ConfigurationKind::Pool).filter(|object| !configuration.pools.contains_key(&object.name));
        let peers = configuration.peers.values();
        let withheld = |name: &NodeName| {
            let node = snapshot.nodes.get(name)?;
            let excluded = node.labels.contains_key(EXCLUDE);
            Withheld::of(node.network_unavailable, excluded, snapshot.settings.ignore_exclude_label)
        };
        let mut tellers = Tellers::None;
        for speaker in snapshot.speakers.values().filter(|speaker| speaker.tells_peers) {
            tellers = if speaker.live || tellers == Tellers::Live { Tellers::Live } else { Tellers::Dead };
        }
        let tells = |name: &&NodeName| snapshot.speakers.get(*name).is_some_and(|speaker| speaker.tells_peers);
        let able = snapshot.nodes.keys().filter(tells);
        Self {
            by_pool: by_pool.collect(),
            unknown_pools: unknown_pools.map(|object| object.name.clone()).collect(),
            unknown_ads,
            peers: peers.map(|peer| (peer.name.clone(), selected(&peer.node_selectors, snapshot))).collect(),
            every: snapshot.nodes.keys().cloned().collect(),
            able: able.filter(|name| withheld(name).is_none()).cloned().collect(),
            tellers,
            ads,
        }
    }

    /// Whether anything is or was asked for.
    pub(super) const fn is_used(&self) -> bool {
        !self.ads.is_empty() || self.unknown_ads
    }

    /// Whether it is not known what covers the pool, as at layer 2: an object is at fault, and no sound form of it was seen since the
    /// start; or the pool is gone, and its Services keep their addresses for a while.
    pub(super) fn doubts(&self, pool: &str) -> bool {
        let is_unknown = self.unknown_pools.contains(pool) || !self.by_pool.contains_key(pool);
        self.unknown_ads || (self.is_used() && is_unknown)
    }

    /// The advertisements for Services with these labels that have an address of the pool, ordered by name.
    pub(super) fn of(&self, pool: &str, labels: &Labels) -> Vec<&Ad> {
        let numbers = self.by_pool.get(pool).into_iter().flatten();
        numbers.filter_map(|number| self.ads.get(*number)).filter(|ad| ad.spec.covers_service(labels)).collect()
    }

    /// These nodes without those.
    pub(super) fn without(&self, nodes: &Nodes, lost: &BTreeSet<NodeName>) -> Nodes {
        if lost.is_empty() { nodes.clone() } else { Some(nodes.as_ref().unwrap_or(&self.every) - lost) }
    }

    /// How far the route of the advertisement gets, if these nodes are to announce it.
    pub(super) fn reach(&self, ad: &Ad, nodes: &Nodes) -> Reach {
        let some = |test: &dyn Fn(&NodeName) -> bool| match nodes {
            Some(nodes) => nodes.iter().any(|node| self.able.contains(node) && test(node)),
            None => self.able.iter().any(test),
        };
        let has_session =
            |sessions: &Nodes, node: &NodeName| sessions.as_ref().is_none_or(|nodes| nodes.contains(node));
        let gets =
            |(name, sessions): &(String, Nodes)| ad.spec.covers_peer(name) && some(&|node| has_session(sessions, node));
        match (some(&|_| true), self.peers.iter().any(gets)) {
            (false, _) => Reach::NoNode,
            (true, false) => Reach::NoPeer,
            (true, true) => Reach::Peer,
        }
    }
}

fn selected(selectors: &[Selector], snapshot: &Snapshot) -> Nodes {
    let names = || {
        let nodes = snapshot.nodes.iter().filter(|(_, node)| any_or_empty(selectors, &node.labels));
        nodes.map(|(name, _)| name.clone()).collect()
    };
    (!selectors.is_empty()).then(names)
}
