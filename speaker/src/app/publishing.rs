//! What the agent tells the Kubernetes API, and kubelet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, anyhow};
use arpeggio_common::wire::Mac;
use arpeggio_succession::{Happened, Proxy, Report, Standing, View};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{agent::Agent, lifecycle::Tasks};
use crate::{
    args::ClusterArgs,
    clock::{monotonic_ns, wall_ahead_ns},
    ethtool::Ethtool,
    probes::{PORT, Probes, Readiness},
    publish::{Health, Heart, HeartTimes, Situation, Wanted, Writer, compose, speaker_status},
    status::path_faults,
    world::{ApiOrigin, Cluster},
};

/// Between two looks at what there is to tell, after a change here and after one at the API server.
const HERE: Duration = Duration::from_millis(250);
const THERE: Duration = Duration::from_secs(1);
/// A stranger is a rival for so long after it was last seen; it is looked for every 10 s.
const RIVALRY_NS: u64 = 60_000_000_000;

/// What the tasks do.
const LEASE: &str = "renews the Lease of this speaker";
const WRITER: &str = "writes status and events to the API";
const PROBES: &str = "answers kubelet's probes";

/// Why there is something to do.
pub(super) enum Due {
    /// There is something to tell.
    Publish,
    /// A task ended by itself, in a sentence.
    Ended(String),
}

/// What is told, and when.
pub(super) struct Publishing {
    side: Option<Side>,
    readiness: watch::Sender<Readiness>,
    due: Option<Instant>,
    last: Instant,
    /// Strangers who answer for an address of ours, and when each was last reported.
    rivals: BTreeMap<IpAddr, (Mac, u64)>,
    probes: Tasks,
}

/// The Kubernetes side of it.
struct Side {
    cluster: Cluster,
    changes: watch::Receiver<u64>,
    wanted: watch::Sender<Arc<Wanted>>,
    times: HeartTimes,
    ethtool: Option<Ethtool>,
    drivers: BTreeMap<u32, String>,
    /// Lease and writer, once there is something to tell.
    tasks: Tasks,
}

impl Publishing {
    /// Answers kubelet from now on; tells the API nothing before [`Agent::publish`].
    ///
    /// # Errors
    /// The port of the probes is taken, or the times of the lease make no sense.
    pub(super) async fn start(args: &ClusterArgs, cluster: Option<&Cluster>) -> Result<Self> {
        let faults = |faults: Vec<crate::world::LeaseFault>| {
            let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
            anyhow!("--speaker-lease-renew and --speaker-lease-duration: {}", texts.join("; "))
        };
        let times = HeartTimes::new(args.speaker_lease_renew, args.speaker_lease_duration).map_err(faults)?;
        let waiting = "nothing is known yet of what is to be announced";
        let (readiness, told) = watch::channel(Err(waiting.to_owned()));
        let mut probes = Tasks::default();
        let usual = if cluster.is_some() { PORT } else { 0 };
        let port = args.health_probe_port.unwrap_or(usual);
        if port != 0 {
            probes.spawn(PROBES, Probes::bind(port).await?.serve(told));
        }
        let side = |cluster: &Cluster| Side {
            cluster: cluster.clone(),
            changes: cluster.seen.changes(),
            wanted: watch::Sender::default(),
            times,
            ethtool: Ethtool::new().ok(),
            drivers: BTreeMap::new(),
            tasks: Tasks::default(),
        };
        Ok(Self {
            side: cluster.map(side),
            readiness,
            due: None,
            last: Instant::now(),
            rivals: BTreeMap::new(),
            probes,
        })
    }

    /// What the API server shows of why nobody answers for an address.
    pub(super) fn told(&self, address: IpAddr) -> Option<String> {
        let shown = self.side.as_ref()?.cluster.seen.status(address)?.announced.filter(|shown| !shown.holds)?;
        Some(shown.message.to_string())
    }

    /// Something changed here.
    pub(super) fn soon(&mut self) {
        if self.side.is_some() {
            self.due_after(HERE);
        }
    }

    fn due_after(&mut self, pace: Duration) {
        let at = self.last + pace;
        self.due = Some(self.due.map_or(at, |before| before.min(at)));
    }

    /// When there is something to tell, or a task ended: then it is started again with what is told next. Cancel safe.
    pub(super) async fn due(&mut self) -> Due {
        loop {
            let (changes, tasks) = self.side.as_mut().map(|side| (&mut side.changes, &mut side.tasks)).unzip();
            let changed = async {
                match changes {
                    Some(changes) => changes.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            let ended = async {
                match tasks {
                    Some(tasks) => tasks.ended().await,
                    None => std::future::pending().await,
                }
            };
            let due = async {
                match self.due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return Due::Publish,
                there = changed => if there { self.due_after(THERE) },
                ended = ended => {
                    self.due_after(THERE);
                    return Due::Ended(ended);
                }
                ended = self.probes.ended() => return Due::Ended(ended),
            }
        }
    }

    /// Remembers strangers.
    pub(super) fn record(&mut self, reports: &[Report]) {
        for report in reports {
            if let (Happened::AddressConflict, Some(other)) = (report.happened, report.other) {
                self.rivals.insert(report.place.1, (other.mac, report.at_ns));
            }
        }
    }

    /// These strangers answer for every address: they are nobody's rivals.
    pub(super) fn forget_rivals(&mut self, proxies: &BTreeSet<Proxy>) {
        self.rivals.retain(|address, (mac, _)| {
            !proxies.iter().any(|proxy| proxy.mac == *mac && proxy.ipv4 == address.is_ipv4())
        });
        self.soon();
    }

    /// Whether the agent is ready.
    pub(super) fn ready(&self, readiness: Readiness) {
        self.readiness.send_if_modified(|before| {
            let changed = *before != readiness;
            if changed && let Err(reason) = &readiness {
                info!("not ready: {reason}");
            }
            *before = readiness;
            changed
        });
    }

    /// Everything is withdrawn: nobody has to wait for this node's lease to end.
    pub(super) async fn release(&mut self) {
        let Some(side) = &mut self.side else { return };
        side.tasks.shutdown().await;
        if let Err(error) = Heart::new(side.cluster.clone(), side.times).release().await {
            warn!("the lease of this speaker could not be given back, it ends by itself: {error}");
        }
    }
}

impl Side {
    /// Begins to tell: from now on the node counts as alive.
    fn begin(&mut self) {
        if !self.tasks.runs(LEASE) {
            self.tasks.spawn(LEASE, Heart::new(self.cluster.clone(), self.times).beat());
        }
        if !self.tasks.runs(WRITER) {
            let mut wanted = self.wanted.subscribe();
            // What is wanted now is news to the writer.
            wanted.mark_changed();
            self.tasks.spawn(WRITER, Writer::new(self.cluster.clone(), wanted).run());
        }
    }

    /// The names of drivers; a card keeps its driver as long as its index.
    fn look_up_drivers(&mut self, interfaces: impl Iterator<Item = (u32, String)>) {
        let before = std::mem::take(&mut self.drivers);
        for (index, name) in interfaces {
            let known = before.get(&index).cloned();
            let asked = || self.ethtool.as_ref().and_then(|ethtool| ethtool.driver(&name).ok());
            if let Some(driver) = known.or_else(asked) {
                self.drivers.insert(index, driver);
            }
        }
    }
}

impl Agent {
    /// Says whether the agent is ready.
    pub(super) fn tell_ready(&self) {
        let Some((_, decision)) = &self.current else { return };
        let interfaces = &decision.desired.interfaces;
        let waiting = interfaces.iter().find(|(index, _)| !self.round.attachments.contains_key(index));
        let readiness = match waiting {
            Some((_, interface)) => Err(format!("nothing is attached to {} yet", interface.name)),
            None => Ok(()),
        };
        self.publishing.ready(readiness);
    }

    /// Tells the API what is.
    pub(super) async fn publish(&mut self) {
        (self.publishing.due, self.publishing.last) = (None, Instant::now());
        if self.publishing.side.is_none() {
            return;
        }
        let views = self.succession.snapshot().await.views;
        let names = self.names();
        let (bgp, bgp_is_open) = (self.bgp.report(), self.bgp.is_open(self.agent.started_ns));
        let Some((world, decision)) = &self.current else { return };
        let now_ns = monotonic_ns();
        let Publishing { side: Some(side), rivals, .. } = &mut self.publishing else { return };
        rivals.retain(|_, (_, at_ns)| now_ns.saturating_sub(*at_ns) < RIVALRY_NS);
        let wanted_interfaces = &decision.desired.interfaces;
        side.look_up_drivers(wanted_interfaces.iter().map(|(index, interface)| (*index, interface.name.clone())));
        let state = side.cluster.seen.state();
        let faults = |index: u32, name: &str| {
            let faults = path_faults(&views, &names, now_ns, index);
            faults.into_iter().map(|fault| (name.to_owned(), fault)).collect::<Vec<_>>()
        };
        let path_faults: Vec<_> =
            wanted_interfaces.iter().flat_map(|(index, interface)| faults(*index, &interface.name)).collect();
        let mut evacuated_by = Vec::new();
        let configured = world.config.succession.evacuate;
        for (asked, who) in [
            (state.evacuate_spec, "spec.evacuate of its Speaker"),
            (state.evacuate_annotation, "the annotation of its Node"),
            (self.evacuation.wanted, "`speaker evacuate` on the node"),
            (
                configured && !state.evacuate_spec && !state.evacuate_annotation,
                "its settings or what the API said last",
            ),
        ] {
            evacuated_by.extend(asked.then_some(who));
        }
        let mut wanted = compose(&Situation {
            node: &side.cluster.node,
            world,
            views: &views,
            unplaced: &decision.unplaced,
            rivals: &rivals.iter().map(|(address, (mac, _))| (*address, *mac)).collect(),
            wall_ahead_ns: wall_ahead_ns(),
        });
        wanted.complete = state.origin == ApiOrigin::Api && !bgp_is_open;
        wanted.speaker = speaker_status(&Health {
            desired: &decision.desired,
            links: &world.links,
            attachments: &self.round.attachments,
            drivers: &side.drivers,
            evacuated_by: &evacuated_by,
            faults: &state.faults,
            owned: owned(&views),
            keys: &world.config.succession.keys,
            path_faults: &path_faults,
            bgp: bgp.as_deref(),
        });
        side.wanted.send_if_modified(|before| {
            let changed = **before != wanted;
            if changed {
                *before = Arc::new(wanted);
            }
            changed
        });
        side.begin();
    }
}

/// Addresses that this node answers for.
fn owned(views: &BTreeMap<(u32, IpAddr), View>) -> usize {
    let answers = |view: &View| matches!(view.standing, Standing::Owner | Standing::Leaving) || view.buckets != 0;
    let owned: BTreeSet<IpAddr> =
        views.iter().filter(|(_, view)| answers(view)).map(|((_, address), _)| *address).collect();
    owned.len()
}
