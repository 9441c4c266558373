//! Writes what [`plan`](super::plan) says. It chooses nothing: what is written, and when, comes out of plan and queue.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use arpeggio_common::api::{Announcement, Speaker, names, node_reference, speaker::SpeakerSpec};
use kube::{
    Api, Error,
    api::{Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    heart::now,
    plan::{change, speaker_change},
    queue::{Ended, Queue},
    types::Wanted,
};
use crate::{
    clock::monotonic_ns,
    world::{Cluster, Known, fault},
};

/// A request that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at what changed here, and there.
const HERE: Duration = Duration::from_millis(100);
const THERE: Duration = Duration::from_secs(1);
/// Between two writes of the Speaker object, and by how much more at random.
const SPEAKER: Duration = Duration::from_secs(2);
const SPREAD_MS: u64 = 500;
/// After which is looked again for what the watch is about to show.
const SHORTLY: Duration = Duration::from_millis(200);

/// What a request was about.
enum Subject {
    Address(IpAddr),
    /// The Speaker object was made, and has no status yet.
    NewSpeaker,
    Speaker,
}

/// Follows what is wanted and what is shown.
pub struct Writer {
    cluster: Cluster,
    wanted: watch::Receiver<Arc<Wanted>>,
    queue: Queue,
    requests: JoinSet<(Subject, Ended)>,
    /// When what differs is worked out again.
    replan_at: Option<Instant>,
    replanned_at: Instant,
    /// When the Speaker object may be written again.
    speaker_at: Instant,
    speaker_busy: bool,
    /// Failures of the Speaker's writes in a row.
    speaker_failures: u32,
}

impl Writer {
    /// Nothing is written before the first change of `wanted`.
    pub fn new(cluster: Cluster, wanted: watch::Receiver<Arc<Wanted>>) -> Self {
        let now = Instant::now();
        Self {
            cluster,
            wanted,
            queue: Queue::default(),
            requests: JoinSet::new(),
            replan_at: None,
            replanned_at: now,
            speaker_at: now + Duration::from_millis(fastrand::u64(..SPREAD_MS)),
            speaker_busy: false,
            speaker_failures: 0,
        }
    }

    /// Until whoever says what is wanted is gone.
    pub async fn run(mut self) {
        let mut changes = self.cluster.seen.changes();
        if self.wanted.changed().await.is_err() {
            return;
        }
        self.replan();
        loop {
            self.begin();
            let next = self.next();
            tokio::select! {
                there = self.wanted.changed() => {
                    if there.is_err() {
                        return;
                    }
                    self.replan_after(HERE);
                }
                there = changes.changed() => {
                    // Kept alive by the cluster itself.
                    if there.is_ok() {
                        self.replan_after(THERE);
                    }
                }
                Some(ended) = self.requests.join_next() => {
                    if let Ok((subject, ended)) = ended {
                        self.ended(&subject, ended);
                    }
                }
                () = sleep_until(next) => {
                    if self.replan_at.is_some_and(|at| at <= Instant::now()) {
                        self.replan();
                    }
                }
            }
        }
    }

    fn replan_after(&mut self, pace: Duration) {
        let at = self.replanned_at + pace;
        self.replan_at = Some(self.replan_at.map_or(at, |before| before.min(at)));
    }

    /// Works out what differs.
    fn replan(&mut self) {
        (self.replan_at, self.replanned_at) = (None, Instant::now());
        let wanted = Arc::clone(&self.wanted.borrow_and_update());
        let Self { cluster, queue, .. } = self;
        let (node, now) = (cluster.node.as_str(), now());
        // Before the first complete list nothing is compared, so nothing is written.
        let _ = cluster.seen.statuses(|statuses| {
            let differing = statuses.filter_map(|(address, observed)| {
                let change = change(node, observed, wanted.addresses.get(&address), now)?;
                Some((address, change.patience_ms))
            });
            queue.replan(differing, monotonic_ms());
        });
    }

    /// When there is something to do without being told.
    fn next(&self) -> Instant {
        let now = Instant::now();
        let queue =
            self.queue.due_ms().map(|due_ms| now + Duration::from_millis(due_ms.saturating_sub(monotonic_ms())));
        let speaker = (!self.speaker_busy && self.speaker_at > now).then_some(self.speaker_at);
        // Nothing to do is a long time, not none: the clock of the queue is another one.
        let late = now + Duration::from_secs(60);
        [queue, speaker, self.replan_at].into_iter().flatten().fold(late, Instant::min)
    }

    /// Starts what is due.
    fn begin(&mut self) {
        while let Some(address) = self.queue.next(monotonic_ms()) {
            let request = self.address(address);
            self.requests.spawn(request);
        }
        if !self.speaker_busy && self.speaker_at <= Instant::now() {
            self.speaker();
        }
    }

    /// The latest wins: what is written is worked out now.
    fn address(&self, address: IpAddr) -> impl Future<Output = (Subject, Ended)> + Send + 'static {
        let node = self.cluster.node.as_str();
        let wanted = Arc::clone(&self.wanted.borrow());
        let observed = self.cluster.seen.status(address);
        let change = observed.and_then(|observed| change(node, &observed, wanted.addresses.get(&address), now()));
        let client = self.cluster.client.clone();
        async move {
            let Some(change) = change else { return (Subject::Address(address), Ended::Needless) };
            let name = names::announcement(address);
            let mut metadata = json!({ "name": name });
            if let Some(version) = change.version {
                metadata["resourceVersion"] = version.into();
            }
            let object = json!({
                "apiVersion": Announcement::API_VERSION, "kind": "Announcement", "metadata": metadata, "status": change.status,
            });
            // Of the answer nothing is needed: the watch brings it.
            let announcements: Api<PartialObjectMeta<Announcement>> = Api::all(client);
            let (parameters, patch) = (PatchParams::apply(names::ANNOUNCER).force(), Patch::Apply(&object));
            let request = announcements.patch_status(&name, &parameters, &patch);
            let written = Ended::Written { contradicted: change.contradicts };
            (Subject::Address(address), judge(&name, timeout(PATIENCE, request).await, written))
        }
    }

    /// Makes the Speaker object, or writes its status.
    fn speaker(&mut self) {
        let wanted = Arc::clone(&self.wanted.borrow());
        let speakers: Api<Speaker> = Api::all(self.cluster.client.clone());
        let name = self.cluster.node.to_string();
        let status = match self.cluster.seen.speaker() {
            // Else a restart would be told as if something had changed.
            Known::Present(_) if !wanted.complete => {
                self.speaker_at = Instant::now() + SHORTLY;
                return;
            }
            Known::Unknown => {
                self.speaker_at = Instant::now() + SHORTLY;
                return;
            }
            Known::Absent => {
                let object = self.new_speaker(&name);
                let request = async move { speakers.create(&PostParams::default(), &object).await.map(drop) };
                self.requests.spawn(send(Subject::NewSpeaker, name, request));
                self.speaker_busy = true;
                return;
            }
            Known::Present(shown) => speaker_change(shown.status.as_ref(), &wanted.speaker, now()),
        };
        // Looked at again when something changes, which plans anew, and from time to time.
        self.speaker_at = Instant::now() + SPEAKER;
        if let Some(status) = status {
            let object = json!({
                "apiVersion": Speaker::API_VERSION, "kind": "Speaker", "metadata": { "name": name }, "status": status,
            });
            let parameters = PatchParams::apply(names::ANNOUNCER).force();
            let of = name.clone();
            let request =
                async move { speakers.patch_status(&of, &parameters, &Patch::Apply(&object)).await.map(drop) };
            self.requests.spawn(send(Subject::Speaker, name, request));
            self.speaker_busy = true;
        }
    }

    /// Belongs to its Node where that is known: it goes with it.
    fn new_speaker(&self, name: &str) -> Speaker {
        let mut object = Speaker::new(name, SpeakerSpec::default());
        let node = self.cluster.seen.node();
        object.metadata.owner_references = node.present().map(|node| vec![node_reference(name, &node.uid)]);
        object
    }

    fn ended(&mut self, subject: &Subject, ended: Ended) {
        match subject {
            Subject::Address(address) => self.queue.done(*address, ended, monotonic_ms(), fastrand::u64(..1024)),
            Subject::NewSpeaker | Subject::Speaker => {
                let failed = matches!(ended, Ended::Refused | Ended::Unanswered);
                self.speaker_failures = if failed { (self.speaker_failures + 1).min(4) } else { 0 };
                let spread = Duration::from_millis(fastrand::u64(..SPREAD_MS));
                self.speaker_busy = false;
                let pause = if failed || matches!(subject, Subject::Speaker) { SPEAKER } else { SHORTLY };
                self.speaker_at = Instant::now() + pause * (1 << self.speaker_failures) + spread;
            }
        }
    }
}

async fn send(subject: Subject, name: String, request: impl Future<Output = kube::Result<()>>) -> (Subject, Ended) {
    let written = Ended::Written { contradicted: false };
    (subject, judge(&name, timeout(PATIENCE, request).await, written))
}

/// What became of a request. Whoever the server refuses is told apart from a server that cannot be asked.
fn judge<T>(name: &str, result: Result<kube::Result<T>, tokio::time::error::Elapsed>, written: Ended) -> Ended {
    match result {
        Ok(Ok(_)) => written,
        // Gone, or changed meanwhile: the watch says so, and what differs then is another matter.
        Ok(Err(Error::Api(status))) if status.is_not_found() || status.is_conflict() || status.is_already_exists() => {
            tracing::debug!(name, "not written: {}", status.message);
            Ended::Refused
        }
        Ok(Err(Error::Api(status))) if (400..500).contains(&status.code) && status.code != 429 => {
            tracing::warn!(name, "the API server refuses what this node has to say: {}", status.message);
            Ended::Refused
        }
        Ok(Err(error)) => {
            tracing::debug!(name, "not written, later again: {}", fault(&error));
            Ended::Unanswered
        }
        Err(_elapsed) => {
            tracing::debug!(name, "not written, later again: no answer in time");
            Ended::Unanswered
        }
    }
}

fn monotonic_ms() -> u64 {
    monotonic_ns() / 1_000_000
}
