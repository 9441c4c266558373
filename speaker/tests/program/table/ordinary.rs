//! Traffic that the program has nothing to do with: passed, not counted.

use arpeggio_common::abi::Outcome;

use crate::{
    case::Case,
    frames::{arp_request, at, cut, padded, prioritised, solicitation, source_option, summed, tagged, with},
};

pub(super) fn rows() -> Vec<Case> {
    let ns = || solicitation(&source_option());
    let ethertype = |frame: Vec<u8>, kind: [u8; 2]| with(frame, 12, &kind);
    let mut rows = vec![
        Case::new("ARP in a VLAN", tagged(&arp_request())),
        Case::new("NS in a VLAN", tagged(&ns())),
        Case::new("ARP in a provider's VLAN", ethertype(tagged(&arp_request()), [0x88, 0xa8])),
        Case::new("ARP in VLAN 256", with(tagged(&arp_request()), 14, &[1, 0])),
        Case::new("NS in VLAN 4095, with every bit", with(tagged(&ns()), 14, &[0xff, 0xff])),
        Case::new("ARP with two priorities", prioritised(&prioritised(&arp_request()))),
        Case::new("ARP of a VLAN behind a priority", prioritised(&tagged(&arp_request()))),
        Case::new("IPv4 with a priority", prioritised(&ethertype(padded(arp_request(), 60), [8, 0]))),
        Case::new("nothing behind a priority", cut(prioritised(&arp_request()), 16)),
        Case::new("half a tag", cut(prioritised(&arp_request()), 15)),
        Case::new("ARP in two VLANs", tagged(&tagged(&arp_request()))),
        Case::new("IPv4", ethertype(padded(arp_request(), 60), [8, 0])),
        Case::new("IPv4, as large as it gets", ethertype(padded(arp_request(), 1514), [8, 0])),
        Case::new("RARP", ethertype(arp_request(), [0x80, 0x35])),
        Case::new("LLDP", ethertype(padded(arp_request(), 60), [0x88, 0xcc])),
        Case::new("IEEE 802.3 with a length", ethertype(padded(arp_request(), 60), [0, 46])),
        Case::new("ARP bytes as IPv6", ethertype(arp_request(), [0x86, 0xdd])),
        Case::new("NS bytes as ARP", ethertype(ns(), [8, 6])).passed(Outcome::ForeignHardware),
        Case::new("only an Ethernet header of IPv6", cut(ns(), 14)),
    ];
    for (name, next) in [
        ("TCP", 6),
        ("UDP", 17),
        ("hop-by-hop options", 0),
        ("routing header", 43),
        ("fragment", 44),
        ("destination options", 60),
        ("no next header", 59),
        ("ICMP for IPv4", 1),
    ] {
        rows.push(Case::new(format!("IPv6 with {name}"), with(ns(), at::NEXT_HEADER, &[next])));
    }
    for (name, kind) in [
        ("unreachable", 1),
        ("echo request", 128),
        ("router solicitation", 133),
        ("router advertisement", 134),
        ("redirect", 137),
        ("listener report", 143),
    ] {
        rows.push(Case::new(format!("ICMPv6 {name}"), summed(with(ns(), at::MESSAGE, &[kind]))));
    }
    // Neighbour discovery behind an extension header is somebody else's, whatever it says (RFC 6980).
    let header = [58, 0, 1, 4, 0, 0, 0, 0];
    let whole = ns();
    let extended = [&whole[..at::MESSAGE], &header, &whole[at::MESSAGE..]].concat();
    rows.push(Case::new("NS behind destination options", with(extended.clone(), at::NEXT_HEADER, &[60])));
    rows.push(Case::new("NS in an atomic fragment", with(extended, at::NEXT_HEADER, &[44])));
    rows
}
