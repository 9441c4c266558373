//! What a large cluster costs the controller, without an API server: time of decisions, and memory.
//!
//! Everything goes the way of the program: objects of the API into the index, a snapshot, a decision, a plan, and the answers to its writes
//! back into the index. Prints a JSON object. `cargo xtask bench scale` runs it and compares with the goals.
//!
//! Arguments: Services of type LoadBalancer, nodes, Services of type ClusterIP.

use std::{
    collections::BTreeMap,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use arpeggio_common::{
    api::{Announcement, Decoded, IPAddressPool, L2Advertisement, ServiceL2Status, Speaker},
    model::LeasePace,
    program::{give_back_free_memory, use_one_heap},
};
use arpeggio_controller::{
    cluster::{
        Changes, ConfigurationKind, ServiceKey, Settings,
        index::{Delta, Index},
        project::{Entry, Id, Kind, Version, Watched},
    },
    decide::Decider,
    events,
    plan::{Subject, Write, plan},
    writer,
};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Service},
    discovery::v1::EndpointSlice,
};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Nodes that have an endpoint of each Service.
const SPREAD: u32 = 3;
/// How often a single change is measured.
const CHANGES: u32 = 200;
/// The namespace of the configuration.
const NAMESPACE: &str = "metallb-system";

fn main() {
    use_one_heap();
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    let (services, nodes) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(1_000));
    let others = numbers.next().unwrap_or(0);
    let mut bench = Bench::new(nodes);
    bench.nodes();
    let empty = resident();
    bench.services(services, true);
    bench.services(others, false);
    let watched = resident();
    let figures = bench.measure(services);
    let settled = resident();
    let figures = json!({
        "services": services,
        "nodes": nodes,
        "others": others,
        "from_nothing_ms": figures.from_nothing,
        "again_ms": figures.again,
        "one_change_ms": figures.one_change,
        "node_gone_ms": figures.node_gone,
        "writes": figures.writes,
        "empty_kib": empty,
        "watched_kib": watched,
        "settled_kib": settled,
        "lease_writes": LeasePace::default().writes(usize::try_from(nodes).unwrap_or(usize::MAX)),
        "bytes_per_service": (settled.saturating_sub(empty)) * 1024 / u64::from((services + others).max(1)),
    });
    print(&figures);
}

#[expect(clippy::print_stdout, reason = "its output is its result")]
fn print(figures: &Value) {
    println!("{figures:#}");
}

struct Figures {
    from_nothing: f64,
    again: f64,
    one_change: f64,
    node_gone: f64,
    writes: BTreeMap<String, usize>,
}

struct Bench {
    nodes: u32,
    index: Index,
    decider: Decider,
    event_limiter: events::EventLimiter,
    version: u64,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    fn new(nodes: u32) -> Self {
        Self {
            nodes,
            index: Index::new(Settings::default(), NAMESPACE, Duration::from_secs(3)),
            decider: Decider::new(),
            event_limiter: events::EventLimiter::default(),
            version: 1,
            now: Instant::now(),
        }
    }

    fn put<K: Watched>(&mut self, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let Ok(object) = serde_json::from_value::<K>(object) else { return };
        self.entry(K::KIND, object.entry());
    }

    fn entry(&mut self, kind: Kind, entry: Entry) {
        drop(self.index.feed(kind, Delta::Applied(entry), self.now));
    }

    /// Nodes with speakers on one segment, a namespace, a pool and an advertisement.
    fn nodes(&mut self) {
        self.put::<Namespace>(json!({"metadata": {"name": "shop", "uid": "ns", "labels": {"team": "shop"}}}));
        for number in 0..self.nodes {
            let (name, address) = (node(number), Ipv4Addr::from_bits(0x0a00_0100 + number));
            self.put::<Node>(json!({
                "metadata": {"name": name, "uid": uid("n", number), "labels": {"kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": format!("zone-{}", number % 3)}},
                "status": {"addresses": [{"type": "InternalIP", "address": address}],
                    "conditions": [{"type": "Ready", "status": "True"}]},
            }));
            self.put::<Decoded<Speaker>>(json!({
                "apiVersion": "arpeggio.io/v1alpha1", "kind": "Speaker",
                "metadata": {"name": name, "uid": uid("s", number)}, "spec": {},
                "status": {"version": "1", "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "attached": "tcx",
                    "addresses": [format!("{address}/8")]}]},
            }));
            self.put::<Lease>(json!({
                "metadata": {"namespace": NAMESPACE, "name": format!("speaker-{name}"), "uid": uid("l", number),
                    "labels": {"app.kubernetes.io/component": "arpeggio-speaker"}},
                "spec": {"holderIdentity": name, "leaseDurationSeconds": 3600, "renewTime": "2026-01-01T00:00:00.000000Z"},
            }));
        }
        let meta = |name: &str| json!({"namespace": NAMESPACE, "name": name, "uid": name, "generation": 1});
        self.put::<Decoded<IPAddressPool>>(json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": meta("main"),
            "spec": {"addresses": ["10.128.0.0/13"]},
        }));
        self.put::<Decoded<L2Advertisement>>(json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": meta("all"), "spec": {},
        }));
        drop(self.index.feed(Kind::from(ConfigurationKind::BgpAdvertisement), Delta::Begin, self.now));
        drop(self.index.feed(Kind::from(ConfigurationKind::BgpAdvertisement), Delta::Complete, self.now));
    }

    fn services(&mut self, count: u32, balancers: bool) {
        for number in 0..count {
            self.put::<Service>(service(number, balancers, None));
            let nodes: Vec<u32> = (0..SPREAD).map(|other| (number * 7 + other * 31) % self.nodes).collect();
            self.put::<EndpointSlice>(slice(number, balancers, &nodes));
        }
    }

    fn decide(&mut self) -> (Vec<Write>, f64) {
        let (snapshot, changes) = self.index.take();
        let begin = processor_time();
        let decision = self.decider.decide(&snapshot, &changes);
        let writes = plan(&snapshot, &decision);
        let took = processor_time().saturating_sub(begin);
        drop(black_box(decision));
        (writes, took.as_secs_f64() * 1e3)
    }

    /// What the API server would answer, and what speakers would say then.
    fn carry_out(&mut self, writes: Vec<Write>, counts: &mut BTreeMap<String, usize>) {
        for write in writes {
            *counts.entry(writer::kind(&write).to_owned()).or_default() += 1;
            match write {
                Write::ServiceStatus(status) => {
                    let number = number_of(&status.key);
                    self.put::<Service>(service(number, true, status.ingress.first()));
                }
                Write::Announcement { content, .. } => {
                    let candidates: Vec<String> =
                        content.candidates.iter().flatten().map(ToString::to_string).collect();
                    let services: Vec<Value> = (content.services.iter())
                        .map(|(key, uid)| json!({"namespace": &*key.namespace, "name": &*key.name, "uid": uid}))
                        .collect();
                    let owner = candidates.first().cloned();
                    let name = content.address.to_string();
                    self.put::<Decoded<Announcement>>(json!({
                        "apiVersion": "arpeggio.io/v1alpha1", "kind": "Announcement",
                        "metadata": {"name": name, "uid": format!("announcement-00000000-0000-{name}")},
                        "spec": {"address": name, "pool": content.pool, "services": services,
                            "l2": {"candidates": candidates}},
                        "status": {"owner": owner, "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01"}],
                            "conditions": [{"type": "Announced", "status": "True", "reason": "Answered", "message": "",
                                "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
                    }));
                }
                Write::L2Status { name, content, .. } => {
                    self.put::<Decoded<ServiceL2Status>>(json!({
                        "apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status",
                        "metadata": {"namespace": NAMESPACE, "name": name, "uid": format!("status-0000-{name}")},
                        "status": {"node": content.node.as_str(), "serviceName": &*content.service.name,
                            "serviceNamespace": &*content.service.namespace, "interfaces": [{"name": "eth0"}]},
                    }));
                }
                Write::DeleteL2Status { name, .. } => {
                    let id = Id { namespace: NAMESPACE.to_owned(), name: name.clone() };
                    let version = Version { uid: format!("status-0000-{name}"), resource_version: String::new() };
                    drop(self.index.feed(Kind::L2Status, Delta::Deleted(id, version), self.now));
                }
                Write::Event { about: Subject::Service(_), uid, notice } => {
                    self.event_limiter.admit(&uid, &notice, self.now);
                }
                Write::Event { .. }
                | Write::Silence { .. }
                | Write::DeleteAnnouncement { .. }
                | Write::Configured(_)
                | Write::DeleteBgpStatus { .. }
                | Write::State { .. }
                | Write::DeleteState { .. } => {}
            }
        }
    }

    fn measure(&mut self, services: u32) -> Figures {
        let mut writes = BTreeMap::new();
        self.index.note(Changes::everything());
        let (first, from_nothing) = self.decide();
        self.carry_out(first, &mut writes);
        // Speakers answer, reports follow, and then nothing is left to do.
        for _ in 0..3 {
            let (more, _) = self.decide();
            self.carry_out(more, &mut writes);
        }
        self.index.note(Changes::everything());
        let (nothing, again) = self.decide();
        self.carry_out(nothing, &mut BTreeMap::new());
        let mut one_change = 0.0;
        for number in 0..CHANGES {
            let service = (number * 7919) % services.max(1);
            let nodes: Vec<u32> = (0..SPREAD).map(|other| (service * 7 + other * 31 + 1) % self.nodes).collect();
            self.put::<EndpointSlice>(slice(service, true, &nodes));
            let (more, took) = self.decide();
            one_change += took;
            self.carry_out(more, &mut BTreeMap::new());
        }
        let id = Id { namespace: String::new(), name: node(7) };
        let version = Version { uid: uid("n", 7), resource_version: String::new() };
        drop(self.index.feed(Kind::Node, Delta::Deleted(id, version), self.now));
        let (moved, node_gone) = self.decide();
        self.carry_out(moved, &mut BTreeMap::new());
        Figures { from_nothing, again, one_change: one_change / f64::from(CHANGES), node_gone, writes }
    }
}

fn node(number: u32) -> String {
    format!("node-{number:04}")
}

/// As long as those of the API server.
fn uid(kind: &str, number: u32) -> String {
    format!("{kind}0000000-0000-4000-8000-{number:012}")
}

fn number_of(key: &ServiceKey) -> u32 {
    key.name.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn name(number: u32, balancers: bool) -> String {
    if balancers { format!("service-{number:06}") } else { format!("internal-{number:06}") }
}

/// A Service as users write it; `address`: what it was given.
fn service(number: u32, balancer: bool, address: Option<&IpAddr>) -> Value {
    let (kind, name) = (if balancer { "LoadBalancer" } else { "ClusterIP" }, name(number, balancer));
    let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "shop"});
    let mut object = json!({
        "metadata": {"namespace": "shop", "name": name, "uid": uid(&kind[..1].to_lowercase(), number), "labels": labels},
        "spec": {"type": kind, "clusterIP": Ipv4Addr::from_bits(0x0b00_0000 + number),
            "clusterIPs": [Ipv4Addr::from_bits(0x0b00_0000 + number)], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "selector": labels,
            "ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]},
    });
    if let Some(address) = address {
        object["metadata"]["annotations"] = json!({"metallb.io/ip-allocated-from-pool": "main"});
        object["status"] = json!({"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}});
    }
    object
}

fn slice(number: u32, balancer: bool, nodes: &[u32]) -> Value {
    let endpoints: Vec<Value> = nodes
        .iter()
        .map(|number| json!({"addresses": ["10.0.0.1"], "nodeName": node(*number), "conditions": {"ready": true}}))
        .collect();
    let (kind, service) = (if balancer { "e" } else { "f" }, name(number, balancer));
    json!({
        "metadata": {"namespace": "shop", "name": format!("{service}-x7k2p"), "uid": uid(kind, number),
            "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "endpoints": endpoints,
    })
}

/// Processor time that this thread has had: what others do meanwhile does not count.
#[expect(clippy::unwrap_used, reason = "a benchmark without a clock has nothing to say")]
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// Resident memory, KiB, once all that is free was given back.
fn resident() -> u64 {
    give_back_free_memory();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}
