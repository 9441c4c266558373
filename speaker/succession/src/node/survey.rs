//! Whether anybody answers what an owner asks: who owns nothing hears so from heartbeats, an owner from nobody.

use super::Succession;

/// Between two questions of an owner to a few of the others, in nanoseconds.
const SURVEY_NS: u64 = 10_000_000_000;
/// Without an answer for so long either all others are down, or the frames of this node do not come through.
const UNANSWERED_NS: u64 = 35_000_000_000;

/// The questions of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    since_ns: u64,
    next_ns: u64,
}

impl Succession {
    /// Asks a few of the other nodes, where this node owns something, whether they are alive.
    pub(super) fn survey(&mut self) {
        for (ifindex, audit) in &self.audits {
            let Some(place) = audit.owned().next() else {
                self.surveys.remove(ifindex);
                continue;
            };
            let fresh = Survey { since_ns: self.now_ns, next_ns: self.now_ns };
            let survey = self.surveys.entry(*ifindex).or_insert(fresh);
            if self.now_ns >= survey.next_ns {
                survey.next_ns = self.now_ns + SURVEY_NS;
                self.doubts.entry(*ifindex).or_insert(place);
            }
        }
    }

    /// Since when no other node has answered anything, where that is too long. An interface on which none was ever heard may well
    /// lead elsewhere.
    pub(super) fn unanswered_ns(&self, ifindex: u32) -> Option<u64> {
        let survey = self.surveys.get(&ifindex)?;
        let known =
            || self.peers.on(ifindex).map(|(_, peer)| peer).filter(|peer| peer.heard_ns.max(peer.answered_ns) > 0);
        let last_ns = known().map(|peer| peer.answered_ns).max()?;
        let since_ns = last_ns.max(survey.since_ns);
        (self.now_ns.saturating_sub(since_ns) >= UNANSWERED_NS).then_some(since_ns)
    }
}
