//! What one step does: every event in every state.

use arpeggio_common::{abi::ALL_BUCKETS, model::NodeId};

use super::{
    super::{Cause, Effect, Happened, Origin, Pace, Report, Role, To},
    Age, Context, Eager, FLAPS, MS, Machine, State, Strangers, Tenure, rank, turn,
};

/// Unanswered probes before a first claim (`PROBE_NUM`, RFC 5227 section 1.1).
const PROBES: u8 = 3;
/// A node without a sign of hearing, and one that waits for a stranger to go, asks again after this long.
const PATIENCE_NS: u64 = 1_000 * MS;
/// A stranger's address is tried again after this long, and defended at most this often (`DEFEND_INTERVAL`, RFC 5227).
pub(super) const STRANGER_NS: u64 = 10_000 * MS;
/// How long a node that is to lose an address waits for a successor at least, before it says that there is none.
const HANDOVER_NS: u64 = 2_000 * MS;
/// Those who are told by unicast of a takeover: where claims do not arrive everywhere, the next in line hear of it.
const INFORMED: usize = 4;
/// Those who are asked by unicast besides everybody …
const ASKED: usize = 4;
/// … and before a takeover, once: whichever of them has taken it meanwhile, orders have no more candidates.
const ASKED_LAST: usize = 8;

/// How long the last of so many candidates needs to find an owner silent and to take the address, if all others are dead: it beats
/// slowly if it is neither first nor second in line, and needs a sign that it hears.
pub(super) fn handover_ns(pace: Pace, candidates: usize) -> u64 {
    let interval_ns = if candidates > 3 { pace.slow_interval_ns() } else { pace.interval_ns() };
    let finding_ns = interval_ns * u64::from(pace.misses() + 1) + pace.reply_ns();
    let waiting_ns = pace.stagger_ns() * candidates as u64 + PATIENCE_NS;
    HANDOVER_NS.max(finding_ns + waiting_ns)
}

/// One step in the making.
pub(super) struct Turn<'a> {
    pub(super) machine: &'a mut Machine,
    pub(super) context: &'a Context<'a>,
    pub(super) effects: Vec<Effect>,
}

impl Turn<'_> {
    pub(super) fn enter(&mut self, state: State) {
        self.machine.state = state;
        self.machine.since_ns = self.context.now_ns;
        self.machine.test = None;
        self.machine.waited = false;
    }

    pub(super) fn report(&mut self, happened: Happened, cause: Cause, other: Option<Origin>, gap_ns: Option<u64>) {
        let buckets = if self.machine.owns() { ALL_BUCKETS } else { 0 };
        let (place, at_ns) = (self.context.place, self.context.now_ns);
        self.effects.push(Effect::Report(Report { place, at_ns, happened, cause, other, gap_ns, buckets }));
    }

    pub(super) fn ordered(&mut self, promoted: bool) {
        let context = self.context;
        self.remember(promoted);
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
            State::Standby { owner, generation, eager, .. } if self.wants_from(owner, generation) => {
                self.prefer(owner, eager.map_or(context.now_ns, |eager| eager.since_ns));
            }
            State::Asking { .. }
            | State::Standby { .. }
            | State::Waiting { .. }
            | State::Owner(_)
            | State::InUse { .. } => {}
        }
    }

    /// That an order puts this node first holds until it owns the address or is first no more, whatever it does meanwhile.
    fn remember(&mut self, promoted: bool) {
        let context = self.context;
        let machine = &mut *self.machine;
        machine.promoted |= promoted;
        if let State::Standby { generation, .. } = machine.state
            && machine.superseded
            && context.age(generation) != Age::Newer
        {
            // The owner had it by an order that never came here; the present one is not older than that.
            machine.superseded = false;
            machine.promoted = true;
        }
        machine.promoted &= context.rank() == Some(0) && !machine.owns();
    }

    /// Whether the owner is to lose it to this node.
    fn wants_from(&self, owner: Origin, generation: u64) -> bool {
        (self.machine.promoted || self.is_heir_of(owner)) && self.is_behind(generation)
    }

    /// Whether the owner may not have it any more, and this node comes first.
    fn is_heir_of(&self, owner: Origin) -> bool {
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
    fn ask(&mut self, stranger: Option<Origin>) {
        let pace = self.context.pace;
        let gap_ns = if self.machine.known { pace.interval_ns() } else { pace.probe_gap_ns() };
        let strangers = Strangers { known: stranger, found: None };
        self.enter(State::Asking { gap_ns, sent: 0, sure: false, due_ns: self.context.now_ns, strangers });
    }

    fn leave(&mut self, tenure: Tenure, cause: Cause) {
        let until_ns = Some(self.context.now_ns + handover_ns(self.context.pace, self.context.candidates.len()));
        let test = self.machine.test;
        self.enter(State::Leaving { tenure, cause, until_ns });
        self.effects.push(Effect::Set(self.context.place, Role::LEAVING));
        // A claim that was still to be sent would call the successors back.
        self.effects.push(Effect::Quiet(self.context.place));
        self.report(Happened::Leaving, cause, None, None);
        // Whoever claimed in this very moment was asked as a rival, and is the successor.
        if let Some(test) = test.filter(|test| test.claims) {
            self.ask_claimant(test.rival);
        }
    }

    /// Gives it up, if it is had, for another state.
    fn lose(&mut self, cause: Cause, other: Option<Origin>, next: State) {
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

    /// Another node has it, by an order of this generation.
    pub(super) fn follow(&mut self, owner: Origin, generation: u64, cause: Cause) {
        self.machine.known = true;
        self.machine.superseded |= self.context.age(generation) == Age::Newer;
        let place = self.context.place;
        // An owner that is no candidate leaves as soon as it hears of that, and one that has an older order than ours when it is told.
        let since_ns = self.context.now_ns;
        let due_ns = since_ns + if self.machine.promoted { self.context.pace.interval_ns() } else { PATIENCE_NS };
        let eager = self.wants_from(owner, generation).then_some(Eager { since_ns, due_ns });
        let standby = State::Standby { owner, generation, spare: None, eager };
        let next = if self.context.may_own() { standby } else { State::Out };
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

    fn take(&mut self, cause: Cause, from: Option<Origin>, last_ns: Option<u64>) {
        self.machine.known = true;
        self.machine.promoted = false;
        self.machine.superseded = false;
        let heard_ns = last_ns.unwrap_or(self.context.now_ns);
        self.enter(State::Owner(Tenure { heard_ns, ..Tenure::default() }));
        let place = self.context.place;
        self.effects.push(Effect::Set(place, Role::OWNER));
        self.effects.push(Effect::Claim(place));
        self.effects.push(Effect::Correct(place, ALL_BUCKETS));
        let others = self.context.peers.some(place.0, self.context.candidates, (0, INFORMED));
        let former = from.map(|from| from.mac).filter(|mac| !others.contains(mac));
        self.effects.extend(former.into_iter().chain(others).map(|mac| Effect::Inform(place, mac)));
        let gap_ns = last_ns.map(|last_ns| self.context.now_ns.saturating_sub(last_ns));
        self.report(Happened::Took, cause, from, gap_ns);
    }

    pub(super) fn silent(&mut self, last_ns: u64, heard: bool) {
        let State::Standby { owner, generation, spare, .. } = self.machine.state else { return };
        let context = self.context;
        if !heard && context.candidates.len() != 2 {
            return;
        }
        if let Some((spare, _)) = spare.filter(|(_, asked_ns)| *asked_ns > last_ns) {
            return self.follow(spare, generation, Cause::Answered);
        }
        let turn = self.my_turn(owner.node);
        if turn == 0 && self.machine.test.is_none() {
            return self.take(Cause::OwnerSilent, Some(owner), Some(last_ns));
        }
        let wait_ns = context.pace.stagger_ns() * turn as u64;
        // Somebody who claimed may be about to answer.
        let due_ns = context.now_ns + if turn == 0 { context.pace.reply_ns() } else { wait_ns };
        let test = self.machine.test;
        self.enter(State::Waiting { silent: owner, last_ns, confirmed: false, sure: false, due_ns });
        self.machine.test = test;
        self.report(Happened::Suspects, Cause::OwnerSilent, Some(owner), None);
    }

    /// How many others go first. Who lost it again and again goes behind all, if others are alive: else it is better than nobody.
    fn my_turn(&self, owner: Option<NodeId>) -> usize {
        let context = self.context;
        let before = turn(context.candidates, context.me, owner);
        let waits = self.machine.is_damped(context.now_ns) && context.others_live(owner);
        if waits { before + context.candidates.len() } else { before }
    }

    pub(super) fn alive(&mut self) {
        if let State::Waiting { silent, .. } = self.machine.state {
            self.enter(State::Standby { owner: silent, generation: 0, spare: None, eager: None });
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

    /// What it was left to says nothing: it is asked for again, now.
    pub(super) fn proxied(&mut self) {
        if let State::InUse { by, .. } = self.machine.state {
            self.ask(Some(by));
        }
    }

    pub(super) fn timer(&mut self) {
        let now_ns = self.context.now_ns;
        if let Some(test) = self.machine.test.filter(|test| test.due_ns <= now_ns) {
            self.look(test);
        }
        if self.machine.state_due_ns().is_none_or(|due_ns| due_ns > now_ns) {
            return;
        }
        match self.machine.state {
            State::Asking { gap_ns, sent, sure, strangers, .. } => {
                if !self.is_left_to(strangers) {
                    self.probe((gap_ns, strangers), sent, sure);
                }
            }
            State::Waiting { silent, last_ns, confirmed, sure: true, .. } => {
                if let Some(due_ns) = self.waits_for_answer() {
                    self.machine.state = State::Waiting { silent, last_ns, confirmed, sure: true, due_ns };
                    return;
                }
                self.take(Cause::OwnerSilent, Some(silent), Some(last_ns));
            }
            State::Waiting { silent, last_ns, confirmed, sure: false, .. } => {
                let context = self.context;
                let hears = context.hearing.since(self.machine.since_ns) || context.is_deserted(last_ns);
                // Those before it had their time; perhaps their claims were lost. Who is deaf need not ask.
                if hears || !confirmed {
                    self.ask_everybody((0, ASKED_LAST));
                }
                self.effects.push(Effect::Witness(context.place.0));
                let patience = if hears { context.pace.reply_ns() } else { context.pace.interval_ns() };
                let due_ns = context.now_ns + patience;
                self.machine.state = State::Waiting { silent, last_ns, confirmed: true, sure: hears, due_ns };
            }
            // Nobody can have it but this node: it goes on until somebody can.
            State::Leaving { tenure, cause, .. } if self.context.others_exist() => {
                self.machine.state = State::Leaving { tenure, cause, until_ns: None };
                self.report(Happened::Stays, Cause::NoSuccessor, None, None);
            }
            State::Leaving { cause, .. } => self.lose(cause, None, State::Out),
            State::InUse { by, .. } => self.ask(Some(by)),
            State::Standby { owner, eager: Some(eager), .. } => self.prefer(owner, eager.since_ns),
            State::Out | State::Standby { .. } | State::Owner(_) => {}
        }
    }

    /// One probe more, or the first claim. Who has asked enough and heard nothing at all keeps silent until it hears, and then
    /// asks once more: the answers to the others may be what it did not hear.
    fn probe(&mut self, (gap_ns, strangers): (u64, Strangers), sent: u8, sure: bool) {
        let context = self.context;
        let strangers = if let State::Asking { strangers, .. } = self.machine.state { strangers } else { strangers };
        let alone = context.is_alone() || context.is_deserted(self.machine.since_ns);
        let hears = alone || context.hearing.since(self.machine.since_ns);
        if sent >= PROBES && (sure || alone) {
            if let Some(due_ns) = self.waits_for_answer() {
                self.machine.state = State::Asking { gap_ns, sent, sure, due_ns, strangers };
                return;
            }
            return self.take(Cause::Unclaimed, None, None);
        }
        if sent < PROBES || hears {
            self.ask_everybody((usize::from(sent) * ASKED, ASKED));
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
        self.machine.state = State::Asking { gap_ns, sent, sure: hears, due_ns: context.now_ns + wait_ns, strangers };
    }

    /// A probe, and unicasts to so many candidates, from this one on: there are networks in which probes do not arrive everywhere.
    fn ask_everybody(&mut self, some: (usize, usize)) {
        let context = self.context;
        self.effects.push(Effect::Ask(context.place, To::All));
        let macs = context.peers.some(context.place.0, context.candidates, some);
        let ports = context.peers.beside(context.place.0).iter().copied();
        self.effects.extend(macs.into_iter().chain(ports).map(|mac| Effect::Ask(context.place, To::One(mac))));
    }

    /// The newest order puts this node first: it claims while the other still answers, once it is known to hear.
    fn prefer(&mut self, owner: Origin, since_ns: u64) {
        let context = self.context;
        let State::Standby { generation, spare, .. } = self.machine.state else { return };
        if context.rank() != Some(0) || !self.wants_from(owner, generation) {
            self.machine.state = State::Standby { owner, generation, spare, eager: None };
        } else if context.hearing.since(since_ns) && !self.machine.is_damped(context.now_ns) {
            self.take(Cause::Preferred, Some(owner), None);
        } else {
            // Until then nothing changes, however often it is looked at.
            let due_ns = (context.now_ns + context.pace.interval_ns()).max(self.machine.damped_until_ns());
            let eager = Some(Eager { since_ns, due_ns });
            self.machine.state = State::Standby { owner, generation, spare, eager };
        }
    }
}
