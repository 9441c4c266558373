//! The world as the judge looks at it: who answers, and who could.

use arpeggio_common::{abi::Flags, model::Mode};

use crate::{
    frame::Address,
    node::Node,
    wire::{Station, Stations, members, only},
};

/// Something that must not be, and when it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Nanoseconds from the beginning.
    pub at_ns: u64,
    /// What and for how long.
    pub text: String,
}

/// The world as the judge looks at it.
pub(crate) struct Sight<'a> {
    /// All nodes.
    pub(crate) nodes: &'a [Node],
    /// Sets of stations that all hear each other.
    pub(crate) segments: &'a [Stations],
    /// Whether the link of each node is up.
    pub(crate) carriers: Stations,
    /// The stations that ask or answer for others: gateway and client.
    pub(crate) outside: Stations,
    /// Whether those say nothing.
    pub(crate) silent: bool,
    /// Monotonic nanoseconds.
    pub(crate) now_ns: u64,
}

impl Sight<'_> {
    pub(crate) fn wrong(&self, text: String) -> Violation {
        Violation { at_ns: self.now_ns, text }
    }

    /// Whether a node of the segment answers only until a successor comes.
    pub(crate) fn leaves(&self, segment: Stations, address: Address) -> bool {
        let leaves =
            |node: &Node| node.kernel.entries[address].is_some_and(|role| role.flags.contains(Flags::EVACUATING));
        members(segment).any(|station| self.nodes.get(station).is_some_and(leaves))
    }

    /// The segment of a node, if somebody who asks is in it.
    pub(crate) fn reached(&self, station: Station) -> Option<Stations> {
        self.segments.iter().copied().find(|segment| segment & only(station) != 0 && segment & self.outside != 0)
    }

    /// The shares that a node answers now.
    pub(crate) fn shares(&self, station: Station, address: Address) -> u64 {
        let node = &self.nodes[station];
        let there = node.powered && self.carriers & only(station) != 0;
        if there { node.kernel.answers(address, self.now_ns) } else { 0 }
    }

    /// The shares that are answered in a segment, and those that are answered twice by nodes whose agents run.
    pub(crate) fn union(&self, segment: Stations, shares: &[u64]) -> (u64, u64) {
        let (mut all, mut awake, mut twice) = (0, 0, 0);
        for (station, shares) in shares.iter().enumerate().filter(|(station, _)| segment & only(*station) != 0) {
            all |= shares;
            if self.nodes[station].is_able() {
                twice |= awake & shares;
                awake |= shares;
            }
        }
        (all, twice)
    }

    /// Whether somebody can ask there, and a node could answer. Shares that fall to a node whose agent is stopped wait for
    /// the end of its lease: to the others it is alive.
    pub(crate) fn could_answer(&self, segment: Stations, address: Address) -> bool {
        // Where nobody else says anything, a node needs another one to know that it hears, unless it is one of two.
        let lives = |node: &Node| node.powered && self.now_ns < node.kernel.lease_until_ns;
        let company = members(segment).filter(|station| self.nodes.get(*station).is_some_and(lives)).count() > 1;
        let could = |node: &Node| {
            let order = node.told.orders[address].as_ref();
            let named = order.is_some_and(|order| node.id().is_some_and(|id| order.candidates.contains(&id)));
            let two = order.is_some_and(|order| order.candidates.len() <= 2);
            named && (!self.silent || company || two) && node.is_able() && node.told.carrier && !node.told.evacuate
        };
        let stuck = |node: &Node| {
            let shared = node.told.orders[address].as_ref().is_some_and(|order| order.mode == Mode::Shared);
            shared && !node.is_awake() && node.powered && self.now_ns < node.kernel.lease_until_ns
        };
        segment & self.outside != 0
            && !members(segment).any(|station| self.nodes.get(station).is_some_and(stuck))
            && members(segment).any(|station| self.nodes.get(station).is_some_and(could))
    }
}

/// Whether an agent has anything to own or to stand by for.
pub(crate) fn is_wanted(node: &Node) -> bool {
    let Some(id) = node.id() else { return false };
    node.told.orders.iter().flatten().any(|order| order.candidates.contains(&id))
}
