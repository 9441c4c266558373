//! What the entries of the maps, the lease and the memory of clients make of the same frames.

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, BUCKETS, CLIENT_REFRESH_NS, Outcome, Vip, bucket},
    wire::Mac,
};

use super::{arp_answer, neighbor_answer};
use crate::{
    case::{Asked, Case, Lease, SLOT4, SLOT6, wide},
    frames::{
        CLIENT, CLIENT4, CLIENT6, OURS, REQUEST, RIVAL, SOLICITATION, VIP4, VIP6, VIP6_GROUP, VIP6_GROUP_MAC, ZERO4,
        arp, arp_request, neighbor, solicitation, source_option,
    },
    oracle::{self, Answer},
};

/// Both questions of a client, with their answers.
pub(super) fn questions() -> [(&'static str, Vec<u8>, Vec<u8>); 2] {
    [("ARP", arp_request(), arp_answer()), ("NS", solicitation(&source_option()), neighbor_answer())]
}

/// The entry with another number for its action.
pub(crate) fn unknown_action(vip: Vip, code: u8) -> Vip {
    // SAFETY: both types have 32 bytes, which transmute checks; an entry is made of integers without padding, so every bit
    // pattern is a valid one in both directions.
    let mut bytes = unsafe { std::mem::transmute::<Vip, [u8; 32]>(vip) };
    bytes[6] = code;
    // SAFETY: as above.
    unsafe { std::mem::transmute::<[u8; 32], Vip>(bytes) }
}

pub(super) fn actions() -> Vec<Case> {
    let mut rows = Vec::new();
    for (name, frame, answer) in questions() {
        let case = |what: &str| Case::new(format!("{name}, {what}"), frame.clone());
        rows.push(case("suppressed").action(Action::Suppress).suppressed());
        let no_share = |vip: Vip| Vip::new(OURS.0, Action::Suppress, vip.slot(), 0);
        rows.push(case("suppressed without shares").entries(no_share).suppressed());
        rows.push(case("observed").action(Action::Observe).passed(Outcome::Observed));
        for code in [3, 255] {
            rows.push(
                case(&format!("action {code}")).entries(|vip| unknown_action(vip, code)).passed(Outcome::UnknownAction),
            );
        }
        for slot in [16_384, u32::MAX] {
            let beyond = |_| Vip::new(OURS.0, Action::Answer, slot, ALL_BUCKETS);
            rows.push(case(&format!("slot {slot} that does not exist")).entries(beyond).transmitted(answer.clone()));
        }
    }
    let other = Mac([2, 0, 0x5e, 0x10, 0, 9]);
    let other_mac = |vip: Vip| Vip::new(other.0, Action::Answer, vip.slot(), ALL_BUCKETS);
    let answer = Answer::Arp { ethernet: (CLIENT, other), owner: (other, VIP4), asker: (CLIENT, CLIENT4) };
    rows.push(
        Case::new("ARP, another MAC in the entry", arp_request()).entries(other_mac).answered(oracle::write(&answer)),
    );
    let to_us = arp((OURS, CLIENT), REQUEST, (CLIENT, CLIENT4), (Mac::ZERO, VIP4));
    rows.push(Case::new("ARP to a MAC that we had before", to_us).entries(other_mac).passed(Outcome::OtherMac));
    rows
}

pub(super) fn lease() -> Vec<Case> {
    let mut rows = Vec::new();
    for (name, frame, answer) in questions() {
        let case = |lease| Case::new(format!("{name}, lease {lease:?}"), frame.clone()).lease(lease);
        for over in [Lease::NotBegun, Lease::In(-3_600_000_000_000), Lease::In(-1), Lease::In(0)] {
            rows.push(case(over).passed(Outcome::LeaseOver));
            let name = format!("{name}, suppressed, lease {over:?}");
            let suppressed = Case::new(name, frame.clone()).action(Action::Suppress).lease(over);
            rows.push(suppressed.passed(Outcome::LeaseOver));
        }
        for running in [Lease::In(60_000_000_000), Lease::Never] {
            rows.push(case(running).answered(answer.clone()));
        }
    }
    rows
}

/// Clients by their bucket, as the table of a node in Shared mode sees them.
fn client_of<A>(wanted: u32, client: impl Fn(u32) -> (A, [u32; 4])) -> A {
    // Beyond the addresses that mean something in the table.
    (0x1000..0x2000).map(client).find(|(_, words)| bucket(*words) == wanted).unwrap().0
}

pub(super) fn buckets() -> Vec<Case> {
    let mut rows = Vec::new();
    for wanted in 0..BUCKETS {
        let sender = client_of(wanted, |host| ((0xc000_0200 + host).to_be_bytes(), [0, 0, 0, 0xc000_0200 + host]));
        let request = arp((Mac::BROADCAST, CLIENT), REQUEST, (CLIENT, sender), (Mac::ZERO, VIP4));
        let reply =
            oracle::write(&Answer::Arp { ethernet: (CLIENT, OURS), owner: (OURS, VIP4), asker: (CLIENT, sender) });
        let source = client_of(wanted, |host| {
            let mut address = CLIENT6;
            address[12..].copy_from_slice(&host.to_be_bytes());
            (address, [0xfe80_0000, 0, 0, host])
        });
        let ethernet = (VIP6_GROUP_MAC, CLIENT);
        let question = neighbor(ethernet, (source, VIP6_GROUP), (SOLICITATION, 0), VIP6, &source_option());
        let answer = oracle::write(&Answer::Neighbor {
            ethernet: (CLIENT, OURS),
            addresses: (VIP6, source),
            solicited: true,
            overrides: true,
            target: VIP6,
            link: Some(OURS),
        });
        let only = |vip: Vip| Vip::new(OURS.0, Action::Answer, vip.slot(), 1 << wanted);
        let others = |vip: Vip| Vip::new(OURS.0, Action::Answer, vip.slot(), !(1 << wanted));
        for (name, frame, client, answer) in [("ARP", request, wide(sender), reply), ("NS", question, source, answer)] {
            let served = Case::new(format!("{name}, bucket {wanted} alone"), frame.clone()).entries(only);
            rows.push(served.answered_to(client, CLIENT, answer));
            let left = Case::new(format!("{name}, all buckets but {wanted}"), frame).entries(others);
            rows.push(left.remembered(client, CLIENT).dropped(Outcome::OtherBucket));
        }
    }
    rows
}

/// A client that asks again and again is written to the map once a second.
pub(super) fn memory() -> Vec<Case> {
    let mut rows = Vec::new();
    for ((name, frame, answer), (slot, client)) in
        questions().into_iter().zip([(SLOT4, wide(CLIENT4)), (SLOT6, CLIENT6)])
    {
        let just_now = Asked { slot, client, mac: CLIENT, age_ns: 1_000_000 };
        for (what, asked, written) in [
            ("the client asked just now", just_now, false),
            ("the client asked a second ago", Asked { age_ns: CLIENT_REFRESH_NS, ..just_now }, true),
            ("another client asked just now", Asked { client: wide(ZERO4), ..just_now }, true),
            ("the client had another MAC just now", Asked { mac: RIVAL, ..just_now }, true),
        ] {
            let case = Case::new(format!("{name}, {what}"), frame.clone())
                .world(|world| world.asked = Some(asked))
                .answered(answer.clone());
            rows.push(if written { case } else { case.expect(|observed| observed.clients.clear()) });
        }
    }
    rows
}

#[test]
fn buckets_are_the_same_on_every_node_and_in_every_version() {
    let clients =
        [[0; 4], [0, 0, 0, 0xc000_0201], [0, 0, 0, 0x0a00_0001], [0xfe80_0000, 0, 0, 2], [0x2001_0db8, 0, 0, 0x99]];
    // Computed apart from this code: a change would make nodes of two versions answer the same client, or none.
    assert_eq!(clients.map(bucket), [0, 51, 34, 6, 25]);
}
