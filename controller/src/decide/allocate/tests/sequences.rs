//! Any sequence of events, with writes that arrive late and in any order: once all is quiet, what was decided step by step is
//! what a fresh start decides, and nothing ever had an address that was somebody else's.

use proptest::prelude::*;

use super::*;

/// Something happens.
#[derive(Clone, Debug)]
enum Step {
    /// A Service is created or changed.
    Apply(Shape),
    /// One of them is deleted.
    Delete(u8),
    /// Pools are edited: which of the variants.
    Pools(u8),
    /// Nodes come and go, or are renumbered: which of the variants.
    Nodes(u8),
    /// Labels of a namespace change.
    Label(u8, bool),
    /// Writes of some Services arrive: those whose bit is set.
    Arrive(u16),
    /// Somebody writes the status of a Service.
    Meddle(u8, Option<u8>),
    /// The controller is restarted.
    Restart,
    /// Everything is looked at.
    Everything,
    /// So many seconds pass.
    Pass(u8),
}

/// A Service, as far as allocation cares.
#[derive(Clone, Debug)]
struct Shape {
    number: u8,
    kind: u8,
    families: u8,
    request: u8,
    share: u8,
    port: u16,
    local: bool,
    labelled: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    let parts = (0_u8..12, 0_u8..12, 0_u8..6, 0_u8..10, 0_u8..4, 0_u16..3, any::<bool>(), any::<bool>());
    parts.prop_map(|(number, kind, families, request, share, port, local, labelled)| Shape {
        number,
        kind,
        families,
        request,
        share,
        port,
        local,
        labelled,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => shape().prop_map(Step::Apply),
        3 => (0_u8..12).prop_map(Step::Delete),
        1 => (0_u8..8).prop_map(Step::Pools),
        2 => (0_u8..6).prop_map(Step::Nodes),
        1 => (0_u8..2, any::<bool>()).prop_map(|(namespace, label)| Step::Label(namespace, label)),
        5 => any::<u16>().prop_map(Step::Arrive),
        1 => (0_u8..12, prop::option::of(0_u8..8)).prop_map(|(number, address)| Step::Meddle(number, address)),
        1 => Just(Step::Restart),
        1 => Just(Step::Everything),
        1 => (1_u8..20).prop_map(Step::Pass),
    ]
}

fn name(number: u8) -> String {
    format!("n{}/s{number:02}", number % 2)
}

impl Shape {
    fn service(&self) -> Service {
        let mut service = service(&name(self.number)).ports(&[80 + self.port]);
        service = match self.families {
            0 | 1 => service,
            2 => service.v6(),
            3 => service.dual(FamilyPolicy::Prefer, Family::V4),
            4 => service.dual(FamilyPolicy::Prefer, Family::V6),
            _ => service.dual(FamilyPolicy::Require, Family::V4),
        };
        service = match self.request {
            0 => service.wants("192.0.2.2"),
            1 => service.wants("192.0.2.3,2001:db8::3"),
            2 => service.wants("nonsense"),
            3 => service.pool("b"),
            4 => service.pool("nowhere"),
            _ => service,
        };
        service = match self.share {
            0 => service.shares("key"),
            1 => service.shares("other"),
            _ => service,
        };
        service.with(|service| {
            service.local = self.local;
            service.load_balancer = self.kind != 0;
            service.class = (self.kind == 1).then(|| "other".to_owned());
            if self.labelled {
                service.labels = labels("tier=front");
            }
        })
    }
}

fn pools(variant: u8) -> Configuration {
    let both = |name: &str| pool(name, &["192.0.2.0-192.0.2.4", "2001:db8::/126"]);
    let four = |name: &str| pool(name, &["192.0.2.0-192.0.2.5"]);
    let second = || pool("b", &["198.51.100.0/31", "2001:db8:1::/127"]);
    let front = || Scope { service_selectors: vec![selects("tier", "front")], ..Scope::default() };
    let net = || Scope { priority: 1, namespace_selectors: vec![selects("team", "net")], ..Scope::default() };
    match variant {
        0 => configuration([both("a"), second()]),
        1 => configuration([four("a"), second()]),
        2 => configuration([both("renamed"), scoped(second(), front())]),
        3 => configuration([scoped(both("a"), net()), second()]),
        4 => configuration([]),
        5 => Configuration { faults: vec![fault("a")], ..configuration([second()]) },
        6 => configuration([Pool { avoid_buggy: true, ..both("a") }, Pool { auto_assign: false, ..second() }]),
        _ => {
            configuration([pool("a", &["192.0.2.0-192.0.2.1"]), pool("c", &["192.0.2.2-192.0.2.3", "2001:db8::/127"])])
        }
    }
}

impl Cluster {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Apply(shape) => {
                let mut service = shape.service();
                if let Some(old) = self.snapshot.services.get(&service.key) {
                    service.uid.clone_from(&old.uid);
                    service.ingress.clone_from(&old.ingress);
                    service.allocated_from.clone_from(&old.allocated_from);
                    service.refusal.clone_from(&old.refusal);
                } else {
                    service.uid = format!("uid-{}", self.events.len());
                }
                drop(self.post(service));
            }
            Step::Delete(number) => {
                Arc::make_mut(&mut self.snapshot.services).remove(&key(&name(*number)));
                drop(self.show_services([key(&name(*number))]));
            }
            Step::Pools(variant) => {
                self.reconfigure(pools(*variant));
            }
            Step::Nodes(variant) => {
                let nodes: &[&str] = match variant {
                    0 | 1 => &[],
                    2 => &["192.0.2.0", "192.0.2.2 2001:db8::3"],
                    3 => &["192.0.2.2", "192.0.2.3"],
                    4 => &["192.0.2.0 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5", "198.51.100.1 2001:db8:1::"],
                    _ => &["10.0.0.1", "192.0.2.0 2001:db8::"],
                };
                drop(self.nodes(nodes));
            }
            Step::Label(namespace, label) => {
                let text = if *label { "team=net" } else { "" };
                self.label(&format!("n{namespace}"), text);
            }
            Step::Arrive(which) => self.some_arrive(*which),
            Step::Meddle(number, address) => {
                let Some(service) = self.snapshot.services.get(&key(&name(*number))) else { return };
                let mut service = Service::clone(service);
                if service.load_balancer {
                    service.ingress = address.map(|last| IpAddr::from([192, 0, 2, last])).into_iter().collect();
                    drop(self.post(service));
                }
            }
            Step::Restart => {
                self.allocation = Allocation::new();
                drop(self.show(&Changes::everything()));
            }
            Step::Pass(seconds) => self.pass(Duration::from_secs((*seconds).into())),
            Step::Everything => drop(self.show(&Changes::everything())),
        }
        self.check_sharing();
    }

    fn some_arrive(&mut self, which: u16) {
        let services: Vec<Arc<Service>> = self.snapshot.services.values().cloned().collect();
        let wishes = services.iter().enumerate().filter(|(index, _)| which & (1 << index) != 0);
        let wishes: Vec<Service> = wishes.filter_map(|(_, service)| self.wish(service)).collect();
        for wish in wishes {
            // What was decided meanwhile, because of a write before, is planned anew.
            let service = Arc::clone(&self.snapshot.services[&wish.key]);
            if self.wish(&service).as_ref() == Some(&wish) {
                let key = wish.key.clone();
                self.write(wish);
                drop(self.show_services([key]));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn step_by_step_comes_to_what_a_fresh_start_comes_to(steps in prop::collection::vec(step(), 1..60)) {
        let mut cluster = Cluster::new(pools(0).pools.into_values());
        for step in &steps {
            cluster.step(step);
        }
        cluster.pass(GRACE);
        // `arrive` compares with a fresh start, asks twice, and judges who shares what.
        cluster.arrive();
        // Nobody waits for what is there to be had.
        for (key, service) in &*cluster.snapshot.services {
            if service.load_balancer && service.class.is_none() {
                prop_assert_eq!(cluster.allocation.given(key).is_none(), service.ingress.is_empty());
                let refused = cluster.allocation.outcome(key).and_then(|outcome| outcome.refusal.as_ref()).is_some();
                prop_assert!(refused || cluster.allocation.given(key).is_some(), "{} has nothing and no reason", key);
            }
        }
    }
}
