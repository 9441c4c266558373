//! The flight recorder: the last changes of ownership on this node, in memory. Pure.

use std::{collections::VecDeque, net::IpAddr};

use super::Report;

/// Changes that are kept: a third of a megabyte.
const KEPT: usize = 4096;

/// The last [`Report`]s in the order they came; the oldest make room.
#[derive(Clone, Debug)]
pub struct Recorder {
    reports: VecDeque<Report>,
    room: usize,
    seen: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::with_room(KEPT)
    }
}

impl Recorder {
    /// Keeps the last `room` reports, at least one.
    pub const fn with_room(room: usize) -> Self {
        Self { reports: VecDeque::new(), room: if room == 0 { 1 } else { room }, seen: 0 }
    }

    /// Adds one.
    pub fn record(&mut self, report: Report) {
        if self.reports.len() >= self.room {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
        self.seen += 1;
    }

    /// Everything that is kept, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Report> {
        self.reports.iter()
    }

    /// What is kept about one address on all interfaces, the oldest first.
    pub fn of(&self, address: IpAddr) -> impl DoubleEndedIterator<Item = &Report> {
        self.reports.iter().filter(move |report| report.place.1 == address)
    }

    /// How many were recorded, those included that had to make room.
    pub const fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Happened};

    fn report(last: u8, at_ns: u64) -> Report {
        Report {
            place: (2, IpAddr::from([192, 0, 2, last])),
            at_ns,
            happened: Happened::Took,
            cause: Cause::Unclaimed,
            other: None,
            gap_ns: None,
            buckets: u64::MAX,
        }
    }

    fn times<'a>(reports: impl Iterator<Item = &'a Report>) -> Vec<u64> {
        reports.map(|report| report.at_ns).collect()
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut recorder = Recorder::with_room(3);
        for at_ns in 0..5 {
            recorder.record(report(1, at_ns));
        }
        assert_eq!(times(recorder.iter()), [2, 3, 4]);
        assert_eq!(recorder.seen(), 5);
        let mut whole = Recorder::default();
        (0..5_000).for_each(|at_ns| whole.record(report(1, at_ns)));
        assert_eq!((whole.iter().count(), times(whole.iter().take(1))), (4_096, vec![904]));
    }

    #[test]
    fn one_address_is_told_from_the_others_in_order() {
        let mut recorder = Recorder::default();
        for at_ns in 0..6 {
            recorder.record(report(u8::try_from(at_ns % 2).unwrap(), at_ns));
        }
        assert_eq!(times(recorder.of(IpAddr::from([192, 0, 2, 1]))), [1, 3, 5]);
        assert_eq!(times(recorder.of(IpAddr::from([192, 0, 2, 1])).rev()), [5, 3, 1]);
        assert_eq!(recorder.of(IpAddr::from([192, 0, 2, 9])).count(), 0);
    }

    #[test]
    fn there_is_always_room_for_the_last_one() {
        let mut recorder = Recorder::with_room(0);
        recorder.record(report(1, 1));
        recorder.record(report(1, 2));
        assert_eq!(times(recorder.iter()), [2]);
    }
}
