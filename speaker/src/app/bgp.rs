//! BGP beside layer 2: starts the thread that drives FRR, and tells it what the loop knows.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use arpeggio_common::model::Route;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};
use tracing::{info, warn};

use super::lifecycle::Tasks;
use crate::{
    bgp::{Applier, BgpReport, Engine, Turn},
    clock::monotonic_ns,
    publish::{write_events, write_service_statuses},
    world::{BgpInputs, Cluster, Config},
};

/// Told where the thread is gone.
pub(super) const ENDED: &str = "the thread that drives FRR ended, which is a fault of this program; report it with the log, and start the agent again";
/// How long the end of the agent waits until peers have let go of its routes.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long an agent that starts waits to know how it stands before it says so, in nanoseconds.
const PATIENCE_NS: u64 = 10_000_000_000;

/// Events that may wait.
const TURNS: usize = 64;
/// What the task does.
const EVENTS: &str = "writes events about BGP sessions";
const STATUSES: &str = "writes ServiceBGPStatuses";

/// What the loop knows of BGP.
pub(super) struct BgpSide {
    directory: PathBuf,
    inputs: watch::Receiver<Option<Arc<BgpInputs>>>,
    /// Of a file; the Kubernetes API has another way.
    file: Option<watch::Sender<Option<Arc<BgpInputs>>>>,
    applier: Option<Applier>,
    /// What was told last.
    shown: Arc<BgpReport>,
    /// The Kubernetes API.
    cluster: Option<Cluster>,
    /// Sessions that came up or went down, for whoever writes events.
    turns: Option<mpsc::Sender<Turn>>,
    tasks: Tasks,
}

impl BgpSide {
    /// Nothing is done before it is known for the first time whether this node takes part.
    pub(super) fn new(directory: PathBuf, cluster: Option<&Cluster>) -> Self {
        let mut tasks = Tasks::default();
        let (file, inputs, turns) = match cluster {
            Some(cluster) => {
                let (turns, written) = mpsc::channel(TURNS);
                tasks.spawn(EVENTS, write_events(cluster.clone(), written));
                (None, cluster.bgp.clone(), Some(turns))
            }
            None => {
                let (file, inputs) = watch::channel(None);
                (Some(file), inputs, None)
            }
        };
        Self { directory, inputs, file, applier: None, shown: Arc::default(), cluster: cluster.cloned(), turns, tasks }
    }

    /// The newest configuration, and whether this node announces nothing any more, and why.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(super) fn follow(&mut self, config: &Config, leaves: Option<&str>) -> Result<(), String> {
        if let Some(file) = &self.file {
            let inputs = of_file(config);
            file.send_if_modified(|before| {
                let changed = before.as_ref().is_none_or(|before| **before != inputs);
                if changed {
                    *before = Some(Arc::new(inputs));
                }
                changed
            });
        }
        let applier = match &mut self.applier {
            Some(applier) => applier,
            none => {
                let started = Applier::start(self.directory.clone(), self.inputs.clone(), leaves.map(str::to_owned));
                let started =
                    started.map_err(|error| format!("BGP peers are told nothing: no thread for it: {error}"))?;
                if let Some(cluster) = &self.cluster {
                    let work = write_service_statuses(cluster.clone(), started.reports(), self.inputs.clone());
                    self.tasks.spawn(STATUSES, work);
                }
                none.insert(started)
            }
        };
        applier.close(leaves.map(str::to_owned));
        Ok(())
    }

    /// When there is something to tell; `None`: never again. Cancel safe.
    pub(super) async fn changed(&mut self) -> Option<()> {
        let Some(applier) = &mut self.applier else { return std::future::pending().await };
        let report = tokio::select! {
            report = applier.changed() => report,
            text = self.tasks.ended() => {
                warn!("{text}");
                return Some(());
            }
        };
        let Some(report) = report else {
            self.applier = None;
            return None;
        };
        // What an agent finds at its start did not happen now.
        if self.shown.engine != Engine::Waiting {
            for turn in report.turns(&self.shown) {
                // Where there is no room, the status says the same.
                let _ = self.turns.as_ref().map(|turns| turns.try_send(turn));
            }
        }
        self.shown = report;
        Some(())
    }

    /// How it stands; `None`: nothing is known yet.
    pub(super) fn report(&self) -> Option<Arc<BgpReport>> {
        self.applier.as_ref().map(Applier::report)
    }

    /// Whether it is only about to be known how it stands: an agent that starts must not say meanwhile that it drives no FRR.
    pub(super) fn is_open(&self, started_ns: u64) -> bool {
        let is_young = monotonic_ns().saturating_sub(started_ns) < PATIENCE_NS;
        let waits = self.report().is_none_or(|report| report.engine == Engine::Waiting);
        is_young && waits && self.directory.is_dir()
    }

    /// The routes of an address, of all nodes.
    pub(super) fn routes(&self, address: IpAddr) -> Vec<Route> {
        let inputs = self.inputs.borrow();
        inputs.as_ref().and_then(|inputs| inputs.routes.get(&address)).map(|routes| routes.to_vec()).unwrap_or_default()
    }

    /// How many sessions are still up although this node is to announce nothing any more; `None`: peers have let go of everything.
    pub(super) fn sessions_left(&self) -> Option<usize> {
        let report = self.report()?;
        let sessions = report.sessions.iter().filter(|session| session.is_up()).count();
        (report.is_driven() && !report.wish.peers.is_empty() && report.closing != Some(true)).then_some(sessions)
    }

    /// Has peers let go of everything, and waits until they have.
    pub(super) async fn say_good_bye(&mut self, text: &str) {
        let Some(applier) = &mut self.applier else { return };
        applier.close(Some(text.to_owned()));
        let until = Instant::now() + FAREWELL;
        loop {
            let report = applier.report();
            if report.closing == Some(true) || report.wish.peers.is_empty() || !report.is_driven() {
                info!("no BGP peer has a route of this node any more");
                return;
            }
            match timeout_at(until, applier.changed()).await {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_elapsed) => {
                    warn!(
                        "BGP peers may still have routes of this node: FRR did not end the sessions within {FAREWELL:?}"
                    );
                    return;
                }
            }
        }
    }
}

fn of_file(config: &Config) -> BgpInputs {
    BgpInputs {
        node: config.node.clone(),
        labels: config.bgp.labels.clone(),
        withheld: None,
        peers: Arc::clone(&config.bgp.peers),
        secrets: Arc::default(),
        routes: config.bgp.routes.clone(),
        faults: BTreeSet::new(),
    }
}
