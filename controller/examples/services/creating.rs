//! Making Services and their endpoints, many at a time, and taking them away again.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use arpeggio_common::api::Announcement;
use k8s_openapi::api::{
    core::v1::{Service, ServicePort, ServiceSpec},
    discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::{
    options::{Bulk, Options, name},
    report::{Report, curve, ms, quantiles},
    watching::{at_a_time, now, watch, within},
};

/// The nodes of the laboratory.
const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// Makes the Services and, if asked, waits until all have addresses.
pub(crate) async fn create(client: &Client, options: &Options, bulk: &Bulk) -> Result<Report> {
    let (begun, has_begun) = oneshot::channel();
    let expected = if bulk.until_addresses { bulk.count } else { 0 };
    let watching = tokio::spawn(watch(client.clone(), options.namespace.clone(), expected, begun));
    if bulk.until_addresses {
        has_begun.await.context("the Services cannot be watched")?;
    }
    let services: Api<Service> = Api::namespaced(client.clone(), &options.namespace);
    let started = now();
    let work = (0..bulk.count).map(|index| make(&services, index));
    let made = within(options.limit(), at_a_time(bulk.connections, work)).await??;
    let requests = now() - started;
    let seen = within(options.limit(), watching).await???;
    let made: BTreeMap<String, Instant> = made.into_iter().collect();
    let lags = seen.iter().filter_map(|(name, seen)| Some(seen.saturating_duration_since(*made.get(name)?))).collect();
    Ok(Report {
        services: made.len(),
        total_ms: ms(now() - started),
        requests_ms: ms(requests),
        lag_ms: quantiles(lags),
        curve: curve(started, seen.values().copied()),
        ..Report::default()
    })
}

/// Makes one, and says when it was there.
async fn make(services: &Api<Service>, index: usize) -> Result<(String, Instant)> {
    let name = name(index);
    let mut service = Service::default();
    service.metadata.name = Some(name.clone());
    service.spec = Some(ServiceSpec {
        type_: Some("LoadBalancer".to_owned()),
        // There are fewer node ports than Services in a benchmark.
        allocate_load_balancer_node_ports: Some(false),
        ports: Some(vec![ServicePort { port: 80, ..ServicePort::default() }]),
        ..ServiceSpec::default()
    });
    services.create(&PostParams::default(), &service).await.with_context(|| format!("create Service {name}"))?;
    Ok((name, now()))
}

/// Makes the endpoints of Services that are to come.
pub(crate) async fn slices(client: &Client, options: &Options, bulk: &Bulk) -> Result<Report> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &options.namespace);
    let started = now();
    let work = (0..bulk.count).map(async |index| {
        let name = name(index);
        slices
            .create(&PostParams::default(), &slice(&name))
            .await
            .with_context(|| format!("create EndpointSlice {name}"))
    });
    let made = within(options.limit(), at_a_time(bulk.connections, work)).await??;
    let total = ms(now() - started);
    Ok(Report { services: made.len(), total_ms: total, requests_ms: total, ..Report::default() })
}

fn slice(service: &str) -> EndpointSlice {
    let mut slice = EndpointSlice { address_type: "IPv4".to_owned(), ..EndpointSlice::default() };
    slice.metadata.name = Some(service.to_owned());
    slice.metadata.labels = Some(BTreeMap::from([("kubernetes.io/service-name".to_owned(), service.to_owned())]));
    slice.ports = Some(vec![EndpointPort { port: Some(8080), ..EndpointPort::default() }]);
    slice.endpoints = NODES
        .iter()
        .zip(1..)
        .map(|(node, host): (_, u8)| Endpoint {
            addresses: vec![format!("192.0.2.{host}")],
            conditions: Some(EndpointConditions { ready: Some(true), ..EndpointConditions::default() }),
            node_name: Some((*node).to_owned()),
            ..Endpoint::default()
        })
        .collect();
    slice
}

/// Deletes the Services that [`create`] made, and all Announcements.
pub(crate) async fn clear(client: &Client, options: &Options, bulk: &Bulk) -> Result<Report> {
    let services: Api<Service> = Api::namespaced(client.clone(), &options.namespace);
    let announcements: Api<Announcement> = Api::all(client.clone());
    let (started, limit) = (now(), options.limit());
    let gone =
        delete(&services, limit, bulk.connections, |name| name.starts_with("bulk-")).await.context("the Services")?;
    // One by one: the API server gives up deleting thousands of them with one request.
    delete(&announcements, limit, bulk.connections, |_| true).await.context("the Announcements")?;
    Ok(Report { services: gone, total_ms: ms(now() - started), ..Report::default() })
}

/// Deletes the objects of these names; how many.
async fn delete<K>(api: &Api<K>, limit: Duration, connections: usize, wanted: fn(&str) -> bool) -> Result<usize>
where
    K: Clone + DeserializeOwned + Debug,
{
    let all = api.list_metadata(&ListParams::default()).await.context("list")?;
    let names: Vec<String> = all.items.into_iter().filter_map(|object| object.metadata.name).collect();
    let work = names.iter().filter(|name| wanted(name)).map(async |name| {
        match api.delete(name, &DeleteParams::background()).await {
            // Its controller was quicker.
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            done => done.map(drop).with_context(|| format!("delete {name}")),
        }
    });
    Ok(within(limit, at_a_time(connections, work)).await??.len())
}
