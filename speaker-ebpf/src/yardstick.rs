//! The scale on which the benchmark weighs the fast path: programs that do nothing, that do the least that can be called an
//! answer (the two MACs are swapped and the frame goes back), and that do the least a client takes for one.
//!
//! `restore` makes repeated runs honest: BPF_PROG_TEST_RUN hands the same bytes to every repetition, so an answer would be
//! met by the program that wrote it. It puts a template back, each time the next one, and calls the program under test; its
//! own cost is measured with `empty` as the target and subtracted.
//!
//! Between the bounce and the answer lie the programs of `steps`, each of which does one step more.
//!
//! `tagged` serves the program tier: it is the only way to show a tc program a frame whose VLAN tag stands beside it.

#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

#[cfg(target_arch = "bpf")]
mod clock;
#[cfg(target_arch = "bpf")]
mod steps;

#[cfg(target_arch = "bpf")]
mod programs {
    use arpeggio_common::wire::{ARP_FRAME, Arp, ETHERNET_HEADER, EtherType, Mac};
    use arpeggio_speaker_ebpf::Frame;
    use aya_ebpf::{
        bindings::{TC_ACT_REDIRECT, TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
        btf_maps::{Array, ProgramArray},
        helpers::{bpf_ktime_get_ns, generated::bpf_skb_vlan_push},
        macros::{btf_map, classifier, xdp},
        programs::{TcContext, XdpContext},
    };

    /// Frames that are put back in turn; a power of two.
    const TEMPLATES: u32 = 64;
    /// What `rewrite` answers with, whoever asks for whatever.
    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    /// The frames as they are to be found by the program under test.
    #[btf_map]
    static TEMPLATE: Array<[u8; 96], { TEMPLATES as usize }> = Array::new();
    /// Runs so far.
    #[btf_map]
    static TURN: Array<u32, 1> = Array::new();
    /// The program under test, XDP.
    #[btf_map]
    static TARGET: ProgramArray<1> = ProgramArray::new();
    /// The program under test, tc.
    #[btf_map]
    static TARGET_TC: ProgramArray<1> = ProgramArray::new();

    #[xdp]
    fn restore(context: XdpContext) -> u32 {
        // SAFETY: data to data_end is the linear part of the packet, writable in XDP; this is the only view on it.
        put_back(unsafe { Frame::between(context.data(), context.data_end()) });
        // SAFETY: the context is the one this program was called with.
        unsafe { TARGET.tail_call(&context, 0) };
        xdp_action::XDP_ABORTED
    }

    #[classifier]
    fn restore_tc(context: TcContext) -> i32 {
        // SAFETY: data to data_end is the linear part of the packet, writable for classifiers; this is the only view on it.
        put_back(unsafe { Frame::between(context.data(), context.data_end()) });
        // SAFETY: the context is the one this program was called with.
        unsafe { TARGET_TC.tail_call(&context, 0) };
        TC_ACT_SHOT
    }

    #[inline(always)]
    fn put_back(mut frame: Frame) {
        let Some(turn) = TURN.get_ptr_mut(0) else { return };
        // SAFETY: the pointer is to the only element of an array that lives as long as the map; the benchmark runs one
        // program at a time.
        let now = unsafe { *turn };
        // SAFETY: as above.
        unsafe { *turn = now.wrapping_add(1) };
        let Some(template) = TEMPLATE.get(now % TEMPLATES) else { return };
        // Word by word: the compiler would copy larger arrays byte by byte.
        if let Some(bytes) = frame.head::<88>() {
            bytes.as_chunks_mut::<8>().0.iter_mut().zip(template.as_chunks::<8>().0).for_each(|(to, from)| *to = *from);
        } else if let Some(bytes) = frame.head::<48>() {
            bytes.as_chunks_mut::<8>().0.iter_mut().zip(template.as_chunks::<8>().0).for_each(|(to, from)| *to = *from);
        }
        // Time for the stores to reach the cache: a load that straddles two stores still under way waits for both, which a
        // frame that came from a network card never makes a program do.
        for _ in 0..4 {
            // SAFETY: the helper has no arguments and no preconditions.
            let _ = unsafe { bpf_ktime_get_ns() };
        }
    }

    #[xdp]
    fn empty(_context: XdpContext) -> u32 {
        xdp_action::XDP_PASS
    }

    #[classifier]
    fn empty_tc(_context: TcContext) -> i32 {
        TC_ACT_UNSPEC
    }

    #[xdp]
    fn bounce(context: XdpContext) -> u32 {
        // SAFETY: as in `restore`.
        let frame = unsafe { Frame::between(context.data(), context.data_end()) };
        if swap(frame) { xdp_action::XDP_TX } else { xdp_action::XDP_PASS }
    }

    #[classifier]
    fn bounce_tc(context: TcContext) -> i32 {
        // SAFETY: as in `restore_tc`.
        let frame = unsafe { Frame::between(context.data(), context.data_end()) };
        if swap(frame) { TC_ACT_REDIRECT } else { TC_ACT_UNSPEC }
    }

    #[inline(always)]
    fn swap(mut frame: Frame) -> bool {
        let Some(addresses) = frame.head::<12>() else { return false };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *addresses;
        *addresses = [g, h, i, j, k, l, a, b, c, d, e, f];
        true
    }

    /// The bounce that a client takes for an answer: every ARP request becomes one, without any question or map.
    #[xdp]
    fn rewrite(context: XdpContext) -> u32 {
        // SAFETY: as in `restore`.
        let mut frame = unsafe { Frame::between(context.data(), context.data_end()) };
        match frame.head::<ETHERNET_HEADER>() {
            Some(header) if EtherType::of(header) == EtherType::ARP => {}
            _ => return xdp_action::XDP_PASS,
        }
        let Some(bytes) = frame.head::<ARP_FRAME>() else { return xdp_action::XDP_PASS };
        Arp(bytes).answer(MAC);
        xdp_action::XDP_TX
    }

    /// Takes the frame for one of VLAN 5, tag already removed, and calls the program under test.
    #[classifier]
    fn tagged(context: TcContext) -> i32 {
        call_with_tag(context, 5)
    }

    /// The same for a frame that has a priority and no VLAN.
    #[classifier]
    fn prioritised(context: TcContext) -> i32 {
        call_with_tag(context, 0xa000)
    }

    #[inline(always)]
    fn call_with_tag(context: TcContext, tag: u16) -> i32 {
        // SAFETY: the context is the one this program was called with. A failure leaves it without a tag, which the test sees.
        let _ = unsafe { bpf_skb_vlan_push(context.skb.skb, 0x8100_u16.to_be(), tag) };
        // SAFETY: the context is the one this program was called with.
        unsafe { TARGET_TC.tail_call(&context, 0) };
        TC_ACT_SHOT
    }

    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
