//! Metrics: the loop of the agent hands over what it has; the maps are read and the page is made on a thread of its own.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arpeggio_common::{
    program::with_causes,
    serve::{Collect, MetricsArgs, TlsArgs, encode, servers},
};
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use super::{
    agent::Agent,
    backend::{with_entries, with_outcomes},
    lifecycle::Tasks,
};
use crate::{
    clock::monotonic_ns,
    dataplane::Maps,
    metrics::{Counts, Scrape, ScrapedInterface, families},
    world::Cluster,
};

/// What the task is called.
const TASK: &str = "serves metrics";

/// What a page is made of: plain values, and the maps to be read beside the loop.
pub(super) struct Material {
    scrape: Scrape,
    maps: Option<Maps>,
    counts: Counts,
}

/// Somebody waits for a page.
pub(super) type Wish = oneshot::Sender<Result<Material>>;

/// Serves what the flags ask for, in the network namespace of the calling thread; each request takes something from the loop.
///
/// # Errors
/// A port is taken.
pub(super) fn serve(
    (args, tls): (&MetricsArgs, &TlsArgs),
    cluster: Option<&Cluster>,
    wishes: &mpsc::Sender<Wish>,
    tasks: &mut Tasks,
) -> Result<()> {
    let tls = tls.parameters()?;
    let wishes = wishes.clone();
    let collect: Collect =
        Arc::new(move || page(wishes.clone()).map(|page| page.map_err(|error| format!("{error:#}"))).boxed());
    let client = cluster.map(|cluster| &cluster.client);
    for server in servers(args, &tls, client, &collect)? {
        tasks.spawn(TASK, async move {
            if let Err(error) = server.await {
                tracing::warn!("metrics are not served any more: {}", with_causes(&error));
            }
        });
    }
    Ok(())
}

async fn page(wishes: mpsc::Sender<Wish>) -> Result<String> {
    let (wish, granted) = oneshot::channel();
    wishes.send(wish).await.ok().context("the agent is ending")?;
    let material = granted.await.context("the agent is ending")??;
    tokio::task::spawn_blocking(move || material.page()).await.context("the thread that makes the page failed")?
}

impl Material {
    /// Reads the maps and writes the page.
    fn page(self) -> Result<String> {
        let Self { mut scrape, maps, counts } = self;
        if let Some(maps) = maps {
            scrape.entries = with_entries(scrape.entries, &maps)?;
            scrape.outcomes = with_outcomes(scrape.outcomes, &maps)?;
        }
        let mut all = families(&scrape);
        all.extend(counts.families());
        all.sort_by(|one, other| one.name().cmp(other.name()));
        Ok(encode(&all)?)
    }
}

impl Agent {
    /// Hands over what a page is made of.
    pub(super) async fn grant(&self, wish: Wish) {
        // Whoever asked may be gone.
        drop(wish.send(self.material().await));
    }

    async fn material(&self) -> Result<Material> {
        let snapshot = self.succession.snapshot().await;
        let cluster = self.sources.cluster();
        let loaded = self.sources.config();
        let named = |config: &crate::world::Config| config.node.to_string();
        let node = loaded.as_ref().map(|loaded| named(&loaded.value));
        let interfaces = self.current.iter().flat_map(|(_, decision)| &decision.desired.interfaces);
        let interface = |(index, interface): (&u32, &crate::decide::DesiredInterface)| ScrapedInterface {
            name: interface.name.clone(),
            attachment: self.round.attachments.get(index).cloned().unwrap_or_default(),
        };
        let state = cluster.map(|cluster| cluster.seen.state());
        let (entries, outcomes) = self.backend.in_user_space();
        let scrape = Scrape {
            now_ns: monotonic_ns(),
            node: node.or_else(|| cluster.map(|cluster| cluster.node.to_string())).unwrap_or_default(),
            services: cluster.map(|cluster| cluster.seen.services()).unwrap_or_default(),
            entries,
            outcomes,
            capacity: self.backend.capacity(),
            views: snapshot.views,
            peers: snapshot.peers.len(),
            lease_until_ns: self.backend.lease_until_ns(),
            interfaces: interfaces.map(interface).collect(),
            gratuitous: snapshot.sent,
            gratuitous_of: snapshot.sent_of,
            loaded: self.current.is_some(),
            stale: !self.sources.refused().is_empty() || state.as_ref().is_some_and(|state| !state.faults.is_empty()),
            bgp: self.bgp.report(),
            api_answers: state.map(|state| state.answers.is_some_and(|(answer, _)| answer.is_ok())),
        };
        Ok(Material { scrape, maps: self.backend.maps_again()?, counts: self.counts.clone() })
    }
}
