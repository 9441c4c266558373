//! What the agent tells of itself over the control socket.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use anyhow::Result;
use arpeggio_common::model::Announcement;
use arpeggio_succession::{Standing, View};
use tracing::{info, warn};

use super::{
    agent::{Agent, Evacuation},
    succession::Snapshot,
};
use crate::{
    clock::{monotonic_ns, wall_ahead_ns},
    dataplane::Place,
    status::{
        ApiFacts, Call, ConfigFacts, Evacuate, EvacuationReport, Facts, PeerFacts, Request, Response, StatusReport,
        SuccessionFacts,
    },
    world::{Link, expected_on, ineligible},
};

/// A candidate that was heard so long ago is there, in nanoseconds.
const HEARD_NS: u64 = 5_000_000_000;

/// Seconds since 1970.
fn now_s() -> u64 {
    monotonic_ns().saturating_add(wall_ahead_ns()) / 1_000_000_000
}

fn owns(view: &View) -> bool {
    matches!(view.standing, Standing::Owner | Standing::Leaving) || view.buckets != 0
}

impl Agent {
    /// Answers a request on the control socket.
    pub(super) async fn answer(&mut self, call: Call) {
        let response = match call.request {
            Request::Explain(question) => return self.explain(question, call.answer).await,
            Request::Status(_) => match self.facts().await {
                Ok(facts) => Response::Status(Box::new(StatusReport::new(&facts, env!("CARGO_PKG_VERSION")))),
                Err(error) => Response::Error { message: format!("{error:#}") },
            },
            Request::Evacuate(Evacuate { on, force }) => Response::Evacuation(self.evacuate(on, force).await),
            Request::Evacuation(_) => Response::Evacuation(self.evacuation().await),
        };
        // A client that hung up meanwhile needs no answer.
        let _ = call.answer.send(response);
    }

    /// Gives everything away, or takes part again.
    async fn evacuate(&mut self, on: bool, force: bool) -> EvacuationReport {
        let alone = if on && !force { self.alone().await } else { Vec::new() };
        if !alone.is_empty() {
            warn!(addresses = alone.len(), "evacuation refused: no other candidate can take over");
            return EvacuationReport { alone, ..self.evacuation().await };
        }
        if (on, force) != (self.evacuation.wanted, self.evacuation.forced) {
            info!(on, force, "evacuation asked for");
            self.evacuation = Evacuation { wanted: on, forced: force, abandoned: BTreeSet::new() };
            self.reconcile();
            self.abandon();
        }
        self.evacuation().await
    }

    /// What this node answers for and no other candidate was heard for lately, where it can be expected to be asked for.
    async fn alone(&self) -> Vec<String> {
        let Some((world, _)) = &self.current else { return Vec::new() };
        let Snapshot { views, peers, .. } = self.succession.snapshot().await;
        let me = world.config.id();
        let now_ns = monotonic_ns();
        let is_there = |ifindex: u32, announcement: &Announcement| {
            let candidate = |peer: &PeerFacts| {
                let is_candidate = announcement.candidates().iter().any(|name| world.config.id_of(name) == peer.node);
                is_candidate && peer.node != me && now_ns.saturating_sub(peer.last_ns) < HEARD_NS
            };
            peers.iter().any(|peer| peer.ifindex == ifindex && candidate(peer))
        };
        let mut owned: BTreeMap<IpAddr, Vec<&Link>> = BTreeMap::new();
        for ((ifindex, address), _) in views.iter().filter(|(_, view)| owns(view)) {
            owned.entry(*address).or_default().extend(world.links.0.get(ifindex));
        }
        let mut alone = Vec::new();
        for (address, links) in owned {
            let Some(announcement) = world.config.announcements.get(&address) else { continue };
            let expected = expected_on(address, links).into_iter();
            alone.extend(expected.filter(|index| !is_there(*index, announcement)).map(|index| (index, address)));
        }
        alone.iter().map(|place| self.named(place)).collect()
    }

    fn named(&self, (ifindex, address): &Place) -> String {
        format!("{address} on {}", self.interface_name(*ifindex))
    }

    async fn evacuation(&mut self) -> EvacuationReport {
        let snapshot = self.succession.snapshot().await;
        // What was let go of before the snapshot was told before it.
        while let Some(news) = self.succession.unheard() {
            self.hear(news);
        }
        let owned: BTreeMap<_, _> = snapshot.views.into_iter().filter(|(_, view)| owns(view)).collect();
        let configured = self.current.as_ref().is_some_and(|(_, decision)| decision.orders.evacuate);
        let evacuating = configured || self.evacuation.wanted;
        EvacuationReport {
            evacuating,
            owned: owned.keys().map(|place| self.named(place)).collect(),
            sessions: if evacuating { self.bgp.sessions_left() } else { None },
            alone: Vec::new(),
            abandoned: self.evacuation.abandoned.iter().map(|place| self.named(place)).collect(),
        }
    }

    pub(super) async fn facts(&self) -> Result<Facts> {
        let snapshot = self.succession.snapshot().await;
        let (loaded, cluster) = (self.sources.config(), self.sources.cluster());
        let refused: Vec<_> = self.sources.refused().iter().map(|refused| refused.error.to_string()).collect();
        let mut facts = Facts {
            now_ns: monotonic_ns(),
            node: loaded
                .as_ref()
                .map(|loaded| &loaded.value.node)
                .or_else(|| cluster.map(|cluster| &cluster.node))
                .cloned(),
            cluster: loaded.as_ref().map(|loaded| Arc::clone(&loaded.value.cluster)).unwrap_or_default(),
            agent: Some(self.agent),
            config: loaded.map(|loaded| ConfigFacts {
                newest_order: loaded.value.newest_order(),
                file: loaded.file,
                generation: self.configs.0,
                loaded_ns: self.configs.1,
                refused: if refused.is_empty() { None } else { Some(refused.join("\n")) },
            }),
            api: cluster.map(|cluster| ApiFacts { state: cluster.seen.state(), wall_ahead_ns: wall_ahead_ns() }),
            lease_until_ns: self.backend.lease_until_ns(),
            attachments: self.round.attachments.clone(),
            entries: self.backend.entries()?,
            sightings: self.backend.sightings()?,
            outcomes: self.backend.outcomes()?,
            groups: self.memberships.joined(),
            gratuitous: snapshot.sent,
            errors: self.errors.iter().cloned().collect(),
            bgp: self.bgp.report().map(|bgp| (bgp, now_s())),
            ..Facts::default()
        };
        facts.names = self.names();
        if let Some((world, decision)) = &self.current {
            facts.succession = Some(SuccessionFacts {
                pace: decision.orders.pace,
                evacuating: decision.orders.evacuate || self.evacuation.wanted,
                keys: world.config.succession.keys.clone(),
                views: snapshot.views,
                peers: snapshot.peers,
                proxies: self.surroundings.proxies.clone(),
                standing_by: decision.orders.standing_by.clone(),
            });
            // Interfaces that no decision depends on may have changed since.
            facts.links = self.sources.links().as_ref().clone();
            facts.ineligible = ineligible(&facts.links, &world.exclude);
            facts.standing_by.clone_from(&self.surroundings.standing_by);
            facts.unplaced.clone_from(&decision.unplaced);
            facts.unplaced.extend(decision.held.clone());
            facts.held = decision.held.keys().copied().collect();
            facts.failures = self.round.failures(&decision.desired);
            facts.desired = Some(self.backend.roles().applied_to(&decision.desired));
        }
        Ok(facts)
    }
}
