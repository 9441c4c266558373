//! What is wrong, and the next command for each.

use std::net::IpAddr;

use arpeggio_common::{
    api::{
        Decoded,
        condition::{self, Conditioned},
        names,
    },
    model::NodeName,
};
use arpeggio_controller::cluster::{Service, Snapshot};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{AddressRow, Status};
use crate::{
    cluster::{is_ours, users},
    objects::Objects,
    output::Finding,
};

/// Every finding, the worst first.
pub(super) fn find(objects: &Objects, snapshot: &Snapshot, status: &Status) -> Vec<Finding> {
    let mut all = controllers(objects, status);
    all.extend(speakers(objects, snapshot, status));
    all.extend(configuration(objects));
    all.extend(pools(status));
    all.extend(snapshot.services.values().filter(|one| is_ours(snapshot, one)).flat_map(|one| service(one)));
    all.extend(status.addresses.iter().flat_map(|row| address(snapshot, row)));
    all.extend(
        objects.unlisted.iter().map(|why| {
            Finding::warning("this report", format!("is incomplete: {why}"), "ask for the right to list it")
        }),
    );
    all.sort_by_key(|finding| finding.severity);
    all
}

fn controllers(objects: &Objects, status: &Status) -> Vec<Finding> {
    let logs = format!("kubectl -n {} get pods; kubectl -n {0} logs deployment/controller", objects.namespace);
    let mut all = Vec::new();
    if status.controller.leader.is_none() {
        all.push(Finding::problem("controller", "no controller holds the lease: no Service gets an address", &logs));
    }
    if let Some((ready, wanted)) = status.controller.replicas.filter(|(ready, wanted)| ready < wanted) {
        let message = format!("{ready} of {wanted} replicas are ready");
        let next = format!("kubectl -n {} describe deployment controller", objects.namespace);
        all.push(if ready == 0 {
            Finding::problem("controller", message, next)
        } else {
            Finding::warning("controller", message, next)
        });
    }
    all
}

fn speakers(objects: &Objects, snapshot: &Snapshot, status: &Status) -> Vec<Finding> {
    let namespace = &objects.namespace;
    let mut all = Vec::new();
    if snapshot.speakers.is_empty() {
        let next = format!("kubectl -n {namespace} get daemonset speaker");
        all.push(Finding::problem("speakers", "no speaker runs: nobody answers for any address", next));
        return all;
    }
    for row in &status.speakers {
        let subject = format!("speaker on {}", row.node);
        let pod = objects.speaker_pod(&row.node).map_or_else(
            || format!("kubectl -n {namespace} get pods -o wide --field-selector spec.nodeName={}", row.node),
            |pod| format!("kubectl -n {namespace} logs {pod}"),
        );
        let name = NodeName::try_from(row.node.as_str()).ok();
        let is_known = name.as_ref().is_some_and(|name| snapshot.speakers.contains_key(name));
        if !is_known {
            all.push(Finding::warning(format!("node {}", row.node), "no speaker runs on it", pod));
        } else if !row.live {
            all.push(Finding::problem(subject, "does not renew its lease: it counts as dead", pod));
        } else {
            all.extend(conditions(objects, &row.node, &pod));
            if row.evacuating {
                let next = format!("kubectl arpeggio evacuate {} --undo", row.node);
                all.push(Finding::warning(subject, "is evacuated: others own its addresses", next));
            }
        }
    }
    all
}

/// Conditions of a speaker that are not true.
fn conditions(objects: &Objects, node: &str, next: &str) -> Vec<Finding> {
    let speaker = objects.readable_speakers().find(|one| one.metadata.name.as_deref() == Some(node));
    let conditions = speaker.and_then(|speaker| speaker.status.as_ref()).map(|status| &status.conditions);
    let bad = |one: &&Condition| {
        ["Ready", names::ACCEPTED, "Connected"].contains(&one.type_.as_str()) && condition::holds(one) == Some(false)
    };
    let finding = |one: &Condition| {
        Finding::problem(format!("speaker on {node}"), format!("{} is false: {}", one.type_, one.message), next)
    };
    conditions.into_iter().flatten().filter(bad).map(finding).collect()
}

fn configuration(objects: &Objects) -> Vec<Finding> {
    let mut all = not_accepted(&objects.namespace, &objects.pools);
    all.extend(not_accepted(&objects.namespace, &objects.l2_advertisements));
    all.extend(not_accepted(&objects.namespace, &objects.bgp_advertisements));
    all.extend(not_accepted(&objects.namespace, &objects.peers));
    all.extend(not_accepted(&objects.namespace, &objects.communities));
    all.extend(not_accepted(&objects.namespace, &objects.bfd_profiles));
    all
}

/// Objects of a kind that are not in force as written.
fn not_accepted<K: Conditioned>(namespace: &str, objects: &[Decoded<K>]) -> Vec<Finding> {
    let one = |object: &Decoded<K>| {
        let (kind, plural) = (K::kind(&()), K::plural(&()));
        let object = match &object.0 {
            Ok(object) => object,
            Err(unreadable) => {
                let next = format!("kubectl -n {namespace} edit {plural} {}", unreadable.fault.object.name);
                return Some(Finding::problem(unreadable.fault.object.to_string(), unreadable.fault.to_string(), next));
            }
        };
        let accepted = condition::find(object.conditions(), names::ACCEPTED)?;
        let name = object.meta().name.as_deref().unwrap_or_default();
        let next = format!("kubectl -n {namespace} edit {plural} {name}");
        (condition::holds(accepted) == Some(false))
            .then(|| Finding::problem(format!("{kind} {name}"), accepted.message.clone(), next))
    };
    objects.iter().filter_map(one).collect()
}

fn pools(status: &Status) -> Vec<Finding> {
    let full = status
        .pools
        .iter()
        .filter(|pool| (pool.used_v4 > 0 && pool.free_v4 == 0) || (pool.used_v6 > 0 && pool.free_v6 == 0));
    full.map(|pool| {
        let next = format!("widen it, and try first: kubectl arpeggio plan -f FILE-WITH-{}", pool.name);
        Finding::warning(format!("IPAddressPool {}", pool.name), "has no free address left", next)
    })
    .collect()
}

fn service(service: &Service) -> Vec<Finding> {
    let subject = format!("Service {}", service.key);
    let next = format!("kubectl arpeggio explain {}", service.key);
    match (&service.refusal, &service.silence) {
        (Some(why), _) | (None, Some(why)) => vec![Finding::problem(subject, why.message.clone(), next)],
        (None, None) if service.ingress.is_empty() => {
            vec![Finding::problem(subject, "has no address yet, and the controller has not said why", next)]
        }
        (None, None) => Vec::new(),
    }
}

fn address(snapshot: &Snapshot, row: &AddressRow) -> Vec<Finding> {
    let Ok(address) = row.address.parse::<IpAddr>() else { return Vec::new() };
    // What its Services say is said already.
    let is_told = |key| snapshot.services.get(key).is_some_and(|service| service.silence.is_some());
    if users(snapshot, address).iter().any(is_told) {
        return Vec::new();
    }
    let (subject, next) = (format!("address {address}"), format!("kubectl arpeggio explain {address}"));
    let owner = row.owner.as_deref().and_then(|owner| NodeName::try_from(owner).ok());
    let lives = |owner: &NodeName| snapshot.speakers.get(owner).is_some_and(|speaker| speaker.live);
    match owner {
        _ if row.announced == Some(false) => {
            let observed = snapshot.announcements.get(&address).and_then(|one| one.trouble.as_ref());
            let why = observed.map_or("it is not announced", |trouble| &trouble.says.message);
            vec![Finding::problem(subject, why, next)]
        }
        None if !row.candidates.is_empty() => vec![Finding::problem(subject, "no node says that it answers", next)],
        Some(owner) if !lives(&owner) => {
            vec![Finding::problem(subject, format!("its owner {owner} counts as dead; another takes over"), next)]
        }
        Some(_) | None => Vec::new(),
    }
}
