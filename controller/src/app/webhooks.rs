//! Starts the webhooks: the server, on a thread of its own so that no flood of it holds up the loop that gives out addresses, and
//! whoever looks after its certificate.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use anyhow::{Context as _, Result};
use arpeggio_common::{
    api::admission::review,
    program::with_causes,
    serve::{Port, follow, tls::Served},
};
use axum_server::Handle;
use kube::Client;
use rustls::ServerConfig;
use tokio::{
    runtime::Builder,
    sync::{oneshot, watch},
    time::timeout,
};
use tracing::error;

use crate::{
    args::Config,
    cluster::Known,
    leader::Term,
    webhook::{SharedJudge, Source, certificates::keeper::Keeper, server},
};

/// How long requests that are being answered may take when the process ends.
const END: Duration = Duration::from_secs(2);
/// Threads that judge: so many processors may be busy with reviews.
const REVIEWERS: usize = 2;

/// The running server.
pub(super) struct Webhooks {
    handle: Handle<SocketAddr>,
    ended: oneshot::Receiver<()>,
    loaded: watch::Receiver<bool>,
}

/// Starts everything, if webhooks are to be served. What fails later is told in the log; nothing else depends on it.
///
/// # Errors
/// If the parameters of TLS make no sense, or there is no thread to be had.
pub(super) fn start(
    config: &Config,
    client: &Client,
    term: &watch::Receiver<Term>,
    objects: watch::Receiver<Option<Known>>,
) -> Result<Option<Webhooks>> {
    let Some(settings) = config.webhooks.clone() else { return Ok(None) };
    let served = Arc::new(Served::default());
    let tls = settings.tls.server(Arc::clone(&served)).context("cannot serve the webhooks")?;
    let (tell, loaded) = watch::channel(false);
    match settings.source {
        Source::Files(folder) => tokio::spawn(follow(folder, served, tell)),
        Source::Secret(own) => {
            tokio::spawn(Keeper::new(client, (&config.namespace, own), term.clone(), served, tell).run())
        }
    };
    let namespace = config.namespace.clone();
    // What is there now is taken out at once: nothing waits for the review.
    let now = move || objects.borrow().clone();
    let judge: SharedJudge = Arc::new(move |change| {
        let known = now()?;
        known.can_judge(change.kind).then(|| review(&known.objects.set(&namespace), change))
    });
    let handle = Handle::new();
    let (tell_end, ended) = oneshot::channel();
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(REVIEWERS).build();
    let runtime = runtime.context("cannot serve the webhooks")?;
    let (port, end) = (settings.port, handle.clone());
    let serve = move || {
        runtime.block_on(serve(port, tls, judge, end));
        // Nobody may be waiting for it.
        let _told = tell_end.send(());
    };
    thread::Builder::new().name("webhooks".to_owned()).spawn(serve).context("cannot serve the webhooks")?;
    Ok(Some(Webhooks { handle, ended, loaded }))
}

impl Webhooks {
    /// Whether there is a certificate.
    pub(super) fn loaded(&self) -> watch::Receiver<bool> {
        self.loaded.clone()
    }
}

/// Ends the server, if there is one, once it has answered what it was asked.
pub(super) async fn end(webhooks: Option<Webhooks>) {
    let Some(webhooks) = webhooks else { return };
    webhooks.handle.graceful_shutdown(Some(END));
    // It is aborted with the process if it takes longer.
    let _ended = timeout(END, webhooks.ended).await;
}

/// A port that is taken is no reason to give up: addresses do not depend on it.
async fn serve(port: u16, tls: Arc<ServerConfig>, judge: SharedJudge, handle: Handle<SocketAddr>) {
    let listener = Port::everywhere(port, "webhooks", "--webhook-port").open_when_free().await;
    if let Err(cause) = server::serve(listener, tls, judge, handle).await {
        error!("the server of the webhooks ended: {}", with_causes(&cause));
    }
}
