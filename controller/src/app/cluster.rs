//! Connections to the cluster: the client and the watches.

use std::path::Path;

use anyhow::{Context as _, Result};
use arpeggio_common::api::{
    Announcement, BFDProfile, BGPAdvertisement, BGPPeer, Community, ConfigurationState, Decoded, IPAddressPool,
    L2Advertisement, ServiceBGPStatus, ServiceL2Status, Speaker,
};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::{mpsc, watch};

use crate::cluster::{
    project::Watched,
    watch::{Watch, WatchEvent},
};

/// Events of watches that may wait. When it is full the watches wait, and with them the API server: nothing is lost.
const WAITING: usize = 4096;
/// The leases of speakers and that of the controller, which proves that the watch works.
const LEASES: &str = "app.kubernetes.io/component in (arpeggio-controller,arpeggio-speaker)";
/// Nobody announces a headless Service.
const SLICES: &str = "!service.kubernetes.io/headless";

/// A client by the given file, else by the pod, else by the usual files.
pub(super) async fn client(kubeconfig: Option<&Path>) -> Result<Client> {
    let options = KubeConfigOptions::default();
    let mut config = match kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(read, &options)
                .await
                .with_context(|| format!("--kubeconfig {}", path.display()))?
        }
        None => match Config::incluster() {
            Ok(config) => config,
            Err(in_pod) => Config::from_kubeconfig(&options)
                .await
                .with_context(|| format!("no cluster to talk to: this is no pod ({in_pod}); say --kubeconfig FILE"))?,
        },
    };
    // Whoever asks knows best when to ask again: watches, the election and the writer each do it in their way.
    config.default_retry = false;
    Client::try_from(config).context("cannot make a client of the Kubernetes configuration")
}

/// Everything that is watched.
pub(super) struct Watches {
    /// What the watches tell.
    pub(super) told: mpsc::Receiver<WatchEvent>,
    /// A new number makes watches of kinds that are written list anew.
    pub(super) lists: watch::Sender<u64>,
    /// The other kinds are never told to.
    _never: watch::Sender<u64>,
}

/// Starts every watch.
pub(super) fn watch(client: &Client, namespace: &str) -> Watches {
    let (tell, told) = mpsc::channel(WAITING);
    let starter = Starter { tell, lists: watch::Sender::new(0), never: watch::Sender::new(0) };
    let inside = |client: &Client| client.clone();
    starter.start::<Service>(Api::all(inside(client)), "");
    starter.start::<EndpointSlice>(Api::all(inside(client)), SLICES);
    starter.start::<Node>(Api::all(inside(client)), "");
    starter.start::<Namespace>(Api::all(inside(client)), "");
    starter.start::<Decoded<IPAddressPool>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<L2Advertisement>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<BGPAdvertisement>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<BGPPeer>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<Community>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<BFDProfile>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<Speaker>>(Api::all(inside(client)), "");
    starter.start::<Lease>(Api::namespaced(inside(client), namespace), LEASES);
    starter.start::<Decoded<Announcement>>(Api::all(inside(client)), "");
    starter.start::<Decoded<ServiceL2Status>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<ServiceBGPStatus>>(Api::namespaced(inside(client), namespace), "");
    starter.start::<Decoded<ConfigurationState>>(Api::namespaced(inside(client), namespace), "");
    Watches { told, lists: starter.lists, _never: starter.never }
}

struct Starter {
    tell: mpsc::Sender<WatchEvent>,
    lists: watch::Sender<u64>,
    never: watch::Sender<u64>,
}

impl Starter {
    fn start<K: Watched>(&self, api: Api<K>, labels: &'static str) {
        let lists = if K::KIND.is_written() { self.lists.subscribe() } else { self.never.subscribe() };
        tokio::spawn(Watch { told: self.tell.clone(), lists, labels }.run(api));
    }
}
