//! The table, in groups. Every row names the frame and what must become of it.

mod arp;
mod claims;
mod entries;
mod heartbeats;
mod neighbor;
mod options;
mod ordinary;
mod proofs;
mod uses;

pub(crate) use entries::unknown_action;

use crate::{
    case::Case,
    frames::{CLIENT, CLIENT4, CLIENT6, OURS, VIP4, VIP6},
    oracle::{self, Answer},
};

/// Makes the rows of a group.
pub(crate) type Rows = fn() -> Vec<Case>;

/// The groups of rows; each is a test of every entry.
pub(crate) const GROUPS: [(&str, Rows); 24] = [
    ("arp_lengths", arp::lengths),
    ("arp_requests", arp::requests),
    ("arp_refused", arp::refused),
    ("arp_claims", claims::arp),
    ("tagged_claims", claims::tagged),
    ("odd_tags", claims::odd_tags),
    ("actions", entries::actions),
    ("lease", entries::lease),
    ("buckets", entries::buckets),
    ("heartbeats", heartbeats::rows),
    ("heartbeats_heard", heartbeats::heard),
    ("memory", entries::memory),
    ("ordinary", ordinary::rows),
    ("solicitations", neighbor::solicitations),
    ("duplicate_detection", neighbor::duplicate_detection_rows),
    ("neighbor_refused", neighbor::refused),
    ("neighbor_options", options::rows),
    ("neighbor_lengths", neighbor::lengths),
    ("advertisements", claims::advertisements),
    ("events", claims::events),
    ("proven_questions", proofs::questions),
    ("proven_statements", proofs::statements),
    ("uses", uses::rows),
    ("after_lease", uses::after_lease),
];

/// The rows of a group.
pub(crate) fn rows(group: &str) -> Vec<Case> {
    let found = GROUPS.iter().find(|(name, _)| *name == group);
    found.unwrap_or_else(|| panic!("there is no group {group}")).1()
}

/// All rows.
pub(crate) fn all() -> Vec<Case> {
    GROUPS.iter().flat_map(|(_, rows)| rows()).collect()
}

/// The reply that [`OURS`] has [`VIP4`], to the client.
fn arp_answer() -> Vec<u8> {
    oracle::write(&Answer::Arp { ethernet: (CLIENT, OURS), owner: (OURS, VIP4), asker: (CLIENT, CLIENT4) })
}

/// The advertisement that [`OURS`] has [`VIP6`], to the client, with a target link-layer option.
fn neighbor_answer() -> Vec<u8> {
    oracle::write(&advertised())
}

fn advertised() -> Answer {
    Answer::Neighbor {
        ethernet: (CLIENT, OURS),
        addresses: (VIP6, CLIENT6),
        solicited: true,
        overrides: true,
        target: VIP6,
        link: Some(OURS),
    }
}

/// `answer`, and behind it what stood there in `frame`.
fn over(frame: &[u8], answer: Vec<u8>) -> Vec<u8> {
    let rest = frame[answer.len()..].to_vec();
    [answer, rest].concat()
}
