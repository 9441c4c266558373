//! Pure: the messages that the agent sends, as whole frames for an interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arpeggio_common::{
    model::NodeId,
    wire::{Arp, Key, Mac, Neighbor, Nonce, Purpose, Statement, Tag, proof},
};
use arpeggio_succession::To;
use ipnet::Ipv4Net;

use super::Frame;
use crate::dataplane::Place;

/// Whose name is under a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer {
    /// This node.
    pub node: NodeId,
    /// The key that the speakers share, if there is one.
    pub key: Option<Key>,
}

impl Signer {
    /// What this node says of itself in a frame about `address`.
    fn tag(&self, (purpose, mac): (Purpose, Mac), address: IpAddr, generation: u64, nonce: Nonce) -> Tag {
        let address = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let statement = Statement::new((purpose, mac), (self.node, None), address.octets(), generation, nonce);
        Tag { node: self.node, generation, nonce, proof: self.key.map_or(0, |key| proof(&key, &statement)) }
    }
}

/// Subnets of an interface that are kept: from which of its addresses a question is asked.
pub const SUBNETS: usize = 4;

/// Who speaks on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// For the tag of every frame.
    pub signer: Signer,
    /// MAC of the interface.
    pub mac: Mac,
    /// IPv4 addresses of the interface with their subnets, the first ones.
    pub ipv4: [Option<Ipv4Net>; SUBNETS],
    /// Its link-local IPv6 address: without one nobody can be asked for an IPv6 address.
    pub link_local: Option<Ipv6Addr>,
}

impl Speaker {
    /// The address of this interface in the subnet of `target`: switches that inspect ARP drop what has no sender, and fabrics
    /// do not flood it. Never the target itself, which would be a claim.
    fn neighbor_of(&self, target: Ipv4Addr) -> Option<Ipv4Addr> {
        self.ipv4.iter().flatten().filter(|net| net.contains(&target)).map(Ipv4Net::addr).find(|ours| *ours != target)
    }

    /// Where a question of a client comes from: some routers leave those without a sender alone, whichever it is.
    pub fn asks_from(&self, target: Ipv4Addr) -> Option<Ipv4Addr> {
        let any = || self.ipv4.iter().flatten().map(Ipv4Net::addr).find(|ours| *ours != target);
        self.neighbor_of(target).or_else(any)
    }
}

/// By which order something is said, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saying {
    /// The generation of the order of the address; 0 where none is known.
    pub generation: u64,
    /// Now, monotonic nanoseconds: an answer repeats it.
    pub now_ns: u64,
}

/// Asks for an address: one MAC alone, which is the heartbeat of a standby, or everybody; or asks one MAC whether its node is
/// there. Nobody's cache learns anything of the address. `None` when the question cannot be put on this interface.
pub fn question(speaker: &Speaker, (ifindex, address): Place, to: To, saying: Saying) -> Option<Frame> {
    let nonce = match to {
        To::All | To::One(_) => Nonce::question(to.asked_ns(saying.now_ns)),
        To::Alive(_) => Nonce::alive(to.asked_ns(saying.now_ns)),
    };
    let receiver = match to {
        To::All => None,
        To::One(mac) | To::Alive(mac) => Some(mac),
    };
    let mac = speaker.mac;
    let tag = speaker.signer.tag((Purpose::Question, mac), address, saying.generation, nonce);
    Some(match address {
        IpAddr::V4(v4) => {
            let sender = speaker.neighbor_of(v4).unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
            Frame::new(ifindex, Arp::probe(receiver.unwrap_or(Mac::BROADCAST), mac, sender, v4.octets(), tag))
        }
        IpAddr::V6(v6) => {
            let source = speaker.link_local?.octets();
            match receiver {
                Some(owner) => Frame::new(ifindex, Neighbor::heartbeat(owner, mac, source, v6.octets(), tag)),
                None => Frame::new(ifindex, Neighbor::probe(mac, source, v6.octets(), tag)),
            }
        }
    })
}

/// Asks everybody for the address of a machine that is expected to answer, so that something is received. `None` when the
/// question cannot be put on this interface.
pub fn sign_of_life(speaker: &Speaker, ifindex: u32, of: IpAddr) -> Option<Frame> {
    match of {
        IpAddr::V4(v4) => {
            let sender = speaker.asks_from(v4).unwrap_or(Ipv4Addr::UNSPECIFIED);
            Some(Frame::new(ifindex, Arp::request(Mac::BROADCAST, speaker.mac, sender.octets(), v4.octets())))
        }
        IpAddr::V6(v6) => {
            let source = speaker.link_local?.octets();
            Some(Frame::new(ifindex, Neighbor::solicitation(speaker.mac, source, v6.octets())))
        }
    }
}

/// One round of claims: `mac` has the address.
///
/// IPv4 has both forms, request and reply: some stacks update their caches from one only (RFC 5227 section 3). IPv6 has one
/// unsolicited advertisement to all nodes (RFC 4861 section 7.2.6).
pub fn push_claim(place: Place, mac: Mac, signer: &Signer, saying: Saying, frames: &mut Vec<Frame>) {
    let (ifindex, address) = place;
    let tag = claiming(signer, mac, address, saying);
    match address {
        IpAddr::V4(v4) => {
            let address = v4.octets();
            frames.push(Frame::new(ifindex, Arp::announcement(mac, address, tag)));
            frames.push(Frame::new(ifindex, Arp::announcement_reply(mac, address, tag)));
        }
        IpAddr::V6(v6) => frames.push(Frame::new(ifindex, Neighbor::announcement(mac, v6.octets(), tag))),
    }
}

/// The same to one other speaker, where broadcasts may not come through. `None` when it cannot be said on this interface.
pub fn claim_to((ifindex, address): Place, speaker: &Speaker, to: Mac, saying: Saying) -> Option<Frame> {
    let tag = claiming(&speaker.signer, speaker.mac, address, saying);
    Some(match address {
        IpAddr::V4(v4) => {
            let address = v4.octets();
            Frame::new(ifindex, Arp::own_correction(to, speaker.mac, address, address, tag))
        }
        IpAddr::V6(v6) => {
            // To the group of all nodes, in a frame for one: its address is not known.
            let receiver = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            Frame::new(ifindex, Neighbor::own_correction(to, speaker.mac, v6.octets(), receiver.octets(), tag))
        }
    })
}

fn claiming(signer: &Signer, mac: Mac, address: IpAddr, saying: Saying) -> Tag {
    signer.tag((Purpose::Claim, mac), address, saying.generation, Nonce::statement(saying.now_ns))
}

/// A client whose cache is to be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaleClient {
    /// Its MAC.
    pub mac: Mac,
    /// Its address.
    pub address: IpAddr,
}

/// Tells one client that `speaker` has the address. `None` for a client of the other family.
pub fn own_correction(
    (ifindex, address): Place,
    speaker: &Speaker,
    told: StaleClient,
    saying: Saying,
) -> Option<Frame> {
    let (mac, tag) = (speaker.mac, claiming(&speaker.signer, speaker.mac, address, saying));
    Some(match (address, told.address) {
        (IpAddr::V4(v4), IpAddr::V4(client)) => {
            Frame::new(ifindex, Arp::own_correction(told.mac, mac, v4.octets(), client.octets(), tag))
        }
        (IpAddr::V6(v6), IpAddr::V6(client)) => {
            Frame::new(ifindex, Neighbor::own_correction(told.mac, mac, v6.octets(), client.octets(), tag))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    })
}

/// Tells one machine, which is no speaker, that `owner` has the address, sent from `from`, who knows. `None` for a machine of
/// the other family.
pub fn correction((ifindex, address): Place, from: Mac, owner: Mac, told: StaleClient) -> Option<Frame> {
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

    const SAYING: Saying = Saying { generation: 9, now_ns: 78 };

    fn speaker(link_local: Option<Ipv6Addr>) -> Speaker {
        let signer = Signer { node: NodeId::from_number(0x0102_0304_0506_0708).unwrap(), key: None };
        Speaker { signer, mac: OURS, ipv4: [None; SUBNETS], link_local }
    }

    fn v6() -> IpAddr {
        "2001:db8::10".parse().unwrap()
    }

    #[test]
    fn questions_name_this_node_and_disturb_no_cache() {
        let us = speaker(Some("fe80::1".parse().unwrap()));
        let heartbeat = question(&us, (7, [192, 0, 2, 10].into()), To::One(OTHER), SAYING).unwrap();
        assert_eq!((heartbeat.ifindex(), &heartbeat.bytes()[..6]), (7, &OTHER.0[..]));
        assert_eq!(heartbeat.bytes()[28..32], [0; 4], "no sender address");
        assert_eq!(heartbeat.bytes()[50..58], us.signer.node.number().to_be_bytes());
        assert_eq!(heartbeat.bytes()[58..82], [[9u64, 78, 0].map(u64::to_be_bytes)].as_flattened().concat());
        let alive = question(&us, (7, [192, 0, 2, 10].into()), To::Alive(OTHER), SAYING).unwrap();
        assert_eq!(alive.bytes()[66..74], (78 | 1u64 << 63).to_be_bytes());
        let probe = question(&us, (7, v6()), To::All, SAYING).unwrap();
        assert_eq!(probe.bytes()[..2], [0x33, 0x33]);
        assert_eq!(probe.bytes()[94..102], us.signer.node.number().to_be_bytes());
        assert_eq!(question(&speaker(None), (7, v6()), To::All, SAYING), None, "nobody to answer to");
    }

    #[test]
    fn a_question_comes_from_an_address_of_the_subnet_that_is_not_the_one_asked_for() {
        let nets = ["198.51.100.7/24", "192.0.2.10/24", "192.0.2.7/24"].map(|net| Some(net.parse().unwrap()));
        let us = Speaker { ipv4: [nets[0], nets[1], nets[2], None], ..speaker(None) };
        for (target, sender) in
            [([192, 0, 2, 10], [192, 0, 2, 7]), ([192, 0, 2, 99], [192, 0, 2, 10]), ([10, 0, 0, 1], [0; 4])]
        {
            let frame = question(&us, (7, target.into()), To::All, SAYING).unwrap();
            assert_eq!(frame.bytes()[28..32], sender, "{target:?}");
        }
    }

    #[test]
    fn a_key_proves_what_is_said_and_nothing_else() {
        let key = Key::from_bytes([5; 16]);
        let mut us = speaker(None);
        us.signer.key = Some(key);
        let proof_of = |frame: Frame| u64::from_be_bytes(frame.bytes()[74..82].try_into().unwrap());
        let place = (7, IpAddr::from([192, 0, 2, 10]));
        let asked = proof_of(question(&us, place, To::All, SAYING).unwrap());
        let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 10];
        let statement =
            Statement::new((Purpose::Question, OURS), (us.signer.node, None), address, 9, Nonce::question(79));
        assert_eq!(asked, proof(&key, &statement));
        let mut others = vec![proof_of(question(&us, place, To::Alive(OTHER), SAYING).unwrap())];
        others.push(proof_of(claim_to(place, &us, OTHER, SAYING).unwrap()));
        others.push(proof_of(question(&us, place, To::All, Saying { generation: 8, ..SAYING }).unwrap()));
        assert!(others.iter().all(|other| *other != asked && *other != 0), "{others:?}");
    }

    #[test]
    fn a_client_is_told_in_its_own_family() {
        let us = speaker(None);
        let told = StaleClient { mac: OTHER, address: [192, 0, 2, 200].into() };
        let frame = own_correction((7, [192, 0, 2, 10].into()), &us, told, SAYING).unwrap();
        assert_eq!(frame.bytes()[..12], [OTHER.0, OURS.0].concat());
        assert_eq!(frame.bytes()[50..58], us.signer.node.number().to_be_bytes());
        assert_eq!(own_correction((7, v6()), &us, told, SAYING), None);
        assert_eq!(correction((7, v6()), OURS, OTHER, told), None);
    }

    #[test]
    fn a_sign_of_life_is_asked_for_from_our_address_if_there_is_one() {
        let mut us = speaker(None);
        let gateway: IpAddr = [192, 0, 2, 1].into();
        assert_eq!(sign_of_life(&us, 7, gateway).unwrap().bytes()[28..32], [0; 4]);
        us.ipv4[0] = Some("192.0.2.7/24".parse().unwrap());
        assert_eq!(sign_of_life(&us, 7, gateway).unwrap().bytes()[28..32], [192, 0, 2, 7]);
        let own = sign_of_life(&us, 7, [192, 0, 2, 7].into()).unwrap();
        assert_eq!(own.bytes()[28..32], [0; 4], "asking from the address itself would claim it");
        assert_eq!(sign_of_life(&us, 7, v6()), None);
    }
}
