//! Pure: which packet is without an echo. Times are nanoseconds from the beginning.

use std::{collections::VecDeque, net::IpAddr};

use crate::gaps::{Gaps, Waiting};

/// How a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) number: u64,
    pub(crate) sent_ns: u64,
    /// Arrival of the echo; `None` when it is lost.
    pub(crate) echo_ns: Option<u64>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) echoed: u64,
    pub(crate) lost: u64,
    /// Further echoes of a packet.
    pub(crate) duplicates: u64,
    /// Echoes after the timeout, and what is no echo of ours.
    pub(crate) late: u64,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    sent_ns: u64,
    echoed: bool,
}

/// Everything about the packets of a measurement.
#[derive(Debug)]
pub(crate) struct Book {
    address: IpAddr,
    timeout_ns: u64,
    /// Packets whose time is not over, in the order of their numbers, which end with the last one sent.
    open: VecDeque<Packet>,
    waiting: Waiting,
    pub(crate) counts: Counts,
    pub(crate) gaps: Gaps,
}

impl Book {
    pub(crate) fn new(address: IpAddr, timeout_ns: u64, gap_over_ns: u64) -> Self {
        let gaps = Gaps::new(gap_over_ns);
        Self {
            address,
            timeout_ns,
            open: VecDeque::new(),
            waiting: Waiting::default(),
            counts: Counts::default(),
            gaps,
        }
    }

    /// The number of the next packet.
    pub(crate) const fn next(&self) -> u64 {
        self.counts.sent
    }

    /// The next packet has left, or was refused by the kernel; `now_ns` is a moment before.
    pub(crate) fn sent(&mut self, now_ns: u64) {
        self.waiting.asked(now_ns);
        self.open.push_back(Packet { sent_ns: now_ns, echoed: false });
        self.counts.sent += 1;
    }

    /// An echo arrived at `at_ns`; the packet that it ends.
    pub(crate) fn echoed(&mut self, number: u64, at_ns: u64) -> Option<Ended> {
        let first = self.counts.sent - self.open.len() as u64;
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        let packet = index.and_then(|index| self.open.get_mut(index));
        let Some(packet) = packet.filter(|packet| at_ns.saturating_sub(packet.sent_ns) <= self.timeout_ns) else {
            self.counts.late += 1;
            return None;
        };
        if packet.echoed {
            self.counts.duplicates += 1;
            return None;
        }
        packet.echoed = true;
        self.counts.echoed += 1;
        let ended = Ended { number, sent_ns: packet.sent_ns, echo_ns: Some(at_ns) };
        self.gaps.answered(self.address, &mut self.waiting, at_ns);
        Some(ended)
    }

    /// Ends one packet whose time was over at `now_ns` without an echo; everything that arrived until then has been read.
    pub(crate) fn expire(&mut self, now_ns: u64) -> Option<Ended> {
        while let Some(oldest) = self.open.front().copied() {
            if oldest.sent_ns.saturating_add(self.timeout_ns) >= now_ns {
                return None;
            }
            let number = self.counts.sent - self.open.len() as u64;
            self.open.pop_front();
            if !oldest.echoed {
                self.counts.lost += 1;
                return Some(Ended { number, sent_ns: oldest.sent_ns, echo_ns: None });
            }
        }
        None
    }

    /// When the time of the oldest packet is over.
    pub(crate) fn next_expiry_ns(&self) -> Option<u64> {
        self.open.front().map(|oldest| oldest.sent_ns.saturating_add(self.timeout_ns + 1))
    }

    /// Nothing is waited for any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.open.iter().all(|packet| packet.echoed)
    }

    /// The measurement is over.
    pub(crate) fn finish(&mut self, now_ns: u64) {
        self.gaps.end(self.address, &self.waiting, now_ns, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book {
        Book::new([192, 0, 2, 10].into(), 1_000, 0)
    }

    #[test]
    fn every_packet_is_echoed_or_lost() {
        let mut book = book();
        for now in [0, 400, 800, 1_200] {
            book.sent(now);
        }
        assert_eq!(book.echoed(0, 10), Some(Ended { number: 0, sent_ns: 0, echo_ns: Some(10) }));
        assert_eq!(book.echoed(3, 1_205).map(|ended| ended.number), Some(3));
        assert_eq!(book.expire(1_400), None);
        assert_eq!(book.next_expiry_ns(), Some(1_401));
        assert_eq!(book.expire(1_401), Some(Ended { number: 1, sent_ns: 400, echo_ns: None }));
        assert_eq!(book.expire(1_500), None);
        assert!(!book.is_settled());
        assert_eq!(book.echoed(2, 1_790), Some(Ended { number: 2, sent_ns: 800, echo_ns: Some(1_790) }));
        assert!(book.is_settled());
        assert_eq!(book.expire(9_000), None);
        assert_eq!((book.next_expiry_ns(), book.next()), (None, 4));
        assert_eq!(book.counts, Counts { sent: 4, echoed: 3, lost: 1, ..Counts::default() });
    }

    #[test]
    fn an_echo_counts_once_and_in_time() {
        let mut book = book();
        book.sent(0);
        book.sent(10);
        assert!(book.echoed(0, 1_000).is_some());
        assert_eq!(book.echoed(0, 1_000), None);
        assert_eq!(book.echoed(1, 1_011), None, "a nanosecond too late");
        assert_eq!(book.echoed(77, 20), None, "nobody sent it");
        while book.expire(5_000).is_some() {}
        assert_eq!(book.echoed(0, 1_000), None, "long forgotten");
        assert_eq!(book.counts, Counts { sent: 2, echoed: 1, lost: 1, duplicates: 1, late: 3 });
    }

    #[test]
    fn the_gap_is_what_the_application_saw() {
        let mut book = book();
        book.sent(0);
        book.echoed(0, 5);
        for now in [100, 200, 300] {
            book.sent(now);
        }
        book.echoed(3, 310);
        book.finish(9_000);
        assert_eq!(book.gaps.longest.map(|gap| (gap.from_ns, gap.length_ns, gap.open)), Some((100, 210, false)));
    }
}
