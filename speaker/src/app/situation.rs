//! From what was decided and done to what the succession has to know.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{abi::PeerKey, model::NodeId};
use arpeggio_succession::Orders;
use ipnet::IpNet;

use super::{backend::Round, gateways::Found, succession::Situation};
use crate::{
    decide::Decision,
    frames::{
        ResponderLive,
        messages::{SUBNETS, Signer, Speaker},
    },
    world::{Config, Link, World},
};

/// Everything that the succession has to know.
pub(super) fn situation(
    world: &World,
    decision: &Decision,
    gateways: &Found,
    round: &Round,
    user: Option<ResponderLive>,
) -> Situation {
    let config = &world.config;
    let (node, keys) = (config.id(), config.succession.keys.in_maps());
    let signer = signer(config);
    let speakers: BTreeMap<u32, Speaker> = decision
        .desired
        .interfaces
        .keys()
        .filter_map(|index| Some((*index, speaker(signer, world.links.0.get(index)?)?)))
        .collect();
    let witnesses = speakers.keys().map(|index| (*index, witnesses(world, gateways, *index))).collect();
    let orders = round.feasible(&decision.orders);
    Situation {
        signer,
        keys,
        candidates: candidates(node, &orders),
        orders,
        speakers,
        witnesses,
        refresh: config.refresh,
        lease: config.lease,
        user,
    }
}

/// The other candidates of the addresses of each interface. Thousands of addresses have a handful of orders.
fn candidates(me: NodeId, orders: &Orders) -> BTreeSet<PeerKey> {
    let mut of_interface: BTreeMap<u32, BTreeMap<*const NodeId, &[NodeId]>> = BTreeMap::new();
    for ((ifindex, _), order) in &orders.places {
        of_interface.entry(*ifindex).or_default().insert(order.candidates.as_ptr(), &order.candidates);
    }
    let keys = of_interface.into_iter().flat_map(|(ifindex, lists)| {
        let nodes = lists.into_values().flatten().filter(move |node| **node != me);
        nodes.map(move |node| PeerKey::new(ifindex, *node))
    });
    keys.collect()
}

/// In whose name this node speaks.
pub(super) fn signer(config: &Config) -> Signer {
    Signer { node: config.id(), key: config.succession.keys.in_maps().signing() }
}

/// How this node speaks on an interface; `None` when that has no MAC.
pub(super) fn speaker(signer: Signer, link: &Link) -> Option<Speaker> {
    let mut ipv4 = [None; SUBNETS];
    let nets = link.addresses.iter().filter_map(|net| match net {
        IpNet::V4(v4) => Some(*v4),
        IpNet::V6(_) => None,
    });
    for (place, net) in ipv4.iter_mut().zip(nets) {
        *place = Some(net);
    }
    let link_local = link.link_local().and_then(|address| match address {
        IpAddr::V6(v6) => Some(v6),
        IpAddr::V4(_) => None,
    });
    Some(Speaker { signer, mac: link.mac?, ipv4, link_local })
}

/// Who can be asked for a sign of life on an interface: its default gateways, and the configured witnesses on its segment.
pub(super) fn witnesses(world: &World, gateways: &Found, index: u32) -> BTreeSet<IpAddr> {
    let gateways = gateways.get(&index).into_iter().flatten();
    let link = world.links.0.get(&index);
    let near = |witness: &&IpAddr| link.is_some_and(|link| on_segment(link, **witness));
    gateways.chain(world.config.succession.witnesses.iter().filter(near)).copied().collect()
}

fn on_segment(link: &Link, address: IpAddr) -> bool {
    link.addresses.iter().any(|net: &IpNet| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::card;

    #[test]
    fn whoever_speaks_has_the_addresses_of_its_interface() {
        let link = card(2, "eth0", &["192.0.2.7/24", "2001:db8::7/64", "fe80::7/64"]);
        let signer = Signer { node: NodeId::from_number(5).unwrap(), key: None };
        let speaker = speaker(signer, &link).unwrap();
        assert_eq!((speaker.ipv4[0], speaker.mac), (Some("192.0.2.7/24".parse().unwrap()), link.mac.unwrap()));
        assert_eq!(speaker.link_local, Some("fe80::7".parse().unwrap()));
        assert!(on_segment(&link, "2001:db8::99".parse().unwrap()));
        assert!(!on_segment(&link, "198.51.100.1".parse().unwrap()));
    }
}
