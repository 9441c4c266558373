//! From what was decided and done to what the succession has to know.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::model::NodeId;
use ipnet::IpNet;

use super::{backend::Round, gateways::Found, succession::Situation};
use crate::{
    decide::Decision,
    frames::{ResponderLive, messages::Speaker},
    world::{Link, World},
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
    let node = config.id();
    let speakers: BTreeMap<u32, Speaker> = decision
        .desired
        .interfaces
        .keys()
        .filter_map(|index| Some((*index, speaker(node, world.links.0.get(index)?)?)))
        .collect();
    let witnesses = speakers.keys().map(|index| (*index, witnesses(world, gateways, *index))).collect();
    Situation {
        node,
        orders: round.feasible(&decision.orders),
        speakers,
        witnesses,
        refresh: config.refresh,
        lease: config.lease,
        user,
    }
}

/// How this node speaks on an interface; `None` when that has no MAC.
pub(super) fn speaker(node: NodeId, link: &Link) -> Option<Speaker> {
    let ipv4 = link.addresses.iter().find_map(|net| match net.addr() {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    let link_local = link.link_local().and_then(|address| match address {
        IpAddr::V6(v6) => Some(v6),
        IpAddr::V4(_) => None,
    });
    Some(Speaker { node, mac: link.mac?, ipv4, link_local })
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
        let node = NodeId::from_number(5).unwrap();
        let speaker = speaker(node, &link).unwrap();
        assert_eq!((speaker.ipv4, speaker.mac), (Some([192, 0, 2, 7].into()), link.mac.unwrap()));
        assert_eq!(speaker.link_local, Some("fe80::7".parse().unwrap()));
        assert!(on_segment(&link, "2001:db8::99".parse().unwrap()));
        assert!(!on_segment(&link, "198.51.100.1".parse().unwrap()));
    }
}
