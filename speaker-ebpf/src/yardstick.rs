//! The scale on which the benchmark weighs the fast path: a program that does nothing, and one that does the least that
//! can be called an answer: it swaps the two MACs and sends the frame back.

#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

#[cfg(target_arch = "bpf")]
mod programs {
    use arpeggio_speaker_ebpf::Frame;
    use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};

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
