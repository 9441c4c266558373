//! Tags with proofs: what counts when the speakers share a key.

use arpeggio_common::{
    abi::{Action, EventKind, Keys, NodeId, Outcome, SightingKind},
    wire::{Key, Mac, Nonce, Purpose, Statement, proof},
};

use crate::{
    case::{Case, Counts, KEY4},
    frames::{
        ALL_NODES6, ASKED_NS, CLIENT6, GENERATION, Numbers, OUR_NODE, OURS, OVERRIDE, REPLY, REQUEST, RIVAL,
        SOLICITATION, SOLICITED, STATEMENT, VIP4, VIP6, ZERO4, advertisement, arp, link_option, neighbor, our_node,
        rival_node, summed, tag_option_of, with, with_numbers,
    },
};

const PRESENT: [u8; 16] = [1; 16];
const NEXT: [u8; 16] = [2; 16];
const FOREIGN: [u8; 16] = [3; 16];

const ANSWERED: Counts = Counts { requests: 0, replies: 1, suppressed: 0, heartbeats: 1, claims: 0 };

fn keys(keys: &[[u8; 16]], unproven: bool) -> Keys {
    let keys: Vec<Key> = keys.iter().map(|bytes| Key::from_bytes(*bytes)).collect();
    Keys::new(&keys, unproven)
}

/// What the rival says about our address, proven with `key`; `asker`: the node that it answers.
fn signed(purpose: Purpose, key: Option<[u8; 16]>, address: [u8; 16], asker: Option<NodeId>) -> Numbers {
    signed_as((rival_node(), asker), purpose, key, address)
}

/// The same, in the name of any node: the first of the two.
fn signed_as(
    (node, asker): (NodeId, Option<NodeId>),
    purpose: Purpose,
    key: Option<[u8; 16]>,
    address: [u8; 16],
) -> Numbers {
    let nonce = if purpose == Purpose::Claim { ASKED_NS | STATEMENT } else { ASKED_NS };
    let statement = Statement::new((purpose, RIVAL), (node, asker), address, GENERATION, Nonce::from_number(nonce));
    let proof = key.map_or(0, |key| proof(&Key::from_bytes(key), &statement));
    [node.number(), GENERATION, nonce, proof]
}

/// The rival's heartbeat in both families, with these proofs.
fn heartbeats(key: Option<[u8; 16]>) -> [(&'static str, Vec<u8>, [u8; 16]); 2] {
    let question = arp((OURS, RIVAL), REQUEST, (RIVAL, ZERO4), (Mac::ZERO, VIP4));
    let wide = KEY4.widen().address();
    let option = [link_option(1, RIVAL), tag_option_of(signed(Purpose::Question, key, VIP6, None))].concat();
    [
        ("ARP", with_numbers(&question, signed(Purpose::Question, key, wide, None)), wide),
        ("ND", neighbor((OURS, RIVAL), (CLIENT6, VIP6), (SOLICITATION, 0), VIP6, &option), VIP6),
    ]
}

/// Our answer to it, proven with `key`.
fn answer(family: &str, address: [u8; 16], key: Option<[u8; 16]>) -> Vec<u8> {
    let asked = (our_node(), Some(rival_node()));
    let statement = Statement::new((Purpose::Answer, OURS), asked, address, 0, Nonce::question(ASKED_NS));
    let proof = key.map_or(0, |key| proof(&Key::from_bytes(key), &statement));
    let numbers = [OUR_NODE, 0, ASKED_NS, proof];
    if family == "ARP" {
        with_numbers(&arp((RIVAL, OURS), REPLY, (OURS, VIP4), (RIVAL, ZERO4)), numbers)
    } else {
        let option = [link_option(2, OURS), tag_option_of(numbers)].concat();
        summed(neighbor((RIVAL, OURS), (VIP6, CLIENT6), (136, SOLICITED | OVERRIDE), VIP6, &option))
    }
}

pub(super) fn questions() -> Vec<Case> {
    let rival = rival_node();
    let mut rows = Vec::new();
    let ring = [
        ("without a key", keys(&[], false), None),
        ("with a key", keys(&[PRESENT], false), Some(PRESENT)),
        ("with two keys", keys(&[PRESENT, NEXT], false), Some(PRESENT)),
        ("with a key that not all have", keys(&[PRESENT], true), Some(PRESENT)),
    ];
    for (how, keys, signing) in ring {
        for (proven, by) in [
            ("no proof", None),
            ("the present key", Some(PRESENT)),
            ("the next key", Some(NEXT)),
            ("a foreign key", Some(FOREIGN)),
        ] {
            let counts = match (keys.first(), by) {
                (None, _) | (Some(_), Some(PRESENT)) => true,
                (Some(_), Some(NEXT)) => keys.second().is_some(),
                (Some(_), None) => keys.accepts_unproven(),
                (Some(_), Some(_)) => false,
            };
            for (family, frame, address) in heartbeats(by) {
                let case = Case::new(format!("{family} heartbeat by {proven}, {how}"), frame.clone());
                let case = case.world(|world| world.keys = keys);
                rows.push(if counts {
                    case.counted(ANSWERED).heard(rival, RIVAL).transmitted(answer(family, address, signing))
                } else {
                    // A standby of nobody's is a client: a speaker that has another key learns who has the address.
                    case.action(Action::Observe).passed(Outcome::Observed)
                });
            }
        }
    }
    rows
}

pub(super) fn statements() -> Vec<Case> {
    let rival = rival_node();
    let (wide, option) = (KEY4.widen().address(), |numbers| [link_option(2, RIVAL), tag_option_of(numbers)].concat());
    let claim = arp((Mac::BROADCAST, RIVAL), REQUEST, (RIVAL, VIP4), (Mac::ZERO, VIP4));
    let reply = arp((OURS, RIVAL), REPLY, (RIVAL, VIP4), (OURS, ZERO4));
    let claims_of = |node, key| {
        let said = |address| signed_as((node, None), Purpose::Claim, key, address);
        [with_numbers(&claim, said(wide)), advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, &option(said(VIP6)))]
    };
    let (claims, own_claims) = (|key| claims_of(rival, key), |key| claims_of(our_node(), key));
    let answers = |key, asker| {
        [
            with_numbers(&reply, signed(Purpose::Answer, key, wide, asker)),
            advertisement(OURS, CLIENT6, SOLICITED, &option(signed(Purpose::Answer, key, VIP6, asker))),
        ]
    };
    let keyed = |name: String, frame| Case::new(name, frame).world(|world| world.keys = keys(&[PRESENT, NEXT], false));
    let mut rows = Vec::new();
    let conflict =
        |case: Case, kind| case.passed(Outcome::Conflict).sighted(RIVAL, kind).told(EventKind::Conflict, RIVAL);
    for (nth, family) in ["ARP", "ND"].into_iter().enumerate() {
        for key in [PRESENT, NEXT] {
            let case = keyed(format!("{family} claim by key {}", key[0]), claims(Some(key))[nth].clone());
            rows.push(conflict(case, SightingKind::Claim).by(rival, RIVAL));
            let case =
                keyed(format!("{family} answer by key {}", key[0]), answers(Some(key), Some(our_node()))[nth].clone());
            let case = case.dropped(Outcome::HeartbeatHeard).sighted(RIVAL, SightingKind::Heartbeat);
            rows.push(case.by(rival, RIVAL));
        }
        for key in [None, Some(FOREIGN)] {
            let case = keyed(format!("{family} claim without the key, {key:?}"), claims(key)[nth].clone());
            rows.push(conflict(case, SightingKind::Claim));
        }
        // Our own name: another port of this node, or a machine of the same name; without the key anybody.
        for key in [Some(PRESENT), Some(NEXT), None, Some(FOREIGN)] {
            let case = keyed(format!("{family} claim in our name, {key:?}"), own_claims(key)[nth].clone());
            let knows = key == Some(PRESENT) || key == Some(NEXT);
            rows.push(if knows {
                case.ourselves(RIVAL).passed(Outcome::OwnEcho)
            } else {
                conflict(case, SightingKind::Claim)
            });
        }
        // The answer to another node's question, and a claim's proof under an answer, prove nothing.
        for (name, key, asker) in [
            ("to somebody else", Some(PRESENT), Some(rival)),
            ("to nobody", Some(PRESENT), None),
            ("by a foreign key", Some(FOREIGN), Some(our_node())),
            ("without a proof", None, Some(our_node())),
        ] {
            let case = keyed(format!("{family} answer {name}"), answers(key, asker)[nth].clone());
            let kind = if family == "ARP" { SightingKind::Heartbeat } else { SightingKind::Reply };
            let case = conflict(case, kind);
            rows.push(if family == "ARP" {
                // Kept from the kernel: it is to nobody's address.
                case.expect(|observed| observed.outcomes.clear()).dropped(Outcome::HeartbeatHeard)
            } else {
                case
            });
        }
        // Every number is proven.
        for at in 0..4 {
            let frame = claims(Some(PRESENT))[nth].clone();
            let tag = if family == "ARP" { 50 } else { 94 };
            let changed = with(frame.clone(), tag + 8 * at + 7, &[frame[tag + 8 * at + 7] ^ 1]);
            let changed = if family == "ARP" { changed } else { summed(changed) };
            let case = keyed(format!("{family} claim with another number {at}"), changed);
            rows.push(conflict(case, SightingKind::Claim));
        }
    }
    rows
}
