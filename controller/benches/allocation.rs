//! What allocation costs: 10,000 Services over 100 pools, from nothing, after a restart, and one change at a time.
//!
//! Prints a line for each case: milliseconds of processor time (the median of several rounds) and its name. Run it with
//! `cargo bench -p arpeggio-controller --bench allocation`.

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use arpeggio_common::model::{AddressRange, Configuration, Labels, Pool};
use arpeggio_controller::{
    cluster::{Changes, Family, FamilyPolicy, Port, Protocol, Service, ServiceKey, Snapshot},
    decide::allocate::Allocation,
};
use nix::time::{ClockId, clock_gettime};

/// Services of every case.
const SERVICES: u32 = 10_000;
/// Pools of most cases.
const POOLS: u32 = 100;
/// Addresses of each family in each of them: a few more than are needed.
const SIZE: u32 = 128;
/// How often each case is measured.
const ROUNDS: usize = 7;
/// Changes that are measured together where one is too short.
const CHANGES: u32 = 40;

/// Processor time that this thread has had: what others do meanwhile does not count.
#[expect(clippy::unwrap_used, reason = "a benchmark without a clock has nothing to say")]
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// Milliseconds of the processor that `work` takes.
fn milliseconds(work: impl FnOnce()) -> f64 {
    let begin = processor_time();
    work();
    (processor_time() - begin).as_secs_f64() * 1e3
}

/// A way to measure: milliseconds.
type Measure = fn(&Snapshot) -> f64;

/// The median of what `round` says.
fn median(mut round: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    figures.sort_by(f64::total_cmp);
    figures[ROUNDS / 2]
}

fn v4(first: u32, count: u32) -> Option<AddressRange> {
    AddressRange::new(Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(first + (count - 1)).into())
}

fn v6(first: u128, count: u128) -> Option<AddressRange> {
    AddressRange::new(Ipv6Addr::from_bits(first).into(), Ipv6Addr::from_bits(first + (count - 1)).into())
}

fn pool(number: u32, ranges: [Option<AddressRange>; 2]) -> Pool {
    Pool {
        name: format!("pool-{number:03}"),
        labels: Labels::new(),
        ranges: ranges.into_iter().flatten().collect(),
        auto_assign: true,
        avoid_buggy: false,
        scope: None,
    }
}

fn configuration(pools: impl IntoIterator<Item = Pool>) -> Configuration {
    let pools = pools.into_iter().map(|pool| (pool.name.clone(), pool)).collect();
    Configuration { pools, ..Configuration::default() }
}

/// 100 pools of both families.
fn many_pools() -> Configuration {
    configuration((0..POOLS).map(|number| {
        let v6 = v6((0x2001_0db8_u128 << 96) + (u128::from(number) << 64), SIZE.into());
        pool(number, [v4(0x0a00_0000 + (number << 16), SIZE), v6])
    }))
}

fn key(number: u32) -> ServiceKey {
    ServiceKey::new(format!("namespace-{:02}", number % 50), format!("service-{number:05}"))
}

fn service(number: u32, change: impl FnOnce(&mut Service)) -> Service {
    let mut service = Service {
        key: key(number),
        uid: format!("uid-{number}"),
        resource_version: "1".to_owned(),
        labels: Labels::from([("app".to_owned(), format!("app-{number}"))]),
        load_balancer: true,
        cluster_ips: vec![Ipv4Addr::from_bits(0xac10_0000 + number).into()],
        families: vec![Family::V4],
        ports: BTreeSet::from([80, 443].map(|number| Port { protocol: Protocol::Tcp, number })),
        selector: BTreeMap::from([("app".to_owned(), format!("app-{number}"))]),
        ..Service::default()
    };
    change(&mut service);
    service
}

fn snapshot(configuration: Configuration, change: impl Fn(&mut Service)) -> Snapshot {
    let services = (0..SERVICES).map(|number| service(number, &change));
    let services = services.map(|service| (service.key.clone(), Arc::new(service))).collect();
    Snapshot { services: Arc::new(services), configuration: Arc::new(configuration), ..Snapshot::default() }
}

fn dual(service: &mut Service) {
    service.cluster_ips.push(IpAddr::from(Ipv6Addr::from_bits(1)));
    service.families.push(Family::V6);
    service.family_policy = FamilyPolicy::Require;
}

/// The same snapshot with everything that was given in the status of Services.
fn written(snapshot: &Snapshot) -> Snapshot {
    let mut allocation = Allocation::new();
    allocation.reconcile(snapshot, &Changes::everything());
    let services = snapshot.services.iter().map(|(key, service)| {
        let given = allocation.given(key);
        let ingress = given.map(|given| given.addresses.clone()).unwrap_or_default();
        let allocated_from = given.map(|given| given.pool.to_string());
        let refusal = allocation.outcome(key).and_then(|outcome| outcome.refusal.clone());
        (key.clone(), Arc::new(Service { ingress, allocated_from, refusal, ..Service::clone(service) }))
    });
    Snapshot { services: Arc::new(services.collect()), ..snapshot.clone() }
}

/// From nothing in memory to a decision for all.
fn scratch(snapshot: &Snapshot) -> f64 {
    median(|| {
        let mut allocation = Allocation::new();
        let cost = milliseconds(|| drop(black_box(allocation.reconcile(snapshot, &Changes::everything()))));
        drop(black_box(allocation));
        cost
    })
}

/// One change after the other: a Service goes, and comes again. The cost of one of the two.
fn one_by_one(snapshot: &Snapshot) -> f64 {
    let mut allocation = Allocation::new();
    allocation.reconcile(snapshot, &Changes::everything());
    median(|| {
        let mut total = 0.0;
        for number in 0..CHANGES {
            let key = key((number * 7919) % SERVICES);
            let changes = Changes { services: BTreeSet::from([key.clone()]), ..Changes::default() };
            let mut without = snapshot.clone();
            Arc::make_mut(&mut without.services).remove(&key);
            total += milliseconds(|| drop(black_box(allocation.reconcile(&without, &changes))));
            total += milliseconds(|| drop(black_box(allocation.reconcile(snapshot, &changes))));
        }
        total / f64::from(2 * CHANGES)
    })
}

/// Everything is looked at, and nothing is different.
fn again(snapshot: &Snapshot) -> f64 {
    let mut allocation = Allocation::new();
    allocation.reconcile(snapshot, &Changes::everything());
    median(|| milliseconds(|| drop(black_box(allocation.reconcile(snapshot, &Changes::everything())))))
}

#[expect(clippy::print_stdout, reason = "its output is its result")]
fn main() {
    let plain = snapshot(many_pools(), |_| ());
    let shared = snapshot(many_pools(), |service| service.requests.sharing_key = Some("default".to_owned()));
    let both = snapshot(many_pools(), dual);
    let one = |first, count| snapshot(configuration([pool(0, [v4(first, count), None])]), |_| ());
    let large = one(0x0a00_0000, 1 << 24);
    let full = written(&one(0x0a00_0000, SERVICES / 2));
    let assigned = written(&plain);
    let cases: [(&str, Measure, &Snapshot); 8] = [
        ("from nothing", scratch, &plain),
        ("from nothing, dual-stack", scratch, &both),
        ("from nothing, all under one sharing key with the same ports", scratch, &shared),
        ("from nothing, one pool of a /8", scratch, &large),
        ("after a restart", scratch, &assigned),
        ("everything again", again, &assigned),
        ("one change", one_by_one, &assigned),
        ("one change while 5,000 wait", one_by_one, &full),
    ];
    for (name, measure, snapshot) in cases {
        println!("{:.4} {name}", measure(snapshot));
    }
}
