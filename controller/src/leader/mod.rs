//! The leader's lease, driven: one task that reads and writes it; everybody else sees only until when this process leads.

mod election;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use arpeggio_common::{api::names, program::with_causes};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, api::PostParams};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

pub use self::election::{Election, Record, Step, Times, TimesFault};
use crate::clock;

/// Name of the lease, in the controller's namespace.
pub const LEASE: &str = "arpeggio-controller";
/// Name of the lease of replicas that serve webhooks only: who leads them looks after their certificate, and allocates nothing.
pub const WEBHOOK_LEASE: &str = "arpeggio-webhook";
/// Value of the label [`names::COMPONENT`] on it: by it the lease comes through the same watch as those of speakers.
pub const COMPONENT: &str = "arpeggio-controller";

/// Until when this process leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// `None` or past: it does not.
    pub until: Option<Instant>,
}

impl Term {
    /// Whether it leads.
    pub fn leads(self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// What can go wrong with the lease.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("{0} lease {1}; see whether the service account may get, create and update leases here")]
    Api(&'static str, &'static str, #[source] kube::Error),
    #[error("{0} lease {1}: no answer within {2:?}")]
    Slow(&'static str, &'static str, Duration),
}

/// Takes part in the election.
#[derive(Debug)]
pub struct Elector {
    api: Api<Lease>,
    name: &'static str,
    election: Election,
    times: Times,
    term: watch::Sender<Term>,
    /// The object as last read: what others put into its metadata stays.
    lease: Lease,
    failures: u32,
}

impl Elector {
    /// A candidate for the lease of this name, and where to see whether it leads.
    pub fn new(api: Api<Lease>, name: &'static str, identity: String, times: Times) -> (Self, watch::Receiver<Term>) {
        let (term, seen) = watch::channel(Term::default());
        let election = Election::new(identity, times);
        (Self { api, name, election, times, term, lease: Lease::default(), failures: 0 }, seen)
    }

    /// Until `stop` is notified; then it returns itself for [`Self::release`]. `look` wakes it: somebody gave the lease back.
    pub async fn run(mut self, look: Arc<Notify>, stop: Arc<Notify>) -> Self {
        loop {
            let step = tokio::select! {
                () = stop.notified() => break,
                step = self.attempt() => step,
            };
            self.tell(step);
            let leads = self.election.leads(clock::now());
            // Candidates that started together should not come together for ever.
            let jitter = if leads { 1.0 } else { fastrand::f64().mul_add(1.2, 1.0) };
            tokio::select! {
                () = stop.notified() => break,
                () = look.notified(), if !leads => {}
                () = sleep(self.times.retry.mul_f64(jitter)) => {}
            }
        }
        self.election.resign();
        self.publish();
        self
    }

    /// Gives the lease back, so that another candidate need not wait. Nothing may be written after.
    pub async fn release(self) {
        let Some(step) = self.election.release() else { return };
        let began = clock::now();
        match self.write(step, "").await {
            Ok(_) => info!(after = ?clock::now().saturating_duration_since(began), "gave the leader's lease back"),
            Err(error) => warn!("the next leader has to wait for the lease to run out: {}", with_causes(&error)),
        }
    }

    fn tell(&mut self, result: Result<(), LeaseError>) {
        match result {
            Ok(()) => self.failures = 0,
            Err(error) => {
                self.failures += 1;
                if self.failures == 1 {
                    warn!("trying again until it works: {}", with_causes(&error));
                } else {
                    debug!(failures = self.failures, "{}", with_causes(&error));
                }
            }
        }
        self.publish();
    }

    fn publish(&self) {
        self.term.send_replace(Term { until: self.election.until() });
    }

    /// Renews, or looks whether it can be taken.
    async fn attempt(&mut self) -> Result<(), LeaseError> {
        let step = match self.election.renewal(clock::now()) {
            Some(step) => step,
            None => {
                let read = self.within("read", self.api.get_opt(self.name)).await?;
                let record = read.as_ref().map(record);
                self.lease = read.unwrap_or_default();
                self.election.read(record, clock::now())
            }
        };
        if step == Step::Wait {
            return Ok(());
        }
        let began = clock::now();
        let identity = self.election.identity().to_owned();
        match self.write(step, &identity).await {
            Ok(lease) => {
                self.election.written(record(&lease), began);
                self.lease = lease;
                Ok(())
            }
            // Somebody was faster, or changed the object: not a fault, the next look tells.
            Err(LeaseError::Api(_, _, kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                self.election.refused();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn write(&self, step: Step, holder: &str) -> Result<Lease, LeaseError> {
        let parameters = PostParams { field_manager: Some(crate::FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let lease = self.wanted(&step, holder);
        if step == Step::Create {
            self.within("create", self.api.create(&parameters, &lease)).await
        } else {
            self.within("update", self.api.replace(self.name, &parameters, &lease)).await
        }
    }

    fn wanted(&self, step: &Step, holder: &str) -> Lease {
        let mut lease = self.lease.clone();
        let now = MicroTime(clock::wall());
        lease.metadata.name = Some(self.name.to_owned());
        lease.metadata.managed_fields = None;
        lease.metadata.labels.get_or_insert_default().insert(names::COMPONENT.to_owned(), COMPONENT.to_owned());
        let before = lease.spec.take().unwrap_or_default();
        let (transitions, renewal) = match step {
            Step::Update { version, transitions, renewal } => {
                lease.metadata.resource_version = Some(version.clone());
                (*transitions, *renewal)
            }
            Step::Create | Step::Wait => (0, false),
        };
        let seconds = if holder.is_empty() { 1 } else { self.times.duration.as_secs().max(1) };
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
            acquire_time: before.acquire_time.clone().filter(|_| renewal).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..before
        });
        lease
    }

    async fn within<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, LeaseError> {
        let bound = self.times.deadline / 2;
        match timeout(bound, request).await {
            Ok(result) => result.map_err(|error| LeaseError::Api(operation, self.name, error)),
            Err(_) => Err(LeaseError::Slow(operation, self.name, bound)),
        }
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        renewed: spec.renew_time.map(|time| time.0.to_string()),
        transitions: spec.lease_transitions.unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
