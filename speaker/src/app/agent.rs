//! The agent's state between two turns of the loop, and what each turn does to it.

use std::{
    collections::{BTreeSet, VecDeque},
    net::Ipv6Addr,
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use arpeggio_common::{
    abi::{Event, EventKind, Lease},
    wire::Mac,
};
use tracing::{info, warn};

use super::{
    announcer::Announcer,
    backend::{Backend, Round},
};
use crate::{
    args::{OnExit, ProgramLog, RunArgs},
    causes::with_causes,
    clock::monotonic_ns,
    dataplane::{self, EventsError, Options, Sweep},
    decide::{AttachMode, Decision, decide},
    status::{AgentFacts, attach_mode_name},
    world::{AttachPolicy, LeaseTimes, Sources, World},
};

/// Errors that the status remembers.
const REMEMBERED_ERRORS: usize = 32;

/// The agent's state between two turns of the loop.
pub(super) struct Agent {
    pub(super) sources: Sources,
    pub(super) backend: Backend,
    pub(super) announcer: Announcer,
    default_policy: AttachPolicy,
    pin_dir: PathBuf,
    pub(super) lease: LeaseTimes,
    /// The newest world and what was decided for it; `None` before the first.
    pub(super) current: Option<(World, Decision)>,
    pub(super) round: Round,
    ready: bool,
    pub(super) agent: AgentFacts,
    /// Configurations taken, and when the last one was.
    pub(super) configs: (u64, u64),
    pub(super) errors: VecDeque<(u64, String)>,
}

impl Agent {
    pub(super) fn new(args: &RunArgs, sources: Sources) -> Result<Self> {
        let options = Options {
            pin_dir: Some(args.places.pin_dir.clone()),
            capacity: args.capacity,
            log_level: match args.program_log {
                ProgramLog::Off => 0,
                ProgramLog::Debug => 4,
            },
        };
        let backend = Backend::open(&options)?;
        if let Some(reason) = backend.without_kernel() {
            warn!("answering in user space, more slowly and without suppression: {reason}");
        }
        let node = sources.config().value.node.id();
        Ok(Self {
            lease: sources.config().value.lease,
            sources,
            backend,
            announcer: Announcer::open(node).context("gratuitous frames cannot be sent")?,
            default_policy: args.attachment.attach.into(),
            pin_dir: args.places.pin_dir.clone(),
            current: None,
            round: Round::default(),
            ready: false,
            agent: AgentFacts { pid: std::process::id(), started_ns: monotonic_ns() },
            configs: (0, 0),
            errors: VecDeque::new(),
        })
    }

    /// The world changed.
    pub(super) fn follow(&mut self, world: World) {
        let before = self.current.as_ref().map(|(world, _)| world);
        if before.is_none_or(|before| !Arc::ptr_eq(&before.config, &world.config)) {
            self.configs = (self.configs.0 + 1, monotonic_ns());
            self.lease = world.config.lease;
            self.announcer.set_node(world.config.node.id());
        }
        let links_changed = before.is_some_and(|before| !Arc::ptr_eq(&before.links, &world.links));
        if links_changed && let Some(error) = self.announcer.verify_groups() {
            self.note(error);
        }
        let decision = decide(&world, self.default_policy);
        self.current = Some((world, decision));
        self.reconcile();
        if !self.ready {
            self.ready = true;
            self.renew();
            let served = self.round.attachments.values().filter(|attachment| attachment.mode.is_some()).count();
            info!(interfaces = served, addresses = self.addresses(), "ready");
        }
    }

    fn addresses(&self) -> usize {
        self.current.as_ref().map_or(0, |(world, _)| world.config.announcements.len())
    }

    /// Makes things be as decided, and tells the segment what is new.
    pub(super) fn reconcile(&mut self) {
        let Some((world, decision)) = &self.current else { return };
        let refresh = world.config.refresh;
        let round = self.backend.apply(&decision.desired);
        let answered = round.answered(&decision.desired);
        if !self.ready {
            let known: BTreeSet<_> =
                answered.vips.keys().filter(|place| !round.taken.contains(place)).copied().collect();
            self.announcer.adopt(&answered, &known);
        }
        self.announcer.follow(&answered, refresh, monotonic_ns());
        if round.attachments != self.round.attachments {
            self.log_attachments(&round);
            // The kernel tells nobody when a program is attached through a BPF link.
            self.sources.refresh_links();
        }
        if round.changes > 0 {
            info!(
                changes = round.changes,
                taken = round.taken.len(),
                answered = answered.vips.len(),
                "entries changed"
            );
        }
        for error in &round.errors {
            self.note(error.clone());
        }
        self.round = round;
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
                let reasons: Vec<_> = attachment
                    .steps_down
                    .iter()
                    .map(|(mode, reason)| format!("not {}: {reason}", attach_mode_name(*mode)))
                    .collect();
                warn!(interface = name, mode, "attached; {}", reasons.join("; "));
            }
        }
    }

    /// Allows the kernel to go on answering.
    pub(super) fn renew(&mut self) {
        // Nothing is allowed before the entries are known to be those of the present configuration.
        let Some((world, _)) = self.current.as_ref().filter(|_| self.ready) else { return };
        let node = Some(world.config.node.id());
        let duration_ns = u64::try_from(self.lease.duration().as_nanos()).unwrap_or(u64::MAX);
        let lease = Lease { until_ns: monotonic_ns().saturating_add(duration_ns), node };
        if let Err(error) = self.backend.renew(lease) {
            self.note(format!("{error:#}"));
        }
    }

    pub(super) fn announce(&mut self) {
        for error in self.announcer.work(monotonic_ns()) {
            self.note(error);
        }
    }

    pub(super) fn hear(&mut self, event: Result<Event, EventsError>) {
        match event {
            Ok(event) => {
                let address = Ipv6Addr::from(event.key().address()).to_canonical();
                let (mac, interface) = (Mac(event.mac()), event.key().ifindex());
                match event.kind() {
                    Some(EventKind::Conflict) => {
                        self.note(format!(
                            "{mac} on interface {interface} speaks for {address}, which this node answers for"
                        ));
                    }
                    Some(EventKind::Claim) => info!(%address, %mac, interface, "claimed by another node"),
                    None => {}
                }
            }
            Err(error) => self.note(with_causes(&error)),
        }
    }

    /// Logs an error and keeps it for the status; one that repeats is logged once.
    fn note(&mut self, error: String) {
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
    pub(super) fn stop(mut self, on_exit: OnExit) -> Result<()> {
        match on_exit {
            OnExit::Keep => {
                info!(seconds = self.lease.duration().as_secs(), "the kernel goes on answering until the lease ends");
                Ok(())
            }
            OnExit::Withdraw => {
                self.backend.withdraw()?;
                let pin_dir = self.pin_dir.clone();
                drop(self);
                dataplane::cleanup(&pin_dir, Sweep::Remove).context("program and maps cannot be removed")?;
                info!("program and maps are removed");
                Ok(())
            }
        }
    }
}
