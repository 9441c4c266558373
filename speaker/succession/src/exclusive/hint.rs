//! What is seen of others, and what they answer. A frame that nobody asked for only makes this node ask whoever it came from.

use std::cmp::Ordering;

use arpeggio_common::abi::SightingKind;

use super::{
    super::{Answer, Cause, Effect, Happened, Observation, Origin, To, generation},
    Age, FRESH, MS, State, Strangers, Test, rank,
    turn::{STRANGER_NS, Turn},
};

/// The answer of a rival is looked for after this long: on a local segment it is there by then. If not, once more when the
/// patience with an answer is over.
const LOOK_NS: u64 = MS;

impl Turn<'_> {
    /// Somebody was seen with it.
    pub(super) fn seen(&mut self, seen: Observation) {
        let since_ns = self.machine.since_ns;
        let claims = seen.kind == SightingKind::Claim;
        match self.machine.state {
            State::Owner(tenure) => self.rival(tenure, seen),
            State::Asking { .. } if seen.voice.node.is_none() => {
                if seen.at_ns >= since_ns {
                    self.stranger(seen.voice);
                }
            }
            // Strangers are the owner's to deal with, and answers to our questions are told by themselves.
            _ if seen.voice.node.is_none() || seen.kind == SightingKind::Heartbeat => {}
            State::Asking { .. } if seen.at_ns >= since_ns => self.ask_rival(seen),
            // A successor claims, or did just before this node was told to leave.
            State::Leaving { tenure, .. } if claims && seen.at_ns > tenure.heard_ns => self.ask_rival(seen),
            // The owner is asked all the time. What came before the silence was noticed has been told.
            State::Standby { owner, .. } if claims && seen.voice.mac != owner.mac && seen.at_ns > since_ns => {
                self.ask_rival(seen);
            }
            State::Waiting { silent, .. } if seen.voice.mac != silent.mac && seen.at_ns > since_ns => {
                self.ask_rival(seen);
            }
            State::InUse { .. } if claims => self.ask_rival(seen),
            State::Out
            | State::Asking { .. }
            | State::Leaving { .. }
            | State::Standby { .. }
            | State::Waiting { .. }
            | State::InUse { .. } => {}
        }
    }

    /// Whether it is so is asked of the node itself, once.
    pub(super) fn ask_rival(&mut self, seen: Observation) {
        // Its other frames say nothing new.
        if self.context.may_react && self.machine.test.is_none_or(|test| test.rival != seen.voice) {
            self.ask_for_proof(seen.voice, seen.kind == SightingKind::Claim);
        }
    }

    /// Somebody who claimed is asked once more: what it answered to the question before does not count any longer.
    pub(super) fn ask_claimant(&mut self, rival: Origin) {
        self.ask_for_proof(rival, true);
    }

    fn ask_for_proof(&mut self, rival: Origin, claims: bool) {
        let asked_ns = self.context.now_ns;
        self.machine.test = Some(Test { rival, claims, asked_ns, due_ns: asked_ns + LOOK_NS });
        self.effects.push(Effect::Ask(self.context.place, To::One(rival.mac)));
    }

    /// No answer was seen so far. An owner whose rival gives none calls the clients back that heard it.
    pub(super) fn look(&mut self, test: Test) {
        let end_ns = test.asked_ns + self.context.pace.reply_ns();
        if self.context.now_ns < end_ns {
            self.machine.test = Some(Test { due_ns: end_ns, ..test });
            return;
        }
        self.machine.test = None;
        if let State::Owner(tenure) = self.machine.state {
            self.call_back(tenure);
        } else if matches!(self.machine.state, State::Leaving { .. }) && self.is_strange_to(test) {
            self.follow(test.rival, 0, Cause::Succeeded);
        }
    }

    /// Whether a successor that claimed may take this node's question for a client's: without a key it knows the nodes of its order, and
    /// those that were in the one before. A successor that started later never answers who was dropped.
    fn is_strange_to(&self, test: Test) -> bool {
        let context = self.context;
        let is_candidate = test.rival.node.is_some_and(|node| rank(context.candidates, node).is_some());
        test.claims && is_candidate && !context.authenticated && context.rank().is_none()
    }

    /// Somebody who is no speaker uses an address that this node asks for.
    fn stranger(&mut self, by: Origin) {
        if let State::Asking { strangers, .. } = &mut self.machine.state {
            strangers.found = Some(by);
        }
    }

    /// Whether the address is left to the stranger that was found. One that speakers had is taken all the same, and defended.
    pub(super) fn is_left_to(&mut self, strangers: Strangers) -> bool {
        let Some(by) = strangers.found else { return false };
        let news = strangers.known != Some(by);
        if self.machine.known {
            if let State::Asking { strangers, .. } = &mut self.machine.state {
                *strangers = Strangers { known: Some(by), found: None };
            }
            if news {
                self.report(Happened::AddressConflict, Cause::Stranger, Some(by), None);
            }
            return false;
        }
        let retry_ns = self.context.now_ns + STRANGER_NS;
        self.enter(State::InUse { by, retry_ns });
        if news {
            self.report(Happened::AddressInUse, Cause::Stranger, Some(by), None);
        }
        true
    }

    /// Somebody answered a question of ours: it has the address.
    pub(super) fn answered(&mut self, answer: Answer) {
        let Answer { voice, asked_ns, generation } = answer;
        let since_ns = self.machine.since_ns;
        match self.machine.state {
            State::Owner(tenure) => self.contest(tenure, answer),
            State::Leaving { .. } if asked_ns >= since_ns => self.follow(voice, generation, Cause::Succeeded),
            State::Asking { .. } if asked_ns >= since_ns => self.follow(voice, generation, Cause::Answered),
            State::InUse { .. } => self.follow(voice, generation, Cause::Claimed),
            State::Standby { owner, .. } if voice.mac == owner.mac => self.owner_says(generation),
            State::Standby { owner, .. } if voice.node == owner.node => self.other_mac(voice, asked_ns),
            State::Standby { .. } if asked_ns > since_ns && self.replaces(answer) => {
                self.follow(voice, generation, Cause::Claimed);
            }
            State::Waiting { silent, last_ns, .. } if asked_ns > last_ns => {
                if voice.mac == silent.mac {
                    self.alive();
                } else {
                    self.follow(voice, generation, Cause::Answered);
                }
            }
            State::Out
            | State::Asking { .. }
            | State::Leaving { .. }
            | State::Standby { .. }
            | State::Waiting { .. } => {}
        }
    }

    /// The owner's order may be another one by now.
    fn owner_says(&mut self, says: u64) {
        if let State::Standby { generation, .. } = &mut self.machine.state {
            *generation = says;
        }
    }

    /// Nobody goes from one MAC of a node to another while the first one answers.
    fn other_mac(&mut self, voice: Origin, asked_ns: u64) {
        let alive = self.owner_is_fresh();
        if let State::Standby { spare, generation, .. } = &mut self.machine.state {
            *spare = Some((voice, asked_ns));
            let generation = *generation;
            if !alive {
                self.follow(voice, generation, Cause::Claimed);
            }
        }
    }

    fn owner_is_fresh(&self) -> bool {
        let context = self.context;
        let fresh_ns = FRESH * context.pace.interval_ns();
        context.owner_ns.is_some_and(|at_ns| context.now_ns.saturating_sub(at_ns) <= fresh_ns)
    }

    /// Whether another owner than the one that is followed is going to stay.
    fn replaces(&self, answer: Answer) -> bool {
        let State::Standby { owner, generation: of_owner, .. } = self.machine.state else { return false };
        let candidates = self.context.candidates;
        if !self.owner_is_fresh() {
            return true;
        }
        match generation::compare(answer.generation, of_owner) {
            None | Some(Ordering::Greater) => true,
            Some(Ordering::Less) => false,
            Some(Ordering::Equal) => {
                let position = |voice: Origin| voice.node.and_then(|node| rank(candidates, node)).unwrap_or(usize::MAX);
                position(answer.voice) < position(owner)
            }
        }
    }

    /// Whether somebody who claimed may still answer: who is about to take the address waits for that once.
    pub(super) fn waits_for_answer(&mut self) -> Option<u64> {
        let test = self.machine.test.filter(|_| !self.machine.waited)?;
        self.machine.waited = true;
        Some(test.asked_ns + self.context.pace.reply_ns()).filter(|end_ns| *end_ns > self.context.now_ns)
    }

    /// Whether the owner's order is older than ours, or the same.
    pub(super) fn is_behind(&self, generation: u64) -> bool {
        self.context.age(generation) != Age::Newer
    }
}
