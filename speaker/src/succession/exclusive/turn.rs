//! What one step does: every event in every state.

use arpeggio_common::{
    abi::{ALL_BUCKETS, SightingKind},
    model::NodeId,
};

use super::{
    super::{Cause, Effect, Happened, Report, Role, Seen, To, Voice},
    Context, Eager, FLAPS, MS, Machine, State, Tenure, rank, turn,
};

/// Unanswered probes before a first claim (`PROBE_NUM`, RFC 5227 section 1.1).
const PROBES: u8 = 3;
/// A node without a sign of hearing, and one that waits for a stranger to go, asks again after this long.
const PATIENCE_NS: u64 = 1_000 * MS;
/// A stranger's address is tried again after this long, and defended at most this often (`DEFEND_INTERVAL`, RFC 5227).
pub(super) const STRANGER_NS: u64 = 10_000 * MS;
/// How long a node that is to lose an address waits for a successor.
pub(super) const HANDOVER_NS: u64 = 2_000 * MS;

/// One step in the making.
pub(super) struct Turn<'a> {
    pub(super) machine: &'a mut Machine,
    pub(super) context: &'a Context<'a>,
    pub(super) effects: Vec<Effect>,
}

impl Turn<'_> {
    fn enter(&mut self, state: State) {
        self.machine.state = state;
        self.machine.since_ns = self.context.now_ns;
    }

    pub(super) fn report(&mut self, happened: Happened, cause: Cause, other: Option<Voice>, gap_ns: Option<u64>) {
        let buckets = if self.machine.owns() { ALL_BUCKETS } else { 0 };
        let (place, at_ns) = (self.context.place, self.context.now_ns);
        self.effects.push(Effect::Report(Report { place, at_ns, happened, cause, other, gap_ns, buckets }));
    }

    pub(super) fn ordered(&mut self, promoted: bool) {
        let context = self.context;
        if !context.usable {
            return self.lose(Cause::LinkDown, None, State::Out);
        }
        if !context.may_own() {
            let cause = if context.evacuate { Cause::Succeeded } else { Cause::NotCandidate };
            return match self.machine.state {
                State::Owner(tenure) => self.leave(tenure, cause),
                State::Leaving { .. } => {}
                State::Out
                | State::Asking { .. }
                | State::Standby { .. }
                | State::Waiting { .. }
                | State::InUse { .. } => self.enter(State::Out),
            };
        }
        match self.machine.state {
            State::Out => self.ask(None),
            State::Leaving { tenure, .. } => {
                self.machine.state = State::Owner(tenure);
                self.effects.push(Effect::Set(context.place, Role::OWNER));
                // Somebody may own it by now whose claims were lost, and who could not find this node while it was leaving.
                self.effects.push(Effect::Defend(context.place));
            }
            // Of an owner that is no candidate any more it is known that it leaves: nobody has to find it silent first.
            State::Standby { owner, .. } if promoted || self.is_heir_of(owner) => self.prefer(owner, context.now_ns),
            State::Asking { .. }
            | State::Standby { .. }
            | State::Waiting { .. }
            | State::Owner(_)
            | State::InUse { .. } => {}
        }
    }

    /// Whether the owner may not have it any more, and this node comes first.
    fn is_heir_of(&self, owner: Voice) -> bool {
        let candidates = self.context.candidates;
        self.context.rank() == Some(0) && owner.node.is_none_or(|node| rank(candidates, node).is_none())
    }

    pub(super) fn adopted(&mut self) {
        self.machine.known = true;
        self.enter(State::Owner(Tenure { heard_ns: self.context.now_ns, ..Tenure::default() }));
        self.effects.push(Effect::Set(self.context.place, Role::OWNER));
        self.report(Happened::Took, Cause::Adopted, None, None);
    }

    /// Finds out who has it.
    fn ask(&mut self, stranger: Option<Voice>) {
        let pace = self.context.pace;
        let gap_ns = if self.machine.known { pace.interval_ns() } else { pace.probe_gap_ns() };
        self.enter(State::Asking { gap_ns, sent: 0, sure: false, due_ns: self.context.now_ns, stranger });
    }

    fn leave(&mut self, tenure: Tenure, cause: Cause) {
        let until_ns = self.context.now_ns + HANDOVER_NS;
        let tenure = Tenure { test: None, ..tenure };
        self.enter(State::Leaving { tenure, cause, until_ns });
        self.effects.push(Effect::Set(self.context.place, Role::LEAVING));
        // A claim that was still to be sent would call the successors back.
        self.effects.push(Effect::Quiet(self.context.place));
        self.report(Happened::Leaving, cause, None, None);
    }

    /// Gives it up, if it is had, for another state.
    fn lose(&mut self, cause: Cause, other: Option<Voice>, next: State) {
        if !self.machine.owns() {
            if self.machine.state != next {
                self.enter(next);
            }
            return;
        }
        let willing = matches!(cause, Cause::Succeeded | Cause::NoSuccessor | Cause::NotCandidate);
        self.enter(next);
        if !willing {
            self.machine.losses.rotate_left(1);
            self.machine.losses[FLAPS - 1] = self.context.now_ns;
        }
        self.effects.push(Effect::Set(self.context.place, Role::SILENT));
        self.effects.push(Effect::Quiet(self.context.place));
        self.report(Happened::Lost, cause, other, None);
    }

    /// Another node has it.
    pub(super) fn follow(&mut self, owner: Voice, cause: Cause) {
        self.machine.known = true;
        let place = self.context.place;
        // An owner that is no candidate leaves as soon as it hears of that.
        let since_ns = self.context.now_ns;
        let eager = self.is_heir_of(owner).then_some(Eager { since_ns, due_ns: since_ns + PATIENCE_NS });
        let next = if self.context.may_own() { State::Standby { owner, eager } } else { State::Out };
        if self.machine.owns() {
            self.lose(cause, Some(owner), next);
        } else if self.machine.watched().is_none_or(|before| before.mac != owner.mac) {
            self.enter(next);
            self.report(Happened::Follows, cause, Some(owner), None);
        } else {
            self.enter(next);
            return;
        }
        self.effects.push(Effect::Heal(place, owner.mac));
    }

    fn take(&mut self, cause: Cause, from: Option<Voice>, last_ns: Option<u64>) {
        self.machine.known = true;
        let heard_ns = last_ns.unwrap_or(self.context.now_ns);
        self.enter(State::Owner(Tenure { heard_ns, ..Tenure::default() }));
        let place = self.context.place;
        self.effects.push(Effect::Set(place, Role::OWNER));
        self.effects.push(Effect::Claim(place));
        self.effects.push(Effect::Correct(place, ALL_BUCKETS));
        let gap_ns = last_ns.map(|last_ns| self.context.now_ns.saturating_sub(last_ns));
        self.report(Happened::Took, cause, from, gap_ns);
    }

    pub(super) fn seen(&mut self, seen: Seen) {
        if seen.voice.node == Some(self.context.me) {
            // Our own other interface on the same segment.
            return;
        }
        match self.machine.state {
            State::Owner(tenure) => self.rival(tenure, seen),
            State::Leaving { .. } => {
                // A successor claims; whoever answers this node's questions has the address already.
                if seen.voice.node.is_some() && seen.kind != SightingKind::Reply && seen.at_ns >= self.machine.since_ns
                {
                    self.follow(seen.voice, Cause::Succeeded);
                }
            }
            State::Asking { .. } if seen.at_ns < self.machine.since_ns => {}
            State::Asking { stranger, .. } => {
                if seen.voice.node.is_some() {
                    self.follow(seen.voice, cause_of(seen.kind));
                } else {
                    let retry_ns = self.context.now_ns + STRANGER_NS;
                    self.enter(State::InUse { by: seen.voice, retry_ns });
                    if stranger != Some(seen.voice) {
                        self.report(Happened::AddressInUse, Cause::Stranger, Some(seen.voice), None);
                    }
                }
            }
            State::Standby { owner, .. } => {
                if self.is_another_claim(seen, owner) {
                    self.follow(seen.voice, Cause::Claimed);
                }
            }
            State::Waiting { silent, .. } => {
                // What came before the silence was noticed has been told; the kernel may keep a later frame of the same burst.
                if seen.voice.node.is_none() || seen.at_ns <= self.machine.since_ns {
                    // A stranger, or older than that.
                } else if seen.voice.mac == silent.mac {
                    self.alive();
                } else {
                    self.follow(seen.voice, cause_of(seen.kind));
                }
            }
            State::InUse { .. } => {
                if seen.voice.node.is_some() && seen.kind == SightingKind::Claim {
                    self.follow(seen.voice, Cause::Claimed);
                }
            }
            State::Out => {}
        }
    }

    /// Strangers are the owner's to deal with.
    fn is_another_claim(&self, seen: Seen, owner: Voice) -> bool {
        seen.kind == SightingKind::Claim
            && seen.voice.node.is_some()
            && seen.voice.mac != owner.mac
            && seen.at_ns > self.machine.since_ns
    }

    pub(super) fn silent(&mut self, last_ns: u64) {
        let State::Standby { owner, .. } = self.machine.state else { return };
        let context = self.context;
        let turn = self.my_turn(owner.node);
        if turn == 0 {
            return self.take(Cause::OwnerSilent, Some(owner), Some(last_ns));
        }
        let due_ns = context.now_ns + context.pace.stagger_ns() * turn as u64;
        self.enter(State::Waiting { silent: owner, last_ns, confirmed: false, sure: false, due_ns });
        self.report(Happened::Suspects, Cause::OwnerSilent, Some(owner), None);
    }

    /// How many others go first. Who lost it again and again goes behind all: nobody left means that it is its turn.
    fn my_turn(&self, owner: Option<NodeId>) -> usize {
        let context = self.context;
        let before = turn(context.candidates, context.me, owner);
        if self.machine.is_damped(context.now_ns) { before + context.candidates.len() } else { before }
    }

    pub(super) fn alive(&mut self) {
        if let State::Waiting { silent, .. } = self.machine.state {
            self.enter(State::Standby { owner: silent, eager: None });
            self.report(Happened::Follows, Cause::Answered, Some(silent), None);
        }
    }

    pub(super) fn lapsed(&mut self) {
        if self.machine.owns() {
            self.lose(Cause::LeaseLapsed, None, State::Out);
            if self.context.may_own() {
                self.ask(None);
            }
        }
    }

    pub(super) fn timer(&mut self) {
        match self.machine.state {
            State::Asking { gap_ns, sent, sure, stranger, .. } => self.probe((gap_ns, stranger), sent, sure),
            State::Waiting { silent, last_ns, sure: true, .. } => {
                self.take(Cause::OwnerSilent, Some(silent), Some(last_ns));
            }
            State::Waiting { silent, last_ns, confirmed, sure: false, .. } => {
                let context = self.context;
                let hears = context.hearing.since(self.machine.since_ns);
                // Those before it had their time; perhaps their claims were lost. Who is deaf need not ask.
                if hears || !confirmed {
                    self.effects.push(Effect::Ask(context.place, To::All));
                }
                self.effects.push(Effect::Witness(context.place.0));
                let patience = if hears { context.pace.reply_ns() } else { context.pace.interval_ns() };
                let due_ns = context.now_ns + patience;
                self.machine.state = State::Waiting { silent, last_ns, confirmed: true, sure: hears, due_ns };
            }
            State::Leaving { cause, .. } => {
                let cause = if cause == Cause::NotCandidate { cause } else { Cause::NoSuccessor };
                self.lose(cause, None, State::Out);
                if self.context.may_own() {
                    self.ask(None);
                }
            }
            State::InUse { by, .. } => self.ask(Some(by)),
            State::Standby { owner, eager: Some(eager) } => self.prefer(owner, eager.since_ns),
            State::Owner(tenure) => self.look(tenure),
            State::Out | State::Standby { .. } => {}
        }
    }

    /// One probe more, or the first claim. Who has asked enough and heard nothing at all keeps silent until it hears, and then
    /// asks once more: the answers to the others may be what it did not hear.
    fn probe(&mut self, (gap_ns, stranger): (u64, Option<Voice>), sent: u8, sure: bool) {
        let context = self.context;
        let alone = context.is_alone();
        let hears = alone || context.hearing.since(self.machine.since_ns);
        if sent >= PROBES && (sure || alone) {
            return self.take(Cause::Unclaimed, None, None);
        }
        if sent < PROBES || hears {
            self.effects.push(Effect::Ask(context.place, To::All));
        }
        if !alone {
            self.effects.push(Effect::Witness(context.place.0));
        }
        let sent = sent.saturating_add(1);
        let wait_ns = match sent {
            ..PROBES => gap_ns,
            _ if hears || sent == PROBES => gap_ns + context.pace.stagger_ns() * self.my_turn(None) as u64,
            _ => PATIENCE_NS,
        };
        self.machine.state = State::Asking { gap_ns, sent, sure: hears, due_ns: context.now_ns + wait_ns, stranger };
    }

    /// The newest order puts this node first: it claims while the other still answers, once it is known to hear.
    fn prefer(&mut self, owner: Voice, since_ns: u64) {
        let context = self.context;
        if context.rank() != Some(0) {
            self.machine.state = State::Standby { owner, eager: None };
        } else if context.hearing.since(since_ns) && !self.machine.is_damped(context.now_ns) {
            self.take(Cause::Preferred, Some(owner), None);
        } else {
            let due_ns = context.now_ns + context.pace.interval_ns();
            self.machine.state = State::Standby { owner, eager: Some(Eager { since_ns, due_ns }) };
        }
    }
}

/// Why whoever was seen like this is followed.
const fn cause_of(kind: SightingKind) -> Cause {
    match kind {
        SightingKind::Claim => Cause::Claimed,
        SightingKind::Reply | SightingKind::Heartbeat => Cause::Answered,
    }
}
