//! The watches: of all Announcements, of this node's Speaker and of its Node, and nothing else, so that the load of a speaker
//! does not grow with the cluster. The names of the other Speakers are listed once. What they bring becomes a configuration as a file would give it.

use std::{fmt::Debug, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use arpeggio_common::{
    api::{Speaker, names, watching::is_beyond_resuming},
    model::NodeName,
};
use futures::{
    FutureExt as _, Stream, StreamExt as _,
    future::{FusedFuture as _, Ready, ready},
    stream::{self, BoxStream},
};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use super::{
    directory::directory,
    identity::identity,
    merge::{Own, merge, same_wishes},
    said::watch_fault,
    seen::{Known, OwnNode, OwnSpeaker, Seen},
    snapshot,
    state::Origin,
};
use crate::{
    clock::{monotonic_ns, wall_ahead_ns},
    world::{Config, Loaded},
};

/// How long a watch lasts before it is asked for anew, in seconds: a connection that died silently is noticed then.
pub(super) const WATCH: u32 = 60;
/// Objects in one answer: what is held at once while a list is read.
pub(super) const PAGE: u32 = 250;
/// Changes that come together are one change.
const SETTLE: Duration = Duration::from_millis(10);
/// Between two configurations, however many changes come.
const PACE: Duration = Duration::from_millis(200);
/// Between two writes of the snapshot.
const STORE: Duration = Duration::from_secs(1);
/// How long the first configuration waits to know whether this node is evacuated, once it is known what is announced.
const PATIENCE: Duration = Duration::from_secs(3);

/// Follows the API server until it is dropped.
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) node: NodeName,
    pub(super) seen: Arc<Seen>,
    pub(super) settings: watch::Receiver<Loaded<Config>>,
    pub(super) config: watch::Sender<Option<Loaded<Config>>>,
    pub(super) snapshot: PathBuf,
    /// What the snapshot says, until it is known.
    pub(super) evacuate: bool,
    /// Which cluster this is; empty: not known yet. The snapshot's, until the API server says it.
    pub(super) cluster: Arc<str>,
    /// When the next configuration is due.
    pub(super) publish_at: Option<Instant>,
    pub(super) published_at: Option<Instant>,
    /// The first configuration does not wait for longer.
    pub(super) latest: Option<Instant>,
    pub(super) store_at: Option<Instant>,
    pub(super) stored_at: Option<Instant>,
    /// Lists that are under way have brought this node's objects.
    pub(super) speaker_listed: bool,
    pub(super) node_listed: bool,
    /// What stands in the snapshot.
    pub(super) stored: Option<(Arc<Config>, bool)>,
}

impl Follower {
    /// What is known before the first answer is in force at once.
    pub(super) fn begin(&mut self) {
        self.publish();
    }

    /// Until the settings are gone, with which everything ends.
    pub(super) async fn run(mut self) {
        let all = watcher::Config::default().timeout(WATCH);
        let mine = all.clone().fields(&format!("metadata.name={}", self.node));
        let announcements = lasting(Api::all(self.client.clone()), all.page_size(PAGE));
        let speaker = lasting(Api::<DeserializeGuard<Speaker>>::all(self.client.clone()), mine.clone());
        let node = lasting(Api::<PartialObjectMeta<Node>>::all(self.client.clone()), mine);
        let mut announcements = pin!(announcements.filter(is_answer).default_backoff());
        let mut speaker = pin!(speaker.filter(is_answer).default_backoff());
        let mut node = pin!(node.filter(is_answer).default_backoff());
        let mut cluster = pin!(identity(self.client.clone(), Arc::clone(&self.seen)).fuse());
        let mut nodes = pin!(directory(self.client.clone()).fuse());
        loop {
            tokio::select! {
                cluster = &mut cluster, if !cluster.is_terminated() => self.belongs(cluster),
                nodes = &mut nodes, if !nodes.is_terminated() => self.seen.hold().nodes = nodes,
                Some(event) = announcements.next() => self.announcements(event),
                Some(event) = speaker.next() => self.speaker(event),
                Some(event) = node.next() => self.node(event),
                there = self.settings.changed() => {
                    if there.is_err() {
                        return;
                    }
                    self.soon();
                }
                () = at(self.publish_at) => self.publish(),
                () = at(self.store_at) => self.store().await,
            }
        }
    }

    /// The API server says which cluster this is.
    fn belongs(&mut self, cluster: Arc<str>) {
        if self.cluster == cluster {
            return;
        }
        if !self.cluster.is_empty() {
            tracing::warn!(before = %self.cluster, now = %cluster, "this node belongs to another cluster than before");
        }
        self.cluster = cluster;
        self.soon();
    }

    fn announcements(&mut self, event: watcher::Result<Event<super::objects::Watched>>) {
        let Some(event) = fine(&self.seen, "announcements", event) else {
            self.seen.hold().index.broke_off();
            return;
        };
        let mut inner = self.seen.hold();
        let changed = inner.index.take(event);
        let synced = inner.index.synced();
        drop(inner);
        if synced && self.latest.is_none() {
            self.latest = Some(Instant::now() + PATIENCE);
        }
        if changed.wishes {
            self.soon();
        }
        if changed.routes {
            self.seen.tell_routes();
        }
        if changed.statuses {
            self.seen.tell();
        }
    }

    fn speaker(&mut self, event: watcher::Result<Event<DeserializeGuard<Speaker>>>) {
        let Some(event) = fine(&self.seen, "speaker", event) else {
            self.speaker_listed = false;
            return;
        };
        let read = |DeserializeGuard(object): DeserializeGuard<Speaker>| match object {
            Ok(speaker) => OwnSpeaker { evacuate: speaker.spec.evacuate, status: speaker.status },
            // It exists; what it wants cannot be known.
            Err(error) => {
                tracing::warn!("the Speaker object of this node cannot be read: {error}");
                OwnSpeaker::default()
            }
        };
        let changed = take((&mut self.seen.hold().speaker, &mut self.speaker_listed), event, read);
        self.known(changed);
    }

    fn node(&mut self, event: watcher::Result<Event<PartialObjectMeta<Node>>>) {
        let Some(event) = fine(&self.seen, "node", event) else {
            self.node_listed = false;
            return;
        };
        let read = |node: PartialObjectMeta<Node>| OwnNode {
            evacuate: node.annotations().get(names::EVACUATE).is_some_and(|value| value == "true"),
            uid: node.uid().unwrap_or_default(),
        };
        let changed = take((&mut self.seen.hold().node, &mut self.node_listed), event, read);
        self.known(changed);
    }

    fn known(&mut self, changed: bool) {
        if changed {
            self.soon();
            self.seen.tell();
        }
    }

    /// A new configuration is due when its time has come.
    fn soon(&mut self) {
        let earliest = Instant::now() + SETTLE;
        let at = self.published_at.map_or(earliest, |before| earliest.max(before + PACE));
        self.publish_at.get_or_insert(at);
    }

    fn publish(&mut self) {
        self.publish_at = None;
        let now = Instant::now();
        let settings = Arc::clone(&self.settings.borrow_and_update().value);
        let mut inner = self.seen.hold();
        let told = inner.speaker.is_known() && inner.node.is_known();
        let cluster = if settings.cluster.is_empty() { &self.cluster } else { &settings.cluster };
        if inner.state.origin == Origin::Unknown {
            // A node that spoke under the name that it has in no cluster would be a stranger to all others.
            if !inner.index.synced() || cluster.is_empty() {
                return;
            }
            // It is not known whether this node may take anything.
            if !told && self.latest > Some(now) {
                self.publish_at = self.latest;
                return;
            }
        }
        if inner.index.synced() {
            inner.state.origin = Origin::Api;
        }
        let asked = inner.speaker.present().is_some_and(|speaker| speaker.evacuate)
            || inner.node.present().is_some_and(|node| node.evacuate);
        let evacuate = asked || !told && self.evacuate;
        let config = Arc::new(merge(&settings, inner.index.wishes(), Own { node: &self.node, cluster, evacuate }));
        let (origin, server) = (inner.state.origin, inner.state.server.clone());
        drop(inner);
        self.published_at = Some(now);
        let file = if origin == Origin::Api { PathBuf::from(server) } else { self.snapshot.clone() };
        self.config.send_if_modified(|in_force| {
            let same = in_force.as_ref().is_some_and(|before| before.value == config && before.file == file);
            if !same {
                *in_force = Some(Loaded { value: Arc::clone(&config), file, at: super::now() });
            }
            !same
        });
        self.evacuate = evacuate;
        let stored = |(before, was): &(Arc<Config>, bool)| *was == evacuate && same_wishes(before, &config);
        if origin == Origin::Api && !self.stored.as_ref().is_some_and(stored) {
            let at = self.stored_at.map_or(now, |before| now.max(before + STORE));
            self.store_at.get_or_insert(at);
        }
    }

    /// Keeps what is in force for the next start. A failure changes nothing now, so it is only told.
    async fn store(&mut self) {
        self.store_at = None;
        self.stored_at = Some(Instant::now());
        let Some(config) = self.config.borrow().as_ref().map(|loaded| Arc::clone(&loaded.value)) else { return };
        let (file, evacuate) = (self.snapshot.clone(), self.evacuate);
        let written = Arc::clone(&config);
        let result = spawn_blocking(move || snapshot::write(&file, &written, evacuate)).await;
        match result.map_err(std::io::Error::other).flatten() {
            Ok(()) => {
                self.stored = Some((config, evacuate));
                self.seen.hold().state.snapshot_wall_ns = Some(monotonic_ns().saturating_add(wall_ahead_ns()));
            }
            Err(error) => {
                let file = self.snapshot.display();
                tracing::warn!(%file, %error, "cannot keep what the API server said for a start without it");
            }
        }
    }
}

/// An event; what went wrong is told instead, once for each cause.
pub(super) fn fine<T>(seen: &Seen, watch: &'static str, event: watcher::Result<T>) -> Option<T> {
    let error = match event {
        Ok(event) => {
            if let Some((fault, _)) = seen.hold().state.watches.remove(watch) {
                tracing::info!(watch, "the watch works again, after: {fault}");
            }
            return Some(event);
        }
        Err(error) => watch_fault(&error),
    };
    let news = seen.hold().state.watches.insert(watch, (error.clone(), monotonic_ns()));
    if news.is_none_or(|(before, _)| before != error) {
        tracing::warn!(watch, "nothing new from the API server, everything goes on as it is: {error}");
    }
    None
}

/// What kube's watcher tells; and a new one, which begins with a list, where it could never go on.
pub(super) fn lasting<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = watcher::Result<Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    stream::unfold(None, move |running: Option<BoxStream<'static, _>>| {
        let mut running = running.unwrap_or_else(|| watcher(api.clone(), config.clone()).boxed());
        async move {
            let event = running.next().await?;
            let goes_on = !matches!(&event, Err(error) if is_beyond_resuming(error));
            Some((event, goes_on.then_some(running)))
        }
    })
}

/// That a list is about to be asked for is no answer. Taken for one it would end every pause, and each failure would be the first.
pub(super) fn is_answer<K>(event: &watcher::Result<Event<K>>) -> Ready<bool> {
    ready(!matches!(event, Ok(Event::Init)))
}

pub(super) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Takes what a watch of one object brings; whether anything changed. `listed`: a list that is under way has brought it.
pub(super) fn take<K, T: PartialEq>(
    (known, listed): (&mut Known<T>, &mut bool),
    event: Event<K>,
    read: impl Fn(K) -> T,
) -> bool {
    let new = match event {
        Event::Init => {
            *listed = false;
            return false;
        }
        Event::InitApply(object) => {
            *listed = true;
            Known::Present(read(object))
        }
        Event::InitDone if std::mem::take(listed) => return false,
        Event::Apply(object) => Known::Present(read(object)),
        // A complete list without it.
        Event::Delete(_) | Event::InitDone => Known::Absent,
    };
    let changed = *known != new;
    *known = new;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_a_complete_list_lacks_is_gone() {
        let (mut known, mut listed) = (Known::Unknown, false);
        let mut told = |event: Event<u8>| {
            let changed = take((&mut known, &mut listed), event, u32::from);
            (changed, known.clone())
        };
        assert_eq!(told(Event::InitDone), (true, Known::Absent));
        assert_eq!(told(Event::Apply(7)), (true, Known::Present(7)));
        assert_eq!(told(Event::Apply(7)), (false, Known::Present(7)));
        assert_eq!(told(Event::InitApply(7)), (false, Known::Present(7)));
        assert_eq!(told(Event::InitDone), (false, Known::Present(7)));
        assert_eq!(told(Event::InitDone), (true, Known::Absent), "a list after the end of the watch");
        assert_eq!(told(Event::InitApply(8)), (true, Known::Present(8)));
        assert_eq!(told(Event::Init), (false, Known::Present(8)));
        assert_eq!(told(Event::InitDone), (true, Known::Absent));
        assert_eq!(told(Event::Delete(8)), (false, Known::Absent));
    }
}
