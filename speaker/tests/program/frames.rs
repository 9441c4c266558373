//! Frames, written byte by byte and apart from the builders of the code under test.

use arpeggio_common::{abi::NodeId, wire::Mac};

/// Our interface.
pub(crate) const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// Who asks.
pub(crate) const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// Who speaks for our addresses.
pub(crate) const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 3]);
/// A station that has nothing to do with it.
pub(crate) const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 4]);
/// A group address.
pub(crate) const GROUP: Mac = Mac([3, 0, 0, 0, 0, 2]);

pub(crate) const VIP4: [u8; 4] = [192, 0, 2, 10];
pub(crate) const CLIENT4: [u8; 4] = [192, 0, 2, 1];
pub(crate) const OTHER4: [u8; 4] = [192, 0, 2, 99];
pub(crate) const ZERO4: [u8; 4] = [0; 4];

/// 2001:db8::10:a, whose solicited-node group is ff02::1:ff10:a.
pub(crate) const VIP6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x0a];
pub(crate) const VIP6_GROUP: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x10, 0, 0x0a];
pub(crate) const VIP6_GROUP_MAC: Mac = Mac([0x33, 0x33, 0xff, 0x10, 0, 0x0a]);
/// fe80::2
pub(crate) const CLIENT6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
/// 2001:db8::99
pub(crate) const OTHER6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99];
pub(crate) const NOBODY6: [u8; 16] = [0; 16];
pub(crate) const ALL_NODES6: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

pub(crate) const REQUEST: u16 = 1;
pub(crate) const REPLY: u16 = 2;
pub(crate) const SOLICITATION: u8 = 135;
pub(crate) const ADVERTISEMENT: u8 = 136;
pub(crate) const SOLICITED: u8 = 0x40;
pub(crate) const OVERRIDE: u8 = 0x20;

/// Offsets in a frame with neighbour discovery.
pub(crate) mod at {
    pub(crate) const PAYLOAD_LENGTH: usize = 18;
    pub(crate) const NEXT_HEADER: usize = 20;
    pub(crate) const HOP_LIMIT: usize = 21;
    pub(crate) const MESSAGE: usize = 54;
    pub(crate) const CODE: usize = 55;
    pub(crate) const CHECKSUM: usize = 56;
    pub(crate) const OPTIONS: usize = 78;
}

/// This node and the rival's, as tags name them.
pub(crate) const OUR_NODE: u64 = 0x0a0a_0a0a_0a0a_0a01;
pub(crate) const RIVAL_NODE: u64 = 0x0b0b_0b0b_0b0b_0b02;

pub(crate) fn our_node() -> NodeId {
    NodeId::from_number(OUR_NODE).unwrap()
}

pub(crate) fn rival_node() -> NodeId {
    NodeId::from_number(RIVAL_NODE).unwrap()
}

/// The generation that tags name.
pub(crate) const GENERATION: u64 = 5;
/// When questions were asked, monotonic nanoseconds: in the first microsecond of the machine, so never later than now.
pub(crate) const ASKED_NS: u64 = 1_000;
/// The highest bits of a nonce: a question to a node, and what is no question and answers none.
pub(crate) const ALIVE: u64 = 1 << 63;
pub(crate) const STATEMENT: u64 = 1 << 62;

/// What a tag says: node, generation, nonce, proof.
pub(crate) type Numbers = [u64; 4];

/// A question, or the answer to it, by this node, without a proof.
pub(crate) const fn by(node: u64) -> Numbers {
    [node, GENERATION, ASKED_NS, 0]
}

/// The option by which speakers know each other.
pub(crate) fn tag_option_of(numbers: Numbers) -> Vec<u8> {
    [&b"\x0e\x05ARPGI2"[..], numbers.map(u64::to_be_bytes).as_flattened()].concat()
}

/// The same of a question without a proof.
pub(crate) fn tag_option(node: u64) -> Vec<u8> {
    tag_option_of(by(node))
}

/// A tag behind an ARP message.
pub(crate) fn with_numbers(message: &[u8], numbers: Numbers) -> Vec<u8> {
    assert_eq!(message.len(), 42);
    [message, b"ARPEGIO\x02", numbers.map(u64::to_be_bytes).as_flattened()].concat()
}

/// The same of a question without a proof.
pub(crate) fn with_tag(message: &[u8], node: u64) -> Vec<u8> {
    with_numbers(message, by(node))
}

/// What speakers say to each other in neighbour discovery: a link-layer option of this kind, then the tag.
pub(crate) fn pulse(kind: u8, mac: Mac, node: u64) -> Vec<u8> {
    [link_option(kind, mac), tag_option(node)].concat()
}

/// What Linux adds to duplicate address detection (RFC 7527).
pub(crate) const LINUX_NONCE: [u8; 8] = [14, 1, 0x5a, 0x13, 0x77, 0xc0, 0x01, 0xfe];

/// An ARP frame: Ethernet addresses, operation, sender, target.
pub(crate) fn arp(ethernet: (Mac, Mac), operation: u16, sender: (Mac, [u8; 4]), target: (Mac, [u8; 4])) -> Vec<u8> {
    let (to, from) = ethernet;
    let fixed = [8, 6, 0, 1, 8, 0, 6, 4];
    let parts: [&[u8]; 8] =
        [&to.0, &from.0, &fixed, &operation.to_be_bytes(), &sender.0.0, &sender.1, &target.0.0, &target.1];
    parts.concat()
}

/// The client asks everybody for our address.
pub(crate) fn arp_request() -> Vec<u8> {
    arp((Mac::BROADCAST, CLIENT), REQUEST, (CLIENT, CLIENT4), (Mac::ZERO, VIP4))
}

/// The rival says that it has our address.
pub(crate) fn arp_reply(to: Mac, receiver: [u8; 4]) -> Vec<u8> {
    arp((to, RIVAL), REPLY, (RIVAL, VIP4), (to, receiver))
}

/// A link-layer address option.
pub(crate) fn link_option(kind: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 1], &mac.0[..]].concat()
}

/// Options as the client sends them.
pub(crate) fn source_option() -> Vec<u8> {
    link_option(1, CLIENT)
}

/// A neighbour discovery frame: Ethernet addresses, IPv6 addresses, type and flags, target, options; with a right checksum.
pub(crate) fn neighbor(
    ethernet: (Mac, Mac),
    addresses: ([u8; 16], [u8; 16]),
    (kind, flags): (u8, u8),
    target: [u8; 16],
    options: &[u8],
) -> Vec<u8> {
    let (to, from) = ethernet;
    let (source, destination) = addresses;
    let length = u16::try_from(24 + options.len()).unwrap();
    let parts: [&[u8]; 10] = [
        &to.0,
        &from.0,
        &[0x86, 0xdd, 0x60, 0, 0, 0],
        &length.to_be_bytes(),
        &[58, 255],
        &source,
        &destination,
        &[kind, 0, 0, 0, flags, 0, 0, 0],
        &target,
        options,
    ];
    summed(parts.concat())
}

/// The client asks the group of our address.
pub(crate) fn solicitation(options: &[u8]) -> Vec<u8> {
    neighbor((VIP6_GROUP_MAC, CLIENT), (CLIENT6, VIP6_GROUP), (SOLICITATION, 0), VIP6, options)
}

/// The client asks us alone.
pub(crate) fn unicast_solicitation(options: &[u8]) -> Vec<u8> {
    neighbor((OURS, CLIENT), (CLIENT6, VIP6), (SOLICITATION, 0), VIP6, options)
}

/// The client looks for another user of the address that it wants (RFC 4862 section 5.4.2).
pub(crate) fn duplicate_detection(options: &[u8]) -> Vec<u8> {
    neighbor((VIP6_GROUP_MAC, CLIENT), (NOBODY6, VIP6_GROUP), (SOLICITATION, 0), VIP6, options)
}

/// The rival advertises our address.
pub(crate) fn advertisement(to: Mac, receiver: [u8; 16], flags: u8, options: &[u8]) -> Vec<u8> {
    neighbor((to, RIVAL), (VIP6, receiver), (ADVERTISEMENT, flags), VIP6, options)
}

/// The frame with `bytes` at `offset`.
pub(crate) fn with(mut frame: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    frame[offset..offset + bytes.len()].copy_from_slice(bytes);
    frame
}

/// The frame filled up to `length` bytes with something that is not zero.
pub(crate) fn padded(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    assert!(length >= frame.len());
    frame.resize(length, 0xa5);
    frame
}

/// The first `length` bytes.
pub(crate) fn cut(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    frame.truncate(length);
    frame
}

/// The frame with an 802.1Q tag.
pub(crate) fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat()
}

/// The frame with a priority and no VLAN (IEEE 802.1Q-2022 section 6.9).
pub(crate) fn prioritised(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &PRIORITY, &frame[12..]].concat()
}

/// The frame without that tag, which must still be there.
pub(crate) fn without_priority(frame: &[u8]) -> Vec<u8> {
    assert_eq!(frame[12..16], PRIORITY, "the tag goes back with the frame");
    [&frame[..12], &frame[16..]].concat()
}

const PRIORITY: [u8; 4] = [0x81, 0, 0xa0, 0];

/// The frame with a right ICMPv6 checksum (RFC 1071, RFC 8200 section 8.1), as far as its length field reaches and bytes are
/// there.
pub(crate) fn summed(frame: Vec<u8>) -> Vec<u8> {
    let length = [frame[at::PAYLOAD_LENGTH], frame[at::PAYLOAD_LENGTH + 1]];
    let end = frame.len().min(at::MESSAGE + usize::from(u16::from_be_bytes(length)));
    let frame = with(frame, at::CHECKSUM, &[0, 0]);
    let pseudo = [&frame[22..at::MESSAGE], &[0, 0], &length, &[0, 0, 0, 58]].concat();
    let words = [&pseudo, &frame[at::MESSAGE..end]].into_iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words.map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!sum).to_be_bytes();
    with(frame, at::CHECKSUM, &[high, low])
}
