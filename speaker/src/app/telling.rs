//! What the agent tells of itself over the control socket.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use tracing::info;

use super::agent::{Agent, Evacuation};
use crate::{
    clock::{monotonic_ns, wall_ahead_ns},
    dataplane::Place,
    status::{
        ApiFacts, Call, ConfigFacts, Evacuate, EvacuationReport, Facts, Request, Response, StatusReport,
        SuccessionFacts,
    },
    succession::{Cause, Happened, Standing, View},
    world::ineligible,
};

impl Agent {
    /// Answers a request on the control socket.
    pub(super) async fn answer(&mut self, call: Call) {
        let response = match call.request {
            Request::Explain(question) => return self.explain(question, call.answer).await,
            Request::Status(_) => match self.facts().await {
                Ok(facts) => Response::Status(Box::new(StatusReport::new(&facts, env!("CARGO_PKG_VERSION")))),
                Err(error) => Response::Error { message: format!("{error:#}") },
            },
            Request::Evacuate(Evacuate { on }) => {
                if on != self.evacuation.wanted {
                    info!(on, "evacuation asked for");
                    self.evacuation = Evacuation { wanted: on, since_ns: monotonic_ns() };
                    self.reconcile();
                }
                Response::Evacuation(self.evacuation().await)
            }
            Request::Evacuation(_) => Response::Evacuation(self.evacuation().await),
        };
        // A client that hung up meanwhile needs no answer.
        let _ = call.answer.send(response);
    }

    async fn evacuation(&mut self) -> EvacuationReport {
        let snapshot = self.succession.snapshot().await;
        // What was let go of before the snapshot was told before it.
        while let Some(news) = self.succession.unheard() {
            self.hear(news);
        }
        let named = |(ifindex, address): &Place| format!("{address} on {}", self.interface_name(*ifindex));
        let owns = |view: &View| matches!(view.standing, Standing::Owner | Standing::Leaving) || view.buckets != 0;
        let owned: BTreeMap<_, _> = snapshot.views.into_iter().filter(|(_, view)| owns(view)).collect();
        let since_ns = self.evacuation.since_ns;
        let left = self.succession.recorder().iter().filter(|report| report.at_ns >= since_ns);
        let abandoned: BTreeSet<Place> = left
            .filter(|report| (report.happened, report.cause) == (Happened::Lost, Cause::NoSuccessor))
            .map(|report| report.place)
            .collect();
        let configured = self.current.as_ref().is_some_and(|(_, decision)| decision.orders.evacuate);
        EvacuationReport {
            evacuating: configured || self.evacuation.wanted,
            owned: owned.keys().map(named).collect(),
            abandoned: abandoned.iter().map(named).collect(),
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
            agent: Some(self.agent),
            config: loaded.map(|loaded| ConfigFacts {
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
            ..Facts::default()
        };
        facts.names = self.names();
        if let Some((world, decision)) = &self.current {
            facts.succession = Some(SuccessionFacts {
                pace: decision.orders.pace,
                evacuating: decision.orders.evacuate || self.evacuation.wanted,
                views: snapshot.views,
                peers: snapshot.peers,
            });
            // Interfaces that no decision depends on may have changed since.
            facts.links = self.sources.links().as_ref().clone();
            facts.ineligible = ineligible(&facts.links, &world.exclude);
            facts.unplaced.clone_from(&decision.unplaced);
            facts.failures = self.round.failures(&decision.desired);
            facts.desired = Some(self.backend.roles().applied_to(&decision.desired));
        }
        Ok(facts)
    }
}
