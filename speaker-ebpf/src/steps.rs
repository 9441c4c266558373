//! What an answer is made of: programs that do one step more each time, for the benchmark's breakdown. They use the types of the
//! fast path and maps like its own, and begin and end like the bounce.

use arpeggio_common::{
    abi::{Action, DEFAULT_CAPACITY, Key4, Key6, Lease, Stats, Vip, bucket},
    wire::{
        ARP_FRAME, Arp, ArpOperation, ETHERNET_HEADER, EtherType, Mac, ND_FRAME, ND_OPTION, Neighbor, NeighborKind,
        OPTIONED_FRAME, solicited_node_group,
    },
};
use arpeggio_speaker_ebpf::Frame;
use aya_ebpf::{
    bindings::xdp_action,
    btf_maps::{Array, HashMap, PerCpuArray},
    macros::{btf_map, xdp},
    programs::XdpContext,
};

use crate::clock;

#[btf_map]
static VIPS4: HashMap<Key4, Vip, { DEFAULT_CAPACITY as usize }> = HashMap::new();
#[btf_map]
static VIPS6: HashMap<Key6, Vip, { DEFAULT_CAPACITY as usize }> = HashMap::new();
#[btf_map]
static STATS: PerCpuArray<Stats, { DEFAULT_CAPACITY as usize }> = PerCpuArray::new();
#[btf_map]
static LEASE: Array<Lease, 1> = Array::new();

/// How far a program goes.
mod step {
    pub(super) const HEADERS: u8 = 1;
    pub(super) const LOOK_UP: u8 = 2;
    pub(super) const CLOCK: u8 = 3;
    pub(super) const LEASE: u8 = 4;
    pub(super) const COUNTERS: u8 = 5;
    pub(super) const CLIENT: u8 = 6;
    pub(super) const ANSWER: u8 = 7;
}

/// The programs of both families, by the name of the last step.
macro_rules! programs {
    ($($arp:ident $ns:ident $step:ident)*) => {$(
        #[xdp]
        pub(crate) fn $arp(context: XdpContext) -> u32 {
            verdict(arp::<{ step::$step }>(frame(&context), context.ingress_ifindex() as u32))
        }

        #[xdp]
        pub(crate) fn $ns(context: XdpContext) -> u32 {
            verdict(ns::<{ step::$step }>(frame(&context), context.ingress_ifindex() as u32))
        }
    )*};
}

programs! {
    arp_headers ns_headers HEADERS
    arp_look_up ns_look_up LOOK_UP
    arp_clock ns_clock CLOCK
    arp_lease ns_lease LEASE
    arp_counters ns_counters COUNTERS
    arp_client ns_client CLIENT
    arp_answer ns_answer ANSWER
}

#[inline(always)]
fn frame(context: &XdpContext) -> Frame {
    // SAFETY: data to data_end is the linear part of the packet, writable in XDP; this is the only view on it.
    unsafe { Frame::between(context.data(), context.data_end()) }
}

#[inline(always)]
fn verdict(done: Option<()>) -> u32 {
    if done.is_some() { xdp_action::XDP_TX } else { xdp_action::XDP_PASS }
}

/// Who asks.
struct Asker {
    address: [u8; 16],
    mac: Mac,
    bucket: u32,
}

#[inline(always)]
fn arp<const STEP: u8>(mut frame: Frame, ifindex: u32) -> Option<()> {
    if EtherType::of(frame.head::<ETHERNET_HEADER>()?) != EtherType::ARP {
        return None;
    }
    let arp = Arp(frame.head::<ARP_FRAME>()?);
    let is_request = arp.is_ethernet_ipv4() && arp.operation() == Some(ArpOperation::Request);
    if !is_request || arp.sender_mac().is_group() || arp.sender() == arp.target() {
        return None;
    }
    if STEP == step::HEADERS {
        return Some(());
    }
    let key = Key4::new(ifindex, arp.target());
    // SAFETY: the value is copied out at once, and the benchmark alone writes the map.
    let vip = unsafe { VIPS4.get(&key) }.copied()?;
    if arp.destination() != Mac::BROADCAST && arp.destination().0 != vip.mac() {
        return None;
    }
    let (sender, mac) = (arp.sender(), arp.sender_mac());
    let asker = Asker {
        address: Key4::new(0, sender).widen().address(),
        mac,
        bucket: bucket([0, 0, 0, u32::from_be_bytes(sender)]),
    };
    serve::<STEP>(&vip, &asker)?;
    if STEP == step::ANSWER {
        Arp(frame.head::<ARP_FRAME>()?).answer(Mac(vip.mac()));
    }
    Some(())
}

#[inline(always)]
fn ns<const STEP: u8>(mut frame: Frame, ifindex: u32) -> Option<()> {
    if EtherType::of(frame.head::<ETHERNET_HEADER>()?) != EtherType::IPV6
        || Neighbor::kind(frame.head()?) != Some(NeighborKind::Solicitation)
    {
        return None;
    }
    let message = Neighbor(frame.head::<ND_FRAME>()?);
    if message.hop_limit() != 255 || message.code() != 0 || message.option_blocks() != Some(1) {
        return None;
    }
    let (source, mac, sum) = (message.source(), message.ethernet_source(), message.sum());
    let is_group = mac.is_group() || message.target()[0] == 0xff;
    if is_group || message.destination() != solicited_node_group(message.target()) {
        return None;
    }
    let key = Key6::new(ifindex, message.target());
    let block = frame.part::<ND_OPTION>(ND_FRAME)?;
    if block[1] != 1 || !Neighbor::is_intact(Neighbor::add_option(sum, block)) {
        return None;
    }
    if STEP == step::HEADERS {
        return Some(());
    }
    // SAFETY: as in `arp`.
    let vip = unsafe { VIPS6.get(&key) }.copied()?;
    let [.., m, n, o, p] = source;
    serve::<STEP>(&vip, &Asker { address: source, mac, bucket: bucket([0, 0, 0, u32::from_be_bytes([m, n, o, p])]) })?;
    if STEP == step::ANSWER {
        let (head, rest) = frame.head::<OPTIONED_FRAME>()?.split_first_chunk_mut()?;
        Neighbor(head).answer(Mac(vip.mac()), rest.as_chunks_mut::<ND_OPTION>().0);
    }
    Some(())
}

/// What both families have in common.
#[inline(always)]
fn serve<const STEP: u8>(vip: &Vip, asker: &Asker) -> Option<()> {
    if vip.action() != Some(Action::Answer) || !vip.serves(asker.bucket) {
        return None;
    }
    if STEP < step::CLOCK {
        return Some(());
    }
    let now_ns = clock::coarse_now_ns();
    if now_ns == 0 {
        return None;
    }
    if STEP >= step::LEASE && LEASE.get(0).copied().unwrap_or(Lease::NONE).is_over(now_ns) {
        return None;
    }
    if STEP < step::COUNTERS {
        return Some(());
    }
    let stats = STATS.get_ptr_mut(vip.slot())?;
    // SAFETY: the pointer is to this CPU's own slot of a per-CPU array, which lives as long as the map; nothing else looks at it.
    let stats = unsafe { &mut *stats };
    stats.requests += 1;
    stats.replies += 1;
    stats.last_request_ns = now_ns;
    if STEP >= step::CLIENT && !stats.remembers(asker.address, asker.mac.0, now_ns) {
        stats.remember(asker.address, asker.mac.0, now_ns);
    }
    Some(())
}
