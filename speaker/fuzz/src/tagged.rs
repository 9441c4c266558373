//! Tags as they are documented, read apart from the code under test.

use arpeggio_common::{
    abi::{Keys, NodeId, PeerKey},
    wire::{Key, Mac, Nonce, Purpose, Statement, proof},
};
use arpeggio_speaker_ebpf::Tables as _;

use crate::{memory::Memory, packet::OUR_NODE};

/// What stands in front of the numbers of a tag, and where: behind an ARP message; in neighbour discovery behind one
/// link-layer option, with which it is all there is.
const ARP: (&[u8; 8], usize) = (b"ARPEGIO\x02", 42);
const NEIGHBOR: (&[u8; 8], usize) = (b"\x0e\x05ARPGI2", 86);
/// ICMPv6 message and options of a tagged one.
const NEIGHBOR_LENGTH: [u8; 2] = [0, 24 + 8 + 40];

/// The tag of a question, and what it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tagged {
    at: usize,
    /// The address in question.
    address: [u8; 16],
    /// The sender's MAC.
    mac: Mac,
    node: NodeId,
    /// Generation, nonce, proof.
    numbers: [u64; 3],
}

impl Tagged {
    /// The tag of a frame, if it has one.
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let is_arp = frame.get(12..14)? == [8, 6];
        let (magic, at) = if is_arp { ARP } else { NEIGHBOR };
        if frame.get(at..at + 8)? != magic || frame.len() < at + 40 {
            return None;
        }
        let mut address = [0; 16];
        if is_arp {
            address[10..12].copy_from_slice(&[0xff; 2]);
            address[12..].copy_from_slice(frame.get(38..42)?);
        } else {
            let link = frame.get(78..80)?;
            if frame.get(18..20)? != NEIGHBOR_LENGTH || !matches!(link, [1 | 2, 1]) {
                return None;
            }
            address.copy_from_slice(frame.get(62..78)?);
        }
        let number = |index: usize| {
            let bytes = frame.get(at + 8 * index..)?.first_chunk()?;
            Some(u64::from_be_bytes(*bytes))
        };
        let node = NodeId::from_number(number(1)?)?;
        let mac = Mac(*frame.get(if is_arp { 22 } else { 6 }..)?.first_chunk()?);
        Some(Self { at, address, mac, node, numbers: [number(2)?, number(3)?, number(4)?] })
    }

    /// Whether the tag counts: with a right proof where there are keys, else that of a known node.
    pub(crate) fn counts(&self, memory: &Memory, ifindex: u32) -> bool {
        if self.node.number() == OUR_NODE {
            return false;
        }
        let known = memory.peer(&PeerKey::new(ifindex, self.node)).is_some();
        let [.., given] = self.numbers;
        let keys = &memory.keys;
        let proven = [keys.first(), keys.second()].into_iter().flatten().any(|key| self.proof(key) == given);
        let asked_for = keys.first().is_some() && !(given == 0 && keys.accepts_unproven());
        if asked_for { proven } else { known }
    }

    /// Whether it asks for the node, not for an address.
    pub(crate) fn asks_for_life(&self) -> bool {
        self.numbers[1] >> 63 == 1
    }

    /// The proof that the question should have.
    fn proof(&self, key: &Key) -> u64 {
        let [generation, nonce, _] = self.numbers;
        let about = (self.node, None);
        proof(
            key,
            &Statement::new((Purpose::Question, self.mac), about, self.address, generation, Nonce::from_number(nonce)),
        )
    }

    /// Holds the tag of an answer against what it should be: ours, by our order, with the nonce of the question.
    pub(crate) fn check_answer(&self, answer: &[u8], (us, generation): (u64, u64), keys: &Keys) {
        let [_, nonce, _] = self.numbers;
        let (Some(node), Some(ours)) = (NodeId::from_number(us), answer[6..].first_chunk()) else { return };
        let ours = Mac(*ours);
        let statement = |key| {
            proof(
                &key,
                &Statement::new(
                    (Purpose::Answer, ours),
                    (node, Some(self.node)),
                    self.address,
                    generation,
                    Nonce::from_number(nonce),
                ),
            )
        };
        let expected = [us, generation, nonce, keys.signing().map_or(0, statement)];
        let written = &answer[self.at + 8..self.at + 40];
        assert_eq!(written, expected.map(u64::to_be_bytes).as_flattened(), "the tag of an answer");
    }
}

/// Puts a right proof into the tag of a question, if there is a key and a tag.
pub(crate) fn sign(frame: &mut [u8], keys: &Keys) {
    let (Some(tagged), Some(key)) = (Tagged::read(frame), keys.first()) else { return };
    let proof = tagged.proof(key).to_be_bytes();
    if let Some(place) = frame.get_mut(tagged.at + 32..tagged.at + 40) {
        place.copy_from_slice(&proof);
    }
    if tagged.at == NEIGHBOR.1 {
        mend_checksum(frame);
    }
}

/// The ICMPv6 checksum (RFC 4443 section 2.3) of a tagged message.
fn mend_checksum(frame: &mut [u8]) {
    frame[56..58].copy_from_slice(&[0, 0]);
    let pseudo = [0, 0, NEIGHBOR_LENGTH[0], NEIGHBOR_LENGTH[1], 0, 0, 0, 58];
    let words = [&frame[22..54], &pseudo, &frame[54..126]].concat();
    let sum = words.as_chunks::<2>().0.iter().fold(0u32, |sum, word| sum + u32::from(u16::from_be_bytes(*word)));
    let sum = (sum >> 16) + (sum & 0xffff);
    let [.., high, low] = (!((sum >> 16) + sum)).to_be_bytes();
    frame[56..58].copy_from_slice(&[high, low]);
}
