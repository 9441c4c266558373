//! One screen: controllers, speakers, pools and addresses, problems first.

mod problems;
mod render;

use arpeggio_common::{
    api::{Announcement, IPAddressPool, Speaker, condition, names},
    model::NodeName,
};
use arpeggio_controller::{cluster::Snapshot, leader};
use serde::Serialize;

pub use self::render::render;
use crate::{
    objects::{Objects, renewed},
    output::Finding,
};

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the tables")]
pub struct Status {
    pub findings: Vec<Finding>,
    pub controller: ControllerRow,
    pub speakers: Vec<SpeakerRow>,
    pub pools: Vec<PoolRow>,
    pub addresses: Vec<AddressRow>,
}

/// The controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerRow {
    /// The holder of the lease; `None`: no controller leads.
    pub leader: Option<String>,
    /// Seconds since the lease was renewed.
    pub renewed_seconds_ago: Option<i64>,
    /// Replicas that are ready, and those that are wanted, where a Deployment says so.
    pub replicas: Option<(i32, i32)>,
}

/// A speaker, or a node without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct SpeakerRow {
    pub node: String,
    pub live: bool,
    pub ready: String,
    pub owned: usize,
    pub version: String,
    pub evacuating: bool,
    pub interfaces: Vec<String>,
}

/// A pool and its counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct PoolRow {
    pub name: String,
    pub accepted: bool,
    pub used_v4: i64,
    pub free_v4: i64,
    pub used_v6: i64,
    pub free_v6: i64,
    pub addresses: Vec<String>,
}

/// An address and its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct AddressRow {
    pub address: String,
    pub services: Vec<String>,
    pub pool: String,
    pub owner: Option<String>,
    pub announced: Option<bool>,
    pub candidates: Vec<String>,
    pub since: Option<String>,
    pub interfaces: Vec<String>,
    pub routes: Vec<String>,
}

impl Status {
    /// What the objects say. `snapshot`: the controller's view of them.
    pub fn new(objects: &Objects, snapshot: &Snapshot) -> Self {
        let controller = ControllerRow::new(objects);
        let mut addresses: Vec<AddressRow> = objects.readable_announcements().map(AddressRow::new).collect();
        addresses.sort_by_cached_key(|row| row.address.parse::<std::net::IpAddr>().ok());
        let speakers = speakers(objects, snapshot, &addresses);
        let mut pools: Vec<PoolRow> =
            objects.pools.iter().filter_map(|pool| pool.0.as_ref().ok()).map(PoolRow::new).collect();
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        let mut status = Self { findings: Vec::new(), controller, speakers, pools, addresses };
        status.findings = problems::find(objects, snapshot, &status);
        status
    }

    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        !Finding::any_problem(&self.findings)
    }
}

impl ControllerRow {
    fn new(objects: &Objects) -> Self {
        let lease = objects.lease(leader::LEASE);
        let held = lease.filter(|lease| objects.is_held(lease));
        let replicas = objects.controllers().next().map(|(deployment, _)| {
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
            (ready, wanted)
        });
        let age = |time: jiff::Timestamp| (objects.now.as_second() - time.as_second()).max(0);
        Self {
            leader: held.and_then(|lease| lease.spec.as_ref()?.holder_identity.clone()),
            renewed_seconds_ago: lease.and_then(renewed).map(age),
            replicas,
        }
    }
}

/// Every node and every speaker, by name.
fn speakers(objects: &Objects, snapshot: &Snapshot, addresses: &[AddressRow]) -> Vec<SpeakerRow> {
    let mut names: Vec<&NodeName> = snapshot.nodes.keys().chain(snapshot.speakers.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let row = |name: &NodeName| {
        let object = objects.readable_speakers().find(|one| one.metadata.name.as_deref() == Some(name.as_str()));
        let status = object.and_then(|object| object.status.as_ref());
        let ready = status.and_then(|status| condition::find(&status.conditions, "Ready"));
        let known = snapshot.speakers.get(name);
        let evacuated = snapshot.nodes.get(name).is_some_and(|node| node.evacuate);
        SpeakerRow {
            node: name.to_string(),
            live: known.is_some_and(|speaker| speaker.live),
            ready: ready.map(|ready| ready.status.clone()).unwrap_or_default(),
            owned: addresses.iter().filter(|row| row.owner.as_deref() == Some(name.as_str())).count(),
            version: status.map(|status| status.version.clone()).unwrap_or_default(),
            evacuating: evacuated || known.is_some_and(|speaker| speaker.evacuate),
            interfaces: object.map(interfaces).unwrap_or_default(),
        }
    };
    names.into_iter().map(row).collect()
}

fn interfaces(speaker: &Speaker) -> Vec<String> {
    let all = speaker.status.iter().flat_map(|status| &status.interfaces);
    let attached = all.filter(|interface| !interface.attached.is_empty());
    attached.map(|interface| format!("{} ({})", interface.name, interface.attached)).collect()
}

impl PoolRow {
    fn new(pool: &IPAddressPool) -> Self {
        let status = pool.status.clone().unwrap_or_default();
        let accepted = condition::find(&status.conditions, names::ACCEPTED);
        Self {
            name: pool.metadata.name.clone().unwrap_or_default(),
            accepted: accepted.is_none_or(|accepted| condition::holds(accepted) != Some(false)),
            used_v4: status.assigned_ipv4,
            free_v4: status.available_ipv4,
            used_v6: status.assigned_ipv6,
            free_v6: status.available_ipv6,
            addresses: pool.spec.addresses.clone(),
        }
    }
}

impl AddressRow {
    fn new(announcement: &Announcement) -> Self {
        let (spec, status) = (&announcement.spec, announcement.status.clone().unwrap_or_default());
        let announced = condition::find(&status.conditions, names::ANNOUNCED);
        Self {
            address: spec.address.clone(),
            services: spec.services.iter().map(|one| format!("{}/{}", one.namespace, one.name)).collect(),
            pool: spec.pool.clone(),
            owner: status.owner.filter(|owner| !owner.is_empty()),
            announced: announced.and_then(condition::holds),
            candidates: spec.l2.as_ref().map(|l2| l2.candidates.clone()).unwrap_or_default(),
            since: status.since.map(|since| since.0.to_string()),
            interfaces: status.interfaces.into_iter().map(|one| format!("{} {}", one.name, one.mac)).collect(),
            routes: spec.bgp.iter().map(|route| route.prefix.clone()).collect(),
        }
    }
}

#[cfg(test)]
#[path = "status/tests.rs"]
mod tests;
