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

/// Tells one client that this node has the address. Tagged, so that whoever measures tells it from an answer. `None` for a
/// client of the other family.
pub fn own_correction(place: Place, owner: Mac, node: NodeId, told: Told) -> Option<Frame> {
    match (place.1, told.address) {
        (IpAddr::V4(v4), IpAddr::V4(client)) => {
            let frame = Arp::own_correction(told.mac, owner, v4.octets(), client.octets(), node);
            Some(Frame::new(place.0, frame))
        }
        // Nobody asked for it: the flags of an advertisement say so.
        (IpAddr::V4(_) | IpAddr::V6(_), _) => correction(place, owner, owner, told),
    }
}

/// Tells one client that `owner` has the address, sent from `from`, which is `owner` or another node that knows. `None` for a
/// client of the other family.
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
