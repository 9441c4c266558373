//! The yardstick: what has to be written for each Service, and nothing but that.

use std::{net::Ipv4Addr, time::Instant};

use anyhow::{Context as _, Result};
use arpeggio_common::api::{
    Announcement,
    announcement::{AnnouncementSpec, L2, ServiceReference},
    names,
};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    options::{Bulk, Options},
    report::{Report, curve, ms},
    watching::{at_a_time, now, within},
};

/// Writes the status of each Service, and an Announcement.
pub(crate) async fn write(client: &Client, options: &Options, bulk: &Bulk) -> Result<Report> {
    let services: Api<Service> = Api::namespaced(client.clone(), &options.namespace);
    let announcements: Api<Announcement> = Api::all(client.clone());
    let all = services.list_metadata(&ListParams::default()).await.context("list Services")?;
    let names: Vec<String> = all.items.into_iter().filter_map(|service| service.metadata.name).collect();
    let names: Vec<String> = names.into_iter().filter(|name| name.starts_with("bulk-")).take(bulk.count).collect();
    let started = now();
    let work = names.iter().zip(0u32..).map(|(name, index)| {
        // The first of 10.0.0.0/8, and so on.
        let address = Ipv4Addr::from_bits(0x0a00_0000 + index);
        give(&services, &announcements, (&options.namespace, name), address)
    });
    let written = within(options.limit(), at_a_time(bulk.connections, work)).await??;
    let total = ms(now() - started);
    let curve = curve(started, written.iter().copied());
    Ok(Report { services: written.len(), total_ms: total, requests_ms: total, curve, ..Report::default() })
}

/// What a controller writes for one Service; returns when it had its address.
async fn give(
    services: &Api<Service>,
    announcements: &Api<Announcement>,
    (namespace, name): (&str, &str),
    address: Ipv4Addr,
) -> Result<Instant> {
    let patch = json!({
        "metadata": { "annotations": { names::ALLOCATED_FROM: "bulk" } },
        "status": { "loadBalancer": { "ingress": [{ "ip": address.to_string(), "ipMode": "VIP" }] } },
    });
    let parameters = PatchParams::default();
    let status = services.patch_status(name, &parameters, &Patch::Strategic(patch)).await;
    let status = status.with_context(|| format!("write the status of Service {name}"))?;
    let given = now();
    let content = AnnouncementSpec {
        address: address.to_string(),
        pool: "bulk".to_owned(),
        services: vec![ServiceReference {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: status.metadata.uid.unwrap_or_default(),
        }],
        l2: Some(L2 { candidates: ["node-a", "node-b", "node-c"].map(str::to_owned).into(), ..L2::default() }),
        bgp: Vec::new(),
    };
    let announcement = Announcement::new(&names::announcement(address.into()), content);
    announcements
        .create(&PostParams::default(), &announcement)
        .await
        .with_context(|| format!("write the Announcement of {address}"))?;
    Ok(given)
}
