//! A route to BGP peers, as a node announces it.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Community, NodeName};

/// The most communities that one route carries, large ones included (MetalLB behaviour 5.2).
pub const MOST_COMMUNITIES: usize = 63;

/// A prefix, what is said about it, to whom, and which nodes say it: one element of `Announcement.spec.bgp` after validation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Truncated to its length.
    pub prefix: IpNet,
    /// 0: not set.
    pub local_pref: u32,
    /// Standard and large ones.
    pub communities: BTreeSet<Community>,
    /// Names of the peers that get it; empty: all.
    pub peers: BTreeSet<String>,
    /// The nodes that announce it; `None`: every node. A node that must not announce at all (see
    /// [`Withheld`](super::Withheld)) may be among them: it withholds the route by itself.
    pub nodes: Option<BTreeSet<NodeName>>,
}

impl Route {
    /// Whether the node announces it.
    pub fn is_of(&self, node: &NodeName) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.contains(node))
    }

    /// Whether the peer of this name gets it.
    pub fn is_for(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.contains(peer)
    }
}
