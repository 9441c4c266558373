//! What an owner does about somebody else who speaks for its address: it asks, then defends the address or yields.
//!
//! Of two owners the one with the newer order has the address, and of one order the one that comes first in it. Both see it the same
//! way, so never do both let go. Where one of them does not know its order, the better one by the other's order has it once
//! it claims.

use arpeggio_common::{abi::SightingKind, model::NodeId};

use super::{
    super::{Answer, Cause, Effect, Happened, Observation},
    Age, MS, State, Tenure,
    turn::{STRANGER_NS, Turn},
};

/// Another owner is told again that the address is ours at most this often: one round of its claims has two frames.
const DEFENCE_NS: u64 = 30 * MS;
/// Defences in a row that another candidate may ignore before it is believed to know better, where orders cannot be compared.
const DEFENCES: u8 = 2;
/// Defences further apart than this are not in a row.
const DEFENCE_ROW_NS: u64 = 5_000 * MS;
/// Clients are called back twice as late each time in a row, up to so many times: the other one may hear that and call them back itself.
const CALLS: u8 = 6;

impl Turn<'_> {
    /// Somebody else speaks for what this node owns.
    pub(super) fn rival(&mut self, tenure: Tenure, seen: Observation) {
        let now_ns = self.context.now_ns;
        if seen.at_ns <= tenure.heard_ns {
            return;
        }
        let Some(node) = seen.voice.node else {
            if tenure.stranger_ns.is_none_or(|at| now_ns.saturating_sub(at) >= STRANGER_NS) {
                self.machine.state = State::Owner(Tenure { stranger_ns: Some(now_ns), ..tenure });
                self.effects.push(Effect::Defend(self.context.place));
                self.report(Happened::AddressConflict, Cause::Stranger, Some(seen.voice), None);
            }
            return;
        };
        // Answers to our questions are told by themselves.
        if seen.kind == SightingKind::Heartbeat {
            return;
        }
        // The second frame of a round, or the same claim on its way twice.
        let elapsed = tenure.defended_ns.map(|at| now_ns.saturating_sub(at));
        if elapsed.is_none_or(|elapsed| elapsed >= DEFENCE_NS) || self.comes_first(node, seen.generation) {
            self.ask_rival(seen);
        }
    }

    /// Whether a rival has the address before this node, if both own it.
    fn comes_first(&self, node: NodeId, generation: u64) -> bool {
        match self.context.age(generation) {
            Age::Newer => true,
            Age::Older => false,
            Age::Same | Age::Unknown => self.context.outranks(node),
        }
    }

    /// Another owner answered.
    pub(super) fn contest(&mut self, tenure: Tenure, answer: Answer) {
        let context = self.context;
        let Some(node) = answer.voice.node else { return };
        let test = self.machine.test.filter(|test| test.rival.node == Some(node));
        // It may have become deaf after an earlier answer.
        let asked_ns = test.map_or(self.machine.since_ns + 1, |test| test.asked_ns);
        if answer.asked_ns < asked_ns {
            return;
        }
        let claims = test.is_some_and(|test| test.claims);
        let elapsed = tenure.defended_ns.map(|at| context.now_ns.saturating_sub(at));
        let row = if elapsed.is_some_and(|elapsed| elapsed < DEFENCE_ROW_NS) { tenure.defences } else { 0 };
        let cause = match context.age(answer.generation) {
            Age::Newer => Some(Cause::NewerOrder),
            Age::Older => None,
            Age::Same => context.outranks(node).then_some(Cause::Outranked),
            Age::Unknown if !claims => None,
            Age::Unknown if context.outranks(node) => Some(Cause::Outranked),
            Age::Unknown => (row >= DEFENCES).then_some(Cause::Unheeded),
        };
        if let Some(cause) = cause {
            return self.follow(answer.voice, answer.generation, cause);
        }
        if test.is_some() {
            self.machine.test = None;
        }
        if elapsed.is_some_and(|elapsed| elapsed < DEFENCE_NS) {
            return;
        }
        let defences = row.saturating_add(u8::from(claims));
        self.machine.state = State::Owner(Tenure { defences, calls: 0, defended_ns: Some(context.now_ns), ..tenure });
        // Clients may hear the rival's claims last: so all rounds are sent, and it is told even where those do not arrive.
        self.effects.push(Effect::Claim(context.place));
        self.effects.push(Effect::Inform(context.place, answer.voice.mac));
    }

    /// Nobody answered in time: clients that heard the claim are called back.
    pub(super) fn call_back(&mut self, tenure: Tenure) {
        let now_ns = self.context.now_ns;
        let elapsed_ns = tenure.defended_ns.map_or(u64::MAX, |at| now_ns.saturating_sub(at));
        if elapsed_ns < DEFENCE_NS << tenure.calls {
            return;
        }
        let calls = if elapsed_ns < DEFENCE_ROW_NS { tenure.calls.saturating_add(1).min(CALLS) } else { 0 };
        self.machine.state = State::Owner(Tenure { defended_ns: Some(now_ns), calls, ..tenure });
        self.effects.push(Effect::Defend(self.context.place));
    }
}
