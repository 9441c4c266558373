//! What BGP needs of the Kubernetes API: peers, BFD profiles, their Secrets, and more of this node than layer 2 has to know. Nothing
//! of it is watched before there is a directory for FRR's sockets, and nothing of it concerns layer 2.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::{
    api::{BFDProfile, BGPPeer, Decoded, set::Set},
    model::{Configuration, NodeName, Password, Peer},
};
use futures::StreamExt as _;
use kube::{
    Api, Client, Error, Resource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    follow::{PAGE, WATCH, at, fine, is_answer, lasting, take},
    own_node::{BgpNode, ConditionedNode},
    secrets::{self, Secrets},
    seen::{Known, Seen},
};
use crate::world::{BgpInputs, task::Task};

/// Changes that come together are one change.
const SETTLE: Duration = Duration::from_millis(20);
/// Between two looks for FRR.
const LOOK: Duration = Duration::from_secs(10);

/// What is followed, and for whom.
pub(super) struct PeerFollower {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) node: NodeName,
    pub(super) seen: Arc<Seen>,
    /// Where FRR's sockets are, or will be.
    pub(super) directory: PathBuf,
    pub(super) ignore_exclude_label: bool,
    pub(super) tell: watch::Sender<Option<Arc<BgpInputs>>>,
}

/// What is known.
struct State {
    peers: Objects<BGPPeer>,
    profiles: Objects<BFDProfile>,
    node: Known<BgpNode>,
    node_listed: bool,
    /// What came out of it last: a form that an edit breaks stays in force.
    before: Configuration,
    names: watch::Sender<BTreeSet<String>>,
    secrets: watch::Receiver<Secrets>,
}

impl PeerFollower {
    /// Until nobody wants to know any more.
    pub(super) async fn run(self) {
        while !self.directory.is_dir() {
            sleep(LOOK).await;
        }
        let all = watcher::Config::default().timeout(WATCH);
        let mine = all.clone().fields(&format!("metadata.name={}", self.node));
        let inside = || (self.client.clone(), self.namespace.as_str());
        let peers = lasting(namespaced::<Decoded<BGPPeer>>(inside()), all.clone().page_size(PAGE));
        let profiles = lasting(namespaced::<Decoded<BFDProfile>>(inside()), all.page_size(PAGE));
        let node = lasting(Api::<ConditionedNode>::all(self.client.clone()), mine);
        let mut peers = pin!(peers.filter(is_answer).default_backoff());
        let mut profiles = pin!(profiles.filter(is_answer).default_backoff());
        let mut node = pin!(node.filter(is_answer).default_backoff());
        let mut routes = self.seen.route_changes();
        let (names, named) = watch::channel(BTreeSet::new());
        let (found, secrets) = watch::channel(Secrets::default());
        let _secrets = Task::spawn(secrets::follow((self.client.clone(), self.namespace.clone()), named, found));
        let mut state = State::new(names, secrets);
        let mut publish_at = None;
        loop {
            let changed = tokio::select! {
                Some(event) = peers.next() => state.peers.take(&self.seen, "peers", event),
                Some(event) = profiles.next() => state.profiles.take(&self.seen, "bfd profiles", event),
                Some(event) = node.next() => state.node(fine(&self.seen, "labels of the node", event)),
                there = routes.changed() => there.is_ok(),
                there = state.secrets.changed() => there.is_ok(),
                () = at(publish_at) => {
                    publish_at = None;
                    self.publish(&mut state);
                    false
                }
            };
            if changed {
                publish_at.get_or_insert_with(|| Instant::now() + SETTLE);
            }
        }
    }

    fn publish(&self, state: &mut State) {
        let inner = self.seen.hold();
        if !inner.index.synced() {
            return;
        }
        let routes = inner.index.routes().collect();
        drop(inner);
        let Some((peers, complete)) = state.judge((&self.node, &self.namespace)) else { return };
        // An agent that starts finds sessions in FRR: one without its password would be reset, and again when that is known.
        if !complete && self.tell.borrow().is_none() {
            return;
        }
        let Some(node) = state.node.present().cloned().or_else(|| state.node.is_known().then(BgpNode::default)) else {
            return;
        };
        let inputs = BgpInputs {
            node: self.node.clone(),
            withheld: node.withheld(self.ignore_exclude_label),
            labels: node.labels,
            peers,
            secrets: Arc::clone(&state.secrets.borrow()),
            routes,
            faults: BTreeSet::new(),
        };
        self.tell.send_if_modified(|before| {
            let changed = before.as_ref().is_none_or(|before| **before != inputs);
            if changed {
                *before = Some(Arc::new(inputs));
            }
            changed
        });
    }
}

fn namespaced<K>((client, namespace): (Client, &str)) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client, namespace)
}

impl State {
    fn new(names: watch::Sender<BTreeSet<String>>, secrets: watch::Receiver<Secrets>) -> Self {
        Self {
            peers: Objects::default(),
            profiles: Objects::default(),
            node: Known::Unknown,
            node_listed: false,
            before: Configuration::default(),
            names,
            secrets,
        }
    }

    fn node(&mut self, event: Option<Event<ConditionedNode>>) -> bool {
        let Some(event) = event else {
            self.node_listed = false;
            return false;
        };
        take((&mut self.node, &mut self.node_listed), event, BgpNode::from)
    }

    /// The peers in force, and whether every password is known or known not to be there. `None`: not all peers are known. The rules
    /// between peers are applied to those that meet on this node.
    fn judge(&mut self, (node, namespace): (&NodeName, &str)) -> Option<(Arc<BTreeMap<String, Peer>>, bool)> {
        if !self.peers.synced || !self.profiles.synced || !self.node.is_known() {
            return None;
        }
        let labels = self.node.present().map(|own| own.labels.clone()).unwrap_or_default();
        let nodes = BTreeMap::from([(node.to_string(), labels.clone())]);
        let set = Set {
            namespace,
            peers: self.peers.objects.values().collect(),
            bfd_profiles: self.profiles.objects.values().collect(),
            nodes: Some(&nodes),
            ..Set::default()
        };
        self.before = set.assemble(&self.before);
        let selected = || self.before.peers.values().filter(|peer| peer.covers_node(&labels));
        let named: BTreeSet<String> = selected().filter_map(secret).collect();
        self.names.send_if_modified(|before| {
            let changed = *before != named;
            before.clone_from(&named);
            changed
        });
        let known = self.secrets.borrow();
        let complete = named.iter().all(|name| known.contains_key(name));
        Some((Arc::new(self.before.peers.clone()), complete))
    }
}

fn secret(peer: &Peer) -> Option<String> {
    match &peer.password {
        Some(Password::Secret(name)) => Some(name.clone()),
        Some(Password::Plain(_)) | None => None,
    }
}

/// Objects of one kind, by name.
struct Objects<K> {
    objects: BTreeMap<String, Decoded<K>>,
    /// What a list that is under way has brought.
    listed: BTreeSet<String>,
    /// A list was complete once, or there is no such kind.
    synced: bool,
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listed: BTreeSet::new(), synced: false }
    }
}

impl<K> Objects<K>
where
    Decoded<K>: Resource<DynamicType = ()> + Clone + Debug,
{
    /// Takes an event; whether something may be different now.
    fn take(&mut self, seen: &Seen, watch: &'static str, event: watcher::Result<Event<Decoded<K>>>) -> bool {
        if event.as_ref().is_err_and(is_unknown_kind) {
            // As good as an empty list: BGP is not installed.
            return !std::mem::replace(&mut self.synced, true);
        }
        let Some(event) = fine(seen, watch, event) else {
            self.listed.clear();
            return false;
        };
        match event {
            Event::Init => {
                self.listed.clear();
                false
            }
            Event::InitApply(object) => {
                if let Some(name) = object.meta().name.clone() {
                    self.listed.insert(name.clone());
                    self.objects.insert(name, object);
                }
                true
            }
            Event::Apply(object) => {
                let name = object.meta().name.clone().unwrap_or_default();
                self.objects.insert(name, object);
                true
            }
            Event::Delete(object) => {
                object.meta().name.as_ref().is_some_and(|name| self.objects.remove(name).is_some())
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.objects.retain(|name, _| listed.contains(name));
                self.synced = true;
                true
            }
        }
    }
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(Error::Api(status)) if status.code == 404)
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
