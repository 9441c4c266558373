//! One address that has one owner: the state machine.
//!
//! ```text
//!            nobody answers                owner silent              my turn
//!   Asking ──────────────────► Owner ◄──────────────────── Waiting ◄────────── Standby
//!     │                          │ better one claims, answers ▲                   ▲
//!     └── somebody answers ──────┴────────────────────────────┴───────────────────┘
//! ```

mod hint;
mod rival;
mod turn;

use std::cmp::Ordering;

use arpeggio_common::model::NodeId;

use self::turn::Turn;
use super::{
    Answer, Cause, Effect, Observation, Origin, Pace, Place, Standing, generation, hearing::Hearing, peers::Peers,
};

const MS: u64 = 1_000_000;

/// Lost so often …
const FLAPS: usize = 5;
/// … within this time: wait behind all others.
const FLAP_WINDOW_NS: u64 = 600_000 * MS;
/// Of two candidates the one that hears nothing at all for this long, and for twice the time in which it finds an owner silent, takes
/// the address: there is nobody else who could, and nobody who could be harmed.
const SOLITUDE_NS: u64 = 1_000 * MS;
/// A node that answered longer ago may be gone: so many intervals.
const FRESH: u64 = 2;

/// What the machine sees of the rest of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) place: Place,
    pub(super) me: NodeId,
    pub(super) candidates: &'a [NodeId],
    /// Of the order.
    pub(super) generation: u64,
    pub(super) usable: bool,
    pub(super) evacuate: bool,
    pub(super) pace: Pace,
    pub(super) hearing: Hearing,
    /// The other nodes.
    pub(super) peers: &'a Peers,
    /// When the owner that is watched answered last, for whichever address.
    pub(super) owner_ns: Option<u64>,
    /// Whether this node may send something because of what others say.
    pub(super) may_react: bool,
    /// Whether speakers prove who they are: then each answers every other one.
    pub(super) authenticated: bool,
    pub(super) now_ns: u64,
}

impl Context<'_> {
    /// Position among the candidates.
    pub(super) fn rank(&self) -> Option<usize> {
        rank(self.candidates, self.me)
    }

    fn is_alone(&self) -> bool {
        self.candidates.iter().all(|node| *node == self.me)
    }

    /// Whether anybody at all is to have it.
    const fn others_exist(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// Whether this node may want the address at all.
    fn may_own(&self) -> bool {
        self.usable && !self.evacuate && self.rank().is_some()
    }

    /// Whether another candidate than this one is seen alive.
    fn others_live(&self, but: Option<NodeId>) -> bool {
        let others = self.candidates.iter().copied().filter(|node| *node != self.me && Some(*node) != but);
        let since_ns = self.now_ns.saturating_sub(self.pace.detection_ns() + self.pace.interval_ns());
        self.peers.lives(self.place.0, others, since_ns)
    }

    /// Whether this node is one of two, and nothing at all was heard since then for so long that it is alone.
    fn is_deserted(&self, since_ns: u64) -> bool {
        let alone_ns = solitude_ns(self.pace);
        self.candidates.len() == 2 && self.rank().is_some() && self.now_ns.saturating_sub(since_ns) >= alone_ns
    }

    /// How the sender's order stands to ours.
    fn age(&self, generation: u64) -> Age {
        match generation::compare(generation, self.generation) {
            None => Age::Unknown,
            Some(Ordering::Greater) => Age::Newer,
            Some(Ordering::Less) => Age::Older,
            Some(Ordering::Equal) => Age::Same,
        }
    }

    /// Whether a node comes before this one.
    fn outranks(&self, node: NodeId) -> bool {
        match (rank(self.candidates, node), self.rank()) {
            (Some(theirs), Some(ours)) => theirs < ours,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Another order of the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Older,
    Same,
    Newer,
    Unknown,
}

/// After how much silence of everybody one of two candidates believes that it is alone.
pub(super) fn solitude_ns(pace: Pace) -> u64 {
    SOLITUDE_NS.max(2 * pace.detection_ns())
}

/// Position of a node among candidates.
pub(super) fn rank(candidates: &[NodeId], node: NodeId) -> Option<usize> {
    candidates.iter().position(|candidate| *candidate == node)
}

/// How many candidates are before `me` when `owner` is gone.
pub(super) fn turn(candidates: &[NodeId], me: NodeId, owner: Option<NodeId>) -> usize {
    candidates.iter().take_while(|node| **node != me).filter(|node| Some(**node) != owner).count()
}

/// What happens to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The order, the interface or the wish to evacuate may have changed. `promoted`: this node is first and was not.
    Ordered { promoted: bool },
    /// The entry answers already.
    Adopted,
    /// Somebody was seen with it.
    Observation(Observation),
    /// Somebody answered a question of ours for it.
    Answered(Answer),
    /// Its owner does not answer; it last did at this time. `heard`: others were heard meanwhile.
    Silent { last_ns: u64, heard: bool },
    /// Its owner answers again.
    Alive,
    /// Answering was not allowed for a while.
    LeaseLapsed,
    /// The stranger that it was left to answers for every address.
    Proxied,
    /// The time that [`Machine::due`] named has come.
    Timer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Out,
    /// `sure`: the last probe went out when this node was known to hear.
    Asking {
        gap_ns: u64,
        sent: u8,
        sure: bool,
        due_ns: u64,
        strangers: Strangers,
    },
    /// `generation`: of the owner's order, as far as it said. `spare`: another MAC of the same node, and when it was asked.
    Standby {
        owner: Origin,
        generation: u64,
        spare: Option<(Origin, u64)>,
        eager: Option<Eager>,
    },
    Waiting {
        silent: Origin,
        last_ns: u64,
        confirmed: bool,
        /// It asked when it was known to hear.
        sure: bool,
        due_ns: u64,
    },
    Owner(Tenure),
    /// `until_ns`: when it is told that nobody has come; `None` when it was.
    Leaving {
        tenure: Tenure,
        cause: Cause,
        until_ns: Option<u64>,
    },
    InUse {
        by: Origin,
        retry_ns: u64,
    },
}

/// Who is no speaker and uses an address that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Strangers {
    /// It was known before.
    known: Option<Origin>,
    /// It was seen since. A speaker that has the address as well may answer a little later.
    found: Option<Origin>,
}

/// A standby that wants to be owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Eager {
    since_ns: u64,
    due_ns: u64,
}

/// What an owner remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tenure {
    /// What was seen before this is the former owner's: its last answer, or when this node took the address.
    heard_ns: u64,
    defences: u8,
    defended_ns: Option<u64>,
    /// Calls to its clients in a row, after claims of somebody who does not answer.
    calls: u8,
    stranger_ns: Option<u64>,
}

/// Somebody claimed the address and was asked for it: what it says counts when it answers. A frame can be forged, or be an old one,
/// and whoever does not hear must not silence who does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Test {
    rival: Origin,
    /// It said that the address is its own, to everybody.
    claims: bool,
    asked_ns: u64,
    due_ns: u64,
}

/// The machine of one address on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    state: State,
    since_ns: u64,
    /// This node knows that somebody had it: it is not fresh.
    known: bool,
    /// When it was lost against this node's will, oldest first.
    losses: [u64; FLAPS],
    /// An order put this node first, and it has not owned the address since.
    promoted: bool,
    /// The address went to a node with a newer order than ours.
    superseded: bool,
    /// Who was asked because of what it said.
    test: Option<Test>,
    /// A takeover waited for the answer of somebody who claimed; not again.
    waited: bool,
}

impl Machine {
    pub(super) const fn new(now_ns: u64) -> Self {
        Self {
            state: State::Out,
            since_ns: now_ns,
            known: false,
            losses: [0; FLAPS],
            promoted: false,
            superseded: false,
            test: None,
            waited: false,
        }
    }

    /// When it wants a [`Event::Timer`], monotonic nanoseconds.
    pub(super) fn due_ns(&self) -> Option<u64> {
        self.state_due_ns().into_iter().chain(self.test.map(|test| test.due_ns)).min()
    }

    const fn state_due_ns(&self) -> Option<u64> {
        match self.state {
            State::Asking { due_ns, .. } | State::Waiting { due_ns, .. } => Some(due_ns),
            State::Leaving { until_ns, .. } => until_ns,
            State::InUse { retry_ns, .. } => Some(retry_ns),
            State::Standby { eager: Some(eager), .. } => Some(eager.due_ns),
            State::Out | State::Standby { eager: None, .. } | State::Owner(_) => None,
        }
    }

    /// Whom to send heartbeats to.
    pub(super) const fn watched(&self) -> Option<Origin> {
        match self.state {
            State::Standby { owner, .. } => Some(owner),
            State::Waiting { silent, .. } => Some(silent),
            State::Out | State::Asking { .. } | State::Owner(_) | State::Leaving { .. } | State::InUse { .. } => None,
        }
    }

    /// Whether received frames have to be counted for it.
    pub(super) const fn wants_hearing(&self) -> bool {
        matches!(self.state, State::Asking { .. } | State::Waiting { .. } | State::Standby { eager: Some(_), .. })
    }

    /// Whether it may hear an answer to a probe of its own.
    pub(super) const fn wants_sighting(&self) -> bool {
        matches!(self.state, State::Asking { .. } | State::Waiting { confirmed: true, .. })
    }

    /// The rival that it asked, and when, if it waits for the answer.
    pub(super) fn tested(&self) -> Option<(Origin, u64)> {
        self.test.map(|test| (test.rival, test.asked_ns))
    }

    pub(super) const fn since_ns(&self) -> u64 {
        self.since_ns
    }

    pub(super) const fn standing(&self) -> Standing {
        match self.state {
            State::Out => Standing::Out,
            State::Asking { .. } => Standing::Asking,
            State::Standby { .. } => Standing::Standby,
            State::Waiting { .. } => Standing::Waiting,
            State::Owner(_) => Standing::Owner,
            State::Leaving { .. } => Standing::Leaving,
            State::InUse { .. } => Standing::InUse,
        }
    }

    /// The other node that has it, as far as is known.
    pub(super) const fn owner(&self) -> Option<Origin> {
        match self.state {
            State::InUse { by, .. } => Some(by),
            State::Out
            | State::Asking { .. }
            | State::Standby { .. }
            | State::Waiting { .. }
            | State::Owner(_)
            | State::Leaving { .. } => self.watched(),
        }
    }

    const fn owns(&self) -> bool {
        matches!(self.state, State::Owner(_) | State::Leaving { .. })
    }

    fn is_damped(&self, now_ns: u64) -> bool {
        now_ns < self.damped_until_ns()
    }

    /// 0 for one that was not damped.
    fn damped_until_ns(&self) -> u64 {
        let [oldest, ..] = self.losses;
        if oldest == 0 { 0 } else { oldest.saturating_add(FLAP_WINDOW_NS) }
    }

    /// One step. Pure: the same machine, event and context give the same machine and effects.
    pub(super) fn step(mut self, event: Event, context: &Context<'_>) -> (Self, Vec<Effect>) {
        let mut turn = Turn { machine: &mut self, context, effects: Vec::new() };
        match event {
            Event::Ordered { promoted } => turn.ordered(promoted),
            Event::Adopted => turn.adopted(),
            Event::Observation(seen) => turn.seen(seen),
            Event::Answered(answer) => turn.answered(answer),
            Event::Silent { last_ns, heard } => turn.silent(last_ns, heard),
            Event::Alive => turn.alive(),
            Event::LeaseLapsed => turn.lapsed(),
            Event::Proxied => turn.proxied(),
            Event::Timer => turn.timer(),
        }
        let effects = turn.effects;
        (self, effects)
    }
}

#[cfg(test)]
#[path = "exclusive_tests.rs"]
mod tests;
