//! Frames of others that speak for our addresses.

use arpeggio_common::{
    abi::{Action, CLAIM_INTERVAL_NS, EVENT_INTERVAL_NS, EventKind, NodeId, Outcome, RIVAL_INTERVAL_NS, SightingKind},
    wire::Mac,
};

use crate::{
    case::{Case, Earlier, KEY4, KEY6, Lease, SightingSummary},
    frames::{
        ALL_NODES6, ASKED_NS, CLIENT4, CLIENT6, GENERATION, GROUP, LINUX_NONCE, OTHER4, OTHER6, OUR_NODE, OURS,
        OVERRIDE, REPLY, REQUEST, RIVAL, RIVAL_NODE, SOLICITED, STATEMENT, STRANGER, VIP4, VIP6, ZERO4, advertisement,
        arp as frame, arp_reply, at, cut, link_option, neighbor, padded, pulse, rival_node, tag_option, tag_option_of,
        with, with_numbers, with_tag,
    },
    host,
};

const SECOND: i64 = 1_000_000_000;

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
        conflict(Case::new("ARP reply to another station", arp_reply(STRANGER, CLIENT4)), SightingKind::Reply),
        Case::new("ARP reply by a group", by_group).passed(Outcome::BadSender),
        Case::new("ARP reply for another address", foreign_reply).passed(Outcome::ForeignTarget),
        Case::new("gratuitous ARP request for another address", foreign).passed(Outcome::ForeignTarget),
        Case::new("gratuitous ARP request for no address", empty).passed(Outcome::ForeignTarget),
        Case::new("our own gratuitous ARP request", gratuitous(OURS)).passed(Outcome::OwnEcho),
        Case::new("our own gratuitous ARP reply", own_reply).passed(Outcome::OwnEcho),
        Case::new("gratuitous ARP request after the lease", gratuitous(RIVAL))
            .lease(Lease::In(-1))
            .sighted(RIVAL, SightingKind::Claim)
            .passed(Outcome::LeaseOver),
        Case::new("ARP reply after the lease", arp_reply(OURS, CLIENT4))
            .lease(Lease::NotBegun)
            .sighted(RIVAL, SightingKind::Reply)
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
        Case::new("advertisement after the lease", announced())
            .lease(Lease::In(-1))
            .sighted(RIVAL, SightingKind::Claim)
            .passed(Outcome::LeaseOver),
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

/// Claims that carry a tag: who it is stands in the sighting, in the event and among the peers.
pub(super) fn tagged() -> Vec<Case> {
    let rival = rival_node();
    let reply = frame((Mac::BROADCAST, RIVAL), REPLY, (RIVAL, VIP4), (Mac::BROADCAST, VIP4));
    let announced = |node| advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, &pulse(2, RIVAL, node));
    let claims = |node: u64| {
        [
            ("gratuitous ARP request", with_tag(&gratuitous(RIVAL), node)),
            ("gratuitous ARP reply", with_tag(&reply, node)),
            ("unsolicited advertisement", announced(node)),
        ]
    };
    let mut rows = Vec::new();
    for (name, frame) in claims(RIVAL_NODE) {
        let case = |what: &str| Case::new(format!("tagged {name}, {what}"), frame.clone());
        rows.push(conflict(case("against us"), SightingKind::Claim).by(rival, RIVAL));
        for action in [Action::Observe, Action::Suppress] {
            rows.push(claimed(case(action.name()), action, SightingKind::Claim).by(rival, RIVAL));
        }
        let late = case("after the lease").lease(Lease::In(-1)).sighted(RIVAL, SightingKind::Claim);
        rows.push(late.by(rival, RIVAL).passed(Outcome::LeaseOver));
        let unknown = case("by a node that the agent does not know").world(|world| world.known.clear());
        rows.push(conflict(unknown, SightingKind::Claim));
    }
    for (name, frame) in claims(OUR_NODE) {
        let case = Case::new(format!("our own {name} over another interface"), frame);
        rows.push(case.ourselves(RIVAL).passed(Outcome::OwnEcho));
    }
    for (name, frame) in claims(0) {
        rows.push(conflict(Case::new(format!("{name} with the tag of nobody"), frame), SightingKind::Claim));
    }
    let answer = with_tag(&arp_reply(OURS, CLIENT4), RIVAL_NODE);
    let answer = Case::new("tagged ARP reply to us: an answer", answer).dropped(Outcome::HeartbeatHeard);
    rows.push(answer.sighted(RIVAL, SightingKind::Heartbeat).by(rival, RIVAL));
    let statement = [RIVAL_NODE, GENERATION, ASKED_NS | STATEMENT, 0];
    for (name, frame) in [
        ("ARP", with_numbers(&arp_reply(OURS, CLIENT4), statement)),
        ("ARP to nobody", with_numbers(&arp_reply(OURS, ZERO4), statement)),
        ("ND", advertisement(OURS, CLIENT6, SOLICITED, &[option(), tag_option_of(statement)].concat())),
    ] {
        let kind = if name == "ND" { SightingKind::Reply } else { SightingKind::Claim };
        let case = Case::new(format!("{name} claim to us alone"), frame);
        rows.push(conflict(case, kind).by(rival, RIVAL));
    }
    let stranger = with_tag(&arp_reply(STRANGER, CLIENT4), RIVAL_NODE);
    rows.push(Case::new("tagged ARP reply to another station", stranger).passed(Outcome::OtherMac));
    let own_mac = with_tag(&gratuitous(OURS), RIVAL_NODE);
    rows.push(Case::new("our MAC with another node's tag: a loop", own_mac).passed(Outcome::OwnEcho));
    rows
}

/// What looks like a tag behind a gratuitous request and is none.
pub(super) fn odd_tags() -> Vec<Case> {
    let whole = with_tag(&gratuitous(RIVAL), RIVAL_NODE);
    let untagged = |name: String, frame| conflict(Case::new(name, frame), SightingKind::Claim);
    let mut rows: Vec<Case> = (42..82)
        .map(|length| untagged(format!("tagged claim cut to {length} bytes"), cut(whole.clone(), length)))
        .collect();
    for at in 42..50 {
        let frame = with(whole.clone(), at, &[whole[at] ^ 1]);
        rows.push(untagged(format!("tagged claim with another byte {at}"), frame));
    }
    let shifted = [&whole[..42], &[0], &whole[42..81]].concat();
    rows.push(untagged("tag one byte too late".to_owned(), shifted));
    let longer = padded(whole, 96);
    let case = Case::new("tagged claim padded beyond the least length", longer);
    rows.push(conflict(case, SightingKind::Claim).by(rival_node(), RIVAL));
    let announced = |options: &[u8]| advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, options);
    for (name, options) in odd_options(2) {
        rows.push(untagged(format!("advertisement with {name}"), announced(&options)));
    }
    rows
}

/// Options in which the tag is not what it should be: a link-layer option of this kind, then the tag, then nothing.
pub(super) fn odd_options(kind: u8) -> Vec<(&'static str, Vec<u8>)> {
    let (link, tag) = (link_option(kind, RIVAL), tag_option(RIVAL_NODE));
    vec![
        ("a tag alone", tag.clone()),
        ("a tag before the link option", [tag.clone(), link.clone()].concat()),
        ("a tag behind another option", [vec![200, 1, 0, 0, 0, 0, 0, 0], tag.clone()].concat()),
        ("a tag and a third option", [link.clone(), tag.clone(), LINUX_NONCE.to_vec()].concat()),
        ("a tag that is one block long", [link.clone(), with(tag[..8].to_vec(), 1, &[1])].concat()),
        ("a tag that is six blocks long", [link.clone(), with(tag.clone(), 1, &[6]), vec![0; 8]].concat()),
        ("a tag with another magic", [link.clone(), with(tag.clone(), 2, b"B")].concat()),
        ("a tag of another type", [link.clone(), with(tag.clone(), 0, &[15])].concat()),
        ("the tag of nobody", [link, tag_option(0)].concat()),
        ("a tag inside another option", [vec![200, 6, 0, 0, 0, 0, 0, 0], tag].concat()),
    ]
}

/// A rival that was sighted before: of a speaker's claims the agent is told at once, but once for both forms of one round; of
/// strangers once a second, whatever they call themselves.
pub(super) fn events() -> Vec<Case> {
    let mut rows = Vec::new();
    let rival = Some(rival_node());
    // "Just now" lies ahead, so that it is not long ago on an emulated machine.
    let just_now = Earlier { key: KEY4.widen(), mac: RIVAL, node: None, kind: SightingKind::Claim, age_ns: -SECOND };
    let reply = advertisement(OURS, CLIENT6, SOLICITED | OVERRIDE, &option());
    let strangers = [
        ("ARP claim", gratuitous(RIVAL), KEY4.widen(), SightingKind::Claim),
        ("ND claim", announced(), KEY6, SightingKind::Claim),
        ("ARP answer", arp_reply(OURS, CLIENT4), KEY4.widen(), SightingKind::Reply),
        ("ND answer", reply, KEY6, SightingKind::Reply),
    ];
    for (what, frame, key, kind) in strangers {
        let before = Earlier { key, ..just_now };
        for (name, earlier, told) in [
            ("the same rival just now", before, false),
            ("the same rival 0.1 s ago", Earlier { age_ns: SECOND / 10, ..before }, false),
            ("the same rival a second ago", Earlier { age_ns: SECOND, ..before }, true),
            ("another rival just now", Earlier { mac: STRANGER, ..before }, false),
            ("an answer of the same rival just now", Earlier { kind: SightingKind::Reply, ..before }, false),
        ] {
            let case = earlier_case(format!("{what} of a stranger after {name}"), &frame, earlier, kind);
            rows.push(if told { case.told(EventKind::Conflict, RIVAL) } else { case });
        }
        let hidden = Case::new(format!("{what} of a stranger after a speaker's just now"), frame);
        let seen = SightingSummary { mac: RIVAL, kind: Some(SightingKind::Claim), node: rival, count: 1 };
        let speaker = Earlier { node: rival, ..before };
        let case = conflict(hidden, kind).world(|world| world.earlier = Some(speaker));
        rows.push(case.expect(|observed| {
            observed.sightings.insert(speaker.line(), seen);
        }));
    }
    let tagged = [
        ("ARP", with_tag(&gratuitous(RIVAL), RIVAL_NODE), KEY4.widen()),
        ("ND", advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, &pulse(2, RIVAL, RIVAL_NODE)), KEY6),
    ];
    for (family, frame, key) in tagged {
        let before = Earlier { key, node: rival, ..just_now };
        let other = Earlier { node: NodeId::from_number(77), ..before };
        for (name, earlier, told) in [
            ("the same node just now", before, false),
            ("the same node 10 ms ago", Earlier { age_ns: 10_000_000, ..before }, true),
            ("the same node with another MAC just now", Earlier { mac: STRANGER, ..before }, false),
            ("another node just now", other, false),
            ("another node 1 ms ago", Earlier { age_ns: 1_000_000, ..other }, true),
        ] {
            let kind = SightingKind::Claim;
            let case = earlier_case(format!("{family} claim of a speaker after {name}"), &frame, earlier, kind);
            let case = if told { case.told(EventKind::Conflict, RIVAL) } else { case };
            rows.push(case.by(rival_node(), RIVAL));
        }
    }
    rows
}

fn earlier_case(name: String, frame: &[u8], earlier: Earlier, kind: SightingKind) -> Case {
    Case::new(name, frame.to_vec())
        .world(|world| world.earlier = Some(earlier))
        .passed(Outcome::Conflict)
        .sighted(RIVAL, kind)
        .expect(|observed| observed.sightings.values_mut().for_each(|seen| seen.count += 1))
}

/// To the nanosecond, which only the host build can be held to.
#[test]
fn a_repeated_sighting_is_news_when_its_interval_is_over() {
    let claim = (with_tag(&gratuitous(RIVAL), RIVAL_NODE), Some(rival_node()), CLAIM_INTERVAL_NS);
    let rival = (with_tag(&gratuitous(RIVAL), RIVAL_NODE), NodeId::from_number(77), RIVAL_INTERVAL_NS);
    let stranger = (gratuitous(RIVAL), None, EVENT_INTERVAL_NS);
    for (frame, node, interval_ns) in [claim, rival, stranger] {
        let interval_ns = i64::try_from(interval_ns).unwrap();
        for (age_ns, told) in [(0, false), (interval_ns - 1, false), (interval_ns, true)] {
            let kind = SightingKind::Claim;
            let earlier = Earlier { key: KEY4.widen(), mac: RIVAL, node, kind, age_ns };
            let case = earlier_case("to the nanosecond".to_owned(), &frame, earlier, kind);
            let case = if told { case.told(EventKind::Conflict, RIVAL) } else { case };
            let case = if node.is_some() { case.by(rival_node(), RIVAL) } else { case };
            assert_eq!(host::run(&case), case.expected, "{node:?} after {age_ns} ns");
        }
    }
}
