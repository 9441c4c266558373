//! Watching which Services have an address.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use arpeggio_common::api::Announcement;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client,
    core::PartialObjectMeta,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::sync::oneshot;

use crate::{
    options::Options,
    report::{Report, curve, ms, ready},
};

/// When Services were first seen with an address, by name.
pub(crate) type Seen = BTreeMap<String, Instant>;

/// Watches until `count` Services have an address. `begun` is told when the watch has begun.
pub(crate) async fn watch(client: Client, namespace: String, count: usize, begun: oneshot::Sender<()>) -> Result<Seen> {
    let services: Api<Service> = Api::namespaced(client, &namespace);
    let mut events = pin!(watcher(services, watcher::Config::default()).default_backoff());
    let mut begun = Some(begun);
    let mut seen = Seen::new();
    while seen.len() < count {
        let Some(event) = events.try_next().await? else { bail!("the watch of Services ended") };
        let service = match event {
            watcher::Event::Apply(service) | watcher::Event::InitApply(service) => service,
            watcher::Event::InitDone => {
                if let Some(begun) = begun.take() {
                    // Nobody may be interested.
                    let _uninterested = begun.send(());
                }
                continue;
            }
            watcher::Event::Delete(_) | watcher::Event::Init => continue,
        };
        let balancer = service.status.and_then(|status| status.load_balancer);
        let ingress = balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
        if let Some(name) = service.metadata.name.filter(|_| !ingress.is_empty()) {
            seen.entry(name).or_insert_with(now);
        }
    }
    Ok(seen)
}

/// Watches until there are `count` Announcements, and says when that was.
async fn watch_announcements(client: Client, count: usize) -> Result<Instant> {
    let announcements: Api<PartialObjectMeta<Announcement>> = Api::all(client);
    let mut events = pin!(watcher(announcements, watcher::Config::default()).default_backoff());
    let mut names = BTreeSet::new();
    while names.len() < count {
        let Some(event) = events.try_next().await? else { bail!("the watch of Announcements ended") };
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => names.extend(object.metadata.name),
            watcher::Event::Delete(_) | watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }
    Ok(now())
}

/// Measures the time until `count` Services have an address, and until there are as many Announcements if those count too.
pub(crate) async fn wait(client: &Client, options: &Options, count: usize, announcements: bool) -> Result<Report> {
    let (begun, has_begun) = oneshot::channel();
    let watching = watch(client.clone(), options.namespace.clone(), count, begun);
    let started = now();
    let telling = async {
        if has_begun.await.is_ok() {
            ready();
        }
    };
    let announced = watch_announcements(client.clone(), if announcements { count } else { 0 });
    let all = async { tokio::join!(watching, announced, telling) };
    let (seen, announced, ()) = within(options.limit(), all).await?;
    let (seen, announced) = (seen?, announced?);
    let total = seen.values().max().map_or(Duration::ZERO, |last| *last - started);
    let curve = curve(started, seen.values().copied());
    let announced_ms = if announcements { ms(announced - started) } else { 0.0 };
    Ok(Report { services: seen.len(), total_ms: ms(total), announced_ms, curve, ..Report::default() })
}

/// Ends what takes too long.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(limit, work).await.with_context(|| format!("not done after {} s", limit.as_secs()))
}

/// All of `work`, so many at a time.
pub(crate) async fn at_a_time<T, W>(connections: usize, work: impl Iterator<Item = W>) -> Result<Vec<T>>
where
    W: Future<Output = Result<T>>,
{
    futures::stream::iter(work).buffer_unordered(connections).try_collect().await
}

#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
