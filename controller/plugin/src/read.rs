//! The driver: lists the objects of a cluster.

use std::fmt::Debug;

use anyhow::{Context as _, Result};
use arpeggio_common::program::with_causes;
use futures::join;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Config, Error, Resource,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

use crate::{args::Global, objects::Objects};

/// Objects of one page of a list: the API server answers in steps.
const PAGE: u32 = 1000;

/// A client, and the namespace of its context.
///
/// # Errors
/// The Kubernetes configuration cannot be read.
pub async fn client(global: &Global) -> Result<(Client, String)> {
    let options = KubeConfigOptions { context: global.context.clone(), ..KubeConfigOptions::default() };
    let config = match &global.kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(read, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let config = config.context("read the Kubernetes configuration; name it with --kubeconfig FILE")?;
    let namespace = config.default_namespace.clone();
    Ok((Client::try_from(config).context("use the Kubernetes configuration")?, namespace))
}

/// Lists everything that reports need.
///
/// # Errors
/// The API server does not answer, or refuses to list Services or nodes.
pub async fn objects(client: &Client, namespace: &str) -> Result<Objects> {
    let first = async { join!(all(client), all(client), all(client), all(client), all(client), all(client)) };
    let second = async {
        join!(
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace)
        )
    };
    let third = async {
        join!(
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace),
            inside(client, namespace)
        )
    };
    let (services, slices, nodes, namespaces, speakers, announcements) = first.await;
    let (pools, l2, bgp, peers, communities, profiles, leases) = second.await;
    let (deployments, daemon_sets, config_maps, pods, l2_statuses) = third.await;
    let mut missing = Vec::new();
    let objects = Objects {
        #[expect(clippy::disallowed_methods, reason = "the driver reads the clock once")]
        now: Timestamp::try_from(std::time::SystemTime::now())?,
        namespace: namespace.to_owned(),
        services: services?,
        nodes: nodes?,
        slices: or_none(slices, &mut missing),
        namespaces: or_none(namespaces, &mut missing),
        speakers: or_none(speakers, &mut missing),
        announcements: or_none(announcements, &mut missing),
        pools: or_none(pools, &mut missing),
        l2_advertisements: or_none(l2, &mut missing),
        bgp_advertisements: or_none(bgp, &mut missing),
        peers: or_none(peers, &mut missing),
        communities: or_none(communities, &mut missing),
        bfd_profiles: or_none(profiles, &mut missing),
        leases: or_none(leases, &mut missing),
        deployments: or_none(deployments, &mut missing),
        daemon_sets: or_none(daemon_sets, &mut missing),
        config_maps: or_none(config_maps, &mut missing),
        pods: or_none(pods, &mut missing),
        l2_statuses: or_none(l2_statuses, &mut missing),
        unlisted: Vec::new(),
        events: Vec::new(),
    };
    Ok(Objects { unlisted: missing, ..objects })
}

/// The events of a namespace.
///
/// # Errors
/// They cannot be listed.
pub async fn events(client: &Client, namespace: &str) -> Result<Vec<k8s_openapi::api::core::v1::Event>> {
    inside(client, namespace).await
}

async fn all<K>(client: &Client) -> Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    list(Api::all(client.clone())).await
}

async fn inside<K>(client: &Client, namespace: &str) -> Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    list(Api::namespaced(client.clone(), namespace)).await
}

/// All objects of a kind, page by page. A kind that is not installed has none.
async fn list<K>(api: Api<K>) -> Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let (mut all, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let list = match api.list(&page).await {
            Ok(list) => list,
            Err(Error::Api(status)) if status.code == 404 => return Ok(all),
            Err(error) => return Err(error).with_context(|| format!("list {}", K::plural(&()))),
        };
        all.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(all),
        }
    }
}

fn or_none<T>(list: Result<Vec<T>>, missing: &mut Vec<String>) -> Vec<T> {
    list.unwrap_or_else(|error| {
        missing.push(with_causes(error.as_ref()));
        Vec::new()
    })
}
