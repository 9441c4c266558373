//! The rounds of claims as the agent's schedule sends them: by due time, and never more than so many frames a second.

use std::collections::BTreeMap;

use arpeggio_succession::CLAIM_ROUNDS_NS;

use crate::node::Spot;

/// Frames of a round: request form and reply form.
const FRAMES: u64 = 2;
/// Nanoseconds a frame has to be paid with; so many may be owed.
const FRAME_NS: u64 = 250_000;
const BURST: u64 = 128;
/// Two rounds of one address are never nearer.
const LEAST_NS: u64 = CLAIM_ROUNDS_NS[1];

#[derive(Clone, Copy, Debug)]
struct Rounds {
    begun_ns: u64,
    next: usize,
    due_ns: u64,
}

/// The claims of one node that are still to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    pending: BTreeMap<Spot, Rounds>,
    paid_ns: u64,
}

impl Claims {
    /// Starts all rounds of an address.
    pub(crate) fn start(&mut self, address: Spot, now_ns: u64) {
        self.pending.insert(address, Rounds { begun_ns: now_ns, next: 0, due_ns: now_ns });
    }

    /// Drops what is left of them.
    pub(crate) fn stop(&mut self, address: Spot) {
        self.pending.remove(&address);
    }

    /// The rounds that leave now, and when to ask again. First rounds go first.
    pub(crate) fn step(&mut self, now_ns: u64) -> (Vec<Spot>, Option<u64>) {
        let mut due: Vec<(usize, u64, Spot)> = self
            .pending
            .iter()
            .filter(|(_, rounds)| rounds.due_ns <= now_ns)
            .map(|(address, rounds)| (rounds.next, rounds.due_ns, *address))
            .collect();
        due.sort_unstable();
        let mut sent = Vec::new();
        let mut shut_ns = None;
        for (_, _, address) in due {
            let paid_ns = self.paid_ns.max(now_ns) + FRAMES * FRAME_NS;
            if paid_ns - now_ns > BURST * FRAME_NS {
                shut_ns = Some(now_ns + BURST / 4 * FRAME_NS);
                break;
            }
            self.paid_ns = paid_ns;
            sent.push(address);
            self.advance(address, now_ns);
        }
        let next_ns = self.pending.values().map(|rounds| rounds.due_ns).filter(|due_ns| *due_ns > now_ns).min();
        (sent, shut_ns.into_iter().chain(next_ns).min())
    }

    fn advance(&mut self, address: Spot, now_ns: u64) {
        let Some(rounds) = self.pending.get_mut(&address) else { return };
        rounds.next += 1;
        match CLAIM_ROUNDS_NS.get(rounds.next) {
            Some(after_ns) => rounds.due_ns = (rounds.begun_ns + after_ns).max(now_ns + LEAST_NS),
            None => self.stop(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn six_rounds_by_the_schedule() {
        let mut claims = Claims::default();
        claims.start((0, 7), MS);
        let (mut now, mut at) = (MS, vec![]);
        loop {
            let (sent, next_ns) = claims.step(now);
            at.extend(sent.iter().map(|_| now - MS));
            match next_ns {
                Some(next_ns) => now = next_ns,
                None => break,
            }
        }
        assert_eq!(at, CLAIM_ROUNDS_NS);
    }

    #[test]
    fn five_hundred_first_rounds_take_a_quarter_of_a_second() {
        let mut claims = Claims::default();
        (0..500).for_each(|address| claims.start((0, address), 0));
        let (mut now, mut firsts) = (0, 0);
        while firsts < 500 {
            let (sent, next_ns) = claims.step(now);
            firsts += sent.len();
            now = next_ns.unwrap();
        }
        assert!((210 * MS..260 * MS).contains(&now), "{now}");
    }
}
