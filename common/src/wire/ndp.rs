//! Neighbour solicitations and advertisements (RFC 4861 sections 4.3 and 4.4): 14 bytes of Ethernet header, 40 of IPv6
//! header, 24 of message, then options in units of 8 bytes.

use super::{ETHERNET_HEADER, EtherType, Mac, ND_TAG_BLOCKS, Tag, checksum, nd_tag, put, take};

/// Length of an Ethernet frame with a solicitation or advertisement without options.
pub const ND_FRAME: usize = ETHERNET_HEADER + 40 + 24;
/// Length of an option in units of its own length field: a link-layer address is one such block.
pub const ND_OPTION: usize = 8;
/// The same with one option: what an answer looks like.
pub const OPTIONED_FRAME: usize = ND_FRAME + ND_OPTION;
/// The same with a tag behind it: what speakers say to each other.
pub const ND_TAGGED_FRAME: usize = ND_FRAME + TAGGED_BLOCKS * ND_OPTION;
/// Blocks of options in such a message: a link-layer address and the tag.
pub const TAGGED_BLOCKS: usize = 1 + ND_TAG_BLOCKS;

/// Type of the source link-layer address option.
pub const OPTION_SOURCE_LINK: u8 = 1;
/// Type of the target link-layer address option.
pub const OPTION_TARGET_LINK: u8 = 2;

/// ff02::1, the group of all nodes on the link.
pub const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

const NEXT_HEADER_ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;

const PAYLOAD_LENGTH: usize = 18;
const NEXT_HEADER: usize = 20;
const SOURCE: usize = 22;
const DESTINATION: usize = 38;
const MESSAGE: usize = 54;
const FLAGS: usize = 58;
const TARGET: usize = 62;

/// Length of the message without options.
const MESSAGE_LENGTH: usize = 24;

/// The address at offset `AT`, read in two words: a copy of 16 bytes becomes one of single bytes in BPF, and a hash over words
/// that were just written as bytes waits for them.
#[inline(always)]
fn address<const AT: usize>(bytes: &[u8; ND_FRAME]) -> [u8; 16] {
    const { assert!(AT + 16 <= ND_FRAME) };
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u128::from(u64::from_le_bytes(word))
    };
    (word(AT) | (word(AT + 8) << 64)).to_le_bytes()
}

/// The solicited-node group of an address (RFC 4291 section 2.7.1).
#[inline(always)]
pub fn solicited_node_group(address: [u8; 16]) -> [u8; 16] {
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, address[13], address[14], address[15]]
}

/// Which of the two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborKind {
    /// Who has the target address?
    Solicitation,
    /// The sender speaks for the target address.
    Advertisement,
}

/// A view on the first 78 bytes of a frame whose EtherType is IPv6.
#[derive(Debug)]
pub struct Neighbor<'a>(pub &'a mut [u8; ND_FRAME]);

impl Neighbor<'_> {
    /// Which message a frame holds, seen from its first 58 bytes; `None` for all other traffic, extension headers and
    /// fragments included (RFC 6980: neighbour discovery is never fragmented).
    #[inline(always)]
    pub fn kind(head: &[u8; MESSAGE + 4]) -> Option<NeighborKind> {
        let kind = match (head[NEXT_HEADER], head[MESSAGE]) {
            (NEXT_HEADER_ICMPV6, SOLICITATION) => NeighborKind::Solicitation,
            (NEXT_HEADER_ICMPV6, ADVERTISEMENT) => NeighborKind::Advertisement,
            _ => return None,
        };
        // No checksum covers the version. Asked last: ordinary traffic has left by now.
        if head[ETHERNET_HEADER] >> 4 == 6 { Some(kind) } else { None }
    }

    /// Hop limit; only 255 proves that the message comes from this link.
    #[inline(always)]
    pub fn hop_limit(&self) -> u8 {
        self.0[21]
    }

    /// ICMPv6 code.
    #[inline(always)]
    pub fn code(&self) -> u8 {
        self.0[MESSAGE + 1]
    }

    /// Number of 8-byte blocks of options, or `None` when the length is impossible.
    #[inline(always)]
    pub fn option_blocks(&self) -> Option<usize> {
        let length = u16::from_be_bytes(take::<PAYLOAD_LENGTH, _, _>(self.0)) as usize;
        if length < MESSAGE_LENGTH || !length.is_multiple_of(ND_OPTION) {
            None
        } else {
            Some((length - MESSAGE_LENGTH) / ND_OPTION)
        }
    }

    /// Ethernet destination.
    #[inline(always)]
    pub fn ethernet_destination(&self) -> Mac {
        Mac(take::<0, _, _>(self.0))
    }

    /// Ethernet source.
    #[inline(always)]
    pub fn ethernet_source(&self) -> Mac {
        Mac(take::<6, _, _>(self.0))
    }

    /// IPv6 source; all zeros in duplicate address detection.
    #[inline(always)]
    pub fn source(&self) -> [u8; 16] {
        address::<SOURCE>(self.0)
    }

    /// IPv6 destination.
    #[inline(always)]
    pub fn destination(&self) -> [u8; 16] {
        address::<DESTINATION>(self.0)
    }

    /// The address in question.
    #[inline(always)]
    pub fn target(&self) -> [u8; 16] {
        address::<TARGET>(self.0)
    }

    /// In an advertisement: whether it answers somebody.
    #[inline(always)]
    pub fn is_solicited(&self) -> bool {
        self.0[FLAGS] & FLAG_SOLICITED != 0
    }

    /// The sum over pseudo-header and message, to which the options are added with [`Self::add_option`].
    #[inline(always)]
    pub fn sum(&self) -> u64 {
        let header: [u8; 4] = [0, NEXT_HEADER_ICMPV6, self.0[PAYLOAD_LENGTH], self.0[PAYLOAD_LENGTH + 1]];
        let sum = checksum::add(0, &header);
        let sum = checksum::add(sum, &self.0[SOURCE..MESSAGE]);
        checksum::add(sum, &self.0[MESSAGE..])
    }

    /// Adds one block of options to a [`sum`](Self::sum).
    #[inline(always)]
    pub fn add_option(sum: u64, block: &[u8; ND_OPTION]) -> u64 {
        checksum::add(sum, block)
    }

    /// Whether the sum over the whole message says that it arrived as it was sent.
    #[inline(always)]
    pub fn is_intact(sum: u64) -> bool {
        checksum::fold(sum) == 0xffff
    }

    /// Turns the solicitation into the answer that `mac` has the target address (RFC 4861 section 7.2.4): to the asker with
    /// S=1, or to all nodes with S=0 when the asker has no address yet (RFC 4862 section 5.4.3); O=1.
    ///
    /// `options` are the blocks that follow; the first of them becomes the target link-layer option, the others are kept
    /// as they are. Without any, the answer has none either.
    #[inline(always)]
    pub fn answer(&mut self, mac: Mac, options: &mut [[u8; ND_OPTION]]) {
        let (asker, source, target) = (self.ethernet_source(), self.source(), self.target());
        let nameless = source == [0; 16];
        put::<0, _, _>(self.0, if nameless { Mac::ALL_NODES.0 } else { asker.0 });
        put::<6, _, _>(self.0, mac.0);
        let mut sum = 0;
        if let [first, rest @ ..] = &mut *options {
            let link = link_option(OPTION_TARGET_LINK, mac);
            *first = link;
            sum = rest.iter().fold(Self::add_option(0, &link), Self::add_option);
        }
        let flags = if nameless { FLAG_OVERRIDE } else { FLAG_OVERRIDE | FLAG_SOLICITED };
        let blocks = (options.len(), sum);
        self.write((target, if nameless { ALL_NODES } else { source }), (ADVERTISEMENT, flags, target), blocks);
    }

    /// Writes IPv6 header and message, but for the Ethernet header and the options, whose number and sum are given.
    ///
    /// The checksum is computed from the values, not from the frame: reading back what was just written in other sizes
    /// would wait for the stores.
    #[inline(always)]
    fn write(
        &mut self,
        (source, destination): ([u8; 16], [u8; 16]),
        (kind, flags, target): (u8, u8, [u8; 16]),
        (blocks, sum): (usize, u64),
    ) {
        // At most a few blocks: no truncation.
        let [.., high, low] = (MESSAGE_LENGTH + ND_OPTION * blocks).to_be_bytes();
        let mut sum = checksum::add(sum, &[0, NEXT_HEADER_ICMPV6, high, low, kind, 0, 0, 0, flags, 0, 0, 0]);
        for part in [&source, &destination, &target] {
            sum = checksum::add(sum, part);
        }
        let [c, d] = (!checksum::fold(sum)).to_ne_bytes();
        put::<ETHERNET_HEADER, _, _>(self.0, [0x60, 0, 0, 0, high, low, NEXT_HEADER_ICMPV6, 255]);
        put::<SOURCE, _, _>(self.0, source);
        put::<DESTINATION, _, _>(self.0, destination);
        put::<MESSAGE, _, _>(self.0, [kind, 0, c, d, flags, 0, 0, 0]);
        put::<TARGET, _, _>(self.0, target);
    }
}

/// A link-layer address option.
#[inline(always)]
const fn link_option(kind: u8, mac: Mac) -> [u8; ND_OPTION] {
    let [a, b, c, d, e, f] = mac.0;
    [kind, 1, a, b, c, d, e, f]
}

/// The options of a frame with a tag, which stands last.
const fn tagged(link: [u8; ND_OPTION], tag: Tag) -> [[u8; ND_OPTION]; TAGGED_BLOCKS] {
    let [head, node, generation, nonce, proof] = nd_tag(tag);
    [link, head, node, generation, nonce, proof]
}

/// Frames that user space sends.
impl Neighbor<'_> {
    fn build<const FRAME: usize, const BLOCKS: usize>(
        (to, from): (Mac, Mac),
        addresses: ([u8; 16], [u8; 16]),
        message: (u8, u8, [u8; 16]),
        options: [[u8; ND_OPTION]; BLOCKS],
    ) -> [u8; FRAME] {
        const { assert!(FRAME == ND_FRAME + BLOCKS * ND_OPTION) };
        let mut head = [0; ND_FRAME];
        put::<0, _, _>(&mut head, to.0);
        put::<6, _, _>(&mut head, from.0);
        put::<12, _, _>(&mut head, EtherType::IPV6.get().to_be_bytes());
        let sum = options.iter().fold(0, Self::add_option);
        Neighbor(&mut head).write(addresses, message, (BLOCKS, sum));
        let mut frame = [0; FRAME];
        frame[..ND_FRAME].copy_from_slice(&head);
        for (index, block) in options.into_iter().enumerate() {
            frame[ND_FRAME + index * ND_OPTION..][..ND_OPTION].copy_from_slice(&block);
        }
        frame
    }

    /// Who has `target`? Asked by `mac`, who has the address `source`, of the solicited-node group.
    pub fn solicitation(mac: Mac, source: [u8; 16], target: [u8; 16]) -> [u8; OPTIONED_FRAME] {
        let group = solicited_node_group(target);
        Self::build(
            (Mac::of_group(group), mac),
            (source, group),
            (SOLICITATION, 0, target),
            [link_option(OPTION_SOURCE_LINK, mac)],
        )
    }

    /// Duplicate address detection for `target` (RFC 4862 section 5.4.2): the source is `::`, so nobody's cache changes.
    pub fn duplicate_detection(mac: Mac, target: [u8; 16]) -> [u8; ND_FRAME] {
        let group = solicited_node_group(target);
        Self::build((Mac::of_group(group), mac), ([0; 16], group), (SOLICITATION, 0, target), [])
    }

    /// Looks for users of `target`: a speaker asks the solicited-node group from its link-local address `source`.
    pub fn probe(mac: Mac, source: [u8; 16], target: [u8; 16], tag: Tag) -> [u8; ND_TAGGED_FRAME] {
        let group = solicited_node_group(target);
        let options = tagged(link_option(OPTION_SOURCE_LINK, mac), tag);
        Self::build((Mac::of_group(group), mac), (source, group), (SOLICITATION, 0, target), options)
    }

    /// The heartbeat of a standby: a speaker asks `owner` alone, from its link-local address `source`.
    pub fn heartbeat(owner: Mac, mac: Mac, source: [u8; 16], target: [u8; 16], tag: Tag) -> [u8; ND_TAGGED_FRAME] {
        let options = tagged(link_option(OPTION_SOURCE_LINK, mac), tag);
        Self::build((owner, mac), (source, target), (SOLICITATION, 0, target), options)
    }

    /// `mac` claims `address` before everybody (RFC 4861 section 7.2.6): S=0, O=1.
    pub fn announcement(mac: Mac, address: [u8; 16], tag: Tag) -> [u8; ND_TAGGED_FRAME] {
        let options = tagged(link_option(OPTION_TARGET_LINK, mac), tag);
        let message = (ADVERTISEMENT, FLAG_OVERRIDE, address);
        Self::build((Mac::ALL_NODES, mac), (address, ALL_NODES), message, options)
    }

    /// Tells the one node at `to`, `receiver`, that `owner` has `address`: corrects one cache. S=0, O=1. `from`, who says
    /// it, may be another than the owner.
    pub fn correction(to: Mac, from: Mac, owner: Mac, address: [u8; 16], receiver: [u8; 16]) -> [u8; OPTIONED_FRAME] {
        Self::build(
            (to, from),
            (address, receiver),
            (ADVERTISEMENT, FLAG_OVERRIDE, address),
            [link_option(OPTION_TARGET_LINK, owner)],
        )
    }

    /// The same by the owner itself, `mac`: another speaker that is told must not take it for a stranger.
    pub fn own_correction(to: Mac, mac: Mac, address: [u8; 16], receiver: [u8; 16], tag: Tag) -> [u8; ND_TAGGED_FRAME] {
        let options = tagged(link_option(OPTION_TARGET_LINK, mac), tag);
        Self::build((to, mac), (address, receiver), (ADVERTISEMENT, FLAG_OVERRIDE, address), options)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smoltcp::{
        phy::ChecksumCapabilities,
        wire::{
            EthernetFrame, Icmpv6Packet, Icmpv6Repr, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr,
            RawHardwareAddress,
        },
    };

    use super::*;
    use crate::wire::{ND_TAG, Nonce};

    fn named(node: u64) -> Tag {
        Tag::from_numbers([node, 5, Nonce::question(6).number(), 7]).unwrap()
    }

    /// What smoltcp makes of a frame; it verifies the checksum on the way.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other message is wrong here")]
    fn smoltcp(frame: &[u8]) -> (Mac, Mac, Ipv6Repr, NdiscRepr<'_>) {
        let ethernet = EthernetFrame::new_checked(frame).unwrap();
        let (dst, src) = (Mac(ethernet.dst_addr().0), Mac(ethernet.src_addr().0));
        let ip = Ipv6Packet::new_checked(&frame[ETHERNET_HEADER..]).unwrap();
        let ip_repr = Ipv6Repr::parse(&ip).unwrap();
        let icmp = Icmpv6Packet::new_checked(&frame[MESSAGE..][..ip_repr.payload_len]).unwrap();
        let caps = ChecksumCapabilities::default();
        match Icmpv6Repr::parse(&ip_repr.src_addr, &ip_repr.dst_addr, &icmp, &caps).unwrap() {
            Icmpv6Repr::Ndisc(ndisc) => (dst, src, ip_repr, ndisc),
            other => panic!("not neighbour discovery: {other:?}"),
        }
    }

    fn hardware(mac: [u8; 6]) -> Option<RawHardwareAddress> {
        Some(RawHardwareAddress::from_bytes(&mac))
    }

    /// etherparse computes the checksum on its own: a second opinion.
    fn etherparse_checksum(frame: &[u8]) -> u16 {
        let packet = etherparse::SlicedPacket::from_ethernet(frame).unwrap();
        let Some(etherparse::NetSlice::Ipv6(ip)) = packet.net else { panic!("not IPv6") };
        let Some(etherparse::TransportSlice::Icmpv6(icmp)) = packet.transport else { panic!("not ICMPv6") };
        icmp.header().icmp_type.calc_checksum(ip.header().source(), ip.header().destination(), icmp.payload()).unwrap()
    }

    fn unicast() -> impl Strategy<Value = [u8; 16]> {
        any::<[u8; 16]>().prop_map(|mut address| {
            address[0] = 0x20;
            address
        })
    }

    fn station() -> impl Strategy<Value = [u8; 6]> {
        any::<[u8; 6]>().prop_map(|mut mac| {
            mac[0] &= 0xfe;
            mac
        })
    }

    proptest! {
        #[test]
        fn built_solicitations_read_the_same_elsewhere(mac in station(), source in unicast(), target in unicast()) {
            let frame = Neighbor::solicitation(Mac(mac), source, target);
            let (dst, src, ip, ndisc) = smoltcp(&frame);
            prop_assert_eq!((dst, src), (Mac::of_group(solicited_node_group(target)), Mac(mac)));
            prop_assert_eq!((ip.src_addr.octets(), ip.dst_addr.octets(), ip.hop_limit), (source, solicited_node_group(target), 255));
            prop_assert_eq!(ndisc, NdiscRepr::NeighborSolicit { target_addr: target.into(), lladdr: hardware(mac) });
            prop_assert_eq!(etherparse_checksum(&frame), u16::from_be_bytes([frame[56], frame[57]]));
        }

        #[test]
        fn built_advertisements_read_the_same_elsewhere(mac in station(), address in unicast(), node in 1u64..) {
            let frame = Neighbor::announcement(Mac(mac), address, named(node));
            prop_assert_eq!(tag(&frame), (ND_TAG, node.to_be_bytes()));
            let (dst, _, ip, ndisc) = smoltcp(&frame);
            prop_assert_eq!((dst, ip.dst_addr.octets()), (Mac::ALL_NODES, ALL_NODES));
            let expected = NdiscRepr::NeighborAdvert { flags: NdiscNeighborFlags::OVERRIDE, target_addr: address.into(), lladdr: hardware(mac) };
            prop_assert_eq!(ndisc, expected);
            prop_assert_eq!(etherparse_checksum(&frame), u16::from_be_bytes([frame[56], frame[57]]));
        }

        #[test]
        fn an_answer_with_room_carries_our_mac(asker in station(), mac in station(), source in unicast(), target in unicast()) {
            let frame = Neighbor::solicitation(Mac(asker), source, target);
            let (mut head, mut option): ([u8; ND_FRAME], [u8; ND_OPTION]) = (take::<0, _, _>(&frame), take::<ND_FRAME, _, _>(&frame));
            Neighbor(&mut head).answer(Mac(mac), core::slice::from_mut(&mut option));
            let answer = [&head[..], &option[..]].concat();
            let (dst, src, ip, ndisc) = smoltcp(&answer);
            prop_assert_eq!((dst, src), (Mac(asker), Mac(mac)));
            prop_assert_eq!((ip.src_addr.octets(), ip.dst_addr.octets(), ip.hop_limit), (target, source, 255));
            let flags = NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::SOLICITED;
            prop_assert_eq!(ndisc, NdiscRepr::NeighborAdvert { flags, target_addr: target.into(), lladdr: hardware(mac) });
        }

        #[test]
        fn duplicate_address_detection_is_answered_to_all(asker in station(), mac in station(), target in unicast()) {
            let mut frame = Neighbor::duplicate_detection(Mac(asker), target);
            Neighbor(&mut frame).answer(Mac(mac), &mut []);
            let (dst, _, ip, ndisc) = smoltcp(&frame);
            prop_assert_eq!((dst, ip.dst_addr.octets()), (Mac::ALL_NODES, ALL_NODES));
            let expected = NdiscRepr::NeighborAdvert { flags: NdiscNeighborFlags::OVERRIDE, target_addr: target.into(), lladdr: None };
            prop_assert_eq!(ndisc, expected);
        }

        #[test]
        fn one_wrong_bit_is_noticed(mac in station(), source in unicast(), target in unicast(), at in 22usize..OPTIONED_FRAME, bit in 0u8..8) {
            let mut frame = Neighbor::solicitation(Mac(mac), source, target);
            frame[at] ^= 1 << bit;
            let (mut head, option): ([u8; ND_FRAME], [u8; ND_OPTION]) = (take::<0, _, _>(&frame), take::<ND_FRAME, _, _>(&frame));
            let sum = Neighbor::add_option(Neighbor(&mut head).sum(), &option);
            prop_assert!(!Neighbor::is_intact(sum));
        }
    }

    /// The tag behind the link-layer option.
    fn tag(frame: &[u8; ND_TAGGED_FRAME]) -> ([u8; 8], [u8; 8]) {
        (take::<{ ND_FRAME + 8 }, _, _>(frame), take::<{ ND_FRAME + 16 }, _, _>(frame))
    }

    proptest! {
        #[test]
        fn heartbeats_and_probes_are_ordinary_solicitations_to_others(
            macs in (station(), station()),
            source in unicast(),
            target in unicast(),
            node in 1u64..,
        ) {
            let (owner, mac) = (Mac(macs.0), Mac(macs.1));
            let group = solicited_node_group(target);
            let heartbeat = Neighbor::heartbeat(owner, mac, source, target, named(node));
            let probe = Neighbor::probe(mac, source, target, named(node));
            for (frame, to, destination) in [(heartbeat, owner, target), (probe, Mac::of_group(group), group)] {
                let (dst, src, ip, ndisc) = smoltcp(&frame);
                prop_assert_eq!((dst, src), (to, mac));
                prop_assert_eq!((ip.src_addr.octets(), ip.dst_addr.octets()), (source, destination));
                let expected = NdiscRepr::NeighborSolicit { target_addr: target.into(), lladdr: hardware(mac.0) };
                prop_assert_eq!(ndisc, expected);
                prop_assert_eq!(etherparse_checksum(&frame), u16::from_be_bytes([frame[56], frame[57]]));
                prop_assert_eq!(tag(&frame), (ND_TAG, node.to_be_bytes()));
            }
        }

        #[test]
        fn a_correction_names_the_owner_whoever_sends_it(
            macs in (station(), station(), station()),
            address in unicast(),
            receiver in unicast(),
        ) {
            let (to, from, owner) = (Mac(macs.0), Mac(macs.1), Mac(macs.2));
            let frame = Neighbor::correction(to, from, owner, address, receiver);
            let (dst, src, ip, ndisc) = smoltcp(&frame);
            prop_assert_eq!((dst, src), (to, from));
            prop_assert_eq!((ip.src_addr.octets(), ip.dst_addr.octets(), ip.hop_limit), (address, receiver, 255));
            let flags = NdiscNeighborFlags::OVERRIDE;
            let expected = NdiscRepr::NeighborAdvert { flags, target_addr: address.into(), lladdr: hardware(owner.0) };
            prop_assert_eq!(ndisc, expected);
        }

        #[test]
        fn a_tagged_answer_carries_the_tag_of_the_one_that_answers(
            macs in (station(), station()),
            source in unicast(),
            target in unicast(),
            nodes in (1u64.., 1u64..),
        ) {
            let (asker, mac) = (Mac(macs.0), Mac(macs.1));
            let frame = Neighbor::probe(asker, source, target, named(nodes.0));
            let mut head: [u8; ND_FRAME] = take::<0, _, _>(&frame);
            let mut options = tagged(take::<ND_FRAME, ND_OPTION, _>(&frame), named(nodes.1));
            Neighbor(&mut head).answer(mac, &mut options);
            let answer = [&head[..], options.as_flattened()].concat();
            let (dst, src, _, ndisc) = smoltcp(&answer);
            prop_assert_eq!((dst, src), (asker, mac));
            let flags = NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::SOLICITED;
            prop_assert_eq!(ndisc, NdiscRepr::NeighborAdvert { flags, target_addr: target.into(), lladdr: hardware(mac.0) });
            prop_assert_eq!(tag(&answer.try_into().unwrap()).1, nodes.1.to_be_bytes());
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let mut head: [u8; ND_FRAME] = take::<0, _, _>(&Neighbor::solicitation(Mac([2; 6]), [0x20; 16], [0x21; 16]));
        for (length, blocks) in
            [(23u16, None), (24, Some(0)), (25, None), (31, None), (32, Some(1)), (40, Some(2)), (0, None)]
        {
            put::<PAYLOAD_LENGTH, _, _>(&mut head, length.to_be_bytes());
            assert_eq!(Neighbor(&mut head).option_blocks(), blocks, "{length}");
        }
    }
}
