//! The running controller: constructs the parts, connects them and lets one loop drive them. What should be is decided in
//! [`decide`](crate::decide), what is written for it in [`plan`](crate::plan).

mod cluster;
mod controller;
mod lifecycle;
mod links;
mod lists;
mod log;
mod pace;
mod thrift;
mod webhooks;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use arpeggio_common::serve::{Collect, Port, servers as servers_of_metrics};
use futures::TryFutureExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::{
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tracing::{info, warn};

pub use self::lifecycle::install_cryptography;
use self::{
    controller::Controller,
    lifecycle::StopSignals,
    links::{Links, SecretLinks},
    webhooks::Webhooks,
};
use crate::{
    args::Config,
    http::{self, Readiness},
    keys::keeper::Keeper,
    leader::{self, Elector, Term},
    metrics::Metrics,
    migrate, secrets,
    writer::{Limits, Writer},
};

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the controller from starting, and faults of the program.
pub async fn run(config: Config) -> Result<()> {
    let mut signals = StopSignals::new()?;
    if !config.ignored.is_empty() {
        warn!("these flags have no effect: {}", config.ignored.join(" "));
    }
    let client = cluster::client(config.kubeconfig.as_deref()).await?;
    let metrics = Metrics::new().context("there are two metrics of one name")?;
    let (ready, is_ready) = watch::channel(false);
    let mut servers = JoinSet::new();
    let page = metrics.clone();
    let collect: Collect =
        Arc::new(move || Box::pin(std::future::ready(page.page().map_err(|error| error.to_string()))));
    for server in servers_of_metrics(&config.metrics, &config.tls, Some(&client), &collect)? {
        servers.spawn(server.map_err(anyhow::Error::from));
    }
    let identity = format!("{}_{:016x}", config.instance, fastrand::u64(..));
    let leases: Api<Lease> = Api::namespaced(client.clone(), &config.namespace);
    let lease = if config.only_webhooks { leader::WEBHOOK_LEASE } else { leader::LEASE };
    let (elector, term) = Elector::new(leases, lease, identity.clone(), config.times);
    let (objects, configuration) = watch::channel(None);
    let webhooks = webhooks::start(&config, &client, &term, configuration)?;
    if let Some(port) = config.probe_port {
        let ready = Readiness { lists: is_ready, certificate: webhooks.as_ref().map(Webhooks::loaded) };
        let probes = Port::everywhere(port, "probes", "--health-probe-port");
        servers.spawn(http::serve_probes(probes.open().await?, ready).map_err(anyhow::Error::from));
    }
    let (look, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let elector = tokio::spawn(elector.run(Arc::clone(&look), Arc::clone(&stop)));
    let limits = Limits { connections: config.connections, timeout: config.times.request() };
    let writer = Writer::new(client.clone(), &config.namespace, &config.instance, limits);
    info!(identity, namespace = config.namespace, version = env!("CARGO_PKG_VERSION"), "started");

    let mut background = JoinSet::new();
    let (speakers, said) = watch::channel(None);
    if let Some(name) = config.key_secret.as_deref().filter(|_| !config.only_webhooks) {
        let secret = (config.namespace.as_str(), name);
        background.spawn(Keeper::new(&client, secret, config.key_pace, term.clone(), said).run());
    }
    background.spawn(migrate::run(client.clone(), term.clone(), config.times.request()));

    let ((named, names), (tell, read)) = (watch::channel(BTreeSet::new()), watch::channel(None));
    background.spawn(secrets::follow(client.clone(), config.namespace.clone(), names, tell));
    let secrets = SecretLinks { named, read };

    let mut watches = cluster::watch(&client, &config.namespace);
    let links = Links { lists: watches.lists.clone(), look, objects, speakers, secrets };
    let mut controller = Controller::new(&config, writer, metrics, links);
    // Who serves webhooks only never leads the allocation, whoever looks after the certificate.
    let (_nobody, never) = watch::channel(Term::default());
    let mut election = Election { elector, term: if config.only_webhooks { never } else { term } };
    let ended = loop {
        tokio::select! {
            biased;
            signal = signals.next() => break signal,
            ended = &mut election.elector => {
                ended.context("the task of the leader election failed")?;
                anyhow::bail!("the leader election ended unexpectedly");
            }
            Some(server) = servers.join_next() => {
                server.context("the task of an HTTP server failed")?.context("an HTTP server ended")?;
                anyhow::bail!("an HTTP server ended unexpectedly");
            }
            done = controller.step(&mut watches.told, &mut election.term) => done?,
        }
        let now = controller.is_ready();
        ready.send_if_modified(|ready| std::mem::replace(ready, now) != now);
    };
    info!("{ended}: stopping");
    background.abort_all();
    stop.notify_one();
    let ended = shut_down(controller, election.elector, config.times.request()).await;
    webhooks::end(webhooks).await;
    ended
}

struct Election {
    elector: JoinHandle<Elector>,
    term: watch::Receiver<Term>,
}

/// First nothing is written any more, then what is on its way ends, then the lease is given back.
async fn shut_down(mut controller: Controller, elector: JoinHandle<Elector>, bound: Duration) -> Result<()> {
    let elector = elector.await.context("the task of the leader election failed")?;
    if timeout(bound, controller.drain()).await.is_err() {
        warn!("requests are still on their way: the lease is kept until it runs out");
        return Ok(());
    }
    elector.release().await;
    Ok(())
}
