//! A small cluster for tests, changed by hand and by what is planned.

mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::model::{
    AddressRange, BgpAdvertisement, Configuration, Fault, InterfaceName, L2Advertisement, Labels, NodeName, ObjectName,
    Peer, Pool, Remote, RemoteAs, Requirement, Selector,
};

use crate::cluster::{
    Configured, ConfiguredName, Endpoints, Family, Node, ObservedAnnouncement, ObservedBgpStatus, ObservedL2Status,
    ObservedState, Port, Protocol, Service, ServiceKey, Settings, Snapshot, Speaker, StateOf,
};

/// The cluster as it is: plain maps, so that tests can change everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) at: Duration,
    pub(crate) settings: Settings,
    pub(crate) services: BTreeMap<ServiceKey, Service>,
    pub(crate) endpoints: BTreeMap<ServiceKey, Endpoints>,
    pub(crate) nodes: BTreeMap<NodeName, Node>,
    pub(crate) speakers: BTreeMap<NodeName, Speaker>,
    pub(crate) configuration: Configuration,
    pub(crate) announcements: BTreeMap<IpAddr, ObservedAnnouncement>,
    pub(crate) l2_statuses: BTreeMap<String, ObservedL2Status>,
    pub(crate) pool_usage: BTreeMap<String, crate::cluster::PoolUsage>,
    pub(crate) configured: BTreeMap<ConfiguredName, Configured>,
    pub(crate) bgp_statuses: BTreeMap<String, ObservedBgpStatus>,
    pub(crate) states: BTreeMap<StateOf, ObservedState>,
    versions: u64,
}

pub(crate) fn key(name: &str) -> ServiceKey {
    ServiceKey::new("shop", name)
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::try_from(name).unwrap()
}

pub(crate) fn nodes(names: &[&str]) -> BTreeSet<NodeName> {
    names.iter().map(|name| node(name)).collect()
}

pub(crate) fn interfaces(names: &[&str]) -> BTreeSet<InterfaceName> {
    names.iter().map(|name| InterfaceName::try_from(*name).unwrap()).collect()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Selects what has the label.
pub(crate) fn has(label: &str, value: &str) -> Selector {
    Selector::new([Requirement::In(label.to_owned(), BTreeSet::from([value.to_owned()]))])
}

pub(crate) fn pool(name: &str, first: &str, last: &str) -> Pool {
    Pool {
        name: name.to_owned(),
        labels: Labels::new(),
        ranges: vec![AddressRange::new(ip(first), ip(last)).unwrap()],
        auto_assign: true,
        avoid_buggy: false,
        scope: None,
    }
}

pub(crate) fn fault(kind: &'static str, name: &str) -> Fault {
    Fault {
        object: ObjectName { kind, namespace: "metallb-system".to_owned(), name: name.to_owned() },
        field: "spec".to_owned(),
        value: String::new(),
        rule: "is wrong".to_owned(),
        remedy: "mend it".to_owned(),
    }
}

impl World {
    /// Nodes with living speakers on one segment, 192.0.2.0/24 and 2001:db8::/64 on `eth0`, each labelled `name: NODE`; the pool
    /// `pool` with most of that segment, and the advertisement `all` of everything.
    pub(crate) fn new(names: &[&str]) -> Self {
        let mut world = Self::default();
        names.iter().for_each(|name| world.join(name));
        let mut home = pool("pool", "192.0.2.100", "192.0.2.250");
        home.ranges.push(AddressRange::new(ip("2001:db8::100"), ip("2001:db8::1ff")).unwrap());
        world.configuration.pools.insert("pool".to_owned(), home);
        world.ad("all");
        for object in [ConfiguredName::pool("pool"), ConfiguredName::l2("all")] {
            world.edit(&object);
        }
        world
    }

    /// A node joins, with a living speaker.
    pub(crate) fn join(&mut self, name: &str) {
        let number = self.nodes.len() + 1;
        let addresses = [format!("192.0.2.{}/24", number % 100), format!("2001:db8::{number:x}/64")];
        let eth0 = InterfaceName::try_from("eth0").unwrap();
        let this = node(name);
        let speaker = Speaker {
            node: this.clone(),
            live: true,
            evacuate: false,
            refused: None,
            tells_peers: false,
            held: BTreeSet::new(),
            authentication: None,
            interfaces: BTreeMap::from([(eth0, addresses.iter().map(|text| text.parse().unwrap()).collect())]),
        };
        let labels = labels(&[("name", name)]);
        let node = Node {
            name: this.clone(),
            uid: format!("uid-{name}"),
            labels,
            network_unavailable: false,
            evacuate: false,
            addresses: BTreeSet::from([ip(&format!("192.0.2.{}", number % 100))]),
        };
        self.nodes.insert(this.clone(), node);
        self.speakers.insert(this, speaker);
    }

    pub(crate) fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(&node(name)).unwrap()
    }

    pub(crate) fn speaker(&mut self, name: &str) -> &mut Speaker {
        self.speakers.get_mut(&node(name)).unwrap()
    }

    /// The advertisement of this name; a new one is for everything.
    pub(crate) fn ad(&mut self, name: &str) -> &mut L2Advertisement {
        self.configuration.l2.entry(name.to_owned()).or_insert_with(|| L2Advertisement {
            name: name.to_owned(),
            pools: BTreeSet::new(),
            pool_selectors: Vec::new(),
            node_selectors: Vec::new(),
            interfaces: BTreeSet::new(),
            impossible: BTreeSet::new(),
            service_selectors: Vec::new(),
            preferred: Vec::new(),
        })
    }

    /// The advertisement to BGP peers of this name; a new one is for everything.
    pub(crate) fn bgp_ad(&mut self, name: &str) -> &mut BgpAdvertisement {
        self.configuration.bgp.entry(name.to_owned()).or_insert_with(|| BgpAdvertisement {
            name: name.to_owned(),
            pools: BTreeSet::new(),
            pool_selectors: Vec::new(),
            service_selectors: Vec::new(),
            node_selectors: Vec::new(),
            peers: BTreeSet::new(),
            aggregation_v4: 32,
            aggregation_v6: 128,
            local_pref: 0,
            communities: BTreeSet::new(),
            aliases: BTreeSet::new(),
        })
    }

    /// Every speaker that is there tells BGP peers.
    pub(crate) fn tell_peers(&mut self) {
        self.speakers.values_mut().for_each(|speaker| speaker.tells_peers = true);
    }

    /// The BGP peer of this name; a new one is for every node.
    pub(crate) fn bgp_peer(&mut self, name: &str) -> &mut Peer {
        self.configuration
            .peers
            .entry(name.to_owned())
            .or_insert_with(|| Peer::new(name, 64_512, RemoteAs::External, Remote::Address(ip("192.0.2.1"))))
    }

    /// An object of the configuration is created or edited, whatever is in it.
    pub(crate) fn edit(&mut self, object: &ConfiguredName) -> &mut Configured {
        self.versions += 1;
        let there = self.configured.entry(object.clone()).or_default();
        there.uid = format!("uid-{object}");
        there.generation += 1;
        there.resource_version = self.versions.to_string();
        there
    }

    /// A Service that asks for an address, with endpoints on all nodes, each Service with another port.
    pub(crate) fn ask(&mut self, name: &str) -> &mut Service {
        let number = u16::try_from(self.services.len() + 1).unwrap();
        let service = Service {
            key: key(name),
            uid: format!("uid-{name}"),
            resource_version: "1".to_owned(),
            load_balancer: true,
            cluster_ips: vec![ip("10.96.0.1")],
            families: vec![Family::V4],
            ports: BTreeSet::from([Port { protocol: Protocol::Tcp, number }]),
            ..Service::default()
        };
        let all = self.nodes.keys().cloned().collect();
        self.endpoints.insert(key(name), Endpoints { any: true, nodes: all, ..Endpoints::default() });
        self.services.entry(key(name)).or_insert(service)
    }

    /// A Service that has an address.
    pub(crate) fn have(&mut self, name: &str, address: &str) -> &mut Service {
        let service = self.ask(name);
        service.ingress = vec![ip(address)];
        service.allocated_from = Some("pool".to_owned());
        service
    }

    /// Says where the Service's endpoints are.
    pub(crate) fn serve(&mut self, name: &str, on: &[&str]) {
        let there = Endpoints { any: !on.is_empty(), nodes: nodes(on).into(), ..Endpoints::default() };
        self.endpoints.insert(key(name), there);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        fn shared<K: Ord + Clone, V: Clone>(map: &BTreeMap<K, V>) -> Arc<BTreeMap<K, Arc<V>>> {
            Arc::new(map.iter().map(|(key, value)| (key.clone(), Arc::new(value.clone()))).collect())
        }
        Snapshot {
            at: self.at,
            settings: self.settings.clone(),
            services: shared(&self.services),
            endpoints: shared(&self.endpoints),
            nodes: shared(&self.nodes),
            namespaces: Arc::default(),
            configuration: Arc::new(self.configuration.clone()),
            knows_bgp: true,
            speakers: shared(&self.speakers),
            announcements: shared(&self.announcements),
            l2_statuses: shared(&self.l2_statuses),
            pool_usage: Arc::new(self.pool_usage.clone()),
            configured: shared(&self.configured),
            bgp_statuses: shared(&self.bgp_statuses),
            states: shared(&self.states),
        }
    }

    /// What is listed for an address.
    pub(crate) fn candidates(&self, address: &str) -> Vec<&str> {
        let content = self.announcements[&ip(address)].content.as_ref().unwrap();
        content.candidates.iter().flatten().map(NodeName::as_str).collect()
    }

    /// Who reports to own an address.
    pub(crate) fn owner(&self, address: &str) -> Option<&str> {
        self.announcements[&ip(address)].owner.as_ref().map(NodeName::as_str)
    }
}
