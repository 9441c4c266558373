//! Allocation in a little cluster whose status writes arrive at once, or as the test says.

mod held;
mod order;
mod points;
mod pools;
mod sequences;
mod sharing;
mod writes;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::model::{
    AddressRange, Configuration, Fault, Labels, NodeName, ObjectName, Pool, Requirement, Scope, Selector,
};

use super::{Allocation, Touched, grace::GRACE};
use crate::{
    cluster::{
        Changes, Family, FamilyPolicy, Node, PoolUsage, Port, Protocol, Refusal, Service, ServiceKey, Snapshot, Stray,
    },
    decide::NoticeKind,
};

/// An address.
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Namespace and name out of `default/web`.
fn key(text: &str) -> ServiceKey {
    let (namespace, name) = text.split_once('/').unwrap();
    ServiceKey::new(namespace, name)
}

/// Labels out of `a=b,c=d`.
fn labels(text: &str) -> Labels {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A selector for one label.
fn selects(key: &str, value: &str) -> Selector {
    Selector::new([Requirement::In(key.to_owned(), BTreeSet::from([value.to_owned()]))])
}

/// A pool of ranges such as `10.0.0.1-10.0.0.9` or `10.0.0.0/24`.
fn pool(name: &str, ranges: &[&str]) -> Pool {
    let range = |text: &&str| {
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (ip(first), ip(last)),
            None => match text.parse().unwrap() {
                ipnet::IpNet::V4(net) => (net.network().into(), net.broadcast().into()),
                ipnet::IpNet::V6(net) => (net.network().into(), net.broadcast().into()),
            },
        };
        AddressRange::new(first, last).unwrap()
    };
    Pool {
        name: name.to_owned(),
        labels: Labels::new(),
        ranges: ranges.iter().map(range).collect(),
        auto_assign: true,
        avoid_buggy: false,
        scope: None,
    }
}

/// A pool that is reserved.
fn scoped(pool: Pool, scope: Scope) -> Pool {
    Pool { scope: Some(scope), ..pool }
}

/// A Service of one IPv4 cluster IP with TCP port 80 that asks for nothing.
fn service(name: &str) -> Service {
    Service {
        key: key(name),
        uid: format!("uid-of-{name}"),
        resource_version: "1".to_owned(),
        load_balancer: true,
        cluster_ips: vec![ip("10.96.0.1")],
        families: vec![Family::V4],
        ports: ports(&[80]),
        selector: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        ..Service::default()
    }
}

/// TCP ports.
fn ports(numbers: &[u16]) -> BTreeSet<Port> {
    numbers.iter().map(|number| Port { protocol: Protocol::Tcp, number: *number }).collect()
}

/// What tests change of a [`service`].
trait With: Sized {
    fn with(self, change: impl FnOnce(&mut Service)) -> Service;

    /// Asks for a pool.
    fn pool(self, name: &str) -> Service {
        self.with(|service| service.requests.pool = Some(name.to_owned()))
    }

    /// Asks for addresses.
    fn wants(self, addresses: &str) -> Service {
        self.with(|service| service.requests.addresses = Some(addresses.to_owned()))
    }

    /// Shares under a key.
    fn shares(self, key: &str) -> Service {
        self.with(|service| service.requests.sharing_key = Some(key.to_owned()))
    }

    /// Its ports.
    fn ports(self, numbers: &[u16]) -> Service {
        self.with(|service| service.ports = ports(numbers))
    }

    /// With the addresses in its status.
    fn holding(self, addresses: &[&str]) -> Service {
        self.with(|service| service.ingress = addresses.iter().map(|address| ip(address)).collect())
    }

    /// One IPv6 cluster IP.
    fn v6(self) -> Service {
        self.with(|service| {
            service.cluster_ips = vec![ip("fd00::1")];
            service.families = vec![Family::V6];
        })
    }

    /// Cluster IPs of both families, the first one preferred.
    fn dual(self, policy: FamilyPolicy, first: Family) -> Service {
        self.with(|service| {
            service.family_policy = policy;
            service.cluster_ips = vec![ip("10.96.0.1"), ip("fd00::1")];
            service.families = vec![Family::V4, Family::V6];
            if first == Family::V6 {
                service.cluster_ips.reverse();
                service.families.reverse();
            }
        })
    }
}

impl With for Service {
    fn with(mut self, change: impl FnOnce(&mut Service)) -> Service {
        change(&mut self);
        self
    }
}

/// The whole configuration.
fn configuration(pools: impl IntoIterator<Item = Pool>) -> Configuration {
    let pools = pools.into_iter().map(|pool| (pool.name.clone(), pool)).collect();
    Configuration { pools, ..Configuration::default() }
}

/// A pool that cannot be understood.
fn fault(pool: &str) -> Fault {
    let object = ObjectName { kind: "IPAddressPool", namespace: "metallb-system".to_owned(), name: pool.to_owned() };
    let text = |text: &str| text.to_owned();
    Fault { object, field: text("spec"), value: text("x"), rule: text("is wrong"), remedy: text("write it well") }
}

/// An event, as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    service: ServiceKey,
    kind: NoticeKind,
    reason: &'static str,
    message: String,
}

/// A cluster: what the API server says, and the allocation that is shown it.
#[derive(Clone, Default)]
struct Cluster {
    snapshot: Snapshot,
    allocation: Allocation,
    events: Vec<Event>,
    /// Namespaces that the API server has not told of.
    silent_namespaces: BTreeSet<String>,
}

impl Cluster {
    fn new(pools: impl IntoIterator<Item = Pool>) -> Self {
        let mut cluster = Self::default();
        cluster.configure(pools);
        cluster
    }

    /// Shows changes to the allocation and collects events.
    fn show(&mut self, changes: &Changes) -> Touched {
        let touched = self.allocation.reconcile(&self.snapshot, changes);
        for key in &touched.services {
            for notice in self.allocation.outcome(key).map_or(&[][..], |outcome| &outcome.notices) {
                let (kind, reason, message) = (notice.kind, notice.reason, notice.message.clone());
                self.events.push(Event { service: key.clone(), kind, reason, message });
            }
        }
        touched
    }

    fn show_services(&mut self, keys: impl IntoIterator<Item = ServiceKey>) -> Touched {
        self.show(&Changes { services: keys.into_iter().collect(), ..Changes::default() })
    }

    /// Shows one Service as it is now, without writing anything.
    fn post(&mut self, service: Service) -> Touched {
        let key = service.key.clone();
        let namespaces = Arc::make_mut(&mut self.snapshot.namespaces);
        if !self.silent_namespaces.contains(&*key.namespace) {
            namespaces.entry(key.namespace.to_string()).or_default();
        }
        Arc::make_mut(&mut self.snapshot.services).insert(key.clone(), Arc::new(service));
        self.show_services([key])
    }

    /// Creates or changes a Service (its status stays if it is there), and lets all writes arrive.
    fn apply(&mut self, mut service: Service) {
        if let Some(old) = self.snapshot.services.get(&service.key)
            && service.ingress.is_empty()
        {
            service.ingress.clone_from(&old.ingress);
            service.allocated_from.clone_from(&old.allocated_from);
            service.refusal.clone_from(&old.refusal);
        }
        self.post(service);
        self.arrive();
    }

    fn apply_all(&mut self, services: impl IntoIterator<Item = Service>) {
        services.into_iter().for_each(|service| self.apply(service));
    }

    /// Changes a Service that is there.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Service)) {
        let service = Service::clone(&self.snapshot.services[&key(name)]).with(change);
        self.post(service);
        self.arrive();
    }

    fn delete(&mut self, name: &str) {
        Arc::make_mut(&mut self.snapshot.services).remove(&key(name)).unwrap();
        self.show_services([key(name)]);
        self.arrive();
    }

    fn configure(&mut self, pools: impl IntoIterator<Item = Pool>) {
        self.configure_with(configuration(pools));
    }

    fn configure_with(&mut self, configuration: Configuration) {
        self.reconfigure(configuration);
        self.arrive();
        self.pass(GRACE);
        self.arrive();
    }

    /// Changes pools; no time passes.
    fn reconfigure(&mut self, configuration: Configuration) {
        self.snapshot.configuration = Arc::new(configuration);
        self.show(&Changes::everything());
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        self.snapshot.at += time;
        let due = self.allocation.due(self.snapshot.at);
        self.show_services(due);
        assert!(self.allocation.next_due().is_none_or(|due| due > self.snapshot.at), "what was due is done");
    }

    fn label_namespace(&mut self, name: &str, text: &str) {
        self.label(name, text);
        self.arrive();
    }

    /// Tells of a namespace as the index does: to the Services that are in it.
    fn label(&mut self, name: &str, text: &str) {
        self.silent_namespaces.remove(name);
        Arc::make_mut(&mut self.snapshot.namespaces).insert(name.to_owned(), Arc::new(labels(text)));
        let inside = self.snapshot.services.keys().filter(|key| &*key.namespace == name);
        self.show_services(inside.cloned().collect::<Vec<_>>());
    }

    /// What the status of a Service should be; `None`: it is as it should be, or not ours to write.
    fn wish(&self, service: &Service) -> Option<Service> {
        let outcome = self.allocation.outcome(&service.key)?;
        let given = self.allocation.given(&service.key);
        let ingress = self.allocation.writable(&service.key);
        let is_whole = given.is_none_or(|given| given.addresses == ingress);
        let wish = Service {
            allocated_from: given.filter(|_| !ingress.is_empty()).map(|given| given.pool.to_string()),
            ingress,
            refusal: if is_whole { outcome.refusal.clone() } else { service.refusal.clone() },
            status_differs: false,
            ..service.clone()
        };
        (wish != *service).then_some(wish)
    }

    /// Writes one status, whatever was written before: no address appears in it that another status shows without a right to it.
    fn write(&mut self, wish: Service) {
        let old = &self.snapshot.services[&wish.key];
        let is_ours = |service: &Service| service.load_balancer && service.class.is_none();
        for address in wish.ingress.iter().filter(|address| !old.ingress.contains(address)) {
            for other in self.snapshot.services.values().filter(|other| other.key != wish.key && is_ours(other)) {
                let has = self.allocation.users(*address).contains(&other.key);
                assert!(has || !other.ingress.contains(address), "{address} of {} shown by {}", wish.key, other.key);
            }
        }
        Arc::make_mut(&mut self.snapshot.services).insert(wish.key.clone(), Arc::new(wish));
    }

    /// Lets all writes arrive until there are none, and checks what must always hold then.
    fn arrive(&mut self) {
        for _ in 0..10 {
            let wishes: Vec<Service> =
                self.snapshot.services.values().filter_map(|service| self.wish(service)).collect();
            if wishes.is_empty() {
                return self.check();
            }
            let keys: Vec<ServiceKey> = wishes.iter().map(|wish| wish.key.clone()).collect();
            for wish in wishes {
                self.write(wish);
            }
            self.show_services(keys);
        }
        panic!("the status of Services never comes to rest");
    }

    /// Nothing is left to do, a restart changes and says nothing, and no address is had twice without being shared.
    fn check(&mut self) {
        for changes in [
            Changes { services: self.snapshot.services.keys().cloned().collect(), ..Changes::default() },
            Changes::everything(),
        ] {
            let touched = self.allocation.reconcile(&self.snapshot, &changes);
            assert_eq!(touched, Touched::default(), "nothing changed: {changes:?}");
        }
        let mut restarted = Cluster { snapshot: self.snapshot.clone(), ..Self::default() };
        restarted.show(&Changes::everything());
        assert_eq!(restarted.events, [], "a restart is no news");
        for key in self.snapshot.services.keys() {
            assert_eq!(restarted.allocation.given(key), self.allocation.given(key), "{key} after a restart");
            let refusal = |allocation: &Allocation| allocation.outcome(key).map(|outcome| outcome.refusal.clone());
            assert_eq!(refusal(&restarted.allocation), refusal(&self.allocation), "{key} after a restart");
        }
        assert_eq!(restarted.allocation.usage(), self.allocation.usage(), "after a restart");
        self.check_sharing();
    }

    /// Nodes with these addresses, from `n0` on; the others are gone.
    fn nodes(&mut self, addresses: &[&str]) -> Touched {
        let node = |(number, address): (usize, &&str)| {
            let name = NodeName::try_from(format!("n{number}").as_str()).unwrap();
            let addresses = address.split_whitespace().map(ip).collect();
            let labels = Labels::new();
            (
                name.clone(),
                Arc::new(Node {
                    name,
                    uid: String::new(),
                    labels,
                    network_unavailable: false,
                    evacuate: false,
                    addresses,
                }),
            )
        };
        self.snapshot.nodes = Arc::new(addresses.iter().enumerate().map(node).collect());
        self.show(&Changes { topology: true, ..Changes::default() })
    }

    /// Users of an address are those that were given it, and share it by the rules; and it is no node's.
    fn check_sharing(&self) {
        let mut users: BTreeMap<IpAddr, BTreeSet<ServiceKey>> = BTreeMap::new();
        for address in self.snapshot.nodes.values().flat_map(|node| &node.addresses) {
            assert_eq!(self.allocation.users(*address), [], "{address}");
        }
        for key in self.snapshot.services.keys() {
            for address in self.allocation.given(key).iter().flat_map(|given| &given.addresses) {
                users.entry(*address).or_default().insert(key.clone());
            }
        }
        for (address, users) in users {
            assert_eq!(self.allocation.users(address), users.iter().cloned().collect::<Vec<_>>());
            let services: Vec<&Service> = users.iter().map(|key| &*self.snapshot.services[key]).collect();
            for (index, one) in services.iter().enumerate() {
                for other in &services[index + 1..] {
                    assert!(one.requests.sharing_key.as_ref().is_some_and(|key| !key.is_empty()), "{address}");
                    assert_eq!(one.requests.sharing_key, other.requests.sharing_key, "{address}");
                    assert_eq!(one.local, other.local, "{address}");
                    assert!(!one.local || one.selector == other.selector, "{address}");
                    assert!(one.ports.is_disjoint(&other.ports), "{address}");
                }
            }
        }
    }

    /// Addresses of a Service, separated by blanks.
    fn has(&self, name: &str) -> String {
        let given = self.allocation.given(&key(name));
        let addresses = given.map(|given| given.addresses.clone()).unwrap_or_default();
        assert_eq!(addresses, self.snapshot.services.get(&key(name)).map(|s| s.ingress.clone()).unwrap_or_default());
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// The pool of its addresses, as annotated.
    fn from(&self, name: &str) -> Option<&str> {
        self.snapshot.services[&key(name)].allocated_from.as_deref()
    }

    fn refusal(&self, name: &str) -> Option<&Refusal> {
        self.allocation.outcome(&key(name))?.refusal.as_ref()
    }

    /// Reason and text of a refusal.
    fn told(&self, name: &str) -> (&str, &str) {
        self.refusal(name).map_or(("", ""), |refusal| (&refusal.reason, &refusal.message))
    }

    /// Reasons of the events since the last call.
    fn reasons(&mut self) -> Vec<(String, &'static str)> {
        let events = std::mem::take(&mut self.events);
        events.into_iter().map(|event| (event.service.name.to_string(), event.reason)).collect()
    }

    fn usage(&self, pool: &str) -> (i64, i64, i64, i64) {
        let PoolUsage { assigned_v4, assigned_v6, available_v4, available_v6 } = self.allocation.usage()[pool];
        (assigned_v4, assigned_v6, available_v4, available_v6)
    }
}
