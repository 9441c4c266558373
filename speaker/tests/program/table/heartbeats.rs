//! What speakers ask each other, and what they answer.

use arpeggio_common::{
    abi::{Action, EventKind, Flags, Outcome, SightingKind, Vip},
    wire::Mac,
};

use super::{entries::questions, over};
use crate::{
    case::{Case, Counts, Lease, wide},
    frames::{
        ALIVE, ASKED_NS, CLIENT6, GENERATION, NOBODY6, OUR_NODE, OURS, OVERRIDE, REPLY, REQUEST, RIVAL, RIVAL_NODE,
        SOLICITATION, SOLICITED, STATEMENT, VIP4, VIP6, VIP6_GROUP, VIP6_GROUP_MAC, ZERO4, advertisement, arp,
        link_option, neighbor, padded, pulse, rival_node, summed, tag_option_of, with, with_numbers, with_tag,
    },
    oracle::{self, Answer},
};

/// A probe for our address, to everybody or to us alone.
fn arp_probe(to: Mac) -> Vec<u8> {
    arp((to, RIVAL), REQUEST, (RIVAL, ZERO4), (Mac::ZERO, VIP4))
}

fn arp_answer() -> Vec<u8> {
    oracle::write(&Answer::Arp { ethernet: (RIVAL, OURS), owner: (OURS, VIP4), asker: (RIVAL, ZERO4) })
}

/// A solicitation by `node` for our address.
fn solicitation(node: u64, to: Mac, destination: [u8; 16]) -> Vec<u8> {
    neighbor((to, RIVAL), (CLIENT6, destination), (SOLICITATION, 0), VIP6, &pulse(1, RIVAL, node))
}

/// The solicitation of 0b0b0b0b0b0b0b02 at 02:00:00:00:00:03, fe80::2, for 2001:db8::10:a answered: S and O set, our MAC,
/// our node in the tag.
const GOLDEN_ANSWER: &[u8] = b"\x02\x00\x00\x00\x00\x03\x02\x00\x00\x00\x00\x01\x86\xdd\
    \x60\x00\x00\x00\x00\x48\x3a\xff\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\
    \x88\x00\xa4\x79\x60\x00\x00\x00\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \x02\x01\x02\x00\x00\x00\x00\x01\
    \x0e\x05ARPGI2\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x01\
    \x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x03\xe8\
    \x00\x00\x00\x00\x00\x00\x00\x00";
/// 192.0.2.10 asked for by 02:00:00:00:00:03 with a tag, answered in the name of 0a0a0a0a0a0a0a01.
const GOLDEN_ARP_ANSWER: &[u8] = b"\x02\x00\x00\x00\x00\x03\x02\x00\x00\x00\x00\x01\x08\x06\
    \x00\x01\x08\x00\x06\x04\x00\x02\
    \x02\x00\x00\x00\x00\x01\xc0\x00\x02\x0a\
    \x02\x00\x00\x00\x00\x03\x00\x00\x00\x00\
    ARPEGIO\x02\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x01\
    \x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x03\xe8\
    \x00\x00\x00\x00\x00\x00\x00\x00";

const ANSWERED: Counts = Counts { requests: 0, replies: 1, suppressed: 0, heartbeats: 1, claims: 0 };
const REFUSED: Counts = Counts { replies: 0, ..ANSWERED };

fn evacuating(vip: Vip) -> Vip {
    vip.with_flags(Flags::EVACUATING)
}

/// Every form of a tagged question, and its answer.
fn tagged(node: u64) -> [(&'static str, Vec<u8>, Vec<u8>); 4] {
    [
        ("ARP heartbeat", with_tag(&arp_probe(OURS), node), GOLDEN_ARP_ANSWER.to_vec()),
        ("ARP probe", with_tag(&arp_probe(Mac::BROADCAST), node), GOLDEN_ARP_ANSWER.to_vec()),
        ("ND heartbeat", solicitation(node, OURS, VIP6), GOLDEN_ANSWER.to_vec()),
        ("ND probe", solicitation(node, VIP6_GROUP_MAC, VIP6_GROUP), GOLDEN_ANSWER.to_vec()),
    ]
}

pub(super) fn rows() -> Vec<Case> {
    let rival = rival_node();
    let no_share = |vip: Vip| Vip::new(OURS.0, Action::Answer, vip.slot(), 0);
    let mut rows = untagged();
    for (name, frame, answer) in tagged(RIVAL_NODE) {
        let case = |what: &str| Case::new(format!("tagged {name}, {what}"), frame.clone());
        rows.extend([
            case("answered").counted(ANSWERED).heard(rival, RIVAL).transmitted(answer.clone()),
            case("shares play no part")
                .entries(no_share)
                .counted(ANSWERED)
                .heard(rival, RIVAL)
                .transmitted(answer.clone()),
            case("refused while evacuating")
                .entries(evacuating)
                .counted(REFUSED)
                .heard(rival, RIVAL)
                .dropped(Outcome::HeartbeatRefused),
            case("observed by who does not own").action(Action::Observe).heard(rival, RIVAL).passed(Outcome::Observed),
            case("suppressed like any request").action(Action::Suppress).heard(rival, RIVAL).suppressed_unseen(),
            case("after the lease").lease(Lease::In(-1)).heard(rival, RIVAL).passed(Outcome::LeaseOver),
            case("after the lease, of an address that others answer for")
                .action(Action::Suppress)
                .lease(Lease::In(-1))
                .heard(rival, RIVAL)
                .dropped(Outcome::SuppressedBeyond),
            case("before any lease").lease(Lease::NotBegun).heard(rival, RIVAL).passed(Outcome::LeaseOver),
            case("another address")
                .world(|world| (world.vips4, world.vips6) = Default::default())
                .passed(Outcome::ForeignTarget),
        ]);
    }
    for (node, who) in [(OUR_NODE, "our own"), (0x77, "an unknown node's")] {
        for (name, frame, _) in tagged(node) {
            // Answered like anybody, and not with the tag in which the asker would know itself again.
            let heartbeat = name == "ARP heartbeat";
            let counts = if heartbeat { ANSWERED } else { Counts { requests: 1, heartbeats: 0, ..ANSWERED } };
            let case = Case::new(format!("{who} {name}"), frame.clone()).counted(counts);
            let case = case.transmitted(answered_as_client(&frame));
            rows.push(if node == OUR_NODE { case.ourselves(RIVAL) } else { case });
        }
    }
    for (name, frame, _) in tagged(RIVAL_NODE).into_iter().filter(|(name, ..)| name.ends_with("heartbeat")) {
        let (frame, alive) = (asking_for_life(&frame), RIVAL_NODE);
        let case = |what: &str| Case::new(format!("{name} to node {alive:x}, {what}"), frame.clone());
        for action in Action::ALL {
            let case = case(action.name()).action(action).counted(ANSWERED).heard(rival, RIVAL);
            rows.push(case.transmitted(alive_answer(&frame)));
        }
        let leaving = case("while evacuating").entries(evacuating).counted(ANSWERED).heard(rival, RIVAL);
        rows.push(leaving.transmitted(alive_answer(&frame)));
    }
    let frame = padded(with_tag(&arp_probe(OURS), RIVAL_NODE), 96);
    let answer = over(&frame, GOLDEN_ARP_ANSWER.to_vec());
    let longer = Case::new("tagged ARP heartbeat, padded", frame);
    rows.push(longer.counted(ANSWERED).heard(rival, RIVAL).transmitted(answer));
    for (name, frame, answer) in questions() {
        rows.push(Case::new(format!("{name}, client while evacuating"), frame).entries(evacuating).answered(answer));
    }
    rows
}

/// The answer to the same question by a client: in ARP with the tag made unreadable, in neighbour discovery without it.
fn answered_as_client(frame: &[u8]) -> Vec<u8> {
    if frame[12..14] == [8, 6] {
        with(over(frame, arp_answer()), 42, &[0; 8])
    } else {
        let link = Some(OURS);
        let answer = Answer::Neighbor {
            ethernet: (RIVAL, OURS),
            addresses: (VIP6, CLIENT6),
            solicited: true,
            overrides: true,
            target: VIP6,
            link,
        };
        over(frame, oracle::write(&answer))
    }
}

/// Where the nonce of a tagged frame stands.
fn nonce_at(frame: &[u8]) -> usize {
    if frame[12..14] == [8, 6] { 66 } else { 110 }
}

/// The same question, to the node.
fn asking_for_life(frame: &[u8]) -> Vec<u8> {
    let frame = with(frame.to_vec(), nonce_at(frame), &(ASKED_NS | ALIVE).to_be_bytes());
    if frame[12..14] == [8, 6] { frame } else { summed(frame) }
}

/// The answer to it.
fn alive_answer(frame: &[u8]) -> Vec<u8> {
    let golden = if frame[12..14] == [8, 6] { GOLDEN_ARP_ANSWER } else { GOLDEN_ANSWER };
    asking_for_life(golden)
}

fn alive_option() -> Vec<u8> {
    [link_option(2, RIVAL), tag_option_of([RIVAL_NODE, GENERATION, ASKED_NS | ALIVE, 0])].concat()
}

fn later_option() -> Vec<u8> {
    [link_option(2, RIVAL), tag_option_of([RIVAL_NODE, GENERATION, (ALIVE - 1) & !STATEMENT, 0])].concat()
}

/// Probes without a tag, or with something that is none.
fn untagged() -> Vec<Case> {
    let whole = with_tag(&arp_probe(OURS), RIVAL_NODE);
    let mut rows = Vec::new();
    let bare = Case::new("untagged ARP heartbeat", arp_probe(OURS));
    rows.push(bare.counted(ANSWERED).transmitted(arp_answer()));
    let refused = Case::new("untagged ARP heartbeat while evacuating", arp_probe(OURS)).entries(evacuating);
    rows.push(refused.counted(REFUSED).dropped(Outcome::HeartbeatRefused));
    for length in 42..82 {
        let frame = whole[..length].to_vec();
        let answer = over(&frame, arp_answer());
        let case = Case::new(format!("tagged ARP heartbeat cut to {length} bytes"), frame);
        rows.push(case.counted(ANSWERED).transmitted(answer));
    }
    for (name, frame) in [
        ("of zeros", [arp_probe(Mac::BROADCAST), vec![0; 40]].concat()),
        ("of something else", padded(arp_probe(Mac::BROADCAST), 90)),
        ("with the tag of nobody", with_tag(&arp_probe(Mac::BROADCAST), 0)),
    ] {
        let answer = over(&frame, arp_answer());
        let case = Case::new(format!("ARP probe to everybody with a trailer {name}: a client"), frame);
        rows.push(case.entries(evacuating).answered_to(wide(ZERO4), RIVAL, answer));
    }
    rows
}

/// Answers to our own questions, and what only looks like one.
pub(super) fn heard() -> Vec<Case> {
    let rival = rival_node();
    let arp_reply = |mac: Mac| arp((OURS, mac), REPLY, (mac, VIP4), (OURS, ZERO4));
    let reply = advertisement(OURS, CLIENT6, SOLICITED | OVERRIDE, &pulse(2, RIVAL, RIVAL_NODE));
    let mut rows = Vec::new();
    for action in Action::ALL {
        let name = action.name();
        let bare = Case::new(format!("ARP probe answered by a stranger, {name}"), arp_reply(RIVAL)).action(action);
        let bare = bare.dropped(Outcome::HeartbeatHeard).sighted(RIVAL, SightingKind::Heartbeat);
        rows.push(if action == Action::Answer { bare.told(EventKind::Conflict, RIVAL) } else { bare });
        for (family, frame) in [("ARP", with_tag(&arp_reply(RIVAL), RIVAL_NODE)), ("ND", reply.clone())] {
            let case = Case::new(format!("{family} heartbeat heard, {name}"), frame).action(action);
            let case = case.dropped(Outcome::HeartbeatHeard).sighted(RIVAL, SightingKind::Heartbeat);
            rows.push(case.by(rival, RIVAL));
        }
    }
    rows.push(Case::new("ARP heartbeat answered by ourselves", arp_reply(OURS)).passed(Outcome::OwnEcho));
    for (family, frame) in [
        ("ARP", with_tag(&arp_reply(RIVAL), OUR_NODE)),
        ("ND", advertisement(OURS, CLIENT6, SOLICITED | OVERRIDE, &pulse(2, RIVAL, OUR_NODE))),
    ] {
        let case = Case::new(format!("{family} heartbeat answered by ourselves over another interface"), frame);
        rows.push(case.ourselves(RIVAL).passed(Outcome::OwnEcho));
    }
    for (family, frame) in [
        ("ARP", with_numbers(&arp_reply(RIVAL), [RIVAL_NODE, GENERATION, ASKED_NS | ALIVE, 0])),
        ("ND", advertisement(OURS, CLIENT6, SOLICITED, &alive_option())),
    ] {
        let case = Case::new(format!("{family} answer of a node that is there"), frame.clone());
        let only_heard = case.dropped(Outcome::HeartbeatHeard).heard(rival, RIVAL);
        rows.push(only_heard.expect(|observed| observed.peers.values_mut().for_each(|(.., answers)| *answers = true)));
    }
    for (family, frame) in [
        ("ARP", with_numbers(&arp_reply(RIVAL), [RIVAL_NODE, GENERATION, (ALIVE - 1) & !STATEMENT, 0])),
        ("ND", advertisement(OURS, CLIENT6, SOLICITED, &later_option())),
    ] {
        rows.push(
            Case::new(format!("{family} answer to a question of tomorrow"), frame).passed(Outcome::AnsweredNothing),
        );
    }
    let unsolicited = advertisement(OURS, CLIENT6, OVERRIDE, &pulse(2, RIVAL, RIVAL_NODE));
    let claim = Case::new("ND tag in an unsolicited advertisement", unsolicited).action(Action::Observe);
    let claim = claim.passed(Outcome::Claimed).sighted(RIVAL, SightingKind::Claim).told(EventKind::Claim, RIVAL);
    rows.push(claim.by(rival, RIVAL));
    let ethernet = (Mac::ALL_NODES, RIVAL);
    let to_all = neighbor(ethernet, (VIP6, NOBODY6), (136, SOLICITED), VIP6, &pulse(2, RIVAL, RIVAL_NODE));
    let to_all = Case::new("ND tag in a solicited advertisement to all", to_all).action(Action::Observe);
    rows.push(to_all.passed(Outcome::Claimed).sighted(RIVAL, SightingKind::Reply).by(rival, RIVAL));
    rows
}
