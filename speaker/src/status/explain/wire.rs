//! What came back when the segment was asked, the way its clients ask.

use std::net::IpAddr;

use arpeggio_common::{
    abi::bucket_of,
    model::{Mode, NodeId},
    wire::Mac,
};
use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, WireFacts};
use crate::status::parties::Party;

/// Who answered for an address on one interface, this node aside: it never hears itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Wire {
    /// It was asked.
    Asked {
        /// Who answered; may be nobody.
        answers: Vec<Party>,
        /// In Shared mode: whether this node, as the client it was, belongs to its own shares.
        own_share: Option<bool>,
    },
    /// It was not.
    NotAsked {
        /// Why not.
        reason: String,
    },
}

impl Wire {
    /// What was heard on an interface, with the names of those who are known there.
    pub(super) fn new(evidence: &Evidence, index: u32) -> Self {
        match evidence.wire.get(&index) {
            None => Self::NotAsked { reason: "the wire was not asked".to_owned() },
            Some(WireFacts::NotAsked(reason)) => Self::NotAsked { reason: reason.clone() },
            Some(WireFacts::Asked { at_ns, source, answers, .. }) => {
                let mut macs = answers.clone();
                // What came back to questions between speakers is kept from sockets, but not from the map.
                let sighting = evidence.facts.sightings.get(&(index, evidence.address));
                macs.extend(sighting.filter(|sighting| sighting.last_seen_ns() >= *at_ns).map(|s| Mac(s.mac())));
                // What answers for every address says nothing about this one; the chain names it.
                macs.retain(|mac| !evidence.proxies(index).any(|proxy| proxy == *mac));
                let names = &evidence.facts.names;
                let answers = macs.iter().map(|mac| Party::of(known(evidence, index, *mac), *mac, names)).collect();
                Self::Asked { answers, own_share: own_share(evidence, index, *source) }
            }
        }
    }

    /// Those who answered.
    pub(super) fn heard(&self) -> &[Party] {
        match self {
            Self::Asked { answers, .. } => answers,
            Self::NotAsked { .. } => &[],
        }
    }
}

/// Which node has this MAC on that interface.
fn known(evidence: &Evidence, index: u32, mac: Mac) -> Option<NodeId> {
    // Another interface of this node on the same segment.
    if evidence.facts.links.0.values().any(|link| link.mac == Some(mac)) {
        return evidence.facts.node.as_ref().map(NodeId::from);
    }
    let succession = evidence.facts.succession.as_ref();
    let peer = succession
        .and_then(|succession| succession.peers.iter().find(|peer| peer.ifindex == index && peer.mac == mac))
        .map(|peer| peer.node);
    let place = (index, evidence.address);
    let owner = || succession?.views.get(&place)?.owner.filter(|voice| voice.mac == mac)?.node;
    let seen = || evidence.facts.sightings.get(&place).filter(|sighting| sighting.mac() == mac.0)?.node();
    peer.or_else(owner).or_else(seen)
}

fn own_share(evidence: &Evidence, index: u32, source: Option<IpAddr>) -> Option<bool> {
    if evidence.announcement.as_ref()?.mode() != Mode::Shared {
        return None;
    }
    let entry = evidence.facts.entries.get(&(index, evidence.address))?;
    Some(entry.vip.serves(bucket_of(source?)))
}
