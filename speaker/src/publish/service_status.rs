//! ServiceBGPStatus objects: to which peers this node announces which Service (MetalLB behaviour 1.8), peers whose session does not
//! carry the family left out. Only this node writes its own: they are listed at the start, after a failure and now and then.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::{
    api::{
        Decoded, ServiceBGPStatus,
        metallb::{Nothing, ServiceBGPStatusStatus},
        names::{LONGEST_VALUE, shortened},
    },
    model::{Route, stable_hash},
};
use kube::{
    Api, Error, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    bgp::{BgpReport, Engine, Wish},
    world::{BgpInputs, Cluster, fault},
};

/// Between two looks at what is different.
const PACE: Duration = Duration::from_secs(1);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(10);
/// Somebody may have changed one by hand.
const RESYNC: Duration = Duration::from_secs(300);
/// A request that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whose they are, as MetalLB has it.
const NODE: &str = "metallb.io/node";

/// What one says: the Service as namespace and name, and the peers.
type Content = (String, String, BTreeSet<String>);

/// Writes them until nobody reports any more.
pub async fn write_service_statuses(
    cluster: Cluster,
    mut reports: watch::Receiver<Arc<BgpReport>>,
    inputs: watch::Receiver<Option<Arc<BgpInputs>>>,
) {
    let api: Api<Decoded<ServiceBGPStatus>> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut there = None;
    loop {
        let report = Arc::clone(&reports.borrow_and_update());
        let known = inputs.borrow().clone();
        let mut pause = RESYNC;
        if let (Some(inputs), true) = (known, matches!(report.engine, Engine::Driven | Engine::Silent | Engine::Idle)) {
            let wanted = wanted(&report.wish, &inputs, &cluster.seen.services());
            if let Err(why) = settle((&cluster, &api), &wanted, &mut there).await {
                tracing::debug!("ServiceBGPStatuses are not written, later again: {why}");
                (there, pause) = (None, AGAIN);
            }
        }
        tokio::select! {
            changed = reports.changed() => if changed.is_err() { return },
            () = sleep(pause) => there = None,
        }
        sleep(PACE).await;
    }
}

/// By name of the object.
fn wanted(wish: &Wish, inputs: &BgpInputs, services: &BTreeMap<IpAddr, Arc<[String]>>) -> BTreeMap<String, Content> {
    let mut told: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (prefix, peer) in wish.announced() {
        told.entry(prefix).or_default().push(peer);
    }
    let peers_of = |routes: &[Route]| -> BTreeSet<String> {
        let own = routes.iter().filter(|route| route.is_of(&inputs.node));
        let peers = own.flat_map(|route| {
            let told = told.get(&route.prefix).into_iter().flatten();
            told.filter(|peer| route.is_for(peer)).map(|peer| (*peer).to_owned())
        });
        peers.collect()
    };
    let mut wanted: BTreeMap<String, Content> = BTreeMap::new();
    for (address, routes) in &inputs.routes {
        let peers = peers_of(routes);
        if peers.is_empty() {
            continue;
        }
        for service in services.get(address).into_iter().flat_map(|services| services.iter()) {
            let Some((namespace, name)) = service.split_once('/') else { continue };
            let key =
                format!("bgp-{:016x}-{:016x}", stable_hash(service.bytes()), stable_hash(inputs.node.as_str().bytes()));
            let new = || (namespace.to_owned(), name.to_owned(), BTreeSet::new());
            wanted.entry(key).or_insert_with(new).2.extend(peers.iter().cloned());
        }
    }
    wanted
}

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
enum Step<'w> {
    Create(&'w str, &'w Content),
    Write(&'w str, &'w Content),
    Delete(String),
}

/// `there`: what each says; `None`: nothing that can be read.
fn plan<'w>(wanted: &'w BTreeMap<String, Content>, there: &BTreeMap<String, Option<Content>>) -> Vec<Step<'w>> {
    let stale = there.keys().filter(|name| !wanted.contains_key(*name)).cloned().map(Step::Delete);
    let differing = wanted.iter().filter_map(|(name, content)| match there.get(name) {
        None => Some(Step::Create(name, content)),
        Some(says) => (says.as_ref() != Some(content)).then_some(Step::Write(name, content)),
    });
    stale.chain(differing).collect()
}

async fn settle(
    (cluster, api): (&Cluster, &Api<Decoded<ServiceBGPStatus>>),
    wanted: &BTreeMap<String, Content>,
    there: &mut Option<BTreeMap<String, Option<Content>>>,
) -> Result<(), String> {
    let shown = match there {
        Some(shown) => shown,
        none => none.insert(bounded(list(api, cluster.node.as_str())).await?),
    };
    for step in plan(wanted, shown) {
        match step {
            Step::Create(name, content) => {
                let creating: Api<ServiceBGPStatus> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
                bounded(create(&creating, object(name, content, cluster.node.as_str()))).await?;
                bounded(write(api, (name, content), cluster.node.as_str())).await?;
                shown.insert(name.to_owned(), Some(content.clone()));
            }
            Step::Write(name, content) => {
                bounded(write(api, (name, content), cluster.node.as_str())).await?;
                shown.insert(name.to_owned(), Some(content.clone()));
            }
            Step::Delete(name) => {
                bounded(delete(api, &name)).await?;
                shown.remove(&name);
            }
        }
    }
    Ok(())
}

async fn bounded<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    let answered = timeout(PATIENCE, request).await.map_err(|_elapsed| "no answer in time".to_owned())?;
    answered.map_err(|error| fault(&error))
}

async fn list(api: &Api<Decoded<ServiceBGPStatus>>, node: &str) -> kube::Result<BTreeMap<String, Option<Content>>> {
    let own = ListParams::default().labels(&format!("{NODE}={}", shortened(node, LONGEST_VALUE)));
    // Those of a MetalLB that still runs belong to its pods.
    let ours = api.list(&own).await?.items.into_iter().filter(|object| object.owner_references().is_empty());
    Ok(ours.map(|object| (object.name_any(), content(&object))).collect())
}

fn content(object: &Decoded<ServiceBGPStatus>) -> Option<Content> {
    let status = object.0.as_ref().ok()?.status.clone()?;
    Some((status.service_namespace, status.service_name, status.peers.into_iter().collect()))
}

async fn create(api: &Api<ServiceBGPStatus>, object: ServiceBGPStatus) -> kube::Result<()> {
    match api.create(&PostParams::default(), &object).await {
        // Of an earlier attempt whose answer was lost.
        Err(Error::Api(status)) if status.is_already_exists() => Ok(()),
        other => other.map(drop),
    }
}

async fn write(
    api: &Api<Decoded<ServiceBGPStatus>>,
    (name, content): (&str, &Content),
    node: &str,
) -> kube::Result<()> {
    let (namespace, service, peers) = content.clone();
    let peers = peers.into_iter().collect();
    let status =
        ServiceBGPStatusStatus { node: node.to_owned(), service_name: service, service_namespace: namespace, peers };
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(name, &PatchParams::default(), &patch).await.map(drop)
}

async fn delete(api: &Api<Decoded<ServiceBGPStatus>>, name: &str) -> kube::Result<()> {
    match api.delete(name, &DeleteParams::default()).await {
        Err(Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// The object to create; its status is written after. Labels are MetalLB's.
fn object(name: &str, (namespace, service, _): &Content, node: &str) -> ServiceBGPStatus {
    let mut object = ServiceBGPStatus::new(name, Nothing {});
    let labels = [
        (NODE, shortened(node, LONGEST_VALUE)),
        ("metallb.io/service-name", service.clone()),
        ("metallb.io/service-namespace", namespace.clone()),
    ];
    object.metadata.labels = Some(labels.map(|(label, value)| (label.to_owned(), value)).into());
    object
}

#[cfg(test)]
#[path = "service_status_tests.rs"]
mod tests;
