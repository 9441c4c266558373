//! The words of the succession: what it is told, what it asks for and what it wants done.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::{
    abi::SightingKind,
    model::{Mode, NodeId},
    wire::Mac,
};

use super::{Pace, Role};

/// An address on one interface, by its index.
pub type Place = (u32, IpAddr);

/// Whoever spoke on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Its MAC.
    pub mac: Mac,
    /// Which node it is; `None` for a stranger: its frames carry no tag, or one that is not accepted.
    pub node: Option<NodeId>,
}

/// A device that answers for every address of one family on a segment: what it says about one of them means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proxy {
    /// Index of the interface that it was heard on.
    pub ifindex: u32,
    /// IPv4; else IPv6.
    pub ipv4: bool,
    /// Its MAC.
    pub mac: Mac,
}

/// Who may have one address, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which of several orders of the address: the greater one is the newer; 0 where that is not known.
    pub generation: u64,
    /// The first is the preferred owner.
    pub candidates: Arc<[NodeId]>,
    /// One owner, or all candidates share the clients.
    pub mode: Mode,
}

/// Everything this node may have, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Interfaces by index: whether frames can pass (carrier, and something answers there).
    pub usable: BTreeMap<u32, bool>,
    /// The order of every address on every interface it is announced on, whether or not this node is a candidate: a node
    /// that was taken out of an order hands over before it lets go. Addresses that nobody announces any more are not in here.
    pub places: BTreeMap<Place, Order>,
    /// Where another port of this node answers on the same segment, and its index.
    pub standing_by: BTreeMap<Place, u32>,
    /// How fast.
    pub pace: Pace,
    /// This node is to lose everything to others.
    pub evacuate: bool,
    /// The MACs of this machine, by interface: they are never strangers, whatever its frames say.
    pub own_macs: BTreeMap<u32, Mac>,
    /// Speakers prove who they are, with a key that they share: an [`Origin`] with a node is that node's.
    pub authenticated: bool,
    /// Devices whose answers mean nothing.
    pub proxies: BTreeSet<Proxy>,
}

impl Orders {
    /// Whether this node may answer there: frames can pass, and no other port of this node does it.
    pub fn is_usable(&self, place: Place) -> bool {
        self.usable.get(&place.0).copied().unwrap_or_default() && !self.standing_by.contains_key(&place)
    }

    /// Interfaces by index: whether this node may answer for anything there. Where all is left to other ports it says nothing.
    pub(super) fn ports(&self) -> BTreeMap<u32, bool> {
        let standing_by: BTreeSet<u32> = self.standing_by.keys().map(|(index, _)| *index).collect();
        let answers = |index: u32| self.places.keys().any(|place| place.0 == index && self.is_usable(*place));
        let may = |index: u32| !standing_by.contains(&index) || answers(index);
        self.usable.iter().map(|(index, usable)| (*index, *usable && may(*index))).collect()
    }
}

/// What somebody was seen doing with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The sender.
    pub voice: Origin,
    /// Claim, answer to somebody, or answer to us.
    pub kind: SightingKind,
    /// When, as stamped in the kernel, monotonic nanoseconds.
    pub at_ns: u64,
    /// Of the order that its sender follows; 0 where it did not say.
    pub generation: u64,
}

/// The last answer to a question of ours for an address. It repeats what was in the question, so an old frame that somebody
/// sends once more proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The sender.
    pub voice: Origin,
    /// When the question was sent, monotonic nanoseconds: the sender was there and answered for the address then or later.
    pub asked_ns: u64,
    /// Of the order that its sender follows; 0 where it did not say.
    pub generation: u64,
}

impl Answer {
    /// Whether it answers a question to everybody, see [`To::asked_ns`].
    pub const fn was_asked_of_all(&self) -> bool {
        self.asked_ns & 1 == 1
    }
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// What is wanted now, whole.
    Orders(Arc<Orders>),
    /// This entry answers already: an agent before this one put it there, and the lease never ended. To be told before the
    /// first orders.
    Adopt(Place),
    /// Somebody was seen with an address; from the events, or read because of a [`Question`].
    Observation(Place, Observation),
    /// Somebody answered a question of ours for an address; read because of a [`Question`].
    Answered(Place, Answer),
    /// When a node was heard last on an interface, and with which MAC.
    Peer {
        /// Index of the interface.
        ifindex: u32,
        /// Which node.
        node: NodeId,
        /// Its MAC there.
        mac: Mac,
        /// When it was heard last, whatever it sent, monotonic nanoseconds.
        at_ns: u64,
        /// When the last question was sent that it answered, whatever was asked, monotonic nanoseconds; 0 for none.
        answered_ns: u64,
    },
    /// How many frames the interface has received so far.
    Received(u32, u64),
    /// This could not be read. Nothing follows from what is not known: the next step only asks again.
    Unread(Question),
    /// Answering was not allowed for a while: others may have taken over.
    LeaseLapsed,
}

/// What has to be read before the next [`step`](super::Succession::step).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Who was seen with an address last, and who answered for it last: [`Input::Observation`], [`Input::Answered`].
    Sighting(Place),
    /// Every candidate that was heard on the interface: [`Input::Peer`].
    Peers(u32),
    /// The counter of received frames: [`Input::Received`].
    Received(u32),
}

/// To whom a question goes. It carries the time of the step that wanted it, which an answer repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// Everybody: a probe.
    All,
    /// Whoever has this MAC, for the address: a heartbeat.
    One(Mac),
    /// Whoever has this MAC: whether its program runs, with the address or without.
    Alive(Mac),
}

impl To {
    /// The time that a question asked now carries and its answer repeats: the next even number, and the odd one behind it where
    /// everybody is asked. Both may be asked in one turn, and the answer says which it belongs to.
    pub const fn asked_ns(self, now_ns: u64) -> u64 {
        let even = now_ns + (now_ns & 1);
        match self {
            Self::All => even + 1,
            Self::One(_) | Self::Alive(_) => even,
        }
    }
}

/// Something to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the entry.
    Set(Place, Role),
    /// Ask for the address.
    Ask(Place, To),
    /// Make the gateway or a witness send something: it is not known whether this interface hears anything.
    Witness(u32),
    /// Start the rounds of claims.
    Claim(Place),
    /// One round, now.
    Defend(Place),
    /// One claim, now, to this MAC only: there are networks in which claims do not arrive everywhere.
    Inform(Place, Mac),
    /// Drop the rounds that are left.
    Quiet(Place),
    /// Tell the clients that are known, those of these shares only, by unicast.
    Correct(Place, u64),
    /// For a minute, tell everybody who still sends traffic for the address to us that it has moved to this MAC.
    Heal(Place, Mac),
    /// For the log, the status and the flight recorder.
    Report(Report),
}

/// Why something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nobody answered three probes.
    Unclaimed,
    /// The owner's heartbeats went unanswered.
    OwnerSilent,
    /// The newest order puts this node first.
    Preferred,
    /// It was answered already when this agent started.
    Adopted,
    /// A candidate that ranks better claimed it, and answers.
    Outranked,
    /// Another candidate goes on claiming although it hears us.
    Unheeded,
    /// A successor claimed it from us, as wanted.
    Succeeded,
    /// No successor came in time.
    NoSuccessor,
    /// This node is no longer a candidate.
    NotCandidate,
    /// The interface lost its carrier, or nothing answers there.
    LinkDown,
    /// The agent was stopped for longer than its lease.
    LeaseLapsed,
    /// Another node claimed it from its owner.
    Claimed,
    /// Another node answered our question for it.
    Answered,
    /// Somebody who is no speaker has it.
    Stranger,
    /// The shares of clients were distributed anew.
    Shares,
    /// It follows a newer order.
    NewerOrder,
    /// Another machine has the name of this node.
    Twin,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happened {
    /// This node owns it now.
    Took,
    /// This node owns it no longer.
    Lost,
    /// This node waits for a successor.
    Leaving,
    /// This node was to lose it, and nobody else can have it: it goes on answering until somebody can.
    Stays,
    /// Another node is known to own it now.
    Follows,
    /// The owner does not answer; this node waits for its turn.
    Suspects,
    /// A stranger uses an address that this node owns.
    AddressConflict,
    /// A stranger uses an address that nobody owns: it is not claimed.
    AddressInUse,
    /// The shares of clients that this node answers are others.
    Shares,
    /// Another machine speaks in the name of this node.
    SameName,
}

/// One line of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which address, where.
    pub place: Place,
    /// When, monotonic nanoseconds.
    pub at_ns: u64,
    /// The change of ownership.
    pub happened: Happened,
    /// Its cause.
    pub cause: Cause,
    /// The other side.
    pub other: Option<Origin>,
    /// How long nobody was seen answering, in nanoseconds, where that is known: from the last answer of the silent owner.
    pub gap_ns: Option<u64>,
    /// The shares that this node answers now.
    pub buckets: u64,
}

/// What this node is for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Not to have it: no candidate, no carrier, or evacuated.
    Out,
    /// Asking the wire who has it.
    Asking,
    /// Watching the owner.
    Standby,
    /// The owner is silent; waiting for its turn.
    Waiting,
    /// Owns it.
    Owner,
    /// Owns it until a successor claims it.
    Leaving,
    /// A stranger has it.
    InUse,
    /// One of several that answer.
    Sharing,
}

/// Why a standby does nothing about an owner that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Doubt {
    /// Since when this interface hears nothing at all, monotonic nanoseconds: who hears nothing may be the one at fault.
    pub since_ns: u64,
}

/// One address as this node sees it, for status and explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// What this node is.
    pub standing: Standing,
    /// Its position among the candidates, from 0; `None` when it is none of them.
    pub rank: Option<usize>,
    /// The owner, if it is another node.
    pub owner: Option<Origin>,
    /// Since when it stands so, monotonic nanoseconds.
    pub since_ns: u64,
    /// When the owner answered a heartbeat last.
    pub heartbeat_ns: Option<u64>,
    /// The shares of clients that this node answers.
    pub buckets: u64,
    /// The owner is silent, and so is everybody else.
    pub doubt: Option<Doubt>,
    /// The owner answers heartbeats, but not what everybody is asked.
    pub unflooded: bool,
    /// This node owns it, and no other node answered anything since then, monotonic nanoseconds.
    pub unanswered: Option<u64>,
}

/// What to do now, and when to ask again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// In this order.
    pub effects: Vec<Effect>,
    /// Monotonic nanoseconds of the next step; `None` when only an input makes one necessary.
    pub next_ns: Option<u64>,
}
