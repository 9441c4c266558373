//! The running agent: constructs the parts, connects them and lets one loop drive them. What should be is decided in
//! [`decide`](crate::decide); here it is only carried to those who make it so.

mod agent;
mod alarms;
mod around;
mod backend;
mod bgp;
mod ears;
mod explaining;
mod gateways;
mod groups;
mod lifecycle;
mod naming;
mod proxies;
mod publishing;
mod scraping;
mod situation;
mod state;
mod succession;
mod telling;
mod user;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use arpeggio_common::{
    model::NodeName,
    program::{give_back_free_memory, with_causes},
};
use arpeggio_succession::Pace;
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};
use tracing::{info, warn};

use self::{
    agent::Agent,
    lifecycle::{ProcessSignals, Signal, Tasks},
    publishing::{Due, Publishing},
};
use crate::{
    args::{OnExit, ProgramLog, RunArgs},
    status::ControlSocket,
    world::{ClusterPaths, Defaults, LeaseTimes, Origin, SourcePaths, Sources},
};

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
    let mut signals = ProcessSignals::new()?;
    let control = ControlSocket::bind(&args.places.run_dir)?;
    let ignored = args.metallb.given();
    if !ignored.is_empty() {
        warn!("these flags of MetalLB's speaker have no effect here: {}", ignored.join(" "));
    }
    let paths = SourcePaths {
        config: origin(&args),
        keys: args.succession_keys.clone(),
        exclude: args.attachment.exclude_interfaces.clone(),
        state_dir: state::directory(args.state_dir(), &args.places.run_dir),
        frr_sockets: args.bgp.frr_socket_dir.clone(),
    };
    let sources = Sources::start(&paths, defaults(&args)?).await?;
    let publishing = Publishing::start(&args.cluster, sources.cluster()).await?;
    let mut agent = Agent::new(&args, sources, publishing)?;
    let mut tasks = Tasks::default();
    let (wishes_in, mut wishes) = mpsc::channel(WAITING_CALLS);
    scraping::serve((&args.metrics, &args.tls), agent.sources.cluster(), &wishes_in, &mut tasks)?;
    let (calls_in, mut calls) = mpsc::channel(WAITING_CALLS);
    tasks.spawn_local("answers on the control socket", control.serve(calls_in));
    if args.program_log == ProgramLog::Debug
        && let Some(log) = agent.backend.program_log()?
    {
        tasks.spawn_local("reads the log of the kernel program", async move {
            if let Err(error) = log.run().await {
                warn!("the log of the kernel program ended: {}", with_causes(&error));
            }
        });
    }
    let (mut resync, mut listen) = (every(RESYNC), every(ears::PACE));
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
            world = agent.sources.changed() => agent.follow(world?),
            Some(call) = calls.recv() => agent.answer(call).await,
            Some(wish) = wishes.recv() => agent.grant(wish).await,
            asked = agent.explainer.next() => agent.explained(asked).await,
            answered = agent.finder.next() => agent.proxies_answered(answered),
            news = agent.succession.news() => match news {
                Some(news) => agent.hear(news),
                None => bail!("the thread of the succession ended; start the agent again and look into its log"),
            },
            event = agent.backend.user_event() => match event {
                Some(event) => agent.succession.heard(event),
                None => {
                    agent.note("the thread that answers from raw sockets ended; another is started".to_owned());
                    agent.reconcile();
                }
            },
            due = agent.publishing.due() => match due {
                Due::Publish => agent.publish().await,
                Due::Ended(text) => agent.note(text),
            },
            text = tasks.ended() => agent.note(text),
            told = agent.bgp.changed() => match told {
                Some(()) => agent.publishing.soon(),
                None => agent.note(bgp::ENDED.to_owned()),
            },
            found = agent.gateways.changed() => match found {
                Ok(()) => agent.refresh(),
                Err(text) => agent.note(text),
            },
            _ = listen.tick(), if agent.has_segments() => agent.listen(),
            _ = resync.tick() => {
                agent.resync();
                agent.tell_paths().await;
                give_back_free_memory();
            }
            () = std::future::ready(()), if agent.memberships.pending() => agent.join_groups(),
        }
    }
    if args.on_exit == OnExit::Withdraw {
        agent.bgp.say_good_bye("the agent of this node is stopped").await;
        agent.publishing.release().await;
    }
    agent.stop(args.on_exit)
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The one place that knows MetalLB's variables.
fn metallb_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn origin(args: &RunArgs) -> Origin {
    if let Some(file) = &args.config {
        return Origin::File(file.clone());
    }
    Origin::Cluster(ClusterPaths {
        kubeconfig: args.cluster.kubeconfig.clone(),
        namespace: args.cluster.namespace.clone().or_else(|| metallb_variable("METALLB_NAMESPACE")),
        settings: args.cluster.settings.clone(),
        ignore_exclude_label: args.bgp.ignore_exclude_lb,
    })
}

fn defaults(args: &RunArgs) -> Result<Defaults> {
    let faults = |faults: Vec<crate::world::LeaseFault>| {
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("--lease-renew and --lease: {}", texts.join("; "))
    };
    let preset = args.failover.pace();
    let interval = args.heartbeat.unwrap_or_else(|| Duration::from_nanos(preset.interval_ns()));
    let pace = Pace::new(interval, args.heartbeat_misses.unwrap_or_else(|| preset.misses()))
        .context("--heartbeat and --heartbeat-misses")?;
    let by_metallb = metallb_variable("METALLB_NODE_NAME").filter(|_| args.config.is_none());
    let by_metallb =
        by_metallb.map(|name| NodeName::try_from(name.as_str())).transpose().context("$METALLB_NODE_NAME")?;
    Ok(Defaults {
        pace,
        node_flag: args.node_name.clone().or(by_metallb),
        host_name: lifecycle::host_name(),
        lease: LeaseTimes::new(args.lease_renew, args.lease).map_err(faults)?,
    })
}
