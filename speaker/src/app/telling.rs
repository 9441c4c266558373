//! What the agent tells of itself over the control socket.

use anyhow::Result;

use super::agent::Agent;
use crate::{
    clock::monotonic_ns,
    status::{Call, ConfigFacts, Facts, Request, Response, StatusReport},
};

impl Agent {
    /// Answers a request on the control socket.
    pub(super) fn answer(&self, call: Call) {
        let response = match call.request {
            Request::Status(_) => match self.facts() {
                Ok(facts) => Response::Status(Box::new(StatusReport::new(&facts, env!("CARGO_PKG_VERSION")))),
                Err(error) => Response::Error { message: format!("{error:#}") },
            },
        };
        // A client that hung up meanwhile needs no answer.
        let _ = call.answer.send(response);
    }

    fn facts(&self) -> Result<Facts> {
        let loaded = self.sources.config();
        let refused: Vec<_> = self.sources.refused().iter().map(|refused| refused.error.to_string()).collect();
        let mut facts = Facts {
            now_ns: monotonic_ns(),
            node: Some(loaded.value.node.clone()),
            agent: Some(self.agent),
            config: Some(ConfigFacts {
                file: loaded.file,
                generation: self.configs.0,
                loaded_ns: self.configs.1,
                refused: if refused.is_empty() { None } else { Some(refused.join("\n")) },
            }),
            lease_until_ns: self.backend.lease_until_ns(),
            attachments: self.round.attachments.clone(),
            entries: self.backend.entries()?,
            sightings: self.backend.sightings()?,
            outcomes: self.backend.outcomes()?,
            groups: self.announcer.joined(),
            gratuitous: self.announcer.sent(),
            errors: self.errors.iter().cloned().collect(),
            ..Facts::default()
        };
        if let Some((world, decision)) = &self.current {
            facts.links = world.links.as_ref().clone();
            facts.ineligible.clone_from(&decision.ineligible);
            facts.unplaced.clone_from(&decision.unplaced);
            facts.failures = self.round.failures(&decision.desired);
            facts.desired = Some(decision.desired.clone());
        }
        Ok(facts)
    }
}
