//! ARP for IPv4 over Ethernet (RFC 826): 14 bytes of Ethernet header, 28 of message.

use super::{ARP_TRAILER, ArpTag, ETHERNET_HEADER, EtherType, Mac, Tag, put, take};

/// Length of an Ethernet frame with an ARP message, without padding.
pub const ARP_FRAME: usize = ETHERNET_HEADER + 28;
/// Length of the same with a tag.
pub const ARP_TAGGED_FRAME: usize = ARP_FRAME + ARP_TRAILER;

/// What an ARP message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOperation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// A view on the first 42 bytes of a frame whose EtherType is ARP.
#[derive(Debug)]
pub struct Arp<'a>(pub &'a mut [u8; ARP_FRAME]);

/// Hardware type Ethernet, protocol type IPv4, lengths 6 and 4; then the operation.
const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
const REPLY: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 2];

impl Arp<'_> {
    /// Whether the message is about IPv4 addresses over Ethernet.
    #[inline(always)]
    pub fn is_ethernet_ipv4(&self) -> bool {
        let fixed = u64::from_be_bytes(take::<14, _, _>(self.0));
        fixed & !0xffff == u64::from_be_bytes(REQUEST) & !0xffff
    }

    /// What it wants; `None` for RARP and the rest.
    #[inline(always)]
    pub fn operation(&self) -> Option<ArpOperation> {
        match u16::from_be_bytes(take::<20, _, _>(self.0)) {
            1 => Some(ArpOperation::Request),
            2 => Some(ArpOperation::Reply),
            _ => None,
        }
    }

    /// Ethernet destination.
    #[inline(always)]
    pub fn destination(&self) -> Mac {
        Mac(take::<0, _, _>(self.0))
    }

    /// MAC of the sender, as the message says.
    #[inline(always)]
    pub fn sender_mac(&self) -> Mac {
        Mac(take::<22, _, _>(self.0))
    }

    /// IPv4 address of the sender; all zeros in a probe.
    #[inline(always)]
    pub fn sender(&self) -> [u8; 4] {
        take::<28, _, _>(self.0)
    }

    /// IPv4 address that is asked for, or that of the receiver in a reply.
    #[inline(always)]
    pub fn target(&self) -> [u8; 4] {
        take::<38, _, _>(self.0)
    }

    /// Turns the request into the answer that `mac` has the target address: to the sender's MAC, as Linux does.
    #[inline(always)]
    pub fn answer(&mut self, mac: Mac) {
        let (asker, sender, target) = (self.sender_mac().0, self.sender(), self.target());
        put::<0, _, _>(self.0, asker);
        put::<6, _, _>(self.0, mac.0);
        put::<14, _, _>(self.0, REPLY);
        put::<22, _, _>(self.0, mac.0);
        put::<28, _, _>(self.0, target);
        put::<32, _, _>(self.0, asker);
        put::<38, _, _>(self.0, sender);
    }

    fn build(addresses: (Mac, Mac), fixed: [u8; 8], sender: (Mac, [u8; 4]), target: (Mac, [u8; 4])) -> [u8; ARP_FRAME] {
        let (destination, source) = addresses;
        let mut frame = [0; ARP_FRAME];
        put::<0, _, _>(&mut frame, destination.0);
        put::<6, _, _>(&mut frame, source.0);
        put::<12, _, _>(&mut frame, EtherType::ARP.get().to_be_bytes());
        put::<14, _, _>(&mut frame, fixed);
        put::<22, _, _>(&mut frame, sender.0.0);
        put::<28, _, _>(&mut frame, sender.1);
        put::<32, _, _>(&mut frame, target.0.0);
        put::<38, _, _>(&mut frame, target.1);
        frame
    }

    /// Who has `target`? Asked by `source`, who has the address `sender`, of `destination` (usually broadcast).
    pub fn request(destination: Mac, source: Mac, sender: [u8; 4], target: [u8; 4]) -> [u8; ARP_FRAME] {
        Self::build((destination, source), REQUEST, (source, sender), (Mac::ZERO, target))
    }

    fn tagged(message: [u8; ARP_FRAME], tag: Tag) -> [u8; ARP_TAGGED_FRAME] {
        let mut frame = [0; ARP_TAGGED_FRAME];
        put::<0, _, _>(&mut frame, message);
        put::<ARP_FRAME, _, _>(&mut frame, ArpTag::of(tag));
        frame
    }

    /// A speaker asks for `target`: everybody, to find users of the address, or one MAC, which is the heartbeat of a standby.
    /// `sender` is an address of its own in the subnet, since switches that inspect ARP drop what has none; or all zeros
    /// (RFC 5227 section 1.1). No cache learns anything about the target.
    pub fn probe(destination: Mac, source: Mac, sender: [u8; 4], target: [u8; 4], tag: Tag) -> [u8; ARP_TAGGED_FRAME] {
        Self::tagged(Self::request(destination, source, sender, target), tag)
    }

    /// `mac` claims `address` in request form (RFC 5227 section 3).
    pub fn announcement(mac: Mac, address: [u8; 4], tag: Tag) -> [u8; ARP_TAGGED_FRAME] {
        Self::tagged(Self::request(Mac::BROADCAST, mac, address, address), tag)
    }

    /// The same in reply form (RFC 5944 section 4.6): some update their caches from one form only.
    pub fn announcement_reply(mac: Mac, address: [u8; 4], tag: Tag) -> [u8; ARP_TAGGED_FRAME] {
        Self::tagged(Self::correction(Mac::BROADCAST, mac, mac, address, address), tag)
    }

    /// `owner` tells the one at `to`, whose address is `receiver`, that it has `address` now: a client, or another speaker.
    pub fn own_correction(
        to: Mac,
        owner: Mac,
        address: [u8; 4],
        receiver: [u8; 4],
        tag: Tag,
    ) -> [u8; ARP_TAGGED_FRAME] {
        Self::tagged(Self::correction(to, owner, owner, address, receiver), tag)
    }

    /// Tells the one at `to`, whose address is `receiver`, that `owner` has `address`: corrects one cache. `from`, who says
    /// it, may be another than the owner. An answer looks the same.
    pub fn correction(to: Mac, from: Mac, owner: Mac, address: [u8; 4], receiver: [u8; 4]) -> [u8; ARP_FRAME] {
        Self::build((to, from), REPLY, (owner, address), (to, receiver))
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{
        ArpOperation as Oracle, ArpPacket, EtherType as OracleType, LaxSlicedPacket, NetSlice, SlicedPacket,
    };
    use proptest::prelude::*;
    use smoltcp::wire::{ArpOperation as Smol, ArpPacket as SmolPacket, ArpRepr, EthernetAddress, EthernetFrame};

    use super::*;

    fn oracle(frame: &[u8]) -> ArpPacket {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        assert_eq!(packet.payload_ether_type(), None, "an ARP message has no payload");
        match packet.net {
            Some(NetSlice::Arp(arp)) => arp.to_packet(),
            other => panic!("not ARP: {other:?}"),
        }
    }

    fn smoltcp(frame: &[u8]) -> (EthernetAddress, EthernetAddress, ArpRepr) {
        let ethernet = EthernetFrame::new_checked(frame).unwrap();
        let arp = SmolPacket::new_checked(ethernet.payload()).unwrap();
        (ethernet.dst_addr(), ethernet.src_addr(), ArpRepr::parse(&arp).unwrap())
    }

    proptest! {
        #[test]
        fn built_requests_read_the_same_everywhere(to: [u8; 6], from: [u8; 6], sender: [u8; 4], target: [u8; 4]) {
            let mut frame = Arp::request(Mac(to), Mac(from), sender, target);
            let (dst, src, repr) = smoltcp(&frame);
            prop_assert_eq!((dst.0, src.0), (to, from));
            let expected = ArpRepr::EthernetIpv4 {
                operation: Smol::Request,
                source_hardware_addr: EthernetAddress(from),
                source_protocol_addr: sender.into(),
                target_hardware_addr: EthernetAddress([0; 6]),
                target_protocol_addr: target.into(),
            };
            prop_assert_eq!(repr, expected);
            let packet = oracle(&frame);
            prop_assert_eq!(packet.operation, Oracle::REQUEST);
            prop_assert_eq!(packet.proto_addr_type, OracleType::IPV4);
            let ours = Arp(&mut frame);
            prop_assert!(ours.is_ethernet_ipv4());
            prop_assert_eq!(ours.operation(), Some(ArpOperation::Request));
            prop_assert_eq!((ours.destination(), ours.sender_mac()), (Mac(to), Mac(from)));
            prop_assert_eq!((ours.sender(), ours.target()), (sender, target));
        }

        #[test]
        fn an_answer_swaps_the_parties(to: [u8; 6], from: [u8; 6], mac: [u8; 6], sender: [u8; 4], target: [u8; 4]) {
            let mut frame = Arp::request(Mac(to), Mac(from), sender, target);
            Arp(&mut frame).answer(Mac(mac));
            let (dst, src, repr) = smoltcp(&frame);
            prop_assert_eq!((dst.0, src.0), (from, mac));
            let expected = ArpRepr::EthernetIpv4 {
                operation: Smol::Reply,
                source_hardware_addr: EthernetAddress(mac),
                source_protocol_addr: target.into(),
                target_hardware_addr: EthernetAddress(from),
                target_protocol_addr: sender.into(),
            };
            prop_assert_eq!(repr, expected);
        }

        #[test]
        fn any_bytes_are_read_as_the_oracle_reads_them(bytes in prop::collection::vec(any::<u8>(), ARP_FRAME)) {
            let mut frame: [u8; ARP_FRAME] = bytes.try_into().unwrap();
            put::<12, _, _>(&mut frame, [8, 6]);
            let theirs = LaxSlicedPacket::from_ethernet(&frame).ok().and_then(|packet| match packet.net {
                Some(etherparse::LaxNetSlice::Arp(arp)) => Some(arp.to_packet()),
                _ => None,
            });
            let ours = Arp(&mut frame);
            if ours.is_ethernet_ipv4() {
                let theirs = theirs.unwrap();
                prop_assert_eq!(ours.operation() == Some(ArpOperation::Request), theirs.operation == Oracle::REQUEST);
                prop_assert_eq!(ours.operation() == Some(ArpOperation::Reply), theirs.operation == Oracle::REPLY);
                prop_assert_eq!(&ours.sender_mac().0[..], theirs.sender_hw_addr());
                prop_assert_eq!(&ours.target()[..], theirs.target_protocol_addr());
            }
        }
    }

    fn named(node: u64) -> Tag {
        Tag::from_numbers([node, 5, 6, 7]).unwrap()
    }

    /// A frame as others read it: the tag is padding to them, whatever it says.
    fn read(frame: &[u8], node: u64) -> (EthernetAddress, EthernetAddress, ArpRepr) {
        assert_eq!(oracle(frame), oracle(&frame[..ARP_FRAME]), "the tag is no part of the message");
        let mut trailer: [u8; ARP_TRAILER] = frame[ARP_FRAME..].try_into().unwrap();
        assert_eq!(ArpTag(&mut trailer).read(), Some(named(node)));
        smoltcp(frame)
    }

    fn message(operation: Smol, sender: ([u8; 6], [u8; 4]), target: ([u8; 6], [u8; 4])) -> ArpRepr {
        ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(sender.0),
            source_protocol_addr: sender.1.into(),
            target_hardware_addr: EthernetAddress(target.0),
            target_protocol_addr: target.1.into(),
        }
    }

    proptest! {
        #[test]
        fn tagged_probes_are_probes_to_everybody_else(
            to: [u8; 6],
            from: [u8; 6],
            sender: [u8; 4],
            target: [u8; 4],
            node in 1u64..,
        ) {
            let expected = message(Smol::Request, (from, sender), ([0; 6], target));
            let probe = Arp::probe(Mac(to), Mac(from), sender, target, named(node));
            prop_assert_eq!(read(&probe, node), (EthernetAddress(to), EthernetAddress(from), expected));
        }

        #[test]
        fn claims_have_both_forms(mac: [u8; 6], address: [u8; 4], node in 1u64..) {
            let ethernet = (EthernetAddress::BROADCAST, EthernetAddress(mac));
            let request = message(Smol::Request, (mac, address), ([0; 6], address));
            let frame = Arp::announcement(Mac(mac), address, named(node));
            prop_assert_eq!(read(&frame, node), (ethernet.0, ethernet.1, request));
            let reply = message(Smol::Reply, (mac, address), ([0xff; 6], address));
            let frame = Arp::announcement_reply(Mac(mac), address, named(node));
            prop_assert_eq!(read(&frame, node), (ethernet.0, ethernet.1, reply));
        }

        #[test]
        fn a_correction_names_the_owner_whoever_sends_it(
            (to, from, owner) in any::<([u8; 6], [u8; 6], [u8; 6])>(),
            address: [u8; 4],
            receiver: [u8; 4],
        ) {
            let frame = Arp::correction(Mac(to), Mac(from), Mac(owner), address, receiver);
            let expected = message(Smol::Reply, (owner, address), (to, receiver));
            prop_assert_eq!(smoltcp(&frame), (EthernetAddress(to), EthernetAddress(from), expected));
            let frame = Arp::own_correction(Mac(to), Mac(owner), address, receiver, named(7));
            prop_assert_eq!(read(&frame, 7), (EthernetAddress(to), EthernetAddress(owner), expected));
        }
    }
}
