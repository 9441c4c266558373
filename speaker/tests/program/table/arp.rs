//! ARP requests.

use arpeggio_common::{
    abi::{Action, Key4, Outcome},
    wire::Mac,
};

use super::{arp_answer, over};
use crate::{
    case::{Case, IFINDEX, SLOT4, entry, wide},
    frames::{
        CLIENT, CLIENT4, GROUP, OTHER4, OURS, REQUEST, STRANGER, VIP4, ZERO4, arp, arp_request, cut, padded, with,
    },
    oracle::{self, Answer},
};

/// The request for 192.0.2.10 by 02:00:00:00:00:02, 192.0.2.1, and its answer, as they stand on the wire.
const GOLDEN_REQUEST: &[u8] = b"\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x02\x08\x06\
    \x00\x01\x08\x00\x06\x04\x00\x01\
    \x02\x00\x00\x00\x00\x02\xc0\x00\x02\x01\
    \x00\x00\x00\x00\x00\x00\xc0\x00\x02\x0a";
const GOLDEN_ANSWER: &[u8] = b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x06\
    \x00\x01\x08\x00\x06\x04\x00\x02\
    \x02\x00\x00\x00\x00\x01\xc0\x00\x02\x0a\
    \x02\x00\x00\x00\x00\x02\xc0\x00\x02\x01";

pub(super) fn lengths() -> Vec<Case> {
    let mut rows = Vec::new();
    for length in 0..14 {
        rows.push(Case::new(format!("ARP request cut to {length} bytes: no header"), cut(arp_request(), length)));
    }
    for length in 14..42 {
        let case = Case::new(format!("ARP request cut to {length} bytes"), cut(arp_request(), length));
        rows.push(case.passed(Outcome::Truncated));
    }
    for length in [42, 43, 60, 64, 128, 1514, 3000] {
        let frame = padded(arp_request(), length);
        let answer = over(&frame, arp_answer());
        rows.push(Case::new(format!("ARP request padded to {length} bytes"), frame).answered(answer));
    }
    rows
}

pub(super) fn requests() -> Vec<Case> {
    let to_us = arp((OURS, CLIENT), REQUEST, (CLIENT, CLIENT4), (OURS, VIP4));
    let probe = arp((Mac::BROADCAST, CLIENT), REQUEST, (CLIENT, ZERO4), (Mac::ZERO, VIP4));
    let probe_answer =
        oracle::write(&Answer::Arp { ethernet: (CLIENT, OURS), owner: (OURS, VIP4), asker: (CLIENT, ZERO4) });
    let relayed = arp((Mac::BROADCAST, STRANGER), REQUEST, (CLIENT, CLIENT4), (Mac::ZERO, VIP4));
    let filled = arp((Mac::BROADCAST, CLIENT), REQUEST, (CLIENT, CLIENT4), (Mac::BROADCAST, VIP4));
    let nameless = arp((Mac::BROADCAST, CLIENT), REQUEST, (Mac::ZERO, CLIENT4), (Mac::ZERO, VIP4));
    let nameless_answer =
        oracle::write(&Answer::Arp { ethernet: (Mac::ZERO, OURS), owner: (OURS, VIP4), asker: (Mac::ZERO, CLIENT4) });
    vec![
        Case::new("ARP request, literally", GOLDEN_REQUEST.to_vec()).answered(GOLDEN_ANSWER.to_vec()),
        Case::new("ARP request, padded as a network card does", padded(GOLDEN_REQUEST.to_vec(), 60))
            .answered(padded(GOLDEN_ANSWER.to_vec(), 60)),
        Case::new("ARP request to us alone", to_us).answered(arp_answer()),
        Case::new("ARP probe to everybody", probe).answered_to(wide(ZERO4), CLIENT, probe_answer),
        Case::new("ARP request sent by a bridge for the client: the answer goes to the client", relayed)
            .answered(arp_answer()),
        Case::new("ARP request with a MAC where none belongs", filled).answered(arp_answer()),
        Case::new("ARP request by a sender without MAC", nameless).answered_to(
            wide(CLIENT4),
            Mac::ZERO,
            nameless_answer,
        ),
    ]
}

pub(super) fn refused() -> Vec<Case> {
    let to = |to| arp((to, CLIENT), REQUEST, (CLIENT, CLIENT4), (Mac::ZERO, VIP4));
    let by = |mac| arp((Mac::BROADCAST, CLIENT), REQUEST, (mac, CLIENT4), (Mac::ZERO, VIP4));
    let asking = |target| arp((Mac::BROADCAST, CLIENT), REQUEST, (CLIENT, CLIENT4), (Mac::ZERO, target));
    let elsewhere = vec![(Key4::new(IFINDEX + 1, VIP4), entry(Action::Answer, SLOT4))];
    let mut rows = vec![
        Case::new("ARP request to another MAC", to(STRANGER)).passed(Outcome::OtherMac),
        Case::new("ARP request to a group that is not everybody", to(GROUP)).passed(Outcome::OtherMac),
        Case::new("ARP request by a group", by(GROUP)).passed(Outcome::BadSender),
        Case::new("ARP request by everybody", by(Mac::BROADCAST)).passed(Outcome::BadSender),
        Case::new("ARP request for another address", asking(OTHER4)).passed(Outcome::ForeignTarget),
        Case::new("ARP request for no address", asking(ZERO4)).passed(Outcome::ForeignTarget),
        Case::new("ARP request for an address of another interface", arp_request())
            .world(|world| world.vips4 = elsewhere)
            .passed(Outcome::ForeignTarget),
        Case::new("ARP request while the maps are empty", arp_request())
            .world(|world| world.vips4.clear())
            .passed(Outcome::ForeignTarget),
    ];
    let fields: [(&str, usize, &[u8], Outcome); 12] = [
        ("hardware type 0", 14, &[0, 0], Outcome::ForeignHardware),
        ("hardware type IEEE 802", 14, &[0, 6], Outcome::ForeignHardware),
        ("hardware type with the bytes swapped", 14, &[1, 0], Outcome::ForeignHardware),
        ("protocol type IPv6", 16, &[0x86, 0xdd], Outcome::ForeignHardware),
        ("hardware length 8", 18, &[8], Outcome::ForeignHardware),
        ("hardware length 0", 18, &[0], Outcome::ForeignHardware),
        ("protocol length 16", 19, &[16], Outcome::ForeignHardware),
        ("operation 0", 20, &[0, 0], Outcome::ForeignOperation),
        ("operation RARP request", 20, &[0, 3], Outcome::ForeignOperation),
        ("operation InARP request", 20, &[0, 8], Outcome::ForeignOperation),
        ("operation with the bytes swapped", 20, &[1, 0], Outcome::ForeignOperation),
        ("operation 65535", 20, &[0xff, 0xff], Outcome::ForeignOperation),
    ];
    for (name, offset, bytes, outcome) in fields {
        rows.push(Case::new(format!("ARP with {name}"), with(arp_request(), offset, bytes)).passed(outcome));
    }
    rows
}
