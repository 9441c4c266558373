//! One address whose clients the live candidates share: the state machine.
//!
//! The 64 shares go to the candidate that ranks highest for each among those alive (rendezvous hashing), so every share has
//! a succession of its own and the loss of a node moves only that node's shares. A node answers heartbeats only once it
//! answers clients: whoever hears it may let go of its shares.

use std::{collections::BTreeSet, net::IpAddr};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, BUCKETS, Flags},
    model::NodeId,
};

use super::{Cause, Effect, Happened, Pace, Report, Role, Standing, To, exclusive::Context};

/// Probes of a node that joins: the others hear of it, and it of them.
const PROBES: u8 = 3;

/// What happens to a shared address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The entry answers already.
    Adopted,
    /// The order, the interface or the wish to evacuate may have changed.
    Ordered,
    /// A candidate answers.
    Alive(NodeId),
    /// A candidate does not answer any more.
    Silent(NodeId),
    /// Answering was not allowed for a while.
    LeaseLapsed,
    /// The time that [`Machine::due_ns`] named has come.
    Timer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Out,
    Asking {
        sent: u8,
        due_ns: u64,
    },
    Sharing,
    /// `alone_ns`: when it was found that nobody else is there. `heard`: somebody who is to have it was heard since.
    Leaving {
        until_ns: u64,
        alone_ns: Option<u64>,
        heard: bool,
    },
}

/// The machine of one shared address on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    state: State,
    since_ns: u64,
    alive: BTreeSet<NodeId>,
    buckets: u64,
    /// The entry answers for shares that an agent before this one wrote: which is not known.
    adopted: bool,
}

impl Machine {
    pub(super) const fn new(now_ns: u64) -> Self {
        Self { state: State::Out, since_ns: now_ns, alive: BTreeSet::new(), buckets: 0, adopted: false }
    }

    pub(super) const fn due_ns(&self) -> Option<u64> {
        match self.state {
            State::Asking { due_ns, .. } => Some(due_ns),
            State::Leaving { until_ns, .. } => Some(until_ns),
            State::Out | State::Sharing => None,
        }
    }

    /// Whether the other candidates have to be watched.
    pub(super) const fn watches(&self) -> bool {
        matches!(self.state, State::Asking { .. } | State::Sharing | State::Leaving { .. })
    }

    /// Whether it answers without some of the candidates.
    pub(super) fn misses_some(&self, candidates: &[NodeId]) -> bool {
        // This node is one of them.
        let known = candidates.iter().filter(|node| self.alive.contains(*node)).count();
        self.state == State::Sharing && known + 1 < candidates.len()
    }

    pub(super) const fn standing(&self) -> Standing {
        match self.state {
            State::Out => Standing::Out,
            State::Asking { .. } => Standing::Asking,
            State::Sharing => Standing::Sharing,
            State::Leaving { .. } => Standing::Leaving,
        }
    }

    pub(super) const fn since_ns(&self) -> u64 {
        self.since_ns
    }

    pub(super) const fn buckets(&self) -> u64 {
        self.buckets
    }

    /// One step. Pure.
    pub(super) fn step(mut self, event: Event, context: &Context<'_>) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        match event {
            Event::Adopted => {
                // Which shares is not known; it goes on answering them until the others are known.
                self.buckets = ALL_BUCKETS;
                self.adopted = true;
                self.enter(State::Asking { sent: 0, due_ns: context.now_ns }, context);
            }
            Event::Ordered => self.ordered(context, &mut effects),
            Event::Alive(node) => {
                if self.alive.insert(node) {
                    self.share(context, &mut effects);
                }
            }
            Event::Silent(node) => {
                if self.alive.remove(&node) {
                    // What it sent until now says nothing of a later one.
                    if let State::Leaving { alone_ns: Some(alone_ns), .. } = &mut self.state {
                        *alone_ns = context.now_ns;
                    }
                    self.share(context, &mut effects);
                }
            }
            Event::LeaseLapsed => {
                if self.buckets != 0 {
                    // The watches go on: whom they believe alive is told only once.
                    self.stop(Cause::LeaseLapsed, context, &mut effects);
                    self.ordered(context, &mut effects);
                }
            }
            Event::Timer => self.timer(context, &mut effects),
        }
        (self, effects)
    }

    fn enter(&mut self, state: State, context: &Context<'_>) {
        self.state = state;
        self.since_ns = context.now_ns;
    }

    fn ordered(&mut self, context: &Context<'_>, effects: &mut Vec<Effect>) {
        let may = context.usable && !context.evacuate && context.rank().is_some();
        match self.state {
            State::Out if may => self.enter(State::Asking { sent: 0, due_ns: context.now_ns }, context),
            State::Leaving { .. } if may => {
                self.enter(State::Sharing, context);
                self.buckets = 0;
                self.share(context, effects);
            }
            State::Sharing if may => self.share(context, effects),
            _ if !context.usable => {
                self.alive.clear();
                self.stop(Cause::LinkDown, context, effects);
            }
            State::Sharing => {
                // The others take what is ours as soon as they find us silent, and nobody tells us: no longer than that.
                let until_ns = context.now_ns + context.pace.detection_ns();
                self.enter(State::Leaving { until_ns, alone_ns: None, heard: false }, context);
                let role = Role { action: Action::Answer, flags: Flags::EVACUATING, buckets: self.buckets };
                effects.push(Effect::Set(context.place, role));
                let cause = if context.evacuate { Cause::Succeeded } else { Cause::NotCandidate };
                effects.push(self.report(Happened::Leaving, cause, context));
            }
            State::Asking { .. } if !may => self.stop(Cause::NotCandidate, context, effects),
            State::Out | State::Asking { .. } | State::Leaving { .. } => {}
        }
    }

    fn stop(&mut self, cause: Cause, context: &Context<'_>, effects: &mut Vec<Effect>) {
        if self.state == State::Out {
            return;
        }
        self.enter(State::Out, context);
        if self.buckets != 0 {
            self.buckets = 0;
            effects.push(Effect::Set(context.place, Role::SILENT));
            effects.push(self.report(Happened::Lost, cause, context));
        }
    }

    fn timer(&mut self, context: &Context<'_>, effects: &mut Vec<Effect>) {
        match self.state {
            State::Asking { sent, .. } if sent >= PROBES => {
                self.enter(State::Sharing, context);
                self.share(context, effects);
            }
            State::Asking { sent, .. } => {
                effects.push(Effect::Ask(context.place, To::All));
                let ports = context.peers.beside(context.place.0).iter();
                effects.extend(ports.map(|mac| Effect::Ask(context.place, To::One(*mac))));
                let due_ns = context.now_ns + context.pace.probe_gap_ns();
                self.state = State::Asking { sent: sent + 1, due_ns };
            }
            // Nobody can take what is ours: it goes on until somebody can.
            State::Leaving { alone_ns, heard: false, .. }
                if self.alive.is_empty() && !context.candidates.is_empty() =>
            {
                let heard = alone_ns.is_some_and(|since_ns| is_strange_to_heirs(context, since_ns));
                let wait_ns = if heard { joining_ns(context.pace) } else { context.pace.detection_ns() };
                let (until_ns, since_ns) = (context.now_ns + wait_ns, alone_ns.unwrap_or(context.now_ns));
                self.state = State::Leaving { until_ns, alone_ns: Some(since_ns), heard };
                let gained = ALL_BUCKETS & !self.buckets;
                if gained != 0 {
                    self.buckets = ALL_BUCKETS;
                    let role = Role { action: Action::Answer, flags: Flags::EVACUATING, buckets: ALL_BUCKETS };
                    effects.extend([Effect::Set(context.place, role), Effect::Correct(context.place, gained)]);
                }
                if alone_ns.is_none() {
                    effects.push(self.report(Happened::Stays, Cause::NoSuccessor, context));
                }
            }
            State::Leaving { .. } => self.stop(Cause::Succeeded, context, effects),
            State::Out | State::Sharing => {}
        }
    }

    /// Answers for what is ours among those alive.
    fn share(&mut self, context: &Context<'_>, effects: &mut Vec<Effect>) {
        if self.state != State::Sharing {
            return;
        }
        let buckets = buckets(
            context.place.1,
            context.candidates,
            |node| node == context.me || self.alive.contains(&node),
            context.me,
        );
        if buckets == self.buckets && !self.adopted {
            return;
        }
        self.adopted = false;
        let gained = buckets & !self.buckets;
        self.buckets = buckets;
        effects.push(Effect::Set(context.place, Role { action: Action::Answer, flags: Flags::NONE, buckets }));
        if gained != 0 {
            effects.push(Effect::Correct(context.place, gained));
        }
        effects.push(self.report(Happened::Shares, Cause::Shares, context));
    }

    const fn report(&self, happened: Happened, cause: Cause, context: &Context<'_>) -> Effect {
        let (place, at_ns, buckets) = (context.place, context.now_ns, self.buckets);
        Effect::Report(Report { place, at_ns, happened, cause, other: None, gap_ns: None, buckets })
    }
}

/// Whether somebody was heard since then who is to have the address and may take this node's questions for a client's: without a key it
/// knows the nodes of its orders only, and whoever started after this one was dropped never answers it.
fn is_strange_to_heirs(context: &Context<'_>, since_ns: u64) -> bool {
    let heirs = context.candidates.iter().copied();
    let strange = !context.authenticated && context.rank().is_none();
    strange && context.peers.are_heard(context.place.0, heirs, since_ns)
}

/// How long a node that joins asks before it answers clients, and a little longer.
const fn joining_ns(pace: Pace) -> u64 {
    pace.probe_gap_ns() * PROBES as u64 + pace.interval_ns()
}

/// The shares of an address that `node` answers while those for whom `alive` says so are there.
pub fn buckets(address: IpAddr, candidates: &[NodeId], alive: impl Fn(NodeId) -> bool, node: NodeId) -> u64 {
    let salt = salt(address);
    (0..BUCKETS)
        .filter(|bucket| {
            let live = candidates.iter().filter(|candidate| alive(**candidate));
            live.max_by_key(|candidate| (candidate.rank(salt ^ u64::from(*bucket)), **candidate)) == Some(&node)
        })
        .fold(0, |mask, bucket| mask | 1 << bucket)
}

/// Different addresses spread differently. The low bits are left to the number of the share.
fn salt(address: IpAddr) -> u64 {
    let number = match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let [a, b] = [number >> 64, number].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or_default());
    (a.rotate_left(29) ^ b).wrapping_mul(u64::from(BUCKETS))
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
