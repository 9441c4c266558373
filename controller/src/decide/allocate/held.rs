//! Addresses that are somebody's own: of nodes, of the interfaces of speakers, and of the API server. Whoever announced one would
//! take its holder off the network, so none is given away, whatever pool it lies in.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use arpeggio_common::model::NodeName;

use crate::cluster::{API_SERVER, Changes, ServiceKey, Snapshot};

/// Whose own an address is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A node's.
    Node(NodeName),
    /// The API server's, and no node is known to have it.
    ApiServer,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::ApiServer => f.write_str("the API server"),
        }
    }
}

/// Whose own which address is.
pub(super) type Held = BTreeMap<IpAddr, Holder>;

/// What of it these changes may have touched: everything or nothing, for nodes rarely change.
pub(super) fn concerns(changes: &Changes) -> bool {
    changes.everything
        || changes.topology
        || changes.services.iter().any(|key| (&*key.namespace, &*key.name) == API_SERVER)
}

/// All of them, as far as the API says. A node counts before the API server, and of two nodes the first by name.
pub(super) fn held(snapshot: &Snapshot) -> Held {
    let mut held = Held::new();
    let nodes = snapshot.nodes.values().map(|node| (&node.name, &node.addresses));
    let speakers = snapshot.speakers.values().map(|speaker| (&speaker.node, &speaker.held));
    for (name, addresses) in nodes.chain(speakers) {
        for address in addresses {
            held.entry(*address).or_insert_with(|| Holder::Node(name.clone()));
        }
    }
    let (namespace, name) = API_SERVER;
    let server = ServiceKey::new(namespace, name);
    for address in snapshot.endpoints.get(&server).iter().flat_map(|endpoints| &endpoints.api_server) {
        held.entry(*address).or_insert(Holder::ApiServer);
    }
    held
}
