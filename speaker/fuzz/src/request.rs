//! Which frames may be answered at all, in words of the standards and apart from the code under test.

use arpeggio_common::{
    abi::{Action, Key4, Key6, Vip},
    wire::Mac,
};
use arpeggio_speaker_ebpf::Tables as _;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use crate::memory::Memory;

/// A valid request for an address that is in the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The entry that was asked for.
    pub(crate) vip: Vip,
    /// Where the frame came from, as the message says it.
    pub(crate) asker: Mac,
}

/// A frame that has a priority and no VLAN, as the tag and the frame without it (IEEE 802.1Q-2022 section 6.9).
pub(crate) fn without_priority_tag(frame: &[u8]) -> (Option<[u8; 4]>, Vec<u8>) {
    let tag = frame.get(12..).and_then(|rest| rest.first_chunk::<4>());
    match tag {
        Some(tag @ [0x81, 0, priority, 0]) if priority & 0xf == 0 => {
            (Some(*tag), [&frame[..12], &frame[16..]].concat())
        }
        _ => (None, frame.to_vec()),
    }
}

/// Reads a frame as a request. `of_node`: it asks for this node, which answers whoever owns the address.
///
/// # Errors
/// Why it must not be answered.
pub(crate) fn read(frame: &[u8], memory: &Memory, ifindex: u32, of_node: bool) -> Result<Request, String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let destination = mac(frame, 0)?;
    if !packet.link_exts.is_empty() {
        return Err("it belongs to a VLAN".into());
    }
    let request = match (&packet.net, &packet.transport) {
        (Some(NetSlice::Arp(arp)), _) => {
            let arp = arp.to_packet();
            if arp.operation != etherparse::ArpOperation::REQUEST {
                return Err("no ARP request".into());
            }
            let target: [u8; 4] = arp.target_protocol_addr().try_into().map_err(|_wrong| "not IPv4".to_owned())?;
            let asker = Mac(arp.sender_hw_addr().try_into().map_err(|_wrong| "not Ethernet".to_owned())?);
            if arp.sender_protocol_addr() == target {
                return Err("a gratuitous request asks nobody".into());
            }
            let vip = memory.vip4(&Key4::new(ifindex, target)).ok_or("a foreign address")?;
            if destination != Mac::BROADCAST && destination.0 != vip.mac() {
                return Err("sent to another MAC".into());
            }
            Request { vip, asker }
        }
        (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) => {
            let header = ip.header();
            if header.next_header() != etherparse::IpNumber::IPV6_ICMP || header.hop_limit() != 255 {
                return Err("not neighbour discovery of this link".into());
            }
            if !icmp.is_checksum_valid(header.source(), header.destination()) {
                return Err("wrong checksum".into());
            }
            let target = solicited(icmp.slice(), header.source(), header.destination())?;
            let vip = memory.vip6(&Key6::new(ifindex, target)).ok_or("a foreign address")?;
            if !destination.is_group() && destination.0 != vip.mac() {
                return Err("sent to another MAC".into());
            }
            Request { vip, asker: mac(frame, 6)? }
        }
        _ => return Err("neither ARP nor ICMPv6".into()),
    };
    if request.asker.is_group() {
        return Err("asked by a group".into());
    }
    if memory.lease().is_over(memory.coarse_now_ns()) {
        return Err("the lease is over".into());
    }
    if !of_node && request.vip.action() != Some(Action::Answer) {
        return Err("not ours to answer".into());
    }
    Ok(request)
}

fn mac(frame: &[u8], at: usize) -> Result<Mac, String> {
    let bytes = frame.get(at..at + 6).and_then(|bytes| bytes.try_into().ok());
    bytes.map(Mac).ok_or_else(|| "no MAC".to_owned())
}

/// The target of a solicitation that RFC 4861 section 7.1.1 calls valid.
fn solicited(message: &[u8], source: [u8; 16], destination: [u8; 16]) -> Result<[u8; 16], String> {
    let (head, mut options) = message.split_first_chunk::<24>().ok_or("shorter than a solicitation")?;
    if head[0] != 135 || head[1] != 0 {
        return Err("no solicitation".into());
    }
    let mut target = [0; 16];
    target.copy_from_slice(&head[8..]);
    let mut names_source = false;
    while let Some([kind, length, ..]) = options.first_chunk::<2>() {
        let length = usize::from(*length) * 8;
        if length == 0 || length > options.len() {
            return Err("an option of an impossible length".into());
        }
        names_source |= *kind == 1;
        options = &options[length..];
    }
    if !options.is_empty() {
        return Err("half an option at the end".into());
    }
    let [.., a, b, c] = target;
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
    if target[0] == 0xff || source[0] == 0xff {
        return Err("a group is neither asked for nor asks".into());
    }
    if destination != target && destination != group {
        return Err("sent to another address".into());
    }
    if source == [0; 16] && (destination != group || names_source) {
        return Err("no valid duplicate address detection".into());
    }
    Ok(target)
}
