//! The running agent: constructs the parts, connects them and lets one loop drive them. What should be is decided in
//! [`decide`](crate::decide); here it is only carried to those who make it so.

mod agent;
mod announcer;
mod backend;
mod lifecycle;
mod telling;
mod user;

use std::time::Duration;

use anyhow::Result;
use arpeggio_common::abi::Event;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use self::{
    agent::Agent,
    lifecycle::{Signal, Signals},
};
use crate::{
    args::{ProgramLog, RunArgs},
    causes::with_causes,
    clock::monotonic_ns,
    dataplane::{Events, EventsError},
    status::ControlSocket,
    world::{Defaults, LeaseTimes, SourcePaths, Sources},
};

pub use lifecycle::init_logging;

/// Everything is compared and put right this often even if nothing seems to have changed: somebody may have removed an
/// entry or a link by hand.
const RESYNC: Duration = Duration::from_secs(30);
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
            event = agent.backend.user_event() => agent.hear(Ok(event)),
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

async fn next_event(events: &mut Option<Events>) -> Result<Event, EventsError> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}
