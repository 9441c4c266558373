//! The frames of each kind of attack.

use std::net::IpAddr;

use arpeggio_common::{
    abi::NodeId,
    wire::{Arp, Mac, Neighbor, Nonce, Tag},
};

/// Frames that are made and sent in turn: no two of them name the same station or node.
const FRAMES: u64 = 4096;
/// Where the senders of questions seem to be.
const ASKER4: [u8; 4] = [192, 0, 2, 99];
const ASKER6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99];

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Claims with tags of nodes that do not exist, each with a MAC of its own.
    Claims,
    /// Questions of speakers that do not exist.
    Questions,
    /// Gratuitous frames without a tag, each with a MAC of its own.
    Gratuitous,
    /// Solicitations that nobody may answer: from the unspecified address, with a link-layer address (RFC 4861 section 7.1.1).
    Solicitations,
}

/// The frames of a kind of attack, about these addresses in turn.
pub(crate) fn frames(kind: Kind, mac: Mac, addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    (0..FRAMES)
        .zip(addresses.iter().cycle())
        .filter_map(|(number, address)| frame(kind, mac, *address, number))
        .collect()
}

/// Only what is said differs: the Ethernet source is always the attacker's, or the switch would forget where others are.
fn frame(kind: Kind, mac: Mac, address: IpAddr, number: u64) -> Option<Vec<u8>> {
    let node = NodeId::from_number(0xbad0_0000_0000_0000 | number)?;
    let [.., high, low] = number.to_be_bytes();
    let station = Mac([0x02, 0xba, 0xd0, 0, high, low]);
    // In nobody's future: one that is, is refused at once.
    let tag =
        |nonce: Nonce| Tag { node, generation: u64::MAX, nonce, proof: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    let (claim, question) = (tag(Nonce::statement(number)), tag(Nonce::question(number)));
    let mut frame = match (kind, address) {
        (Kind::Claims, IpAddr::V4(address)) => Arp::announcement(station, address.octets(), claim).to_vec(),
        (Kind::Claims, IpAddr::V6(address)) => Neighbor::announcement(mac, address.octets(), claim).to_vec(),
        (Kind::Questions, IpAddr::V4(address)) => {
            Arp::probe(Mac::BROADCAST, mac, ASKER4, address.octets(), question).to_vec()
        }
        (Kind::Questions, IpAddr::V6(address)) => Neighbor::probe(mac, ASKER6, address.octets(), question).to_vec(),
        (Kind::Gratuitous, IpAddr::V4(address)) => {
            Arp::request(Mac::BROADCAST, station, address.octets(), address.octets()).to_vec()
        }
        (Kind::Solicitations, IpAddr::V6(address)) => Neighbor::solicitation(mac, [0; 16], address.octets()).to_vec(),
        (Kind::Gratuitous, IpAddr::V6(_)) | (Kind::Solicitations, IpAddr::V4(_)) => return None,
    };
    frame.get_mut(6..12)?.copy_from_slice(&mac.0);
    Some(frame)
}
