//! The entry points: each finds the packet, calls the one decision, and translates its outcome for its hook.

use arpeggio_common::{
    abi::Disposition,
    wire::{ARP_FRAME, ND_TAGGED_FRAME, NeighborKind},
};
use arpeggio_speaker_ebpf::{Frame, Subject, arp, ndp};
use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    helpers::bpf_redirect,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

use crate::{maps::Maps, verdict::finish};

/// `TCX_NEXT`: the next program at the hook decides, then the filters of clsact, then the stack. Anything else ends all of
/// that, so only what is answered or dropped here may return it.
const NEXT: i32 = TC_ACT_UNSPEC;
/// The part of the tag beside a frame that names the VLAN; 0 is none (IEEE 802.1Q-2022 section 6.9).
pub(crate) const VLAN: u32 = 0x0fff;

/// For kernels that know multi-buffer frames (5.18): such a device may carry large frames as well.
#[xdp(frags)]
pub(crate) fn arpeggio_xdp_frags(context: XdpContext) -> u32 {
    xdp_entry(&context)
}

/// For older kernels, which refuse the flag.
#[xdp]
pub(crate) fn arpeggio_xdp(context: XdpContext) -> u32 {
    xdp_entry(&context)
}

#[inline(always)]
fn xdp_entry(context: &XdpContext) -> u32 {
    // SAFETY: data to data_end is the linear part of the packet, writable in XDP; this is the only view on it.
    let frame = unsafe { Frame::between(context.data(), context.data_end()) };
    // An interface index fits the key: the kernel's field has 32 bits.
    match disposition(frame, || context.ingress_ifindex() as u32) {
        Disposition::Pass => xdp_action::XDP_PASS,
        Disposition::Drop => xdp_action::XDP_DROP,
        Disposition::Transmit => xdp_action::XDP_TX,
    }
}

/// For devices without native XDP: tcx ingress, the answer leaves by redirection to the same device.
#[classifier]
pub(crate) fn arpeggio_tc(context: TcContext) -> i32 {
    let skb = context.skb.skb;
    // SAFETY: the context is valid while the program runs; the fields are readable for tc programs. Older kernels leave the
    // number of a tag behind when they take the tag away.
    let (tagged, tag) = unsafe { ((*skb).vlan_present, (*skb).vlan_tci) };
    if tagged != 0 && tag & VLAN != 0 {
        // The tag was taken out of the frame: the message belongs to another segment.
        return NEXT;
    }
    pull(&context);
    // SAFETY: as above.
    let ifindex = || unsafe { (*skb).ifindex };
    // SAFETY: data to data_end is the linear part of the packet, writable for classifiers; this is the only view on it.
    let frame = unsafe { Frame::between(context.data(), context.data_end()) };
    match disposition(frame, ifindex) {
        Disposition::Pass => NEXT,
        Disposition::Drop => TC_ACT_SHOT,
        // SAFETY: the helper takes plain numbers; flags 0 means egress.
        Disposition::Transmit => unsafe { bpf_redirect(ifindex(), 0) as i32 },
    }
}

/// Ordinary traffic ends here. The rest is decided in functions of their own, which both hooks share: were they inlined,
/// every ordinary frame would pay for the registers that they save.
#[inline(always)]
fn disposition(mut frame: Frame, ifindex: impl FnOnce() -> u32) -> Disposition {
    match Subject::of(&mut frame) {
        Subject::Arp => decide_arp(frame, ifindex()),
        Subject::Discovery(kind) => decide_discovery(frame, kind, ifindex()),
        Subject::Tagged => decide_tagged(frame, ifindex()),
        Subject::Other => Disposition::Pass,
    }
}

/// A frame that has a priority and no VLAN is one of this segment; all others with a tag are left alone. Inlined: every function
/// of a chain of calls takes at least 32 bytes of 512 of the stack.
#[inline(always)]
fn decide_tagged(mut frame: Frame, ifindex: u32) -> Disposition {
    let decided = frame.without_priority_tag(|mut frame| match Subject::of(&mut frame) {
        Subject::Arp => decide_arp(frame, ifindex),
        Subject::Discovery(kind) => decide_discovery(frame, kind, ifindex),
        Subject::Tagged | Subject::Other => Disposition::Pass,
    });
    decided.unwrap_or(Disposition::Pass)
}

#[inline(never)]
fn decide_arp(mut frame: Frame, ifindex: u32) -> Disposition {
    frame.forget_length(ifindex);
    finish(arp(&mut frame, &Maps, ifindex))
}

#[inline(never)]
fn decide_discovery(mut frame: Frame, kind: NeighborKind, ifindex: u32) -> Disposition {
    frame.forget_length(ifindex);
    finish(ndp(&mut frame, kind, &Maps, ifindex))
}

/// Brings the message into the linear part where a driver left it in fragments. Frames that are longer than any message
/// with a usual number of options are left alone: ordinary traffic is not to be copied.
#[inline(always)]
fn pull(context: &TcContext) {
    let linear = context.data_end() - context.data();
    let length = context.len();
    if linear < ND_TAGGED_FRAME && linear < length as usize && length <= 128 && length >= ARP_FRAME as u32 {
        // A failure leaves the frame as it is; the decision finds it too short and passes it.
        let _ = context.pull_data(length);
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
