//! Pure: the classic BPF programs that pick messages before anybody is woken.
//!
//! A packet socket that is bound to a device and one protocol is handed a frame after the kernel took off its VLAN tag, and it
//! hears a frame that was meanwhile given to another device (a VLAN, a macvlan on top) as well, because it came in here
//! (`__netif_receive_skb_core`: `orig_dev`). Neither can be told from the bytes; two facts beside the frame do.

use arpeggio_common::wire::EtherType;
use socket2::SockFilter;

/// Which messages a [`Capture`](super::Capture) hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Everything ARP.
    Arp,
    /// ARP replies.
    ArpReplies,
    /// Neighbour solicitations and advertisements.
    Neighbors,
    /// Neighbour advertisements.
    Advertisements,
}

/// One instruction: code, jumps when true and when false, operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction(u32, u8, u8, u32);

/// A field of the frame, by width and offset, and the values that go on.
struct Test<'a> {
    width: u32,
    offset: u32,
    accepted: &'a [u32],
}

/// To this host, to all or to a group (linux/if_packet.h). Not `PACKET_OTHERHOST`: that is also how the kernel marks frames
/// of a VLAN that has no device here, after it took the tag off; without this they would look like frames of this segment.
const FOR_US: Test<'_> = Test { width: libc::BPF_B, offset: PACKET_TYPE, accepted: &[0, 1, 2] };
const ARP_REPLY: Test<'_> = Test { width: libc::BPF_H, offset: 20, accepted: &[2] };
/// The header that follows the IPv6 header: neighbour discovery has none in between.
const ICMPV6: Test<'_> = Test { width: libc::BPF_B, offset: 20, accepted: &[58] };
const NEIGHBOR: Test<'_> = Test { width: libc::BPF_B, offset: 54, accepted: &[135, 136] };
const ADVERTISEMENT: Test<'_> = Test { width: libc::BPF_B, offset: 54, accepted: &[136] };

/// Where the kernel tells for whom a frame is (linux/filter.h); negative offsets are facts beside the frame.
const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
/// Where the kernel tells whose frame it is: the index of the device it was given to in the end.
const INTERFACE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX).cast_unsigned();

/// More than any frame has: all of it is delivered.
const WHOLE: u32 = 0x4_0000;

impl Heard {
    /// The EtherType to bind to, in host order.
    pub(super) const fn ether_type(self) -> u16 {
        match self {
            Self::Arp | Self::ArpReplies => EtherType::ARP.get(),
            Self::Neighbors | Self::Advertisements => EtherType::IPV6.get(),
        }
    }

    /// The program for the socket that is bound to this interface.
    pub(super) fn program(self, ifindex: u32) -> Vec<SockFilter> {
        let code = |code: u32| u16::try_from(code).unwrap_or(u16::MAX);
        self.assemble(ifindex)
            .iter()
            .map(|Instruction(op, yes, no, k)| SockFilter::new(code(*op), *yes, *no, *k))
            .collect()
    }

    fn assemble(self, ifindex: u32) -> Vec<Instruction> {
        let own = Test { width: libc::BPF_W, offset: INTERFACE, accepted: &[ifindex] };
        assemble([own].iter().chain(self.tests()))
    }

    const fn tests(self) -> &'static [Test<'static>] {
        match self {
            Self::Arp => &[FOR_US],
            Self::ArpReplies => &[FOR_US, ARP_REPLY],
            Self::Neighbors => &[FOR_US, ICMPV6, NEIGHBOR],
            Self::Advertisements => &[FOR_US, ICMPV6, ADVERTISEMENT],
        }
    }
}

/// Every test must hold: load, jump over the refusal when the value is one of the accepted, refuse. A frame that ends before
/// the field is refused by the kernel.
fn assemble<'a>(tests: impl Iterator<Item = &'a Test<'a>>) -> Vec<Instruction> {
    let mut program = Vec::new();
    for Test { width, offset, accepted } in tests {
        program.push(Instruction(libc::BPF_LD | libc::BPF_ABS | width, 0, 0, *offset));
        for (index, value) in accepted.iter().enumerate() {
            // Over the comparisons that are left and the refusal.
            let over = u8::try_from(accepted.len() - index).unwrap_or(u8::MAX);
            program.push(Instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, over, 0, *value));
        }
        program.push(Instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
    }
    program.push(Instruction(libc::BPF_RET | libc::BPF_K, 0, 0, WHOLE));
    program
}

#[cfg(test)]
mod tests {
    use arpeggio_common::wire::{Arp, Mac, Neighbor};

    use super::*;

    /// Index of the interface that the socket is bound to.
    const IFINDEX: u32 = 70_000;

    fn delivered(heard: Heard, frame: &[u8], packet_type: u32) -> u32 {
        run(heard, frame, packet_type, IFINDEX)
    }

    /// What the kernel does with the few instructions in use; the packet type and the device stand beside the frame.
    fn run(heard: Heard, frame: &[u8], packet_type: u32, ifindex: u32) -> u32 {
        let program = heard.assemble(IFINDEX);
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let Instruction(code, yes, no, k) = program[at];
            at += 1;
            let load = libc::BPF_LD | libc::BPF_ABS;
            if code == load | libc::BPF_B && k == PACKET_TYPE {
                accumulator = packet_type;
            } else if code == load | libc::BPF_W && k == INTERFACE {
                accumulator = ifindex;
            } else if code == load | libc::BPF_B || code == load | libc::BPF_H {
                let width = if code & libc::BPF_B != 0 { 1 } else { 2 };
                let Some(field) = frame.get(k as usize..k as usize + width) else { return 0 };
                accumulator = field.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
                at += usize::from(if accumulator == k { yes } else { no });
            } else {
                assert_eq!(code, libc::BPF_RET | libc::BPF_K);
                return k;
            }
        }
    }

    #[test]
    fn each_hears_its_messages_and_no_others() {
        let (a, b) = (Mac([2; 6]), Mac([4; 6]));
        let request = Arp::request(Mac::BROADCAST, a, [10, 0, 0, 1], [10, 0, 0, 2]);
        let reply = Arp::correction(a, b, b, [10, 0, 0, 2], [10, 0, 0, 1]);
        let solicitation = Neighbor::solicitation(a, [0x20; 16], [0x21; 16]);
        let advertisement = Neighbor::correction(a, b, b, [0x21; 16], [0x20; 16]);
        let mut echo = solicitation;
        echo[54] = 128;
        let mut datagram = solicitation;
        datagram[20] = 17;
        let frames: [&[u8]; 6] = [&request, &reply, &solicitation, &advertisement, &echo, &datagram];
        // The socket is bound to the EtherType: an ARP socket sees the first two only, the other the last four.
        let table = [
            (Heard::Arp, &frames[..2], &[true, true][..]),
            (Heard::ArpReplies, &frames[..2], &[false, true]),
            (Heard::Neighbors, &frames[2..], &[true, true, false, false]),
            (Heard::Advertisements, &frames[2..], &[false, true, false, false]),
        ];
        for (heard, frames, expected) in table {
            let got: Vec<bool> = frames.iter().map(|frame| delivered(heard, frame, 1) == WHOLE).collect();
            assert_eq!(got, expected, "{heard:?}");
            assert!(frames.iter().all(|frame| delivered(heard, frame, 3) == 0), "{heard:?} for another host");
            assert!(frames.iter().all(|frame| run(heard, frame, 1, 9) == 0), "{heard:?} of a device on top");
        }
        for heard in [Heard::ArpReplies, Heard::Neighbors, Heard::Advertisements] {
            assert_eq!(delivered(heard, &reply[..15], 0), 0, "{heard:?} of a stump");
        }
    }
}
