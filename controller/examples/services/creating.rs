//! Making Services, many at a time.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use kube::{Api, Client, api::PostParams};
use tokio::sync::oneshot;

use crate::{
    options::{Bulk, Options, name},
    report::{Report, ms, quantiles},
    watching::{at_a_time, now, watch, within},
};

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
        selector: Some(BTreeMap::from([("app".to_owned(), "bulk".to_owned())])),
        ports: Some(vec![ServicePort { port: 80, ..ServicePort::default() }]),
        ..ServiceSpec::default()
    });
    services.create(&PostParams::default(), &service).await.with_context(|| format!("create Service {name}"))?;
    Ok((name, now()))
}
