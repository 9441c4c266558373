//! The one writer: everything the controller changes goes through here, and only while it leads.
//!
//! Leadership is looked at before every single request. A request that began in time ends in time: it may take no longer than
//! other candidates wait after our leadership ran out. Answers carry the object as it is now, so the index knows the result of
//! a write before the watch tells it, and nothing is written twice.

#[cfg(test)]
mod fight_tests;
mod queue;
mod requests;
mod restraint;

use std::time::{Duration, Instant};

use arpeggio_common::api::{
    Announcement, BFDProfile, BGPAdvertisement, BGPPeer, Community, ConfigurationState, Decoded, IPAddressPool,
    L2Advertisement, ServiceBGPStatus, ServiceL2Status, names,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Event, Service},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::Value;
use tokio::{
    task::{JoinError, JoinSet},
    time::timeout,
};

pub use self::queue::{Queue, Verdict};
pub(crate) use self::requests::state_patch;
use self::{requests::Teller, restraint::Restraint};
use crate::{
    FIELD_MANAGER, clock,
    cluster::{
        ConfigurationKind, StateOf,
        project::{Entry, Id, Kind, Watched},
    },
    leader::Term,
    plan::{Class, ConfiguredStatus, Object, Write},
};

/// What the API server said after a write: the object as it is now.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is there, in this state.
    There(Kind, Entry),
    /// This version of it is gone.
    Gone(Kind, Id, String),
    /// Nothing that anything is decided by.
    Nothing,
}

/// A write that ended.
#[derive(Debug)]
pub struct Finished {
    /// What was written.
    pub write: Write,
    /// What came back.
    pub result: Result<Answer, WriteError>,
    /// How long it took.
    pub took: Duration,
    /// Its object is to be planned again: something else was planned meanwhile.
    pub again: bool,
    /// How often the same was written before: somebody undid it each time.
    pub repeated: u32,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server said no or could not be reached.
    #[error("write {0}")]
    Api(String, #[source] kube::Error),
    /// No answer in time.
    #[error("write {0}: no answer within {1:?}; see whether the API server is overloaded")]
    Slow(String, Duration),
}

impl WriteError {
    /// What follows from it.
    pub fn verdict(&self) -> Verdict {
        let Self::Api(_, kube::Error::Api(status)) = self else { return Verdict::Failed };
        match status.code {
            // Changed, there already, or gone: planned from an old state.
            404 | 409 => Verdict::Conflict,
            408 | 429 | 500.. => Verdict::Failed,
            _ => Verdict::Refused,
        }
    }
}

/// How it writes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at the same time.
    pub connections: usize,
    /// Longest time that a request may take.
    pub timeout: Duration,
}

/// The one writer of the leader.
#[derive(Debug)]
pub struct Writer {
    sender: Sender,
    limits: Limits,
    queue: Queue,
    restraint: Restraint,
    running: JoinSet<Ended>,
}

/// What was written, what came back, and how long that took.
type Ended = (Write, Result<Answer, WriteError>, Duration);

impl Writer {
    /// One that writes MetalLB's kinds into `namespace`. `instance`: who tells events.
    pub fn new(client: Client, namespace: &str, instance: &str, limits: Limits) -> Self {
        let sender = Sender { client, namespace: namespace.to_owned(), instance: instance.to_owned() };
        Self { sender, limits, queue: Queue::default(), restraint: Restraint::default(), running: JoinSet::new() }
    }

    /// Takes a plan over.
    pub fn submit(&mut self, writes: impl IntoIterator<Item = Write>) {
        let now = clock::now();
        for write in writes.into_iter().filter_map(|write| self.restraint.admit(write, now)) {
            self.queue.submit(write);
        }
    }

    /// What waits to be written of objects that are as they should be is not wanted any more.
    pub fn settle(&mut self, is_settled: impl Fn(&Object) -> bool) {
        self.queue.settle(is_settled);
    }

    /// Sends what can be sent. Returns writes whose objects have to be planned again. Without leadership nothing is sent and everything
    /// that waits is forgotten.
    pub fn pump(&mut self, term: Term) -> Vec<Write> {
        if !term.leads(clock::now()) {
            self.queue.clear();
            self.restraint.clear();
            return Vec::new();
        }
        let now = clock::now();
        let mut again = self.queue.wake(now);
        again.extend(self.restraint.wake(now));
        while self.running.len() < self.limits.connections && term.leads(clock::now()) {
            let Some(write) = self.queue.take() else { break };
            let (sender, bound) = (self.sender.clone(), self.limits.timeout);
            self.running.spawn(async move {
                let began = clock::now();
                let result = match timeout(bound, sender.send(&write)).await {
                    Ok(result) => result.map_err(|error| WriteError::Api(describe(&write), error)),
                    Err(_) => Err(WriteError::Slow(describe(&write), bound)),
                };
                (write, result, clock::now().saturating_duration_since(began))
            });
        }
        again
    }

    /// The next write that ends; pending while there is none.
    ///
    /// # Errors
    /// If the task of a write panicked: a fault of the program.
    pub async fn finished(&mut self) -> Result<Finished, JoinError> {
        match self.running.join_next().await {
            Some(ended) => self.end(ended),
            None => std::future::pending().await,
        }
    }

    /// A write that has ended already.
    pub fn finished_already(&mut self) -> Option<Result<Finished, JoinError>> {
        let ended = self.running.try_join_next()?;
        Some(self.end(ended))
    }

    fn end(&mut self, ended: Result<Ended, JoinError>) -> Result<Finished, JoinError> {
        let (write, result, took) = ended?;
        let verdict = result.as_ref().err().map_or(Verdict::Done, WriteError::verdict);
        let now = clock::now();
        let repeated = if verdict == Verdict::Done { self.restraint.done(&write, now, fastrand::f64()) } else { 0 };
        let again = self.queue.done(&write, verdict, now, fastrand::f64());
        Ok(Finished { write, result, took, again, repeated })
    }

    /// When [`Self::pump`] has to be called even if nothing else happens.
    pub fn next_wake(&self) -> Option<Instant> {
        [self.queue.next_wake(), self.restraint.next_wake()].into_iter().flatten().min()
    }

    /// Requests that are on their way.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Writes that wait in a class.
    pub fn waiting(&self, class: Class) -> usize {
        self.queue.waiting(class)
    }

    /// Events that were not told because too many waited.
    pub const fn dropped_events(&self) -> u64 {
        self.queue.dropped_events()
    }
}

/// What a write is about, for logs and labels of metrics.
pub const fn kind(write: &Write) -> &'static str {
    match write {
        Write::ServiceStatus(_) => "Service",
        Write::Announcement { .. } | Write::DeleteAnnouncement { .. } | Write::Silence { .. } => "Announcement",
        Write::Configured(status) => status.object.kind.name(),
        Write::L2Status { .. } | Write::DeleteL2Status { .. } => "ServiceL2Status",
        Write::DeleteBgpStatus { .. } => "ServiceBGPStatus",
        Write::State { .. } | Write::DeleteState { .. } => "ConfigurationState",
        Write::Event { .. } => "Event",
    }
}

fn describe(write: &Write) -> String {
    match write {
        Write::ServiceStatus(status) => format!("status of Service {}", status.key),
        Write::Announcement { content, .. } => format!("Announcement {}", content.address),
        Write::Silence { address, .. } => format!("status of Announcement {address}"),
        Write::DeleteAnnouncement { address, .. } => format!("the end of Announcement {address}"),
        Write::Configured(status) => format!("status of {}", status.object),
        Write::L2Status { name, .. } => format!("ServiceL2Status {name}"),
        Write::DeleteL2Status { name, .. } => format!("the end of ServiceL2Status {name}"),
        Write::DeleteBgpStatus { name, .. } => format!("the end of ServiceBGPStatus {name}"),
        Write::State { of, .. } => format!("ConfigurationState {}", of.name()),
        Write::DeleteState { of, .. } => format!("the end of ConfigurationState {}", of.name()),
        Write::Event { about, .. } => format!("event on {about}"),
    }
}

#[derive(Clone)]
struct Sender {
    client: Client,
    namespace: String,
    instance: String,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Sender {
    async fn send(&self, write: &Write) -> kube::Result<Answer> {
        let patch = patch_params();
        match write {
            Write::ServiceStatus(status) => {
                let api: Api<Service> = Api::namespaced(self.client.clone(), &status.key.namespace);
                let body = requests::service_status(status, &now());
                let object = api.patch_status(&status.key.name, &patch, &Patch::Strategic(body)).await?;
                Ok(Answer::There(Kind::Service, object.entry()))
            }
            Write::Announcement { content, resource_version: Some(version), .. } => {
                let api: Api<Decoded<Announcement>> = Api::all(self.client.clone());
                let (name, body) =
                    (names::announcement(content.address), requests::announcement_patch(content, version));
                Ok(Answer::There(Kind::Announcement, api.patch(&name, &patch, &Patch::Merge(body)).await?.entry()))
            }
            Write::Announcement { content, resource_version: None, .. } => {
                let api: Api<Announcement> = Api::all(self.client.clone());
                let object = api.create(&post_params(), &requests::announcement(content)).await?;
                Ok(Answer::There(Kind::Announcement, Decoded::from(object).entry()))
            }
            Write::Silence { address, silence, since, resource_version } => {
                let api: Api<Decoded<Announcement>> = Api::all(self.client.clone());
                let body = requests::silence(*address, silence, resource_version, since.as_deref().unwrap_or(&now()));
                // What speakers wrote goes with it.
                let as_speaker = PatchParams::apply(names::ANNOUNCER).force();
                let object = api.patch_status(&names::announcement(*address), &as_speaker, &Patch::Apply(body)).await?;
                Ok(Answer::There(Kind::Announcement, object.entry()))
            }
            Write::DeleteAnnouncement { address, resource_version } => {
                let api: Api<Decoded<Announcement>> = Api::all(self.client.clone());
                let id = Id { namespace: String::new(), name: names::announcement(*address) };
                let result = api.delete(&id.name, &delete_params(resource_version)).await.map(drop);
                deleted(result, Kind::Announcement, id, resource_version)
            }
            Write::Configured(status) => match status.object.kind {
                ConfigurationKind::Pool => self.patch_configured::<Decoded<IPAddressPool>>(status).await,
                ConfigurationKind::L2Advertisement => self.patch_configured::<Decoded<L2Advertisement>>(status).await,
                ConfigurationKind::BgpAdvertisement => self.patch_configured::<Decoded<BGPAdvertisement>>(status).await,
                ConfigurationKind::Peer => self.patch_configured::<Decoded<BGPPeer>>(status).await,
                ConfigurationKind::Community => self.patch_configured::<Decoded<Community>>(status).await,
                ConfigurationKind::BfdProfile => self.patch_configured::<Decoded<BFDProfile>>(status).await,
            },
            Write::L2Status { name, content, resource_version } => {
                let api: Api<ServiceL2Status> = Api::namespaced(self.client.clone(), &self.namespace);
                if resource_version.is_none() {
                    api.create(&post_params(), &requests::l2_status(name, content)).await?;
                }
                let api: Api<Decoded<ServiceL2Status>> = Api::namespaced(self.client.clone(), &self.namespace);
                let body = Patch::Merge(requests::l2_status_patch(content, resource_version.as_deref()));
                Ok(Answer::There(Kind::L2Status, api.patch_status(name, &patch, &body).await?.entry()))
            }
            Write::DeleteL2Status { name, resource_version } => {
                self.delete::<Decoded<ServiceL2Status>>(name, resource_version).await
            }
            Write::DeleteBgpStatus { name, resource_version } => {
                self.delete::<Decoded<ServiceBGPStatus>>(name, resource_version).await
            }
            Write::State { of, content, since, owner, resource_version } => {
                let body = state_patch(of, content, since.as_deref(), &now());
                self.write_state(&requests::state(of, owner.as_deref()), of, body, resource_version.is_none()).await
            }
            Write::DeleteState { of, resource_version } => {
                self.delete::<Decoded<ConfigurationState>>(&of.name(), resource_version).await
            }
            Write::Event { about, uid, notice } => {
                let teller = Teller { instance: &self.instance, unique: fastrand::u64(..), now: clock::wall() };
                let event = requests::event(about, uid, notice, &self.namespace, teller);
                let api: Api<Event> =
                    Api::namespaced(self.client.clone(), event.metadata.namespace.as_deref().unwrap_or_default());
                api.create(&post_params(), &event).await?;
                Ok(Answer::Nothing)
            }
        }
    }

    /// The object if it is `new`, then its status, then its metadata where that is not as it should be.
    async fn write_state(
        &self,
        object: &ConfigurationState,
        of: &StateOf,
        body: Value,
        new: bool,
    ) -> kube::Result<Answer> {
        let api: Api<Decoded<ConfigurationState>> = Api::namespaced(self.client.clone(), &self.namespace);
        if new {
            let api: Api<ConfigurationState> = Api::namespaced(self.client.clone(), &self.namespace);
            api.create(&post_params(), object).await?;
        }
        let patch = patch_params();
        let as_metallb = PatchParams { field_manager: Some(of.field_manager().to_owned()), ..PatchParams::default() };
        let written = api.patch_status(&of.name(), &as_metallb, &Patch::Merge(body)).await?;
        let Some(body) = requests::metadata(&object.metadata, written.meta()) else {
            return Ok(Answer::There(Kind::ConfigurationState, written.entry()));
        };
        let put_right = api.patch(&of.name(), &patch, &Patch::Merge(body)).await?;
        Ok(Answer::There(Kind::ConfigurationState, put_right.entry()))
    }

    /// An object of a kind that is in our namespace.
    async fn delete<K>(&self, name: &str, version: &str) -> kube::Result<Answer>
    where
        K: Watched + Resource<Scope = NamespaceResourceScope>,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        let id = Id { namespace: self.namespace.clone(), name: name.to_owned() };
        deleted(api.delete(name, &delete_params(version)).await.map(drop), K::KIND, id, version)
    }

    async fn patch_configured<K>(&self, status: &ConfiguredStatus) -> kube::Result<Answer>
    where
        K: Watched + Resource<Scope = NamespaceResourceScope>,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        let body = Patch::Merge(requests::configured_status(status, &now()));
        Ok(Answer::There(K::KIND, api.patch_status(&status.object.name, &patch_params(), &body).await?.entry()))
    }
}

/// The wall clock as conditions have it.
fn now() -> String {
    clock::wall().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What is gone already was deleted by somebody else: just as well.
fn deleted(result: kube::Result<()>, kind: Kind, id: Id, version: &str) -> kube::Result<Answer> {
    match result {
        Ok(()) => Ok(Answer::Gone(kind, id, version.to_owned())),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Answer::Gone(kind, id, version.to_owned())),
        Err(error) => Err(error),
    }
}

fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn post_params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn delete_params(resource_version: &str) -> DeleteParams {
    DeleteParams::default()
        .preconditions(Preconditions { resource_version: Some(resource_version.to_owned()), uid: None })
}
