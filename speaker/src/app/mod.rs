//! The running agent: constructs the parts, connects them and lets one loop drive them. What should be is decided in
//! [`decide`]; here it is only carried to those who make it so.

mod announcer;
mod backend;
mod lifecycle;
mod user;

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use self::{
    announcer::Announcer,
    backend::{Backend, Round},
    lifecycle::{Signal, Signals},
};
use crate::{
    args::{OnExit, ProgramLog, RunArgs},
    causes::with_causes,
    dataplane::{self, Events, Options, Sweep, monotonic_ns},
    decide::{AttachMode, AttachPolicy, Decision, decide},
    status::{AgentFacts, Call, ConfigFacts, ControlSocket, Facts, Request, Response, StatusReport},
    world::{Defaults, LeaseTimes, SourcePaths, Sources, World},
};

pub use lifecycle::init_logging;

/// Everything is compared and put right this often even if nothing seems to have changed: somebody may have removed an
/// entry or a link by hand.
const RESYNC: Duration = Duration::from_secs(30);
/// Errors that the status remembers.
const REMEMBERED_ERRORS: usize = 32;
/// Requests on the control socket that may wait.
const WAITING_CALLS: usize = 16;

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the agent from starting, and faults of the program.
pub async fn run(args: RunArgs) -> Result<()> {
    let mut signals = Signals::new()?;
    let control = ControlSocket::bind(&args.places.run_dir)?;
    let paths = SourcePaths {
        config: args.config.clone(),
        exclude: args.attachment.exclude_interfaces.clone(),
        run_dir: args.places.run_dir.clone(),
    };
    let sources = Sources::start(&paths, defaults(&args)?).await?;
    let mut agent = Agent::new(&args, sources)?;
    let mut tasks = JoinSet::new();
    let (calls_in, mut calls) = mpsc::channel(WAITING_CALLS);
    tasks.spawn_local(control.serve(calls_in));
    let mut events = agent.backend.events()?;
    if args.program_log == ProgramLog::Debug
        && let Some(log) = agent.backend.program_log()?
    {
        tasks.spawn_local(async move {
            if let Err(error) = log.run().await {
                warn!("the log of the kernel program ended: {}", with_causes(&error));
            }
        });
    }
    let mut renew = interval(agent.lease.renew());
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut resync = interval(RESYNC);
    resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
    resync.tick().await;
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::Stop(name) => {
                    info!("{name}: stopping");
                    break;
                }
                Signal::Reload => agent.sources.reload(),
            },
            _ = renew.tick() => agent.renew(),
            world = agent.sources.changed() => {
                let times = agent.lease;
                agent.follow(world?);
                if agent.lease != times {
                    renew = interval(agent.lease.renew());
                    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
                }
            }
            () = sleep_until(agent.announcer.next_ns()) => agent.announce(),
            Some(call) = calls.recv() => agent.answer(call),
            event = next_event(&mut events) => agent.hear(event),
            _ = resync.tick() => agent.reconcile(),
        }
    }
    agent.stop(args.on_exit)
}

fn defaults(args: &RunArgs) -> Result<Defaults> {
    let faults = |faults: Vec<crate::world::LeaseFault>| {
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("--lease-renew and --lease: {}", texts.join("; "))
    };
    Ok(Defaults {
        node_flag: args.node_name.clone(),
        host_name: lifecycle::host_name(),
        lease: LeaseTimes::new(args.lease_renew, args.lease).map_err(faults)?,
    })
}

async fn sleep_until(at_ns: Option<u64>) {
    match at_ns {
        Some(at_ns) => tokio::time::sleep(Duration::from_nanos(at_ns.saturating_sub(monotonic_ns()))).await,
        None => std::future::pending().await,
    }
}

async fn next_event(events: &mut Option<Events>) -> Result<arpeggio_common::abi::Event, dataplane::EventsError> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// The agent's state between two turns of the loop.
struct Agent {
    sources: Sources,
    backend: Backend,
    announcer: Announcer,
    default_policy: AttachPolicy,
    pin_dir: PathBuf,
    lease: LeaseTimes,
    /// The newest world and what was decided for it; `None` before the first.
    current: Option<(World, Decision)>,
    round: Round,
    ready: bool,
    agent: AgentFacts,
    /// Configurations taken, and when the last one was.
    configs: (u64, u64),
    errors: VecDeque<(u64, String)>,
}

impl Agent {
    fn new(args: &RunArgs, sources: Sources) -> Result<Self> {
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
        Ok(Self {
            lease: sources.config().value.lease,
            sources,
            backend,
            announcer: Announcer::open().context("gratuitous frames cannot be sent")?,
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
    fn follow(&mut self, world: World) {
        let before = self.current.as_ref().map(|(world, _)| world);
        if before.is_none_or(|before| !Arc::ptr_eq(&before.config, &world.config)) {
            self.configs = (self.configs.0 + 1, monotonic_ns());
            self.lease = world.config.lease;
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
    fn reconcile(&mut self) {
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
            let mode = attachment.mode.map_or("none", crate::status::attach_mode_name);
            if attachment.mode == Some(AttachMode::Native) {
                info!(interface = name, mode, "attached");
            } else {
                let reasons: Vec<_> = attachment
                    .steps_down
                    .iter()
                    .map(|(mode, reason)| format!("not {}: {reason}", crate::status::attach_mode_name(*mode)))
                    .collect();
                warn!(interface = name, mode, "attached; {}", reasons.join("; "));
            }
        }
    }

    /// Allows the kernel to go on answering.
    fn renew(&mut self) {
        // Nothing is allowed before the entries are known to be those of the present configuration.
        if !self.ready {
            return;
        }
        let duration_ns = u64::try_from(self.lease.duration().as_nanos()).unwrap_or(u64::MAX);
        if let Err(error) = self.backend.renew(monotonic_ns().saturating_add(duration_ns)) {
            self.note(format!("{error:#}"));
        }
    }

    fn announce(&mut self) {
        for error in self.announcer.work(monotonic_ns()) {
            self.note(error);
        }
    }

    fn hear(&mut self, event: Result<arpeggio_common::abi::Event, dataplane::EventsError>) {
        use arpeggio_common::{abi::EventKind, wire::Mac};
        match event {
            Ok(event) => {
                let address = std::net::Ipv6Addr::from(event.key().address()).to_canonical();
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

    fn answer(&mut self, call: Call) {
        let response = match call.request {
            Request::Status(_) => match self.facts() {
                Ok(facts) => Response::Status(Box::new(StatusReport::new(&facts, env!("CARGO_PKG_VERSION")))),
                Err(error) => Response::Error { message: format!("{error:#}") },
            },
        };
        // A client that hung up meanwhile needs no answer.
        let _ = call.answer.send(response);
    }

    fn facts(&self) -> Result<Facts> {
        let loaded = self.sources.config();
        let refused: Vec<_> = self.sources.refused().iter().map(|refused| refused.error.to_string()).collect();
        let mut facts = Facts {
            now_ns: monotonic_ns(),
            node: Some(loaded.value.node.clone()),
            agent: Some(self.agent),
            config: Some(ConfigFacts {
                file: loaded.file,
                generation: self.configs.0,
                loaded_ns: self.configs.1,
                refused: if refused.is_empty() { None } else { Some(refused.join("\n")) },
            }),
            lease_until_ns: self.backend.lease_until_ns(),
            attachments: self.round.attachments.clone(),
            entries: self.backend.entries()?,
            sightings: self.backend.sightings()?,
            outcomes: self.backend.outcomes()?,
            groups: self.announcer.joined(),
            gratuitous: self.announcer.sent(),
            errors: self.errors.iter().cloned().collect(),
            ..Facts::default()
        };
        if let Some((world, decision)) = &self.current {
            facts.links = world.links.as_ref().clone();
            facts.ineligible.clone_from(&decision.ineligible);
            facts.unplaced.clone_from(&decision.unplaced);
            facts.failures = self.round.failures(&decision.desired);
            facts.desired = Some(decision.desired.clone());
        }
        Ok(facts)
    }

    /// Leaves the kernel answering until the lease ends, or takes everything away.
    fn stop(mut self, on_exit: OnExit) -> Result<()> {
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
