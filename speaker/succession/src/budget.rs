//! What others can make this node ask: however much they say, it does so at a rate of its own. An owner whose question is not
//! answered claims the address once more, with two frames: that is all that can follow from a frame that nobody asked for.

/// Nanoseconds that a question has to be paid with: 2,000 a second on each interface.
const FRAME_NS: u64 = 500_000;
/// So many may be owed: what a node claims that takes over a thousand addresses is looked into at once.
const BURST: u64 = 1_024;

/// The questions of one interface that follow from what nobody asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Budget {
    paid_ns: u64,
}

impl Budget {
    /// Whether another one may go out.
    pub(super) const fn allows(self, now_ns: u64) -> bool {
        self.paid_ns.saturating_sub(now_ns) < BURST * FRAME_NS
    }

    /// So many went out.
    pub(super) fn pay(&mut self, frames: usize, now_ns: u64) {
        if frames > 0 {
            self.paid_ns = self.paid_ns.max(now_ns) + frames as u64 * FRAME_NS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_it_is_a_rate() {
        let mut budget = Budget::default();
        let mut sent = 0;
        for millisecond in 0..2_000 {
            while budget.allows(millisecond * 1_000_000) {
                budget.pay(1, millisecond * 1_000_000);
                sent += 1;
            }
        }
        assert_eq!(sent, 1_024 + 2 * 1_999);
    }
}
