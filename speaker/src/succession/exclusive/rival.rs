//! What an owner does about somebody else who speaks for its address: it defends the address, or yields to who answers it.

use arpeggio_common::abi::SightingKind;

use super::{
    super::{Cause, Effect, Happened, Seen, To, Voice},
    MS, State, Tenure, Test, rank,
    turn::{STRANGER_NS, Turn},
};

/// Claims of another candidate are defended against at most this often: one round of its claims has two frames.
const DEFENCE_NS: u64 = 30 * MS;
/// Defences in a row that another candidate may ignore before it is believed to know better, if it hears at all.
const DEFENCES: u8 = 2;
/// Defences further apart than this are not in a row.
const DEFENCE_ROW_NS: u64 = 5_000 * MS;
/// The answer of a rival is looked for after this long: on a local segment it is there by then. If not, once more when the
/// patience with an answer is over.
const LOOK_NS: u64 = MS;

impl Turn<'_> {
    /// Somebody else speaks for what this node owns.
    pub(super) fn rival(&mut self, tenure: Tenure, seen: Seen) {
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
        if let Some(test) = tenure.test
            && test.rival == seen.voice
        {
            // Its other frames say nothing new.
            if seen.kind == SightingKind::Heartbeat && seen.at_ns >= test.asked_ns {
                self.follow(test.rival, test.cause);
            }
            return;
        }
        let claims = seen.kind == SightingKind::Claim;
        let candidates = self.context.candidates;
        let outranked = match (rank(candidates, node), self.context.rank()) {
            (Some(theirs), Some(ours)) => theirs < ours,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if claims && outranked {
            return self.test(tenure, seen.voice, Cause::Outranked);
        }
        let elapsed = tenure.defended_ns.map(|at| now_ns.saturating_sub(at));
        if elapsed.is_some_and(|elapsed| elapsed < DEFENCE_NS) {
            return;
        }
        let row = if elapsed.is_some_and(|elapsed| elapsed < DEFENCE_ROW_NS) { tenure.defences } else { 0 };
        if claims && row >= DEFENCES {
            return self.test(tenure, seen.voice, Cause::Unheeded);
        }
        // An answer to a question of ours, or a claim of somebody who ranks behind: one frame, and the two agree. All others may
        // hear the rival's claims last: so all rounds are sent.
        let defences = if claims { row + 1 } else { row };
        self.machine.state = State::Owner(Tenure { defences, defended_ns: Some(now_ns), ..tenure });
        self.effects.push(Effect::Claim(self.context.place));
    }

    /// The address is the rival's, if it hears. Clients would reach nobody at one that is heard and does not hear, and this
    /// node would have to take the address back: so it is asked first, and meanwhile both answer.
    fn test(&mut self, tenure: Tenure, rival: Voice, cause: Cause) {
        let asked_ns = self.context.now_ns;
        let test = Test { rival, cause, asked_ns, due_ns: asked_ns + LOOK_NS };
        self.machine.state = State::Owner(Tenure { test: Some(test), ..tenure });
        self.effects.push(Effect::Ask(self.context.place, To::One(rival.mac)));
    }

    /// No answer was seen so far. When it is too late for one, the clients that heard the rival's claim are called back.
    pub(super) fn look(&mut self, tenure: Tenure) {
        let Some(test) = tenure.test else { return };
        let (now_ns, end_ns) = (self.context.now_ns, test.asked_ns + self.context.pace.reply_ns());
        if now_ns < end_ns {
            self.machine.state = State::Owner(Tenure { test: Some(Test { due_ns: end_ns, ..test }), ..tenure });
            return;
        }
        self.machine.state = State::Owner(Tenure { test: None, defended_ns: Some(now_ns), ..tenure });
        self.effects.push(Effect::Defend(self.context.place));
    }
}
