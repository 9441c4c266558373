//! Drives the key: one task that, while this process leads, reads the Secret now and then and does the next step.
//!
//! It reads that one Secret by its name; nothing lists or watches Secrets. What goes wrong here is told once and tried again:
//! neither addresses nor announcements depend on it, and speakers go on with the keys that they have.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arpeggio_common::{
    api::names,
    model::{Key, NodeName},
    program::with_causes,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};
use rustls::crypto::ring;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    decide::{Pace, Said, Stage, State, Step, apply, held_up_by, step},
    stored,
};
use crate::{clock, cluster::Speaker, leader::Term};

/// How long one look with all its requests may take.
const BOUND: Duration = Duration::from_secs(30);
/// Mean time between two looks; a twentieth of the shortest time that a step takes, if that is less.
const LOOK: Duration = Duration::from_secs(9);

/// Agents as the index knows them; `None`: not all of them are known yet.
pub type Speakers = Option<Arc<BTreeMap<NodeName, Arc<Speaker>>>>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
enum KeeperError {
    #[error("{verb} secret {name}; see whether the service account may")]
    Api {
        verb: &'static str,
        name: String,
        #[source]
        source: kube::Error,
    },
    #[error("look after the key of the speakers: no answer within {BOUND:?}")]
    Slow,
    #[error("make a key: the system gives no random bytes")]
    Random,
}

/// Drives the key of the speakers through its stages.
pub struct Keeper {
    secrets: Api<Secret>,
    name: String,
    pace: Pace,
    term: watch::Receiver<Term>,
    speakers: watch::Receiver<Speakers>,
    /// The last content that made sense: with it, a Secret that somebody deleted or emptied is filled again.
    good: Option<State>,
    /// Since when the leases of speakers have not been held, as far as this leader has seen.
    absent: BTreeMap<NodeName, Instant>,
    /// Since when the Secret has been like this.
    settled: Option<(State, Instant)>,
    told: String,
    waits: String,
}

impl Keeper {
    /// Of the Secret `name` in `namespace`.
    pub fn new(
        client: &Client,
        (namespace, name): (&str, &str),
        pace: Pace,
        term: watch::Receiver<Term>,
        speakers: watch::Receiver<Speakers>,
    ) -> Self {
        let secrets = Api::namespaced(client.clone(), namespace);
        let name = name.to_owned();
        let waits = String::new();
        let (absent, good, settled) = (BTreeMap::new(), None, None);
        Self { secrets, name, pace, term, speakers, good, absent, settled, told: String::new(), waits }
    }

    /// For ever.
    pub async fn run(mut self) {
        loop {
            if self.term.borrow().leads(clock::now()) {
                let result = timeout(BOUND, self.look()).await.unwrap_or(Err(KeeperError::Slow));
                self.tell(result);
            } else {
                // Another leader may have replaced what this one knows.
                (self.good, self.settled) = (None, None);
                self.absent.clear();
            }
            let mean = LOOK.min(self.pace.dwell / 20).max(Duration::from_millis(200));
            sleep(mean.mul_f64(fastrand::f64().mul_add(0.6, 0.7))).await;
        }
    }

    async fn look(&mut self) -> Result<(), KeeperError> {
        let found = self.secrets.get_opt(&self.name).await.map_err(|source| self.failed("get", source))?;
        let Some(mut secret) = found else { return self.create().await };
        let Some(state) = stored::read(&secret) else {
            // Somebody emptied it: speakers still have what stood there.
            let state = self.good.clone().map_or_else(first, Ok)?;
            return self.replace(&mut secret, state, "what was in it makes no sense").await;
        };
        let settled = self.settled.as_ref().filter(|(settled, _)| *settled == state);
        let settled = settled.map_or(Duration::ZERO, |(_, since)| clock::now().saturating_duration_since(*since));
        let wish = stored::wish(&secret);
        let step = match self.said() {
            Some(said) => {
                let nodes: Vec<&str> = held_up_by(&state, &said, self.pace).into_iter().map(NodeName::as_str).collect();
                self.waits = waits(state.stage, nodes.join(", "), &self.waits);
                step(&state, &wish, &said, settled, self.pace)
            }
            None => Step::Keep,
        };
        let new = if step == Step::Introduce { random()? } else { state.sign };
        let after = apply(&state, step, &wish, new);
        if step != Step::Keep {
            return self.replace(&mut secret, after, after_step(step)).await;
        }
        if !stored::shows(&secret, &state) {
            return self.replace(&mut secret, state, "somebody changed the file in it").await;
        }
        self.settle(state);
        Ok(())
    }

    /// What speakers say, if all of them are known.
    fn said(&mut self) -> Option<BTreeMap<NodeName, Said>> {
        let speakers = Arc::clone(self.speakers.borrow().as_ref()?);
        let now = clock::now();
        self.absent.retain(|name, _| speakers.get(name).is_some_and(|speaker| !speaker.live));
        let said = speakers.iter().map(|(name, speaker)| {
            let absent = if speaker.live {
                Duration::ZERO
            } else {
                let since = *self.absent.entry(name.clone()).or_insert(now);
                now.saturating_duration_since(since).max(Duration::from_nanos(1))
            };
            (name.clone(), Said { absent, authentication: speaker.authentication.clone() })
        });
        Some(said.collect())
    }

    /// The first one. One that was deleted is there again, and replaced from then on: so whoever deletes it asks for another.
    async fn create(&mut self) -> Result<(), KeeperError> {
        let known = self.good.clone();
        let mut secret = Secret { type_: Some("Opaque".to_owned()), ..Secret::default() };
        secret.metadata.name = Some(self.name.clone());
        let labels = [("app.kubernetes.io/name", "arpeggio"), (names::COMPONENT, "controller")];
        secret.metadata.labels = Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        if known.is_some() {
            let wish = format!("deleted, {}", clock::wall());
            secret.metadata.annotations = Some([(names::ROTATE.to_owned(), wish)].into());
        }
        let state = known.map_or_else(first, Ok)?;
        stored::write(&mut secret, &state);
        let created = self.secrets.create(&PostParams::default(), &secret).await;
        created.map_err(|source| self.failed("create", source))?;
        info!(secret = self.name, key = state.sign.fingerprint(), "made the key of the speakers");
        self.settle(state);
        Ok(())
    }

    /// It carries the version that was read: whoever wrote meanwhile is not overwritten.
    async fn replace(&mut self, secret: &mut Secret, state: State, why: &str) -> Result<(), KeeperError> {
        stored::write(secret, &state);
        let written = self.secrets.replace(&self.name, &PostParams::default(), secret).await;
        written.map_err(|source| self.failed("update", source))?;
        let (stage, key) = (state.stage.name(), state.sign.fingerprint());
        info!(secret = self.name, stage, key, "wrote the key of the speakers: {why}");
        self.settle(state);
        Ok(())
    }

    fn settle(&mut self, state: State) {
        if self.settled.as_ref().is_none_or(|(settled, _)| *settled != state) {
            self.settled = Some((state.clone(), clock::now()));
        }
        self.good = Some(state);
    }

    fn failed(&self, verb: &'static str, source: kube::Error) -> KeeperError {
        KeeperError::Api { verb, name: self.name.clone(), source }
    }

    fn tell(&mut self, result: Result<(), KeeperError>) {
        let text = result.err().map(|error| with_causes(&error)).unwrap_or_default();
        if text != self.told && !text.is_empty() {
            warn!("the key of the speakers stays as it is, trying again: {text}");
        }
        self.told = text;
    }
}

const fn after_step(step: Step) -> &'static str {
    match step {
        Step::Keep => "nothing",
        Step::Refuse => "every speaker signs with it, what has no proof is refused",
        Step::Introduce => "another one is accepted",
        Step::Switch => "every speaker accepts the new one, it signs",
        Step::Retire => "every speaker signs with it, the one before is not accepted any more",
    }
}

/// Says once who is waited for, or whose frames are refused.
fn waits(stage: Stage, nodes: String, told: &str) -> String {
    if nodes != told && !nodes.is_empty() {
        match stage {
            Stage::Steady => {
                warn!(nodes, "these speakers do not sign with the key: they are strangers to the others")
            }
            Stage::Introduced | Stage::Accepted | Stage::Switched => {
                info!(nodes, "the rotation of the key waits for these speakers");
            }
        }
    }
    nodes
}

fn first() -> Result<State, KeeperError> {
    Ok(State { stage: Stage::Introduced, sign: random()?, other: None, served: String::new() })
}

fn random() -> Result<Key, KeeperError> {
    let mut bytes = [0; 16];
    ring::default_provider().secure_random.fill(&mut bytes).map_err(|_none| KeeperError::Random)?;
    Key::new(bytes).map_err(|_zero| KeeperError::Random)
}
