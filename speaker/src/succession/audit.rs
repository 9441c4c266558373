//! Looking for a second owner: after a partition has healed nobody is told that there are two.
//!
//! Every owner asks everybody for one of its addresses now and then, each in its turn. Whoever answers may have others of
//! them as well: all that it could have are asked of it by unicast, at once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
};

use arpeggio_common::wire::Mac;

use super::Place;

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
/// How long the answer to a question is looked for.
const ANSWER_NS: u64 = 200 * MS;

/// The audits of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Audit {
    /// Owned here, with another candidate; how many candidates there are.
    owned: BTreeMap<Place, usize>,
    last: Option<Place>,
    next_ns: u64,
    rushes: BTreeMap<Mac, Rush>,
    asked: VecDeque<(u64, Place)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rush {
    begun_ns: u64,
    next_ns: u64,
    places: VecDeque<Place>,
}

impl Audit {
    /// This node owns the address; `candidates` may.
    pub(super) fn add(&mut self, place: Place, candidates: usize, now_ns: u64) {
        if self.owned.is_empty() {
            self.next_ns = now_ns + AUDIT_NS;
        }
        self.owned.insert(place, candidates);
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.owned.remove(&place);
    }

    /// Whether this node owns it.
    pub(super) fn owns(&self, place: Place) -> bool {
        self.owned.contains_key(&place)
    }

    /// What this node owns.
    pub(super) fn owned(&self) -> impl Iterator<Item = Place> + '_ {
        self.owned.keys().copied()
    }

    /// The addresses whose answers may have come.
    pub(super) fn asked(&self) -> impl Iterator<Item = Place> + '_ {
        self.asked.iter().map(|(_, place)| *place)
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
        let audit = if self.owned.is_empty() { None } else { Some(self.next_ns) };
        rushes.chain(answers).chain(audit).min()
    }

    /// What to ask now, and whom: one MAC or everybody.
    pub(super) fn step(&mut self, now_ns: u64) -> Vec<(Place, Option<Mac>)> {
        while self.asked.front().is_some_and(|(sent_ns, _)| sent_ns + ANSWER_NS <= now_ns) {
            self.asked.pop_front();
        }
        let mut questions = Vec::new();
        if now_ns >= self.next_ns
            && let Some(place) = self.next()
        {
            let most = self.owned.get(&place).copied().unwrap_or_default();
            self.next_ns = now_ns + AUDIT_NS * most.div_ceil(FEW).max(1) as u64;
            self.last = Some(place);
            questions.push((place, None));
        }
        for (rival, rush) in &mut self.rushes {
            if now_ns >= rush.next_ns && !rush.places.is_empty() {
                rush.next_ns = now_ns + RUSH_NS;
                let some = rush.places.drain(..rush.places.len().min(RUSH));
                questions.extend(some.map(|place| (place, Some(*rival))));
            }
        }
        self.rushes.retain(|_, rush| !rush.places.is_empty() || now_ns.saturating_sub(rush.begun_ns) < RUSH_AGAIN_NS);
        questions.retain(|(place, _)| self.owned.contains_key(place));
        let known: BTreeSet<_> = self.asked.iter().map(|(_, place)| *place).collect();
        self.asked
            .extend(questions.iter().filter(|(place, _)| !known.contains(place)).map(|(place, _)| (now_ns, *place)));
        questions
    }

    fn next(&self) -> Option<Place> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.owned.range((after, Bound::Unbounded)).next().or_else(|| self.owned.first_key_value());
        next.map(|(place, _)| *place)
    }
}
