//! Frames of others that speak for our addresses.

use arpeggio_common::{
    abi::{Action, EVENT_INTERVAL_NS, EventKind, Outcome, SightingKind},
    wire::Mac,
};

use crate::{
    case::{Case, Earlier, KEY4, KEY6, Lease},
    frames::{
        ALL_NODES6, CLIENT4, CLIENT6, GROUP, OTHER4, OTHER6, OURS, OVERRIDE, REPLY, REQUEST, RIVAL, SOLICITED,
        STRANGER, VIP4, VIP6, ZERO4, advertisement, arp as frame, arp_reply, at, link_option, neighbor, with,
    },
};

const MILLISECOND: u64 = 1_000_000;

fn gratuitous(mac: Mac) -> Vec<u8> {
    frame((Mac::BROADCAST, mac), REQUEST, (mac, VIP4), (Mac::ZERO, VIP4))
}

/// The case ends in a conflict that the agent is told of.
fn conflict(case: Case, kind: SightingKind) -> Case {
    case.passed(Outcome::Conflict).sighted(RIVAL, kind).told(EventKind::Conflict, RIVAL)
}

/// The address is not ours at present; the agent is told of claims only.
fn claimed(case: Case, action: Action, kind: SightingKind) -> Case {
    let case = case.action(action).passed(Outcome::Claimed).sighted(RIVAL, kind);
    if kind == SightingKind::Claim { case.told(EventKind::Claim, RIVAL) } else { case }
}

pub(super) fn arp() -> Vec<Case> {
    let everywhere = frame((Mac::BROADCAST, RIVAL), REPLY, (RIVAL, VIP4), (Mac::BROADCAST, VIP4));
    let own_reply = frame((Mac::BROADCAST, OURS), REPLY, (OURS, VIP4), (Mac::BROADCAST, VIP4));
    let foreign = frame((Mac::BROADCAST, RIVAL), REQUEST, (RIVAL, OTHER4), (Mac::ZERO, OTHER4));
    let empty = frame((Mac::BROADCAST, RIVAL), REQUEST, (RIVAL, ZERO4), (Mac::ZERO, ZERO4));
    let by_group = frame((OURS, RIVAL), REPLY, (GROUP, VIP4), (OURS, CLIENT4));
    let foreign_reply = frame((OURS, RIVAL), REPLY, (RIVAL, OTHER4), (OURS, VIP4));
    let to_us = with(gratuitous(RIVAL), 0, &OURS.0);
    let mut rows = vec![
        conflict(Case::new("gratuitous ARP request", gratuitous(RIVAL)), SightingKind::Claim),
        conflict(Case::new("gratuitous ARP reply", everywhere), SightingKind::Claim),
        conflict(Case::new("gratuitous ARP request to us alone", to_us), SightingKind::Claim),
        conflict(Case::new("ARP reply to us", arp_reply(OURS, CLIENT4)), SightingKind::Reply),
        Case::new("ARP reply to another station", arp_reply(STRANGER, CLIENT4)).passed(Outcome::OtherMac),
        Case::new("ARP reply by a group", by_group).passed(Outcome::BadSender),
        Case::new("ARP reply for another address", foreign_reply).passed(Outcome::ForeignTarget),
        Case::new("gratuitous ARP request for another address", foreign).passed(Outcome::ForeignTarget),
        Case::new("gratuitous ARP request for no address", empty).passed(Outcome::ForeignTarget),
        Case::new("our own gratuitous ARP request", gratuitous(OURS)).passed(Outcome::OwnEcho),
        Case::new("our own gratuitous ARP reply", own_reply).passed(Outcome::OwnEcho),
        Case::new("gratuitous ARP request after the lease", gratuitous(RIVAL))
            .lease(Lease::In(-1))
            .passed(Outcome::LeaseOver),
        Case::new("ARP reply after the lease", arp_reply(OURS, CLIENT4))
            .lease(Lease::NotBegun)
            .passed(Outcome::LeaseOver),
    ];
    for action in [Action::Observe, Action::Suppress] {
        let name = action.name();
        let claim = Case::new(format!("gratuitous ARP request, {name}"), gratuitous(RIVAL));
        rows.push(claimed(claim, action, SightingKind::Claim));
        let reply = Case::new(format!("ARP reply to us, {name}"), arp_reply(OURS, CLIENT4));
        rows.push(claimed(reply, action, SightingKind::Reply));
    }
    rows
}

fn option() -> Vec<u8> {
    link_option(2, RIVAL)
}

fn announced() -> Vec<u8> {
    advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, &option())
}

pub(super) fn advertisements() -> Vec<Case> {
    let reply = || advertisement(OURS, CLIENT6, SOLICITED | OVERRIDE, &option());
    let proxy = neighbor((Mac::ALL_NODES, RIVAL), (OTHER6, ALL_NODES6), (136, 0), VIP6, &option());
    let foreign = neighbor((Mac::ALL_NODES, RIVAL), (OTHER6, ALL_NODES6), (136, OVERRIDE), OTHER6, &option());
    let own = neighbor((Mac::ALL_NODES, OURS), (VIP6, ALL_NODES6), (136, OVERRIDE), VIP6, &link_option(2, OURS));
    let by_group = with(announced(), 6, &GROUP.0);
    let to_stranger = advertisement(STRANGER, CLIENT6, SOLICITED, &option());
    let mut rows = vec![
        conflict(Case::new("unsolicited advertisement", announced()), SightingKind::Claim),
        conflict(
            Case::new(
                "unsolicited advertisement without override",
                advertisement(Mac::ALL_NODES, ALL_NODES6, 0, &option()),
            ),
            SightingKind::Claim,
        ),
        conflict(
            Case::new(
                "unsolicited advertisement without options",
                advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, &[]),
            ),
            SightingKind::Claim,
        ),
        conflict(
            Case::new("unsolicited advertisement to us alone", advertisement(OURS, CLIENT6, OVERRIDE, &option())),
            SightingKind::Claim,
        ),
        conflict(Case::new("solicited advertisement to us", reply()), SightingKind::Reply),
        conflict(Case::new("advertisement on behalf of another", proxy), SightingKind::Claim),
        Case::new("advertisement to another station", to_stranger).passed(Outcome::OtherMac),
        Case::new("advertisement by a group", by_group).passed(Outcome::BadSender),
        Case::new("advertisement of another address", foreign).passed(Outcome::ForeignTarget),
        Case::new("our own advertisement", own).passed(Outcome::OwnEcho),
        Case::new("advertisement with a wrong checksum", with(announced(), at::CHECKSUM, &[0xde, 0xad]))
            .passed(Outcome::BadChecksum),
        Case::new("advertisement from beyond a router", with(announced(), at::HOP_LIMIT, &[254]))
            .passed(Outcome::BadHopLimit),
        Case::new("advertisement after the lease", announced()).lease(Lease::In(-1)).passed(Outcome::LeaseOver),
        Case::new(
            "advertisement with an option of length zero",
            advertisement(OURS, CLIENT6, 0, &[2, 0, 0, 0, 0, 0, 0, 0]),
        )
        .passed(Outcome::BadOption),
    ];
    for action in [Action::Observe, Action::Suppress] {
        let name = action.name();
        let claim = Case::new(format!("unsolicited advertisement, {name}"), announced());
        rows.push(claimed(claim, action, SightingKind::Claim));
        let reply = Case::new(format!("solicited advertisement to us, {name}"), reply());
        rows.push(claimed(reply, action, SightingKind::Reply));
    }
    rows
}

/// A rival that was sighted before: the agent is told at most once a second, and at once of another rival.
pub(super) fn events() -> Vec<Case> {
    let mut rows = Vec::new();
    for (family, frame, key) in [("ARP", gratuitous(RIVAL), KEY4.widen()), ("ND", announced(), KEY6)] {
        for (name, mac, age_ns, told) in [
            ("the same rival 0.1 s ago", RIVAL, 100 * MILLISECOND, false),
            ("the same rival a second ago", RIVAL, EVENT_INTERVAL_NS, true),
            ("the same rival three seconds ago", RIVAL, 3 * EVENT_INTERVAL_NS, true),
            ("another rival just now", STRANGER, 0, true),
        ] {
            let case = Case::new(format!("{family} claim after {name}"), frame.clone())
                .world(|world| world.earlier = Some(Earlier { key, mac, age_ns }))
                .passed(Outcome::Conflict)
                .sighted(RIVAL, SightingKind::Claim)
                .expect(|observed| observed.sightings.values_mut().for_each(|seen| seen.count += 1));
            rows.push(if told { case.told(EventKind::Conflict, RIVAL) } else { case });
        }
    }
    rows
}
