//! Pure: which request is without an answer, and whose answer this is. Times are nanoseconds from the beginning.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use arpeggio_common::wire::Mac;

use crate::{
    doubles::{Doubles, Latest, Request},
    gaps::{Gaps, Waiting},
    message::Answer,
    options::{Sources, Work},
    summary::Change,
};

/// Changes of the answerer that are listed.
const LISTED_CHANGES: usize = 1000;

/// A request that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    slot: usize,
    pub(crate) target: IpAddr,
    pub(crate) sender: IpAddr,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) sequence: u64,
    pub(crate) target: IpAddr,
    pub(crate) sender: IpAddr,
    pub(crate) sent_ns: u64,
    /// Arrival and MAC of the answer; `None` when it is lost.
    pub(crate) answer: Option<(u64, Mac)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Fresh,
    Waiting,
    Answered,
    Lost,
}

/// A pair of target and sender, and the last request of it.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    state: State,
    sequence: u64,
    sent_ns: u64,
    /// Number among the requests for its target.
    number: u64,
    /// Who answered, and whether another one did too.
    answerer: Option<Mac>,
    twice: bool,
}

#[derive(Clone, Debug)]
struct Target {
    address: IpAddr,
    next_sender: usize,
    asked: u64,
    waiting: Waiting,
    double: Latest,
    answerer: Option<Mac>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    pub(crate) late: u64,
    pub(crate) unasked: u64,
}

/// Everything about the requests of a measurement.
#[derive(Debug)]
pub(crate) struct Ledger {
    sources: Sources,
    timeout_ns: u64,
    targets: Vec<Target>,
    indices: BTreeMap<IpAddr, usize>,
    next_target: usize,
    /// Targets times senders, those of one target side by side.
    slots: Vec<Slot>,
    /// In the order of sending; what was answered meanwhile is skipped.
    waiting: VecDeque<(u64, usize)>,
    in_flight: usize,
    pub(crate) counts: Counts,
    pub(crate) latencies_ns: Vec<u64>,
    pub(crate) answerers: BTreeMap<Mac, u64>,
    pub(crate) changes: Vec<Change>,
    pub(crate) gaps: Gaps,
    pub(crate) doubles: Doubles,
}

impl Ledger {
    pub(crate) fn new(work: &Work) -> Self {
        let target = |address: &IpAddr| Target {
            address: *address,
            next_sender: 0,
            asked: 0,
            waiting: Waiting::default(),
            double: Latest::default(),
            answerer: None,
        };
        Self {
            sources: work.sources,
            timeout_ns: work.timeout_ns,
            targets: work.targets.iter().map(target).collect(),
            indices: work.targets.iter().enumerate().map(|(index, address)| (*address, index)).collect(),
            next_target: 0,
            slots: vec![Slot::default(); work.targets.len() * work.sources.count],
            waiting: VecDeque::new(),
            in_flight: 0,
            counts: Counts::default(),
            latencies_ns: Vec::new(),
            answerers: BTreeMap::new(),
            changes: Vec::new(),
            gaps: Gaps::new(work.gap_over_ns),
            doubles: Doubles::default(),
        }
    }

    /// Requests without an answer whose time is not over.
    pub(crate) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The next request: targets in turn, for each the sender that rested longest. `None` when every pair waits.
    pub(crate) fn next(&self) -> Option<Ask> {
        let (targets, senders) = (self.targets.len(), self.sources.count);
        (0..targets).map(|step| (self.next_target + step) % targets).find_map(|index| {
            let target = &self.targets[index];
            let free = |sender: &usize| self.slots[index * senders + sender].state != State::Waiting;
            let sender = (0..senders).map(|step| (target.next_sender + step) % senders).find(free)?;
            let slot = index * senders + sender;
            Some(Ask { slot, target: target.address, sender: self.sources.address(sender, target.address) })
        })
    }

    /// The request has left; `now_ns` is a moment before it did.
    pub(crate) fn sent(&mut self, ask: Ask, now_ns: u64) {
        let (index, sender) = (ask.slot / self.sources.count, ask.slot % self.sources.count);
        self.next_target = (index + 1) % self.targets.len();
        let target = &mut self.targets[index];
        target.next_sender = (sender + 1) % self.sources.count;
        target.waiting.asked(now_ns);
        let (sequence, number) = (self.counts.sent, target.asked);
        target.asked += 1;
        self.slots[ask.slot] =
            Slot { state: State::Waiting, sequence, sent_ns: now_ns, number, answerer: None, twice: false };
        self.waiting.push_back((self.counts.sent, ask.slot));
        self.counts.sent += 1;
        self.in_flight += 1;
    }

    /// An answer arrived at `at_ns`; the request that it ends.
    pub(crate) fn answered(&mut self, answer: &Answer, at_ns: u64) -> Option<Ended> {
        let place = self.indices.get(&answer.address).copied().zip(self.sources.index(answer.asker));
        let slot = place.map(|(index, sender)| (index, index * self.sources.count + sender));
        let Some((index, slot)) = slot.filter(|(_, slot)| self.slots[*slot].state != State::Fresh) else {
            self.counts.unasked += 1;
            return None;
        };
        *self.answerers.entry(answer.mac).or_default() += 1;
        let Slot { state, sent_ns, .. } = self.slots[slot];
        let latency_ns = at_ns.saturating_sub(sent_ns);
        if latency_ns > self.timeout_ns || state == State::Lost {
            self.counts.late += 1;
            return None;
        }
        if state == State::Answered {
            self.counts.duplicates += 1;
            self.note_second(index, slot, answer.mac, at_ns);
            return None;
        }
        self.slots[slot].answerer = Some(answer.mac);
        self.counts.answered += 1;
        self.latencies_ns.push(latency_ns);
        self.note_answerer(index, answer.mac, at_ns);
        let target = &mut self.targets[index];
        self.gaps.answered(target.address, &mut target.waiting, at_ns);
        Some(self.end(slot, Some((at_ns, answer.mac))))
    }

    /// Ends one request whose time was over at `now_ns`; everything that arrived until then has been read.
    pub(crate) fn expire(&mut self, now_ns: u64) -> Option<Ended> {
        let slot = self.oldest().filter(|slot| self.slots[*slot].sent_ns.saturating_add(self.timeout_ns) < now_ns)?;
        self.counts.lost += 1;
        Some(self.end(slot, None))
    }

    /// When the time of the oldest request is over.
    pub(crate) fn next_expiry_ns(&mut self) -> Option<u64> {
        self.oldest().map(|slot| self.slots[slot].sent_ns.saturating_add(self.timeout_ns + 1))
    }

    /// The measurement is over: gaps end here.
    pub(crate) fn finish(&mut self, now_ns: u64) {
        for target in &mut self.targets {
            self.gaps.end(target.address, &target.waiting, now_ns, true);
            self.doubles.close(&mut target.double);
        }
    }

    /// Addresses that were never answered.
    pub(crate) fn silent(&self) -> impl Iterator<Item = IpAddr> {
        self.targets.iter().filter(|target| target.answerer.is_none()).map(|target| target.address)
    }

    fn oldest(&mut self) -> Option<usize> {
        while let Some((sequence, slot)) = self.waiting.front().copied() {
            let Slot { state, sequence: last, .. } = self.slots[slot];
            if state == State::Waiting && last == sequence {
                return Some(slot);
            }
            self.waiting.pop_front();
        }
        None
    }

    fn end(&mut self, slot: usize, answer: Option<(u64, Mac)>) -> Ended {
        self.in_flight -= 1;
        let target = self.targets[slot / self.sources.count].address;
        let entry = &mut self.slots[slot];
        entry.state = if answer.is_some() { State::Answered } else { State::Lost };
        let sender = self.sources.address(slot % self.sources.count, target);
        Ended { sequence: entry.sequence, target, sender, sent_ns: entry.sent_ns, answer }
    }

    /// A further answer to an answered request: counts when it is another node's, once for each request.
    fn note_second(&mut self, index: usize, slot: usize, mac: Mac, at_ns: u64) {
        let (entry, target) = (&mut self.slots[slot], &mut self.targets[index]);
        if entry.twice || entry.answerer == Some(mac) {
            return;
        }
        entry.twice = true;
        let request = Request { address: target.address, number: entry.number, sent_ns: entry.sent_ns, at_ns };
        self.doubles.answered_twice(&mut target.double, request);
    }

    fn note_answerer(&mut self, index: usize, mac: Mac, at_ns: u64) {
        let target = &mut self.targets[index];
        let before = target.answerer.replace(mac);
        if before.is_some_and(|before| before != mac) && self.changes.len() < LISTED_CHANGES {
            let from = before.map(|mac| mac.to_string());
            self.changes.push(Change { address: target.address, at_ns, from, to: mac.to_string() });
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
