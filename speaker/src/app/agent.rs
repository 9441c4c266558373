//! The agent's state between two turns of the loop, and what each turn does to it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use arpeggio_common::model::NodeId;
use arpeggio_succession::{
    Happened, Report,
    ports::{Ears, Segments},
};
use tracing::{info, warn};

use super::{
    alarms::Alarms,
    backend::{Backend, Round},
    bgp::BgpSide,
    explaining::Explainer,
    gateways::Gateways,
    groups::Memberships,
    naming::unknown_here,
    proxies::ProxyFinder,
    publishing::Publishing,
    situation::situation,
    succession::{SuccessionEvent, SuccessionHandle},
};
use crate::{
    args::{OnExit, ProgramLog, RunArgs},
    clock::monotonic_ns,
    dataplane::{self, Options, Place, Sweep},
    decide::{AttachMode, Decision, Surroundings},
    metrics::Counts,
    status::{AgentFacts, Names, attach_mode_name, change},
    world::{AttachPolicy, Config, Sources, World},
};

/// Errors that the status remembers.
const REMEMBERED_ERRORS: usize = 32;

/// A wish to give everything away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evacuation {
    /// Whether it is wanted, beside what the configuration says.
    pub(super) wanted: bool,
    /// Also what nobody takes over is to go.
    pub(super) forced: bool,
    /// What nobody took over in time, and went therefore.
    pub(super) abandoned: BTreeSet<Place>,
}

/// The agent's state between two turns of the loop.
pub(super) struct Agent {
    pub(super) sources: Sources,
    pub(super) backend: Backend,
    pub(super) succession: SuccessionHandle,
    pub(super) memberships: Memberships,
    pub(super) explainer: Explainer,
    pub(super) publishing: Publishing,
    pub(super) gateways: Gateways,
    pub(super) bgp: BgpSide,
    pub(super) default_policy: AttachPolicy,
    pin_dir: PathBuf,
    /// Somebody asked this node to give everything away.
    pub(super) evacuation: Evacuation,
    /// The newest world and what was decided for it; `None` before the first.
    pub(super) current: Option<(World, Decision)>,
    /// The machines around the node.
    pub(super) surroundings: Surroundings,
    /// Which interfaces are on one segment.
    pub(super) segments: Segments,
    pub(super) ears: Ears,
    pub(super) finder: ProxyFinder,
    /// What does not come through, as it was told.
    pub(super) path_faults: BTreeSet<String>,
    pub(super) round: Round,
    pub(super) agent: AgentFacts,
    /// Configurations taken, and when the last one was.
    pub(super) configs: (u64, u64),
    pub(super) errors: VecDeque<(u64, String)>,
    alarms: Alarms,
    pub(super) counts: Counts,
    /// The names of the nodes that any configuration knew.
    names: Names,
}

impl Agent {
    pub(super) fn new(args: &RunArgs, sources: Sources, publishing: Publishing) -> Result<Self> {
        let options = Options {
            pin_dir: Some(args.places.pin_dir.clone()),
            capacity: args.capacity,
            log_level: match args.program_log {
                ProgramLog::Off => 0,
                ProgramLog::Debug => 4,
            },
        };
        let mut backend = Backend::open(&options)?;
        if let Some(reason) = backend.without_kernel() {
            warn!("answering in user space, more slowly and without suppression: {reason}");
        }
        // In static mode the file names the node, and may name another one later; the API's view of a node is that node's.
        let by_config = sources.config().map(|loaded| loaded.value.id());
        // Of which cluster is not known yet: the first situation says so, before anything is owned.
        let node = by_config.or_else(|| sources.cluster().map(|cluster| NodeId::of("", &cluster.node)));
        let node = node.context("nobody names this node; give --node-name")?;
        let parts = backend.succession_parts(node)?;
        let answering = parts.adopted.iter().map(|(index, _)| *index).collect();
        let api_server = sources.cluster().map(|cluster| cluster.api_server.clone()).unwrap_or_default();
        let surroundings = Surroundings { api_server, ..Surroundings::default() };
        Ok(Self {
            succession: SuccessionHandle::start(parts).context("the succession cannot begin")?,
            memberships: Memberships::default(),
            explainer: Explainer::default(),
            publishing,
            gateways: Gateways::find().context("default gateways cannot be looked for")?,
            evacuation: Evacuation::default(),
            bgp: BgpSide::new(args.bgp.frr_socket_dir.clone(), sources.cluster()),
            path_faults: BTreeSet::new(),
            sources,
            backend,
            default_policy: args.attachment.attach.into(),
            pin_dir: args.places.pin_dir.clone(),
            current: None,
            surroundings,
            segments: Segments::new(answering),
            ears: Ears::default(),
            finder: ProxyFinder::default(),
            round: Round::default(),
            agent: AgentFacts { pid: std::process::id(), started_ns: monotonic_ns() },
            configs: (0, 0),
            errors: VecDeque::new(),
            alarms: Alarms::default(),
            counts: Counts::new().context("there are two metrics of one name")?,
            names: Names::default(),
        })
    }

    /// The world changed.
    pub(super) fn follow(&mut self, world: World) {
        let before = self.current.as_ref().map(|(world, _)| world);
        let links_changed = before.is_some_and(|before| !Arc::ptr_eq(&before.links, &world.links));
        let known = before.map(|before| Arc::clone(&before.config));
        if known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &world.config)) {
            self.configs = (self.configs.0 + 1, monotonic_ns());
            self.counts.updated();
            self.learn_names(&world.config, known.is_none_or(|known| unknown_here(&known).is_none()));
        }
        if links_changed {
            self.gateways.look();
            if let Some(error) = self.memberships.verify() {
                self.note(error);
            }
        }
        self.look_around(&world);
        self.decide(world);
        self.reconcile();
    }

    fn learn_names(&mut self, config: &Config, is_news: bool) {
        let candidates = config.announcements.values().flat_map(|announcement| announcement.candidates());
        self.names.learn(&config.cluster, candidates.chain([&config.node]));
        match unknown_here(config) {
            Some(text) if is_news && self.sources.cluster().is_none() => warn!("{text}; is the name right?"),
            Some(text) if is_news => info!("{text}"),
            Some(_) | None => {}
        }
    }

    fn addresses(&self) -> usize {
        self.current.as_ref().map_or(0, |(world, _)| world.config.announcements.len())
    }

    /// Everything is compared with what the kernel holds, and put right.
    pub(super) fn resync(&mut self) {
        self.backend.distrust();
        self.gateways.look();
        self.look_at_proxies_again();
        self.refresh();
    }

    /// Makes things be as decided, and tells the succession.
    pub(super) fn reconcile(&mut self) {
        let Some((world, decision)) = &self.current else { return };
        let leaves = decision.orders.evacuate || self.evacuation.wanted;
        if let Err(error) = self.bgp.follow(&world.config, leaves.then_some("this node is evacuated")) {
            self.note(error);
        }
        let Some((world, decision)) = &self.current else { return };
        let began_ns = monotonic_ns();
        let round = self.backend.apply(&decision.desired);
        self.counts.round(Duration::from_nanos(monotonic_ns().saturating_sub(began_ns)));
        let mut situation = situation(world, decision, self.gateways.found(), &round, self.backend.user());
        if self.evacuation.wanted {
            let orders = Arc::make_mut(&mut situation.orders);
            orders.evacuate = true;
            orders.places.retain(|place, _| !self.evacuation.abandoned.contains(place));
        }
        self.succession.follow(situation);
        let groups = decision.desired.groups.iter().filter(|(index, _)| round.serves(*index));
        self.memberships.follow(&groups.copied().collect());
        if round.attachments != self.round.attachments {
            self.log_attachments(&round);
            // The kernel tells nobody when a program is attached through a BPF link.
            self.sources.refresh_links();
        }
        if round.changes > 0 {
            info!(changes = round.changes, entries = round.installed.len(), "entries changed");
        }
        for error in &round.errors {
            self.note(error.clone());
        }
        self.round = round;
        self.tell_ready();
        self.publishing.soon();
    }

    fn log_attachments(&self, round: &Round) {
        let interfaces = self.current.as_ref().map(|(_, decision)| &decision.desired.interfaces);
        for (index, attachment) in &round.attachments {
            if self.round.attachments.get(index) == Some(attachment) {
                continue;
            }
            let name = interfaces
                .and_then(|interfaces| interfaces.get(index))
                .map_or("?", |interface| interface.name.as_str());
            let mode = attachment.mode.map_or("none", attach_mode_name);
            if attachment.mode == Some(AttachMode::Native) {
                info!(interface = name, mode, "attached");
            } else {
                let behind =
                    attachment.behind.iter().map(|program| format!("behind {program}, which may take requests away"));
                let steps = attachment.steps_down.iter();
                let steps = steps.map(|(mode, reason)| format!("not {}: {reason}", attach_mode_name(*mode)));
                let reasons: Vec<_> = behind.chain(steps).collect();
                warn!(interface = name, mode, "attached; {}", reasons.join("; "));
            }
        }
    }

    /// Joins or leaves some groups.
    pub(super) fn join_groups(&mut self) {
        for error in self.memberships.work() {
            self.note(error);
        }
    }

    /// The succession has something to tell.
    pub(super) fn hear(&mut self, news: SuccessionEvent) {
        match news {
            SuccessionEvent::Changes(reports) => {
                self.log_changes(&reports);
                self.suspect_proxies(&reports);
                self.publishing.record(&reports);
                self.counts.changed(&reports);
                self.publishing.soon();
                self.abandon();
            }
            SuccessionEvent::Settled => {
                let served = self.round.attachments.values().filter(|attachment| attachment.mode.is_some()).count();
                info!(interfaces = served, addresses = self.addresses(), "ready");
            }
            SuccessionEvent::Ourselves(ifindex, mac) => self.heard_itself(ifindex, mac),
            SuccessionEvent::Lost(count) => {
                self.note(format!("{count} changes of ownership came too fast for the log"))
            }
            SuccessionEvent::Trouble(text) => self.note(text),
        }
    }

    /// Lets go of what nobody took over, if that is what somebody wants.
    pub(super) fn abandon(&mut self) {
        if !self.evacuation.forced {
            return;
        }
        let mut last: BTreeMap<Place, Happened> = BTreeMap::new();
        last.extend(self.succession.recorder().iter().map(|report| (report.place, report.happened)));
        let before = self.evacuation.abandoned.len();
        let stayed = last.into_iter().filter(|(_, happened)| *happened == Happened::Stays);
        self.evacuation.abandoned.extend(stayed.map(|(place, _)| place));
        if self.evacuation.abandoned.len() > before {
            self.reconcile();
        }
    }

    fn log_changes(&mut self, reports: &[Report]) {
        for report in reports {
            let warns = self.alarms.warns(report);
            let (ifindex, address) = report.place;
            let (interface, text) = (self.interface_name(ifindex), change(report, &self.names));
            if warns {
                warn!(%address, interface, "{text}");
            } else {
                info!(%address, interface, "{text}");
            }
        }
    }

    /// The names of the nodes that any configuration knew: whoever left may still be about. And of those that had an agent when this
    /// one began, whatever the orders say.
    pub(super) fn names(&self) -> Names {
        let mut names = self.names.clone();
        if let (Some(cluster), Some((world, _))) = (self.sources.cluster(), &self.current) {
            cluster.seen.nodes(|nodes| names.learn(&world.config.cluster, nodes));
        }
        names
    }

    /// The present name of an interface.
    pub(super) fn interface_name(&self, ifindex: u32) -> &str {
        let links = self.current.as_ref().map(|(world, _)| &world.links.0);
        links.and_then(|links| links.get(&ifindex)).map_or("?", |link| link.name.as_str())
    }

    /// Logs an error and keeps it for the status; one that repeats is logged once.
    pub(super) fn note(&mut self, error: String) {
        self.counts.failed();
        if self.errors.back().is_none_or(|(_, last)| *last != error) {
            warn!("{error}");
        } else {
            self.errors.pop_back();
        }
        if self.errors.len() == REMEMBERED_ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back((monotonic_ns(), error));
    }

    /// Leaves the kernel answering until the lease ends, or takes everything away.
    pub(super) fn stop(self, on_exit: OnExit) -> Result<()> {
        let Self { succession, mut backend, pin_dir, sources, .. } = self;
        // From here on nobody renews the lease.
        drop(succession);
        match on_exit {
            OnExit::Keep => {
                if let Some(loaded) = sources.config() {
                    let seconds = loaded.value.lease.duration().as_secs();
                    info!(seconds, "the kernel answers until the lease ends");
                }
                Ok(())
            }
            OnExit::Withdraw => {
                backend.withdraw()?;
                drop(backend);
                dataplane::cleanup(&pin_dir, Sweep::Remove).context("program and maps cannot be removed")?;
                info!("program and maps are removed");
                Ok(())
            }
        }
    }
}
