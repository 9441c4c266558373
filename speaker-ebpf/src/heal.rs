//! Healing: who sends frames for an address to this node although another node answers for it?
//!
//! A socket filter, not part of the fast path: it sees frames only while the agent holds a packet socket with it, for a
//! while after an address changed hands. It never lets a frame into that socket; what it counts is all it is for.
//!
//! The socket is of the kind that begins at the network header (`SOCK_DGRAM`), so offsets count from there.

use arpeggio_common::abi::{Action, Key4, Key6, StrayKey, Vip};
use arpeggio_speaker_ebpf::Tables as _;
use aya_ebpf::{
    bindings::{__sk_buff, bpf_hdr_start_off::BPF_HDR_START_MAC},
    helpers::{bpf_skb_load_bytes, bpf_skb_load_bytes_relative},
    macros::socket_filter,
    programs::SkBuffContext,
};

use crate::{entry::VLAN, maps::Maps};

/// The frame is for this host's MAC (linux/if_packet.h); frames to groups and to others are not.
const PACKET_HOST: u32 = 0;
/// EtherTypes as the context shows them: in network order, in the lower half.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
const IPV6: u32 = 0x86dd_u16.to_be() as u32;
/// Offsets of the source address in the headers (RFC 791 section 3.1, RFC 8200 section 3); the destination follows it.
const SOURCE4: u32 = 12;
const SOURCE6: u32 = 8;
/// Offset of the source in the Ethernet header.
const SOURCE_MAC: u32 = 6;

/// Source and destination; aligned as the verifier wants what lies on the stack.
#[repr(C, align(8))]
#[derive(Default)]
struct Addresses<const N: usize>
where
    [u8; N]: Default,
{
    source: [u8; N],
    destination: [u8; N],
}

/// A MAC in whole words.
#[repr(C, align(8))]
#[derive(Default)]
struct Hardware([u8; 6], [u8; 2]);

/// Nothing is ever accepted: the socket stays empty.
#[socket_filter]
pub(crate) fn arpeggio_heal(context: SkBuffContext) -> i64 {
    let _ = heal(context.skb.skb);
    0
}

#[inline(always)]
fn heal(skb: *mut __sk_buff) -> Option<()> {
    // SAFETY: the context is valid while the program runs; these fields are readable for socket filters.
    let (kind, tagged, tag, protocol, ifindex) =
        unsafe { ((*skb).pkt_type, (*skb).vlan_present, (*skb).vlan_tci, (*skb).protocol, (*skb).ifindex) };
    if kind != PACKET_HOST || (tagged != 0 && tag & VLAN != 0) {
        return None;
    }
    let (vip, key, source) = match protocol {
        IPV4 => {
            let addresses: Addresses<4> = load(skb, SOURCE4)?;
            let key = Key4::new(ifindex, addresses.destination);
            (Maps.vip4(&key)?, key.widen(), Key4::new(0, addresses.source).widen().address())
        }
        IPV6 => {
            let addresses: Addresses<16> = load(skb, SOURCE6)?;
            let key = Key6::new(ifindex, addresses.destination);
            (Maps.vip6(&key)?, key, addresses.source)
        }
        _ => return None,
    };
    if is_ours(&vip) {
        return None;
    }
    let mac = source_mac(skb)?;
    Maps::stray(&StrayKey::new(key, mac), source);
    Some(())
}

#[inline(always)]
fn is_ours(vip: &Vip) -> bool {
    vip.action() == Some(Action::Answer)
}

/// Both addresses, of which the first lies at `offset`; `None` when the frame ends before them.
#[inline(always)]
fn load<const N: usize>(skb: *mut __sk_buff, offset: u32) -> Option<Addresses<N>>
where
    [u8; N]: Default,
{
    let mut addresses = Addresses::<N>::default();
    let length = core::mem::size_of::<Addresses<N>>() as u32;
    // SAFETY: the helper writes `length` bytes to the address, which is that of a value of this size; every bit pattern is
    // a valid one.
    let failed = unsafe { bpf_skb_load_bytes(skb.cast(), offset, (&raw mut addresses).cast(), length) };
    (failed == 0).then_some(addresses)
}

#[inline(always)]
fn source_mac(skb: *mut __sk_buff) -> Option<[u8; 6]> {
    let mut mac = Hardware::default();
    // SAFETY: the helper writes 6 bytes to the address of an array of 6 bytes.
    let failed =
        unsafe { bpf_skb_load_bytes_relative(skb.cast(), SOURCE_MAC, (&raw mut mac.0).cast(), 6, BPF_HDR_START_MAC) };
    (failed == 0).then_some(mac.0)
}
