//! The scale on which the benchmark weighs the fast path: a program that does nothing, and one that does the least that
//! can be called an answer: it swaps the two MACs and sends the frame back.
//!
//! `restore` makes repeated runs honest: BPF_PROG_TEST_RUN hands the same bytes to every repetition, so an answer would be
//! met by the program that wrote it. It puts the template back and calls the program under test; its own cost is measured
//! with `empty` as the target and subtracted.
//!
//! `tagged` serves the tests: it is the only way to show a tc program a frame whose VLAN tag stands beside it.

#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

#[cfg(target_arch = "bpf")]
mod programs {
    use arpeggio_speaker_ebpf::Frame;
    use aya_ebpf::{
        bindings::{TC_ACT_SHOT, xdp_action},
        btf_maps::{Array, ProgramArray},
        helpers::{bpf_ktime_get_ns, generated::bpf_skb_vlan_push},
        macros::{btf_map, classifier, xdp},
        programs::{TcContext, XdpContext},
    };

    /// The frame as it is to be found by the program under test.
    #[btf_map]
    static TEMPLATE: Array<[u8; 96], 1> = Array::new();
    /// The program under test.
    #[btf_map]
    static TARGET: ProgramArray<1> = ProgramArray::new();
    /// The tc program under test.
    #[btf_map]
    static CLASSIFIER: ProgramArray<1> = ProgramArray::new();

    #[xdp]
    fn restore(context: XdpContext) -> u32 {
        let Some(template) = TEMPLATE.get(0) else { return xdp_action::XDP_ABORTED };
        // SAFETY: data to data_end is the linear part of the packet, writable in XDP; this is the only view on it.
        let mut frame = unsafe { Frame::between(context.data(), context.data_end()) };
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
        // SAFETY: the context is the one this program was called with.
        unsafe { TARGET.tail_call(&context, 0) };
        xdp_action::XDP_ABORTED
    }

    #[xdp]
    fn empty(_context: XdpContext) -> u32 {
        xdp_action::XDP_PASS
    }

    #[xdp]
    fn bounce(context: XdpContext) -> u32 {
        // SAFETY: data to data_end is the linear part of the packet, writable in XDP; this is the only view on it.
        let mut frame = unsafe { Frame::between(context.data(), context.data_end()) };
        let Some(addresses) = frame.head::<12>() else { return xdp_action::XDP_PASS };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *addresses;
        *addresses = [g, h, i, j, k, l, a, b, c, d, e, f];
        xdp_action::XDP_TX
    }

    /// Takes the frame for one of VLAN 5, tag already removed, and calls the program under test.
    #[classifier]
    fn tagged(context: TcContext) -> i32 {
        // SAFETY: the context is the one this program was called with. A failure leaves it without a tag, which the test sees.
        let _ = unsafe { bpf_skb_vlan_push(context.skb.skb, 0x8100_u16.to_be(), 5) };
        // SAFETY: the context is the one this program was called with.
        unsafe { CLASSIFIER.tail_call(&context, 0) };
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
