//! The Kubernetes API as a source of announcements, beside the configuration file. After this folder everything is the same
//! code: what it gives is a [`Config`].
//!
//! ```text
//! Announcements, own Speaker, own Node ── watches ─► Index ─┬─► Config ─► World
//! settings file, flags ─────────────────────────────────────┘     └─────► snapshot file, read at the next start
//! BGPPeers, BFDProfiles, Secrets, own Node ── where FRR may run ─► BgpInputs
//! ```

mod client;
mod common;
mod directory;
mod follow;
mod identity;
mod index;
mod like;
mod merge;
mod objects;
mod observed;
mod own_node;
mod peers;
mod project;
mod said;
mod secrets;
mod seen;
mod snapshot;
mod state;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arpeggio_common::{api::names, model::NodeName, program::with_causes};
use kube::Client;
use tokio::{sync::watch, task::spawn_blocking};

pub use self::{
    client::ClientError,
    observed::{Announced, Observed},
    said::fault,
    seen::{Known, OwnNode, OwnSpeaker, Seen},
    state::{ApiState, Origin},
};
use self::{follow::Follower, index::Index, peers::PeerFollower, snapshot::Snapshot};
use super::{
    BgpInputs, Config, Defaults, FileError, Loaded, Refused, SourcePaths,
    file::{Dirs, FileWatch, Reader},
    keyed::Keyed,
    task::Task,
};

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct ClusterPaths {
    /// How the API server is reached; `None`: as the environment says.
    pub kubeconfig: Option<PathBuf>,
    /// Where leases are; `None`: where this pod is.
    pub namespace: Option<String>,
    /// A file with settings; it need not exist.
    pub settings: Option<PathBuf>,
    /// Whether a node announces to BGP peers although it has the label that excludes it.
    pub ignore_exclude_label: bool,
}

/// The way to the API server and what is seen there, for those who write.
#[derive(Clone)]
pub struct Cluster {
    /// Sends requests.
    pub client: Client,
    /// Where this node's lease is.
    pub namespace: String,
    /// This node.
    pub node: NodeName,
    /// The addresses of the API server, as far as they were known at the start.
    pub api_server: BTreeSet<IpAddr>,
    /// What the watches show.
    pub seen: Arc<Seen>,
    /// What BGP peers are to be told; `None` before everything about it is known.
    pub bgp: watch::Receiver<Option<Arc<BgpInputs>>>,
}

/// The source. Dropping it ends the watches.
pub(super) struct Kubernetes {
    pub(super) config: watch::Receiver<Option<Loaded<Config>>>,
    pub(super) cluster: Cluster,
    settings: Settings,
    keyed: Keyed,
    _tasks: [Task; 2],
}

/// Where the settings come from.
enum Settings {
    File(FileWatch<Config>),
    /// They never change; the sender is kept so that whoever waits for a change waits on.
    Fixed {
        _sender: watch::Sender<Loaded<Config>>,
    },
}

/// There is nothing to start with.
#[derive(Debug, thiserror::Error)]
pub(super) enum KubernetesError {
    #[error(transparent)]
    Settings(#[from] FileError),
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Kubernetes {
    /// Begins to follow the API server. What the snapshot in the state directory says is in force at once, if there is one.
    ///
    /// # Errors
    /// The settings cannot be used, or it is not known where the API server is. That it does not answer is none.
    pub(super) async fn start(
        paths: &ClusterPaths,
        all: &SourcePaths,
        dirs: &Dirs,
        defaults: Defaults,
    ) -> Result<Self, KubernetesError> {
        let state_dir = &all.state_dir;
        let (settings, loaded) = settings(paths, state_dir, dirs, defaults).await?;
        let keyed = Keyed::start(loaded, all.keys.clone(), dirs).await;
        let loaded = keyed.loaded.clone();
        let node = loaded.borrow().value.node.clone();
        let way = client::find(paths.kubeconfig.clone()).await?;
        let file = state_dir.join(snapshot::FILE);
        let restored = restore(file.clone(), node.clone()).await;
        let seen = Arc::new(Seen::default());
        {
            let mut inner = seen.hold();
            inner.state = ApiState { server: way.server, snapshot: file.clone(), ..ApiState::default() };
            if let Some(snapshot) = &restored {
                inner.index = Index::restored(snapshot);
                inner.state.origin = Origin::Snapshot;
                inner.state.snapshot_wall_ns = snapshot.at.and_then(wall_ns);
            }
        }
        let (config, receiver) = watch::channel(None);
        let mut follower = Follower {
            client: way.client.clone(),
            node: node.clone(),
            seen: Arc::clone(&seen),
            settings: loaded,
            config,
            snapshot: file,
            evacuate: restored.as_ref().is_some_and(|snapshot| snapshot.evacuate),
            cluster: restored.map(|snapshot| snapshot.cluster).unwrap_or_default(),
            publish_at: None,
            published_at: None,
            latest: None,
            store_at: None,
            stored_at: None,
            speaker_listed: false,
            node_listed: false,
            stored: None,
        };
        follower.begin();
        let namespace = paths.namespace.clone().or_else(|| pod_namespace(paths, &way.namespace));
        let namespace = namespace.unwrap_or_else(|| names::NAMESPACE.to_owned());
        let (tell, bgp) = watch::channel(None);
        let peers = PeerFollower {
            client: way.client.clone(),
            namespace: namespace.clone(),
            node: node.clone(),
            seen: Arc::clone(&seen),
            directory: all.frr_sockets.clone(),
            ignore_exclude_label: paths.ignore_exclude_label,
            tell,
        };
        let cluster = Cluster { client: way.client, namespace, node, api_server: way.addresses, seen, bgp };
        let tasks = [Task::spawn(follower.run()), Task::spawn(peers.run())];
        Ok(Self { config: receiver, cluster, settings, keyed, _tasks: tasks })
    }

    /// Why the newest settings file is not in force, and the newest file of keys.
    pub(super) fn refused(&self) -> [Option<Refused>; 2] {
        let settings = match &self.settings {
            Settings::File(watch) => watch.refused.borrow().clone(),
            Settings::Fixed { .. } => None,
        };
        [settings, self.keyed.refused()]
    }
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes").field("namespace", &self.cluster.namespace).finish_non_exhaustive()
    }
}

/// A kubeconfig's namespace is where kubectl works, which is not where the leases are.
fn pod_namespace(paths: &ClusterPaths, of_client: &str) -> Option<String> {
    let by_file = paths.kubeconfig.is_some() || std::env::var_os("KUBECONFIG").is_some_and(|files| !files.is_empty());
    (!by_file).then(|| of_client.to_owned())
}

async fn settings(
    paths: &ClusterPaths,
    state_dir: &Path,
    dirs: &Dirs,
    defaults: Defaults,
) -> Result<(Settings, watch::Receiver<Loaded<Config>>), FileError> {
    let absent = Config::of_defaults(&defaults)?;
    let Some(path) = &paths.settings else {
        let loaded = Loaded { value: Arc::new(absent), file: PathBuf::from("the command line"), at: now() };
        let (sender, receiver) = watch::channel(loaded);
        return Ok((Settings::Fixed { _sender: sender }, receiver));
    };
    let reader = Reader {
        path: path.clone(),
        copy: Some(state_dir.join("last-good-settings.yaml")),
        parse: Box::new(move |text: &str, file: &Path, _changed_s| Config::settings(text, file, &defaults)),
        absent: Some(Box::new(move || absent.clone())),
        last_resort: None,
    };
    let watch = FileWatch::start(reader, dirs).await?;
    let receiver = watch.loaded.clone();
    Ok((Settings::File(watch), receiver))
}

/// The snapshot, if there is one that can be used.
async fn restore(file: PathBuf, node: NodeName) -> Option<Snapshot> {
    // A panic in it would be one of reading a file that may hold anything: as good as none.
    match spawn_blocking(move || snapshot::read(&file, &node)).await.ok()? {
        Ok(snapshot) => {
            for fault in &snapshot.faults {
                tracing::warn!("an entry of the snapshot is not used: {fault}");
            }
            tracing::info!(addresses = snapshot.wishes.len(), "goes on from the snapshot until the API server answers");
            Some(snapshot)
        }
        Err(error) if error.is_absent() => {
            tracing::info!("there is no snapshot: waiting for the API server");
            None
        }
        Err(error) => {
            tracing::warn!("waiting for the API server: {}", with_causes(&error));
            None
        }
    }
}

fn wall_ns(at: SystemTime) -> Option<u64> {
    u64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos()).ok()
}

#[expect(clippy::disallowed_methods, reason = "a driver: people are told when something happened")]
fn now() -> SystemTime {
    SystemTime::now()
}
