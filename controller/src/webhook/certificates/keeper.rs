//! Drives the certificates: one task that reads the Secret now and then, serves what it holds, and, while this process leads, does
//! the next step and keeps the bundles as they have to be.
//!
//! It reads that one Secret by its name; nothing lists or watches Secrets. What goes wrong here is told once and tried again: neither
//! addresses nor announcements depend on it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arpeggio_common::{
    program::with_causes,
    serve::tls::{Served, TlsError},
};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    bundles::{BundleError, Bundles},
    decide::{Step, step},
    facts::facts,
    make::{self, MakeError, Order},
    stored::{Pair, Stored},
};
use crate::{clock, leader::Term, webhook::Own};

/// How long one look with all its requests may take.
const BOUND: Duration = Duration::from_secs(30);

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
enum KeeperError {
    #[error("get secret {0}; see whether it is there (manifests/webhook has it, empty) and may be read")]
    Read(String, #[source] kube::Error),
    #[error("secret {0} is not there; the controller that leads makes it again")]
    Missing(String),
    #[error("create secret {0}; see whether the service account may create secrets")]
    Create(String, #[source] kube::Error),
    #[error("update secret {0}; see whether the service account may update it")]
    Write(String, #[source] kube::Error),
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error(transparent)]
    Use(#[from] TlsError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("look after the certificates of the webhooks: no answer within {BOUND:?}")]
    Slow,
}

/// Drives the certificates of the webhooks through their steps.
pub struct Keeper {
    secrets: Api<Secret>,
    bundles: Bundles,
    own: Own,
    names: Vec<String>,
    term: watch::Receiver<Term>,
    served: Arc<Served>,
    loaded: watch::Sender<bool>,
    /// What is served.
    leaf: Pair,
    /// The last content of the Secret that was any good: with it, a Secret that somebody emptied is filled again.
    good: Option<Stored>,
    /// Since when the content of this version and the bundles that belong to it are in place.
    settled: Option<(Stored, Instant)>,
    told: String,
}

impl Keeper {
    /// Of the Secret in `namespace`. `loaded` becomes true with the first certificate that is served.
    pub fn new(
        client: &Client,
        (namespace, own): (&str, Own),
        term: watch::Receiver<Term>,
        served: Arc<Served>,
        loaded: watch::Sender<bool>,
    ) -> Self {
        let name = format!("{}.{namespace}.svc", own.service);
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            bundles: Bundles::new(client, &own.configuration),
            names: vec![name.clone(), format!("{name}.cluster.local")],
            own,
            term,
            served,
            loaded,
            leaf: Pair::default(),
            good: None,
            settled: None,
            told: String::new(),
        }
    }

    /// For ever.
    pub async fn run(mut self) {
        loop {
            let result = timeout(BOUND, self.look()).await.unwrap_or(Err(KeeperError::Slow));
            let failed = result.is_err();
            self.tell(result);
            // Until there is a certificate nothing is served: the leader makes one within a moment.
            let mean =
                if failed || *self.loaded.borrow() { self.own.lifetimes.look() } else { Duration::from_millis(500) };
            tokio::select! {
                () = sleep(mean.mul_f64(fastrand::f64().mul_add(0.6, 0.7))) => {}
                () = begins(&mut self.term) => {}
            }
        }
    }

    fn leads(&self) -> bool {
        self.term.borrow().leads(clock::now())
    }

    async fn look(&mut self) -> Result<(), KeeperError> {
        let read = |error| KeeperError::Read(self.own.secret.clone(), error);
        let found = self.secrets.get_opt(&self.own.secret).await.map_err(read)?;
        let is_missing = found.is_none();
        if is_missing && !self.leads() {
            // What is served goes on being served.
            return Err(KeeperError::Missing(self.own.secret.clone()));
        }
        let mut secret = found.unwrap_or_else(|| empty(&self.own.secret));
        let mut stored = Stored::read(&secret);
        if !self.leads() {
            self.settled = None;
            self.serve(&stored)?;
            self.say_loaded();
            return Ok(());
        }
        let settled = self.settled.as_ref().filter(|(settled, _)| *settled == stored);
        let settled = settled.map_or(Duration::ZERO, |(_, since)| clock::now().saturating_duration_since(*since));
        let now = clock::wall().as_second();
        if let Some((new, step)) = self.next(&stored, now, settled)? {
            new.write(&mut secret);
            let name = &self.own.secret;
            if is_missing {
                let create = |error| KeeperError::Create(name.clone(), error);
                self.secrets.create(&PostParams::default(), &secret).await.map_err(create)?;
            } else {
                let write = |error| KeeperError::Write(name.clone(), error);
                // It carries the version that was read: whoever wrote meanwhile is not overwritten.
                self.secrets.replace(name, &PostParams::default(), &secret).await.map_err(write)?;
            }
            info!(secret = self.own.secret, ?step, "wrote the certificates of the webhooks");
            stored = new;
        }
        let served = self.serve(&stored);
        let trusted = self.bundles.put(&stored.trusted()).await;
        // Whoever waits for a controller to be ready wants to be judged then.
        self.say_loaded();
        // A bundle that had to be put right was not in place meanwhile.
        let was_wrong = trusted?;
        if was_wrong || self.settled.as_ref().is_none_or(|(settled, _)| *settled != stored) {
            self.settled = Some((stored, clock::now()));
        }
        served
    }

    /// What the Secret is to hold instead, if anything.
    fn next(&self, stored: &Stored, now: i64, settled: Duration) -> Result<Option<(Stored, Step)>, KeeperError> {
        let name = self.names.first().map_or("", String::as_str);
        let ask = |stored: &Stored| step(&facts(stored, name), now, settled, self.own.lifetimes.overlap());
        let step = ask(stored);
        if step == Step::Keep {
            return Ok(None);
        }
        // Others still serve what somebody took out of the Secret.
        if step == Step::Begin
            && let Some(good) = self.good.as_ref().filter(|good| ask(good) != Step::Begin)
        {
            return Ok(Some((good.clone(), step)));
        }
        let order = Order { names: &self.names, lifetimes: self.own.lifetimes, now };
        Ok(Some((make::apply(step, stored, &order)?, step)))
    }

    fn serve(&mut self, stored: &Stored) -> Result<(), KeeperError> {
        if stored.leaf.certificate.is_empty() {
            // The leader is about to fill it.
            return Ok(());
        }
        if stored.leaf != self.leaf {
            self.served.exchange(&stored.leaf.certificate, &stored.leaf.key)?;
            debug!("serving another certificate");
            self.leaf = stored.leaf.clone();
        }
        self.good = Some(stored.clone());
        Ok(())
    }

    fn say_loaded(&self) {
        if self.good.is_some() {
            self.loaded.send_replace(true);
        }
    }

    fn tell(&mut self, result: Result<(), KeeperError>) {
        let text = result.err().map(|error| with_causes(&error)).unwrap_or_default();
        if text != self.told && !text.is_empty() {
            warn!("the certificates of the webhooks stay as they are, trying again: {text}");
        }
        self.told = text;
    }
}

/// The Secret as the manifests have it, for when somebody deleted it.
fn empty(name: &str) -> Secret {
    let labels = [("app.kubernetes.io/name", "arpeggio"), ("app.kubernetes.io/component", "controller")];
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
    let metadata = ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() }
}

/// Until this process begins to lead.
async fn begins(term: &mut watch::Receiver<Term>) {
    let led = term.borrow().leads(clock::now());
    loop {
        if term.changed().await.is_err() {
            return std::future::pending().await;
        }
        if !led && term.borrow_and_update().leads(clock::now()) {
            return;
        }
    }
}
