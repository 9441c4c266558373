//! How long what must not be may last at most: formulas of the [`Pace`], the wire and the number of nodes.

use arpeggio_succession::Pace;

const MS: u64 = 1_000_000;

/// Owners look for a second owner this often, times the candidates in fives.
/// Who has no sign of hearing, or asks in vain, asks again after this long.
const PATIENCE_NS: u64 = 1_000 * MS;
/// An address that a stranger used is tried again after this long.
pub const STRANGER_NS: u64 = 10_000 * MS;
/// Who is to lose an address waits so long for a successor.
pub const HANDOVER_NS: u64 = 2_000 * MS;
/// Candidates that an audit asks by unicast.
const AUDITED: usize = 4;
/// One audit in so many asks the other port of a node.
const BESIDE: u64 = 4;
/// Both frames of a first claim, at the pace of all claims.
const CLAIM_NS: u64 = MS / 2;

/// What a schedule promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// From the last fault on, a segment that somebody can ask on and that has a live candidate has an answerer after:
    ///
    /// `3 probes + slow interval × (misses + 1) + 2 × nodes × stagger + addresses × interval + 2 s + slack`: a node that
    /// has just started asks first, one that is neither first nor second notices ten times more slowly, the last in line
    /// has to wait for all others, twice if it was damped, and a live node that has lost one address only is found out
    /// when that one has its turn.
    pub nobody_ns: u64,
    /// Two that hear each other and whose agents run answer together, where nothing has healed, whatever orders they follow: until
    /// the claim has arrived, and whoever claimed has answered for it.
    ///
    /// `interval + reply + slack`
    pub two_ns: u64,
    /// The same after a partition, a deaf or mute node, loss or different orders have ended, from that end on:
    ///
    /// `(1 + addresses) × 0.5 s × (nodes ÷ 5, rounded up) + slack`: owners look for one another by one address after the
    /// other. With one address that is a second; with many that are all owned twice the first one tells of the others.
    pub healed_ns: u64,
    /// Heartbeats of one node to another in a second at most: one an interval, one more at the edge, two for lateness.
    pub heartbeats: u64,
    /// Everything else that takes its time: late wake-ups, slow frames, and the pace of claims.
    pub slack_ns: u64,
    /// Between two audits of a node.
    audit_ns: u64,
    /// How long a node waits that takes another one for a stranger, because it knows neither it nor the key: then it asks again.
    pub retry_ns: u64,
}

impl Bounds {
    /// `late_ns`: how late agents are woken at most. `frame_ns`: how long a frame takes at most.
    pub fn new(pace: Pace, (nodes, addresses): (usize, usize), late_ns: u64, frame_ns: u64) -> Self {
        let (count, claims) = (nodes as u64, addresses as u64 * CLAIM_NS);
        let slack_ns = 4 * late_ns + 4 * frame_ns + claims;
        let asking_ns = 3 * pace.probe_gap_ns();
        let noticing_ns = pace.slow_interval_ns() * u64::from(pace.misses() + 1);
        let waiting_ns = 2 * count * pace.stagger_ns();
        let turns_ns = addresses as u64 * pace.interval_ns();
        Self {
            nobody_ns: asking_ns + noticing_ns + waiting_ns + turns_ns + 2 * PATIENCE_NS + slack_ns,
            two_ns: pace.interval_ns() + pace.reply_ns() + slack_ns,
            healed_ns: (1 + addresses as u64) * pace.audit_ns() * count.div_ceil(5) + slack_ns,
            heartbeats: 1_000 * MS / pace.interval_ns() + 3,
            slack_ns,
            audit_ns: pace.audit_ns(),
            retry_ns: 0,
        }
    }

    /// Where frames to everybody are suppressed: an owner's claims reach four candidates and the owner before, and an audit asks four
    /// candidates of each address in turn. Two owners find each other by audits.
    #[must_use]
    pub fn suppressed(self, nodes: usize) -> Self {
        let healed_ns = self.healed_ns * nodes.div_ceil(AUDITED) as u64;
        Self { healed_ns, two_ns: healed_ns, nobody_ns: self.nobody_ns + healed_ns, ..self }
    }

    /// The same where nodes have two ports: every fourth audit asks the other port.
    #[must_use]
    pub fn doubled(self, nodes: usize) -> Self {
        let healed_ns = self.healed_ns.max(BESIDE * self.audit_ns * (nodes as u64).div_ceil(5) + self.slack_ns);
        Self { healed_ns, two_ns: self.two_ns.max(healed_ns), nobody_ns: self.nobody_ns + healed_ns, ..self }
    }

    /// Where nobody can prove who it is.
    #[must_use]
    pub const fn unproven(self) -> Self {
        Self { retry_ns: STRANGER_NS, ..self }
    }

    /// Where nobody but the nodes says anything: one of two waits to be sure that it is alone.
    #[must_use]
    pub fn silent(self, pace: Pace) -> Self {
        let solitude_ns = (1_000 * MS).max(2 * pace.detection_ns());
        Self { nobody_ns: self.nobody_ns + solitude_ns, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_three_nodes_at_defaults() {
        let bounds = Bounds::new(Pace::DEFAULT, (3, 1), MS, MS);
        let ms = [bounds.nobody_ns, bounds.two_ns, bounds.healed_ns].map(|ns| ns / MS);
        assert_eq!(ms, [5_558, 68, 1_008]);
        assert_eq!(bounds.heartbeats, 23);
    }
}
