//! The world as the judge looks at it: who answers, and who could.

use std::collections::BTreeSet;

use arpeggio_common::{abi::Flags, model::Mode};
use arpeggio_succession::Role;

use crate::{
    frame::Address,
    kernel::Kernel,
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
    /// Of each station that is a port: whose, and which one of it.
    pub(crate) ports: &'a [(usize, usize)],
    /// Sets of stations that all hear each other.
    pub(crate) segments: &'a [Stations],
    /// The ports whose link is up.
    pub(crate) carriers: Stations,
    /// The ports that receive nothing.
    pub(crate) deaf: Stations,
    /// The ports that may not speak for addresses.
    pub(crate) unbound: Stations,
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

    /// Whose port it is, and which one of it.
    pub(crate) fn port(&self, station: Station) -> Option<(&Node, usize)> {
        let (node, port) = self.ports.get(station)?;
        Some((self.nodes.get(*node)?, *port))
    }

    fn kernel(&self, station: Station) -> Option<&Kernel> {
        let (node, port) = self.port(station)?;
        node.kernels.get(port)
    }

    /// The port of a node as a station.
    pub(crate) fn station(&self, node: usize, port: usize) -> Option<Station> {
        self.ports.iter().position(|of| *of == (node, port))
    }

    /// The ports of a node.
    pub(crate) fn ports_of(&self, node: usize) -> impl Iterator<Item = Station> {
        self.ports.iter().enumerate().filter(move |(_, (whose, _))| *whose == node).map(|(station, _)| station)
    }

    /// Whether a node of the segment answers only until a successor comes.
    pub(crate) fn leaves(&self, segment: Stations, address: Address) -> bool {
        members(segment).any(|station| self.is_leaving(station, address))
    }

    /// Whether all do that answer there.
    pub(crate) fn all_leave(&self, segment: Stations, address: Address) -> bool {
        members(segment).all(|station| self.shares(station, address) == 0 || self.is_leaving(station, address))
    }

    fn is_leaving(&self, station: Station, address: Address) -> bool {
        let leaves = |role: Role| role.flags.contains(Flags::EVACUATING);
        self.kernel(station).is_some_and(|kernel| kernel.entries[address].is_some_and(leaves))
    }

    /// The segment of a port, if somebody who asks is in it.
    pub(crate) fn reached(&self, station: Station) -> Option<Stations> {
        self.segments.iter().copied().find(|segment| segment & only(station) != 0 && segment & self.outside != 0)
    }

    /// The shares that a port answers now. What switches drop is no answer.
    pub(crate) fn shares(&self, station: Station, address: Address) -> u64 {
        let there = self.carriers & !self.unbound & only(station) != 0;
        let powered = self.port(station).is_some_and(|(node, _)| node.powered);
        let kernel = self.kernel(station).filter(|_| there && powered);
        kernel.map_or(0, |kernel| kernel.answers(address, self.now_ns))
    }

    /// The shares that are answered in a segment, and those that are answered twice by nodes whose agents run.
    pub(crate) fn union(&self, segment: Stations, shares: &[u64]) -> (u64, u64) {
        let (mut all, mut awake, mut twice) = (0, 0, 0);
        for (station, shares) in shares.iter().enumerate().filter(|(station, _)| segment & only(*station) != 0) {
            all |= shares;
            if self.port(station).is_some_and(|(node, _)| node.is_able()) {
                twice |= awake & shares;
                awake |= shares;
            }
        }
        (all, twice)
    }

    /// Whether somebody can ask there, and a node could answer. Shares that fall to a node whose agent is stopped wait for
    /// the end of its lease: to the others it is alive.
    pub(crate) fn could_answer(&self, segment: Stations, address: Address) -> bool {
        // Where nobody else says anything, a node needs another one to know that it hears, unless it is one of two. A program whose agent
        // does not run says nothing to who started since.
        let lives = |node: &Node| node.powered && self.now_ns < node.lease_until_ns();
        let alive = members(segment).filter_map(|station| self.ports.get(station)).map(|(node, _)| *node);
        let alive: BTreeSet<usize> = alive.filter(|node| self.nodes.get(*node).is_some_and(lives)).collect();
        let could = |(node, port): (&Node, usize)| {
            let order = node.told.orders[address].as_ref();
            let named = order.is_some_and(|order| order.candidates.contains(&node.id));
            let two = order.is_some_and(|order| order.candidates.len() <= 2);
            let able = node.is_able() && node.told.carriers[port] && !node.stands_by(port);
            let heard =
                |other: &Node| other.id != node.id && (other.is_awake() || node.kernels[port].has_heard(other.id));
            let others = || alive.iter().filter_map(|other| self.nodes.get(*other)).any(heard);
            named && (!self.silent || others() || two) && able && !node.told.evacuate
        };
        let stuck = |(node, _): (&Node, usize)| {
            let shared = node.told.orders[address].as_ref().is_some_and(|order| order.mode == Mode::Shared);
            shared && !node.is_awake() && node.powered && self.now_ns < node.lease_until_ns()
        };
        segment & self.outside != 0
            && !members(segment).any(|station| self.port(station).is_some_and(stuck))
            && members(segment & !self.unbound).any(|station| self.port(station).is_some_and(could))
    }
}

/// Whether an agent has anything to own or to stand by for.
pub(crate) fn is_wanted(node: &Node) -> bool {
    node.told.orders.iter().flatten().any(|order| order.candidates.contains(&node.id))
}
