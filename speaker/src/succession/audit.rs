//! Looking for a second owner: after a partition has healed nobody is told that there are two.
//!
//! Every owner asks everybody for one of its addresses now and then, each in its turn; all others hear that it is there. Whoever
//! answers, and whoever is heard again after a silence, may have others of them: all that it could have are asked of it by
//! unicast, at once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
};

use arpeggio_common::wire::Mac;

use super::{Place, To};

const MS: u64 = 1_000_000;
/// Between two probes of one node on one interface while there are few nodes …
const AUDIT_NS: u64 = 500 * MS;
/// … namely this many; with more of them each asks less often, so that the segment hears ten probes a second at most.
const FEW: usize = 5;
/// Questions to a rival in one go.
const RUSH: usize = 128;
/// Between two goes.
const RUSH_NS: u64 = 20 * MS;
/// One rival is not asked for everything more often than this.
const RUSH_AGAIN_NS: u64 = 2_000 * MS;
/// An answer is looked for after this long …
const LOOK_NS: u64 = 20 * MS;
/// … and for this long.
const ANSWER_NS: u64 = 200 * MS;

/// The audits of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Audit {
    /// Owned here, with another candidate.
    owned: BTreeSet<Place>,
    /// Nodes on the segment, as far as they were heard.
    nodes: usize,
    last: Option<Place>,
    next_ns: u64,
    /// When the other nodes are looked at next.
    peers_ns: u64,
    rushes: BTreeMap<Mac, Rush>,
    asked: VecDeque<(u64, Place)>,
    look_ns: Option<u64>,
    /// Now is that time.
    wants_peers: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rush {
    begun_ns: u64,
    next_ns: u64,
    places: VecDeque<Place>,
}

impl Audit {
    /// This node owns the address, and others may.
    pub(super) fn add(&mut self, place: Place, now_ns: u64) {
        if self.owned.is_empty() {
            self.next_ns = now_ns + AUDIT_NS;
            self.peers_ns = now_ns;
        }
        self.owned.insert(place);
    }

    /// So many other nodes were heard on the segment.
    pub(super) const fn set_nodes(&mut self, nodes: usize) {
        self.nodes = nodes;
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.owned.remove(&place);
    }

    /// Whether this node owns it.
    pub(super) fn owns(&self, place: Place) -> bool {
        self.owned.contains(&place)
    }

    /// What this node owns.
    pub(super) fn owned(&self) -> impl Iterator<Item = Place> + '_ {
        self.owned.iter().copied()
    }

    /// The addresses whose answers may have come.
    pub(super) fn asked(&self) -> impl Iterator<Item = Place> + '_ {
        self.asked.iter().map(|(_, place)| *place)
    }

    /// When an address was asked for, if its answer may still come: what was seen earlier answers something else.
    pub(super) fn asked_ns(&self, place: Place) -> Option<u64> {
        self.asked.iter().find(|(_, asked)| *asked == place).map(|(sent_ns, _)| *sent_ns)
    }

    /// Whether the other nodes have to be looked at.
    pub(super) const fn wants_peers(&self) -> bool {
        self.wants_peers
    }

    /// A node that was not heard for longer than this was not there.
    pub(super) fn absence_ns(&self) -> u64 {
        2 * self.interval_ns() + AUDIT_NS
    }

    /// Whether a rival may be asked for everything again.
    pub(super) fn may_rush(&self, rival: Mac, now_ns: u64) -> bool {
        self.rushes.get(&rival).is_none_or(|rush| now_ns.saturating_sub(rush.begun_ns) >= RUSH_AGAIN_NS)
    }

    /// Somebody answers for one of them, and may answer for `places`.
    pub(super) fn rush(&mut self, rival: Mac, places: VecDeque<Place>, now_ns: u64) {
        self.rushes.insert(rival, Rush { begun_ns: now_ns, next_ns: now_ns, places });
    }

    /// When [`Self::step`] wants to be called again.
    pub(super) fn due_ns(&self) -> Option<u64> {
        let rushes = self.rushes.values().filter(|rush| !rush.places.is_empty()).map(|rush| rush.next_ns);
        let answers = self.asked.front().map(|(sent_ns, _)| sent_ns + ANSWER_NS);
        let audit = if self.owned.is_empty() { None } else { Some(self.next_ns.min(self.peers_ns)) };
        rushes.chain(answers).chain(audit).chain(self.look_ns).min()
    }

    /// What to ask now, and whom.
    pub(super) fn step(&mut self, now_ns: u64) -> Vec<(Place, To)> {
        while self.asked.front().is_some_and(|(sent_ns, _)| sent_ns + ANSWER_NS <= now_ns) {
            self.asked.pop_front();
        }
        self.look_ns = self.look_ns.filter(|look_ns| *look_ns > now_ns);
        self.wants_peers = now_ns >= self.peers_ns && !self.owned.is_empty();
        if self.wants_peers {
            self.peers_ns = now_ns + AUDIT_NS;
        }
        let mut questions = Vec::new();
        if now_ns >= self.next_ns
            && let Some(place) = self.next()
        {
            self.next_ns = now_ns + self.interval_ns();
            self.last = Some(place);
            questions.push((place, To::All));
        }
        for (rival, rush) in &mut self.rushes {
            if now_ns >= rush.next_ns && !rush.places.is_empty() {
                rush.next_ns = now_ns + RUSH_NS;
                let some = rush.places.drain(..rush.places.len().min(RUSH));
                questions.extend(some.map(|place| (place, To::One(*rival))));
            }
        }
        self.rushes.retain(|_, rush| !rush.places.is_empty() || now_ns.saturating_sub(rush.begun_ns) < RUSH_AGAIN_NS);
        questions.retain(|(place, _)| self.owned.contains(place));
        if !questions.is_empty() {
            self.look_ns = Some(now_ns + LOOK_NS);
        }
        let known: BTreeSet<_> = self.asked.iter().map(|(_, place)| *place).collect();
        self.asked
            .extend(questions.iter().filter(|(place, _)| !known.contains(place)).map(|(place, _)| (now_ns, *place)));
        questions
    }

    fn next(&self) -> Option<Place> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        self.owned.range((after, Bound::Unbounded)).next().or_else(|| self.owned.first()).copied()
    }

    fn interval_ns(&self) -> u64 {
        // This node is one more.
        let times = (self.nodes + 1).div_ceil(FEW);
        AUDIT_NS * times as u64
    }
}
