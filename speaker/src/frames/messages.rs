//! Pure: the messages that the agent sends, as whole frames for an interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arpeggio_common::{
    model::NodeId,
    wire::{Arp, Mac, Neighbor},
};

use super::Frame;
use crate::dataplane::Place;

/// Who speaks on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// This node, for the tag of every frame.
    pub node: NodeId,
    /// MAC of the interface.
    pub mac: Mac,
    /// An IPv4 address of the interface.
    pub ipv4: Option<Ipv4Addr>,
    /// Its link-local IPv6 address: without one nobody can be asked for an IPv6 address.
    pub link_local: Option<Ipv6Addr>,
}

/// Asks for an address: one MAC alone, which is the heartbeat of a standby, or everybody. Nobody's cache changes. `None` when
/// the question cannot be put on this interface.
pub fn question(speaker: &Speaker, (ifindex, address): Place, to: Option<Mac>) -> Option<Frame> {
    let Speaker { mac, node, .. } = *speaker;
    Some(match address {
        IpAddr::V4(v4) => Frame::new(ifindex, Arp::probe(to.unwrap_or(Mac::BROADCAST), mac, v4.octets(), node)),
        IpAddr::V6(v6) => {
            let source = speaker.link_local?.octets();
            match to {
                Some(owner) => Frame::new(ifindex, Neighbor::heartbeat(owner, mac, source, v6.octets(), node)),
                None => Frame::new(ifindex, Neighbor::probe(mac, source, v6.octets(), node)),
            }
        }
    })
}

/// Asks everybody for the address of a machine that is expected to answer, so that something is received. `None` when the
/// question cannot be put on this interface.
pub fn sign_of_life(speaker: &Speaker, ifindex: u32, of: IpAddr) -> Option<Frame> {
    match of {
        IpAddr::V4(v4) => {
            // From our own address if there is one: some routers leave probes alone.
            let sender = speaker.ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED);
            Some(Frame::new(ifindex, Arp::request(Mac::BROADCAST, speaker.mac, sender.octets(), v4.octets())))
        }
        IpAddr::V6(v6) => {
            let source = speaker.link_local?.octets();
            Some(Frame::new(ifindex, Neighbor::solicitation(speaker.mac, source, v6.octets())))
        }
    }
}

/// One round of claims: `mac`, that is `node`, has the address.
///
/// IPv4 has both forms, request and reply: some stacks update their caches from one only (RFC 5227 section 3). IPv6 has one
/// unsolicited advertisement to all nodes (RFC 4861 section 7.2.6).
pub fn push_claim((ifindex, address): Place, mac: Mac, node: NodeId, frames: &mut Vec<Frame>) {
    match address {
        IpAddr::V4(v4) => {
            let address = v4.octets();
            frames.push(Frame::new(ifindex, Arp::announcement(mac, address, node)));
            frames.push(Frame::new(ifindex, Arp::announcement_reply(mac, address, node)));
        }
        IpAddr::V6(v6) => frames.push(Frame::new(ifindex, Neighbor::announcement(mac, v6.octets(), node))),
    }
}

/// A client whose cache is to be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// Its MAC.
    pub mac: Mac,
    /// Its address.
    pub address: IpAddr,
}

/// Tells one client that `speaker` has the address. `None` for a client of the other family.
pub fn own_correction((ifindex, address): Place, speaker: &Speaker, told: Told) -> Option<Frame> {
    let Speaker { mac, node, .. } = *speaker;
    Some(match (address, told.address) {
        (IpAddr::V4(v4), IpAddr::V4(client)) => {
            Frame::new(ifindex, Arp::own_correction(told.mac, mac, v4.octets(), client.octets(), node))
        }
        (IpAddr::V6(v6), IpAddr::V6(client)) => {
            Frame::new(ifindex, Neighbor::own_correction(told.mac, mac, v6.octets(), client.octets(), node))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    })
}

/// Tells one machine, which is no speaker, that `owner` has the address, sent from `from`, who knows. `None` for a machine of
/// the other family.
pub fn correction((ifindex, address): Place, from: Mac, owner: Mac, told: Told) -> Option<Frame> {
    Some(match (address, told.address) {
        (IpAddr::V4(v4), IpAddr::V4(client)) => {
            Frame::new(ifindex, Arp::correction(told.mac, from, owner, v4.octets(), client.octets()))
        }
        (IpAddr::V6(v6), IpAddr::V6(client)) => {
            Frame::new(ifindex, Neighbor::correction(told.mac, from, owner, v6.octets(), client.octets()))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn speaker(link_local: Option<Ipv6Addr>) -> Speaker {
        let node = NodeId::from_number(0x0102_0304_0506_0708).unwrap();
        Speaker { node, mac: OURS, ipv4: None, link_local }
    }

    fn v6() -> IpAddr {
        "2001:db8::10".parse().unwrap()
    }

    #[test]
    fn questions_name_this_node_and_disturb_no_cache() {
        let us = speaker(Some("fe80::1".parse().unwrap()));
        let heartbeat = question(&us, (7, [192, 0, 2, 10].into()), Some(OTHER)).unwrap();
        assert_eq!((heartbeat.ifindex(), &heartbeat.bytes()[..6]), (7, &OTHER.0[..]));
        assert_eq!(heartbeat.bytes()[28..32], [0; 4], "no sender address");
        assert_eq!(heartbeat.bytes()[50..58], us.node.number().to_be_bytes());
        let probe = question(&us, (7, v6()), None).unwrap();
        assert_eq!(probe.bytes()[..2], [0x33, 0x33]);
        assert_eq!(probe.bytes()[94..], us.node.number().to_be_bytes());
        assert_eq!(question(&speaker(None), (7, v6()), None), None, "nobody to answer to");
    }

    #[test]
    fn a_client_is_told_in_its_own_family() {
        let us = speaker(None);
        let told = Told { mac: OTHER, address: [192, 0, 2, 200].into() };
        let frame = own_correction((7, [192, 0, 2, 10].into()), &us, told).unwrap();
        assert_eq!(frame.bytes()[..12], [OTHER.0, OURS.0].concat());
        assert_eq!(frame.bytes()[50..58], us.node.number().to_be_bytes());
        assert_eq!(own_correction((7, v6()), &us, told), None);
        assert_eq!(correction((7, v6()), OURS, OTHER, told), None);
    }

    #[test]
    fn a_sign_of_life_is_asked_for_from_our_address_if_there_is_one() {
        let mut us = speaker(None);
        let gateway: IpAddr = [192, 0, 2, 1].into();
        assert_eq!(sign_of_life(&us, 7, gateway).unwrap().bytes()[28..32], [0; 4]);
        us.ipv4 = Some([192, 0, 2, 7].into());
        assert_eq!(sign_of_life(&us, 7, gateway).unwrap().bytes()[28..32], [192, 0, 2, 7]);
        assert_eq!(sign_of_life(&us, 7, v6()), None);
    }
}
