//! One address that has one owner: the state machine.
//!
//! ```text
//!            nobody answers                owner silent              my turn
//!   Asking ──────────────────► Owner ◄──────────────────── Waiting ◄────────── Standby
//!     │                          │ better one claims, answers ▲                   ▲
//!     └── somebody answers ──────┴────────────────────────────┴───────────────────┘
//! ```

mod rival;
mod turn;

use arpeggio_common::{abi::SightingKind, model::NodeId};

use self::turn::Turn;
use super::{Answer, Cause, Effect, Pace, Place, Seen, Standing, Voice, hearing::Hearing};

const MS: u64 = 1_000_000;

/// Lost so often …
const FLAPS: usize = 5;
/// … within this time: wait behind all others.
const FLAP_WINDOW_NS: u64 = 600_000 * MS;

/// What the machine sees of the rest of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) place: Place,
    pub(super) me: NodeId,
    pub(super) candidates: &'a [NodeId],
    pub(super) usable: bool,
    pub(super) evacuate: bool,
    pub(super) pace: Pace,
    pub(super) hearing: Hearing,
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

    /// Whether this node may want the address at all.
    fn may_own(&self) -> bool {
        self.usable && !self.evacuate && self.rank().is_some()
    }
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
    Seen(Seen),
    /// Somebody answered a question of ours for it.
    Answered(Answer),
    /// Its owner does not answer; it last did at this time.
    Silent { last_ns: u64 },
    /// Its owner answers again.
    Alive,
    /// Answering was not allowed for a while.
    LeaseLapsed,
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
        stranger: Option<Voice>,
    },
    Standby {
        owner: Voice,
        eager: Option<Eager>,
    },
    Waiting {
        silent: Voice,
        last_ns: u64,
        confirmed: bool,
        /// It asked when it was known to hear.
        sure: bool,
        due_ns: u64,
    },
    Owner(Tenure),
    Leaving {
        tenure: Tenure,
        cause: Cause,
        until_ns: u64,
    },
    InUse {
        by: Voice,
        retry_ns: u64,
    },
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
    stranger_ns: Option<u64>,
    test: Option<Test>,
}

/// A rival that this node is going to yield to, if it answers: whoever does not hear must not silence who does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Test {
    rival: Voice,
    cause: Cause,
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
}

impl Machine {
    pub(super) const fn new(now_ns: u64) -> Self {
        Self { state: State::Out, since_ns: now_ns, known: false, losses: [0; FLAPS] }
    }

    /// When it wants a [`Event::Timer`], monotonic nanoseconds.
    pub(super) const fn due_ns(&self) -> Option<u64> {
        match self.state {
            State::Asking { due_ns, .. } | State::Waiting { due_ns, .. } => Some(due_ns),
            State::Leaving { until_ns, .. } => Some(until_ns),
            State::InUse { retry_ns, .. } => Some(retry_ns),
            State::Standby { eager: Some(eager), .. } => Some(eager.due_ns),
            State::Owner(Tenure { test: Some(test), .. }) => Some(test.due_ns),
            State::Out | State::Standby { eager: None, .. } | State::Owner(_) => None,
        }
    }

    /// Whom to send heartbeats to.
    pub(super) const fn watched(&self) -> Option<Voice> {
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
    pub(super) const fn tested(&self) -> Option<(Voice, u64)> {
        if let State::Owner(Tenure { test: Some(test), .. }) = self.state {
            Some((test.rival, test.asked_ns))
        } else {
            None
        }
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
    pub(super) const fn owner(&self) -> Option<Voice> {
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
        let [oldest, ..] = self.losses;
        oldest != 0 && now_ns.saturating_sub(oldest) < FLAP_WINDOW_NS
    }

    /// One step. Pure: the same machine, event and context give the same machine and effects.
    pub(super) fn step(mut self, event: Event, context: &Context<'_>) -> (Self, Vec<Effect>) {
        let mut turn = Turn { machine: &mut self, context, effects: Vec::new() };
        match event {
            Event::Ordered { promoted } => turn.ordered(promoted),
            Event::Adopted => turn.adopted(),
            Event::Seen(seen) => turn.seen(seen),
            Event::Answered(Answer { voice, asked_ns, generation }) => {
                turn.seen(Seen { voice, kind: SightingKind::Heartbeat, at_ns: asked_ns, generation });
            }
            Event::Silent { last_ns } => turn.silent(last_ns),
            Event::Alive => turn.alive(),
            Event::LeaseLapsed => turn.lapsed(),
            Event::Timer => turn.timer(),
        }
        let effects = turn.effects;
        (self, effects)
    }
}

#[cfg(test)]
#[path = "exclusive_tests.rs"]
mod tests;
