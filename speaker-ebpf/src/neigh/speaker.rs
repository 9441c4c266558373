//! Who sent a frame: whether its tag counts, and what is noted of it.

use arpeggio_common::{
    abi::{NodeId, Peer, PeerKey},
    wire::{Key, Mac, Nonce, Purpose, Statement, Tag},
};

use super::{Place, prove::prove};
use crate::Tables;

/// Who speaks to us or for an address, as far as it can be believed. The numbers of its tag are zeros where it has none: the
/// verifier wants whatever is copied to be known.
#[repr(C, align(8))]
pub(super) struct Speaker {
    /// The node that its tag names; once it was [believed](Self::believe) or not, only if the tag counts.
    pub(super) node: Option<NodeId>,
    pub(super) generation: u64,
    pub(super) nonce: Nonce,
    proof: u64,
    pub(super) mac: Mac,
    /// Our own frame came back, by a loop.
    pub(super) is_us: bool,
    /// Our own node, with another MAC.
    pub(super) is_ourselves: bool,
}

impl Speaker {
    /// Whoever sends without a tag.
    #[inline(always)]
    pub(super) const fn untagged(mac: Mac) -> Self {
        let nonce = Nonce::from_number(0);
        Self { node: None, generation: 0, nonce, proof: 0, mac, is_us: false, is_ourselves: false }
    }

    /// Takes the tag of the frame, if it has one.
    #[inline(always)]
    pub(super) fn name(&mut self, tag: Option<Tag>) {
        if let Some(tag) = tag {
            (self.node, self.generation) = (Some(tag.node), tag.generation);
            (self.nonce, self.proof) = (tag.nonce, tag.proof);
        }
    }

    /// Keeps its tag, if it counts in a frame about the address of the place.
    #[inline(always)]
    pub(super) fn believe(&mut self, tables: &impl Tables, place: &Place, purpose: Purpose) {
        self.is_us = self.mac.0 == place.vip.mac();
        if self.node.is_none() {
            return;
        }
        let is_right = is_right(tables, place, self, purpose);
        if place.lease.node == self.node {
            // Anybody can write our name into a frame: a port that believed him would stand by for one that is elsewhere.
            self.is_ourselves = !self.is_us && is_right;
            self.node = None;
        } else if !is_right {
            self.node = None;
        }
    }

    /// Whether its tag is that of an answer, if it counts.
    #[inline(always)]
    pub(super) fn answers(&self) -> bool {
        self.node.is_some() && !self.nonce.is_statement()
    }

    /// Whether it asks for the node, not for an address.
    #[inline(always)]
    pub(super) fn asks_for_life(&self) -> bool {
        self.node.is_some() && self.nonce.asks_for_life()
    }

    /// Notes that the node is there; `answered`: it answers a question of this time.
    #[inline(always)]
    pub(super) fn hear(&self, tables: &impl Tables, ifindex: u32, answered: Option<Nonce>) {
        if self.node.is_some() && !self.is_us {
            note(tables, ifindex, self, answered.map_or(0, Nonce::at_ns));
        }
    }
}

/// Notes that its node was heard, and which question of ours it answered; 0: none. Not inlined: its parts are no burden on the stack
/// of those who go on with others.
#[inline(never)]
fn note(tables: &impl Tables, ifindex: u32, speaker: &Speaker, answered_ns: u64) {
    let Some(node) = speaker.node else { return };
    let mut heard = Peer::new(speaker.mac.0, tables.now_ns());
    if answered_ns != 0 {
        heard = heard.answering(answered_ns);
    }
    tables.hear(&PeerKey::new(ifindex, node), heard);
    tables.hear(&PeerKey::anybody(ifindex), heard);
}

/// Whether the proof is right; where none is asked for, whether it is our own name or the agent knows the node. Not inlined: clients have no tags.
#[inline(never)]
fn is_right(tables: &impl Tables, place: &Place, speaker: &Speaker, purpose: Purpose) -> bool {
    let Some(node) = speaker.node else { return false };
    let (key, us) = (&place.key, place.lease.node);
    let keys = tables.keys();
    if keys.first().is_none() || (keys.accepts_unproven() && speaker.proof == 0) {
        return us == Some(node) || tables.peer(&PeerKey::new(key.ifindex(), node)).is_some();
    }
    let asker = if matches!(purpose, Purpose::Answer) { us } else { None };
    let said = (purpose, speaker.mac);
    let statement = Statement::new(said, (node, asker), key.address(), speaker.generation, speaker.nonce);
    let is_proven = |key: Option<&Key>| match key {
        Some(key) => prove(key, &statement) == speaker.proof,
        None => false,
    };
    is_proven(keys.first()) || is_proven(keys.second())
}

/// The tag of our own answer to a node that asked with this nonce.
#[inline(never)]
pub(super) fn answering(tables: &impl Tables, place: &Place, (us, asker): (NodeId, NodeId), nonce: Nonce) -> Tag {
    let (key, generation) = (&place.key, place.vip.generation());
    let said = (Purpose::Answer, Mac(place.vip.mac()));
    let statement = Statement::new(said, (us, Some(asker)), key.address(), generation, nonce);
    let proof = match tables.keys().first() {
        Some(key) => prove(key, &statement),
        None => 0,
    };
    Tag { node: us, generation, nonce, proof }
}
