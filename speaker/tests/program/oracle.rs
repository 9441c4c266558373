//! Answers as others read and write them: smoltcp and etherparse, which share no code with the program.

use arpeggio_common::wire::Mac;
use etherparse::SlicedPacket;
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet, Icmpv6Repr,
        IpProtocol, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr, RawHardwareAddress,
    },
};

const ETHERNET: usize = 14;
const IPV6: usize = 40;

/// What an answer says, in the words of both protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An ARP reply: `owner` tells `asker`.
    Arp {
        /// Ethernet destination and source.
        ethernet: (Mac, Mac),
        owner: (Mac, [u8; 4]),
        asker: (Mac, [u8; 4]),
    },
    /// A neighbour advertisement.
    Neighbor {
        /// Ethernet destination and source.
        ethernet: (Mac, Mac),
        /// IPv6 source and destination.
        addresses: ([u8; 16], [u8; 16]),
        solicited: bool,
        overrides: bool,
        target: [u8; 16],
        /// Of the target link-layer option.
        link: Option<Mac>,
    },
}

/// Reads an answer; checks lengths and checksums on the way.
///
/// # Errors
/// What about the frame cannot be an answer.
pub(crate) fn read(frame: &[u8]) -> Result<Answer, String> {
    // A second opinion, also on the ICMPv6 checksum.
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| format!("etherparse: {error}"))?;
    if let (Some(etherparse::NetSlice::Ipv6(ip)), Some(etherparse::TransportSlice::Icmpv6(icmp))) =
        (&packet.net, &packet.transport)
        && !icmp.is_checksum_valid(ip.header().source(), ip.header().destination())
    {
        return Err("etherparse: wrong ICMPv6 checksum".into());
    }
    let wrong = |error| format!("smoltcp: {error}");
    let ethernet = EthernetFrame::new_checked(frame).map_err(wrong)?;
    let macs = (Mac(ethernet.dst_addr().0), Mac(ethernet.src_addr().0));
    match ethernet.ethertype() {
        EthernetProtocol::Arp => {
            let arp = ArpPacket::new_checked(ethernet.payload()).map_err(wrong)?;
            match ArpRepr::parse(&arp).map_err(wrong)? {
                ArpRepr::EthernetIpv4 {
                    operation: ArpOperation::Reply,
                    source_hardware_addr: mac,
                    source_protocol_addr: address,
                    target_hardware_addr,
                    target_protocol_addr,
                } => Ok(Answer::Arp {
                    ethernet: macs,
                    owner: (Mac(mac.0), address.octets()),
                    asker: (Mac(target_hardware_addr.0), target_protocol_addr.octets()),
                }),
                other => Err(format!("not an ARP reply: {other:?}")),
            }
        }
        EthernetProtocol::Ipv6 => advertisement(macs, ethernet.payload()),
        other => Err(format!("neither ARP nor IPv6: {other}")),
    }
}

fn advertisement(ethernet: (Mac, Mac), packet: &[u8]) -> Result<Answer, String> {
    let wrong = |error| format!("smoltcp: {error}");
    let ip = Ipv6Packet::new_checked(packet).map_err(wrong)?;
    let header = Ipv6Repr::parse(&ip).map_err(wrong)?;
    if header.hop_limit != 255 || ip.traffic_class() != 0 || ip.flow_label() != 0 {
        return Err(format!("not a header of neighbour discovery: {header:?}"));
    }
    let message = Icmpv6Packet::new_checked(ip.payload()).map_err(wrong)?;
    if message.msg_code() != 0 {
        return Err(format!("code {}", message.msg_code()));
    }
    let sums = ChecksumCapabilities::default();
    match Icmpv6Repr::parse(&header.src_addr, &header.dst_addr, &message, &sums).map_err(wrong)? {
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr, lladdr }) => {
            if flags.contains(NdiscNeighborFlags::ROUTER) {
                return Err("the router flag is set".into());
            }
            let link = lladdr.map(|link| <[u8; 6]>::try_from(link.as_bytes()).map(Mac));
            Ok(Answer::Neighbor {
                ethernet,
                addresses: (header.src_addr.octets(), header.dst_addr.octets()),
                solicited: flags.contains(NdiscNeighborFlags::SOLICITED),
                overrides: flags.contains(NdiscNeighborFlags::OVERRIDE),
                target: target_addr.octets(),
                link: link.transpose().map_err(|error| format!("a link-layer address that is no MAC: {error}"))?,
            })
        }
        other => Err(format!("not an advertisement: {other:?}")),
    }
}

/// The frame that says it, written by smoltcp.
pub(crate) fn write(answer: &Answer) -> Vec<u8> {
    match *answer {
        Answer::Arp { ethernet, owner, asker } => {
            let repr = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: EthernetAddress(owner.0.0),
                source_protocol_addr: owner.1.into(),
                target_hardware_addr: EthernetAddress(asker.0.0),
                target_protocol_addr: asker.1.into(),
            };
            let mut frame = framed(ethernet, EthernetProtocol::Arp, repr.buffer_len());
            repr.emit(&mut ArpPacket::new_unchecked(&mut frame[ETHERNET..]));
            frame
        }
        Answer::Neighbor { ethernet, addresses: (source, destination), solicited, overrides, target, link } => {
            let mut flags = NdiscNeighborFlags::empty();
            flags.set(NdiscNeighborFlags::SOLICITED, solicited);
            flags.set(NdiscNeighborFlags::OVERRIDE, overrides);
            let lladdr = link.map(|mac| RawHardwareAddress::from_bytes(&mac.0));
            let message = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr: target.into(), lladdr });
            let header = Ipv6Repr {
                src_addr: source.into(),
                dst_addr: destination.into(),
                next_header: IpProtocol::Icmpv6,
                payload_len: message.buffer_len(),
                hop_limit: 255,
            };
            let mut frame = framed(ethernet, EthernetProtocol::Ipv6, IPV6 + message.buffer_len());
            header.emit(&mut Ipv6Packet::new_unchecked(&mut frame[ETHERNET..]));
            let mut packet = Icmpv6Packet::new_unchecked(&mut frame[ETHERNET + IPV6..]);
            message.emit(&header.src_addr, &header.dst_addr, &mut packet, &ChecksumCapabilities::default());
            frame
        }
    }
}

fn framed((to, from): (Mac, Mac), protocol: EthernetProtocol, length: usize) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET + length];
    let mut header = EthernetFrame::new_unchecked(&mut frame);
    header.set_dst_addr(EthernetAddress(to.0));
    header.set_src_addr(EthernetAddress(from.0));
    header.set_ethertype(protocol);
    frame
}
