//! Pure: how long an address went without an answer, as its clients see it.
//!
//! A gap begins with the first request that is without an answer and ends with the next answer to any request for that
//! address. An asker that pauses makes no gap, and an answer that is in time makes one as long as its latency.

use std::net::IpAddr;

use serde::Serialize;

/// Gaps that are listed; all are counted.
const LISTED: usize = 1000;

/// A time without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    pub(crate) address: IpAddr,
    /// Nanoseconds from the beginning of the measurement.
    pub(crate) from_ns: u64,
    pub(crate) length_ns: u64,
    /// No answer ended it: the measurement did.
    pub(crate) open: bool,
}

/// Gaps of all addresses.
#[derive(Debug)]
pub(crate) struct Gaps {
    over_ns: u64,
    pub(crate) longest: Option<Gap>,
    pub(crate) listed: Vec<Gap>,
    pub(crate) count: u64,
}

/// One address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting {
    since_ns: Option<u64>,
    asked_ns: u64,
}

impl Waiting {
    pub(crate) fn asked(&mut self, now_ns: u64) {
        self.asked_ns = now_ns;
        self.since_ns.get_or_insert(now_ns);
    }
}

impl Gaps {
    /// Lists gaps that are longer than `over_ns`.
    pub(crate) const fn new(over_ns: u64) -> Self {
        Self { over_ns, longest: None, listed: Vec::new(), count: 0 }
    }

    /// An answer arrived.
    pub(crate) fn answered(&mut self, address: IpAddr, waiting: &mut Waiting, at_ns: u64) {
        self.end(address, waiting, at_ns, false);
        // A request that was sent after this answer had arrived, and before it was read, still waits.
        waiting.since_ns = Some(waiting.asked_ns).filter(|asked_ns| *asked_ns > at_ns);
    }

    /// The measurement is over.
    pub(crate) fn end(&mut self, address: IpAddr, waiting: &Waiting, at_ns: u64, open: bool) {
        let Some(from_ns) = waiting.since_ns else { return };
        let gap = Gap { address, from_ns, length_ns: at_ns.saturating_sub(from_ns), open };
        if self.longest.is_none_or(|longest| longest.length_ns < gap.length_ns) {
            self.longest = Some(gap);
        }
        if gap.length_ns > self.over_ns {
            self.count += 1;
            if self.listed.len() < LISTED {
                self.listed.push(gap);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn a_gap_reaches_from_the_first_unanswered_request_to_the_next_answer() {
        let (mut gaps, mut waiting) = (Gaps::new(50), Waiting::default());
        waiting.asked(100);
        gaps.answered(A, &mut waiting, 103);
        assert_eq!((gaps.longest.unwrap().length_ns, gaps.count), (3, 0));
        for sent in [200, 300, 400] {
            waiting.asked(sent);
        }
        gaps.answered(A, &mut waiting, 410);
        let gap = Gap { address: A, from_ns: 200, length_ns: 210, open: false };
        assert_eq!((gaps.longest, gaps.listed.clone(), gaps.count), (Some(gap), vec![gap], 1));
        // A late second answer ends nothing, and a pause of the asker is none.
        gaps.answered(A, &mut waiting, 490);
        waiting.asked(5_000);
        gaps.answered(A, &mut waiting, 5_010);
        assert_eq!(gaps.longest, Some(gap));
    }

    #[test]
    fn a_request_sent_before_an_older_answer_was_read_still_waits() {
        let (mut gaps, mut waiting) = (Gaps::new(0), Waiting::default());
        waiting.asked(100);
        waiting.asked(200);
        gaps.answered(A, &mut waiting, 150);
        gaps.end(A, &waiting, 900, true);
        assert_eq!(gaps.longest, Some(Gap { address: A, from_ns: 200, length_ns: 700, open: true }));
    }
}
