//! The nodes that could announce at all, and the segments they are on.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::{
    api::names,
    model::{InterfaceName, NodeId, NodeName},
};
use ipnet::IpNet;

use crate::cluster::{Node, Snapshot, Speaker};

/// A node with an agent, reachable and not excluded (MetalLB behaviour 49).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) id: NodeId,
    pub(super) node: Arc<Node>,
    pub(super) speaker: Arc<Speaker>,
}

impl Host {
    pub(super) fn name(&self) -> &NodeName {
        &self.node.name
    }

    /// Whether it is to give away what it owns.
    pub(super) fn is_evacuated(&self) -> bool {
        self.node.evacuate || self.speaker.evacuate
    }
}

/// Why a node is no [`Host`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outside {
    /// It has the label that excludes it.
    Excluded,
    /// Its condition `NetworkUnavailable` is true.
    Unreachable,
    /// No agent ever spoke for it.
    NoAgent,
}

/// Hosts by number, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topology {
    hosts: Vec<Host>,
    /// The other nodes, in the order of their names.
    outside: Vec<(Arc<Node>, Outside)>,
    numbers: BTreeMap<NodeId, usize>,
    subnets: BTreeMap<IpNet, Vec<(usize, InterfaceName)>>,
    lengths: BTreeSet<u8>,
    live: usize,
}

impl Topology {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let excluded =
            |node: &Node| !snapshot.settings.ignore_exclude_label && node.labels.contains_key(names::EXCLUDE);
        let mut topology = Self::default();
        for (name, node) in snapshot.nodes.iter() {
            let (node, speaker) = (Arc::clone(node), snapshot.speakers.get(name));
            match speaker {
                _ if excluded(&node) => topology.outside.push((node, Outside::Excluded)),
                _ if node.network_unavailable => topology.outside.push((node, Outside::Unreachable)),
                None => topology.outside.push((node, Outside::NoAgent)),
                Some(speaker) => topology.add(Host { id: NodeId::from(name), node, speaker: Arc::clone(speaker) }),
            }
        }
        topology
    }

    fn add(&mut self, host: Host) {
        let number = self.hosts.len();
        self.numbers.insert(host.id, number);
        self.live += usize::from(host.speaker.live);
        for (interface, networks) in &host.speaker.interfaces {
            // An address alone (as kube-proxy or a VPN puts it on a device) tells nothing about the segment.
            for network in networks.iter().filter(|network| network.prefix_len() < network.max_prefix_len()) {
                self.lengths.insert(network.prefix_len());
                self.subnets.entry(network.trunc()).or_default().push((number, interface.clone()));
            }
        }
        self.hosts.push(host);
    }

    /// All hosts; a host's number is its place here.
    pub(super) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Nodes that are no hosts.
    pub(super) fn outside(&self) -> &[(Arc<Node>, Outside)] {
        &self.outside
    }

    /// The node with this id, if it is a host.
    pub(super) fn by_id(&self, id: NodeId) -> Option<&Host> {
        self.numbers.get(&id).and_then(|number| self.hosts.get(*number))
    }

    /// How many agents live.
    pub(super) const fn live(&self) -> usize {
        self.live
    }

    /// The subnets of nodes in which the address lies, each once.
    pub(super) fn subnets_of(&self, address: IpAddr) -> Vec<IpNet> {
        let network = |length: &u8| IpNet::new(address, *length).ok().map(|network| network.trunc());
        self.lengths.iter().filter_map(network).filter(|network| self.subnets.contains_key(network)).collect()
    }

    /// Who is in a subnet, and by which interface.
    pub(super) fn members(&self, subnet: &IpNet) -> &[(usize, InterfaceName)] {
        self.subnets.get(subnet).map_or(&[], Vec::as_slice)
    }

    /// The numbers of hosts among these nodes. Both are ordered by name, so one walk over both does it.
    pub(super) fn numbers<'a>(&self, names: impl IntoIterator<Item = &'a NodeName>) -> BTreeSet<usize> {
        let mut names = names.into_iter().peekable();
        let mut numbers = BTreeSet::new();
        for (number, host) in self.hosts.iter().enumerate() {
            while names.next_if(|name| *name < host.name()).is_some() {}
            if names.next_if(|name| *name == host.name()).is_some() {
                numbers.insert(number);
            }
        }
        numbers
    }
}
