//! What speakers ask each other, and what they answer.

use arpeggio_common::{
    abi::{Action, EventKind, Flags, Outcome, SightingKind, Vip},
    wire::Mac,
};

use super::{entries::questions, over};
use crate::{
    case::{Case, Counts, Lease, wide},
    frames::{
        CLIENT6, NOBODY6, OUR_NODE, OURS, OVERRIDE, REPLY, REQUEST, RIVAL, RIVAL_NODE, SOLICITATION, SOLICITED, VIP4,
        VIP6, VIP6_GROUP, VIP6_GROUP_MAC, ZERO4, advertisement, arp, neighbor, padded, pulse, rival_node, with_tag,
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
    \x60\x00\x00\x00\x00\x30\x3a\xff\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\
    \x88\x00\xa8\x5f\x60\x00\x00\x00\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \x02\x01\x02\x00\x00\x00\x00\x01\
    \x0e\x02ARPGIO\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x01";
/// 192.0.2.10 asked for by 02:00:00:00:00:03 with a tag, answered in the name of 0a0a0a0a0a0a0a01.
const GOLDEN_ARP_ANSWER: &[u8] = b"\x02\x00\x00\x00\x00\x03\x02\x00\x00\x00\x00\x01\x08\x06\
    \x00\x01\x08\x00\x06\x04\x00\x02\
    \x02\x00\x00\x00\x00\x01\xc0\x00\x02\x0a\
    \x02\x00\x00\x00\x00\x03\x00\x00\x00\x00\
    ARPEGIO\x01\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x01\x00\x00";

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
            case("after the lease").lease(Lease::In(-1)).passed(Outcome::LeaseOver),
            case("another address")
                .world(|world| (world.vips4, world.vips6) = Default::default())
                .passed(Outcome::ForeignTarget),
        ]);
    }
    for (name, frame, answer) in tagged(OUR_NODE) {
        // Over another interface of ours to the same segment: answered in our name, so that we know it again.
        rows.push(Case::new(format!("our own {name}"), frame).counted(ANSWERED).transmitted(answer));
    }
    let frame = padded(with_tag(&arp_probe(OURS), RIVAL_NODE), 64);
    let answer = over(&frame, GOLDEN_ARP_ANSWER.to_vec());
    let longer = Case::new("tagged ARP heartbeat, padded", frame);
    rows.push(longer.counted(ANSWERED).heard(rival, RIVAL).transmitted(answer));
    for (name, frame, answer) in questions() {
        rows.push(Case::new(format!("{name}, client while evacuating"), frame).entries(evacuating).answered(answer));
    }
    rows
}

/// Probes without a tag, or with something that is none.
fn untagged() -> Vec<Case> {
    let whole = with_tag(&arp_probe(OURS), RIVAL_NODE);
    let mut rows = Vec::new();
    let bare = Case::new("untagged ARP heartbeat", arp_probe(OURS));
    rows.push(bare.counted(ANSWERED).transmitted(arp_answer()));
    let refused = Case::new("untagged ARP heartbeat while evacuating", arp_probe(OURS)).entries(evacuating);
    rows.push(refused.counted(REFUSED).dropped(Outcome::HeartbeatRefused));
    for length in 42..60 {
        let frame = whole[..length].to_vec();
        let answer = over(&frame, arp_answer());
        let case = Case::new(format!("tagged ARP heartbeat cut to {length} bytes"), frame);
        rows.push(case.counted(ANSWERED).transmitted(answer));
    }
    for (name, frame) in [
        ("of zeros", [arp_probe(Mac::BROADCAST), vec![0; 18]].concat()),
        ("of something else", padded(arp_probe(Mac::BROADCAST), 60)),
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
        rows.push(bare.dropped(Outcome::HeartbeatHeard).sighted(RIVAL, SightingKind::Heartbeat));
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
        rows.push(case.passed(Outcome::OwnEcho));
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
