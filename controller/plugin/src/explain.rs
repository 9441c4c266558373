//! Who answers for a Service or an address, or why nobody does: the whole chain, and one verdict.

mod render;

use std::{collections::BTreeSet, net::IpAddr};

use arpeggio_common::{
    api::{Announcement, condition, names},
    model::NodeName,
};
use arpeggio_controller::cluster::{Family, Service, ServiceKey, Snapshot};
use k8s_openapi::api::core::v1::Event;
use serde::Serialize;

pub use self::render::render;
use crate::{
    cluster::{Asked, advertisements, is_ours, users},
    objects::Objects,
    output::{Finding, Severity},
};

/// Events that are shown.
const EVENTS: usize = 10;

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the sections")]
pub struct Explanation {
    pub subject: String,
    pub verdict: Finding,
    pub services: Vec<Request>,
    pub addresses: Vec<AddressChain>,
    pub events: Vec<EventRow>,
}

/// What a Service asks for, and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the fields of the Service")]
pub struct Request {
    pub service: String,
    pub asks: Vec<String>,
    pub addresses: Vec<IpAddr>,
    pub conditions: Vec<String>,
}

/// From the pool to the owner of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the lines")]
pub struct AddressChain {
    pub address: IpAddr,
    pub pool: String,
    pub advertisements: Vec<String>,
    pub candidates: Vec<String>,
    pub others: Vec<(String, String)>,
    pub owner: Option<String>,
    pub since: Option<String>,
    pub interfaces: Vec<String>,
    pub routes: Vec<String>,
    pub condition: Option<String>,
    /// Commands that ask the speakers, which ask the segment as a client would.
    pub ask: Vec<String>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct EventRow {
    pub time: String,
    pub kind: String,
    pub reason: String,
    pub message: String,
}

/// What the user asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An address.
    Address(IpAddr),
    /// A Service.
    Service(ServiceKey),
}

impl Subject {
    /// Reads `NAMESPACE/NAME`, `NAME` or an address. `namespace`: where a Service without one is.
    pub fn read(text: &str, namespace: &str) -> Self {
        let text = text.strip_prefix("service/").or_else(|| text.strip_prefix("svc/")).unwrap_or(text);
        match (text.parse::<IpAddr>(), text.split_once('/')) {
            (Ok(address), _) => Self::Address(address.to_canonical()),
            (Err(_), Some((namespace, name))) => Self::Service(ServiceKey::new(namespace, name)),
            (Err(_), None) => Self::Service(ServiceKey::new(namespace, text)),
        }
    }
}

impl Explanation {
    /// What the objects say about the subject.
    pub fn new(objects: &Objects, snapshot: &Snapshot, subject: &Subject) -> Self {
        let (title, services, addresses) = match subject {
            Subject::Address(address) => {
                let mut services = users(snapshot, *address);
                let announced = snapshot.announcements.get(address).and_then(|one| one.content.as_ref());
                services.extend(announced.into_iter().flat_map(|content| content.services.keys().cloned()));
                (format!("address {address}"), services, BTreeSet::from([*address]))
            }
            Subject::Service(key) => {
                let service = snapshot.services.get(key);
                let addresses = service.into_iter().flat_map(|service| service.ingress.iter().copied());
                (format!("Service {key}"), BTreeSet::from([key.clone()]), addresses.collect())
            }
        };
        let present: Vec<&Service> =
            services.iter().filter_map(|key| snapshot.services.get(key)).map(AsRef::as_ref).collect();
        let chains: Vec<AddressChain> =
            addresses.iter().map(|address| AddressChain::new(objects, snapshot, *address, &present)).collect();
        Self {
            verdict: verdict(snapshot, &title, &present, &chains),
            subject: title,
            services: present.into_iter().map(Request::new).collect(),
            addresses: chains,
            events: events(&objects.events, &services),
        }
    }

    /// Whether the subject is answered for.
    pub fn is_well(&self) -> bool {
        self.verdict.severity != Severity::Problem
    }
}

impl Request {
    fn new(service: &Service) -> Self {
        let asked = &service.requests;
        let fields = [
            ("pool", asked.pool.clone()),
            ("addresses", asked.addresses.clone()),
            ("loadBalancerIP", asked.load_balancer_ip.clone()),
            ("shared under", asked.sharing_key.clone()),
            ("class", service.class.clone()),
            ("externalTrafficPolicy", service.local.then(|| "Local".to_owned())),
        ];
        let families = service.families.iter().map(|family| match family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        });
        let mut asks = vec![format!("families {}", families.collect::<Vec<_>>().join(", "))];
        asks.extend(fields.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))));
        asks.extend(asked.strays.iter().map(ToString::to_string));
        let told = [("Allocated", &service.refusal), ("Announced", &service.silence)];
        let told = told.into_iter().filter_map(|(kind, why)| {
            let why = why.as_ref()?;
            Some(format!("arpeggio.io/{kind} is false ({}): {}", why.reason, why.message))
        });
        Self { service: service.key.to_string(), asks, addresses: service.ingress.clone(), conditions: told.collect() }
    }
}

impl AddressChain {
    fn new(objects: &Objects, snapshot: &Snapshot, address: IpAddr, services: &[&Service]) -> Self {
        let name = names::announcement(address);
        let object = objects.readable_announcements().find(|one| one.metadata.name.as_deref() == Some(name.as_str()));
        let allocated = services.iter().find(|service| service.ingress.contains(&address));
        let by_service = allocated.and_then(|service| service.allocated_from.clone());
        let holding = |pool: &&arpeggio_common::model::Pool| pool.ranges.iter().any(|range| range.contains(address));
        let by_range = || Some(snapshot.configuration.pools.values().find(holding)?.name.clone());
        let pool = by_service.or_else(by_range).unwrap_or_default();
        let candidates = object.and_then(|object| object.spec.l2.as_ref()).map(|l2| l2.candidates.clone());
        let candidates = candidates.unwrap_or_default();
        let others = services.first().map(|service| {
            let asked = Asked { snapshot, service, address, pool: &pool };
            let others = snapshot.nodes.keys().filter(|node| !candidates.iter().any(|one| one == node.as_str()));
            others.map(|node: &NodeName| (node.to_string(), asked.why_not(node))).collect()
        });
        let covering = services.first().map(|service| advertisements(snapshot, service, &pool));
        let status = object.and_then(|object| object.status.clone()).unwrap_or_default();
        let condition = condition::find(&status.conditions, names::ANNOUNCED);
        Self {
            address,
            advertisements: covering.into_iter().flatten().map(|one| one.name.clone()).collect(),
            others: others.unwrap_or_default(),
            owner: status.owner.filter(|owner| !owner.is_empty()),
            since: status.since.map(|since| since.0.to_string()),
            interfaces: status.interfaces.iter().map(|one| format!("{} {}", one.name, one.mac)).collect(),
            routes: object.map(routes).unwrap_or_default(),
            condition: condition.map(|it| format!("Announced is {} ({}): {}", it.status, it.reason, it.message)),
            ask: asking(objects, address, &candidates),
            pool,
            candidates,
        }
    }
}

fn routes(object: &Announcement) -> Vec<String> {
    let nodes =
        |nodes: &Option<Vec<String>>| nodes.as_ref().map_or_else(|| "every node".to_owned(), |all| all.join(", "));
    object.spec.bgp.iter().map(|route| format!("{} from {}", route.prefix, nodes(&route.nodes))).collect()
}

/// A command for each candidate with a pod.
fn asking(objects: &Objects, address: IpAddr, candidates: &[String]) -> Vec<String> {
    let pods = candidates.iter().filter_map(|node| objects.speaker_pod(node));
    pods.map(|pod| format!("kubectl -n {} exec {pod} -c speaker -- speaker explain {address}", objects.namespace))
        .collect()
}

/// The last events of Services.
fn events(all: &[Event], services: &BTreeSet<ServiceKey>) -> Vec<EventRow> {
    let is_about = |event: &&Event| {
        let object = &event.involved_object;
        let (namespace, name) = (object.namespace.as_deref(), object.name.as_deref());
        object.kind.as_deref() == Some("Service")
            && services.iter().any(|key| namespace == Some(&*key.namespace) && name == Some(&*key.name))
    };
    let mut rows: Vec<EventRow> = all
        .iter()
        .filter(is_about)
        .map(|event| EventRow {
            time: time(event),
            kind: event.type_.clone().unwrap_or_default(),
            reason: event.reason.clone().unwrap_or_default(),
            message: event.message.clone().unwrap_or_default(),
        })
        .collect();
    rows.sort();
    rows.split_off(rows.len().saturating_sub(EVENTS))
}

fn time(event: &Event) -> String {
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let last = last.or_else(|| event.event_time.as_ref().map(|time| time.0));
    last.map(|time| time.to_string()).unwrap_or_default()
}

/// One sentence: the first thing in the chain that is wrong, or who answers.
fn verdict(snapshot: &Snapshot, title: &str, services: &[&Service], chains: &[AddressChain]) -> Finding {
    let Some(service) = services.first() else {
        let next = "kubectl get services --all-namespaces; kubectl get announcements";
        return Finding::problem(title, "there is no such Service, and no Service has such an address", next);
    };
    let edit = format!("kubectl -n {} edit service {}", service.key.namespace, service.key.name);
    if !service.load_balancer {
        return Finding::problem(title, "is not of type LoadBalancer", edit);
    }
    if !is_ours(snapshot, service) {
        let class = service.class.as_deref().unwrap_or("none");
        return Finding::problem(
            title,
            format!("belongs to another controller: its loadBalancerClass is {class}"),
            edit,
        );
    }
    if let Some(why) = service.refusal.as_ref().or(service.silence.as_ref()) {
        return Finding::problem(title, why.message.clone(), edit);
    }
    if service.ingress.is_empty() {
        return Finding::problem(
            title,
            "has no address yet; the controller has not decided",
            "kubectl arpeggio status",
        );
    }
    let answers = |chain: &AddressChain| verdict_of(snapshot, title, chain);
    let findings: Vec<Finding> = chains.iter().map(answers).collect();
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    match findings.iter().min_by_key(|finding| finding.severity) {
        Some(worst) if worst.severity == Severity::Problem => worst.clone(),
        Some(_) | None => {
            Finding { severity: Severity::Ok, message: messages.join("; "), ..Finding::problem(title, "", "") }
        }
    }
}

fn verdict_of(snapshot: &Snapshot, title: &str, chain: &AddressChain) -> Finding {
    let AddressChain { address, owner, candidates, routes, condition, .. } = chain;
    let logs = "kubectl arpeggio status";
    if let Some(condition) = condition.as_ref().filter(|condition| condition.starts_with("Announced is False")) {
        return Finding::problem(title, format!("{address} is not announced: {condition}"), logs);
    }
    let name = owner.as_deref().and_then(|owner| NodeName::try_from(owner).ok());
    let lives = |name: &NodeName| snapshot.speakers.get(name).is_some_and(|speaker| speaker.live);
    match name {
        Some(name) if lives(&name) => {
            Finding { severity: Severity::Ok, ..Finding::problem(title, format!("{name} answers for {address}"), "") }
        }
        Some(name) => {
            let message =
                format!("{name} owned {address}, and its speaker counts as dead; the next candidate takes over");
            Finding::problem(title, message, logs)
        }
        None if !routes.is_empty() && candidates.is_empty() => {
            let message = format!("{address} is announced to BGP peers: {}", routes.join("; "));
            Finding { severity: Severity::Ok, ..Finding::problem(title, message, "") }
        }
        None if candidates.is_empty() => Finding::problem(
            title,
            format!("no node may answer for {address}; each is named below with the reason"),
            logs,
        ),
        None => {
            let message = format!("no node says that it answers for {address}; {} is to", candidates.join(", then "));
            Finding::problem(title, message, chain.ask.first().map_or(logs, String::as_str))
        }
    }
}

#[cfg(test)]
#[path = "explain/tests.rs"]
mod tests;
