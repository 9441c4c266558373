//! Looking for a second owner: after a partition has healed nobody is told that there are two.
//!
//! Every owner asks everybody for one of its addresses now and then, each in its turn; all others hear that it is there. Whoever
//! answers, and whoever answers again after a silence, may have others of them: all that it could have are asked of it by
//! unicast. One node after the other, and only who answered: what others send makes nobody send more than that.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
};

use arpeggio_common::{model::NodeId, wire::Mac};

use super::{Pace, Place, To};

const MS: u64 = 1_000_000;
/// While there are so few nodes each asks at the rate of its pace; with more of them less often, so that the segment hears ten
/// probes a second at most.
const FEW: usize = 5;
/// One audit in so many asks this node's other ports by unicast as well.
const BESIDE: usize = 4;
/// Questions to a rival in one go: 6,400 a second.
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
    pace: Pace,
    /// Nodes on the segment, as far as they were heard.
    nodes: usize,
    last: Option<Place>,
    /// Times that all of them have had their turn.
    rounds: usize,
    /// Probes so far.
    probes: usize,
    next_ns: u64,
    rush: Option<Rush>,
    /// When the next go is allowed, whoever is asked.
    go_ns: u64,
    /// Whose turn comes then.
    rivals: VecDeque<(NodeId, Mac)>,
    /// When each rival had its last turn.
    begun_ns: BTreeMap<NodeId, u64>,
    asked: VecDeque<(u64, Place)>,
    look_ns: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rush {
    rival: Mac,
    next_ns: u64,
    places: VecDeque<Place>,
}

impl Audit {
    /// This node owns the address, and others may.
    pub(super) fn add(&mut self, place: Place, now_ns: u64) {
        if self.owned.is_empty() {
            self.next_ns = now_ns + self.pace.audit_ns();
        }
        self.owned.insert(place);
    }

    pub(super) const fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
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

    /// Whom to ask of many changes with each round: with each question, an address would always be asked of the same ones.
    pub(super) const fn rounds(&self) -> usize {
        self.rounds
    }

    /// Whether the other ports of this node are to be asked as well: where they are on other segments, these see frames to nobody.
    pub(super) const fn asks_ports(&self) -> bool {
        self.probes.is_multiple_of(BESIDE)
    }

    /// The addresses whose answers may have come.
    pub(super) fn asked(&self) -> impl Iterator<Item = Place> + '_ {
        self.asked.iter().map(|(_, place)| *place)
    }

    /// A node that was not heard for longer than this was not there.
    pub(super) fn absence_ns(&self) -> u64 {
        2 * self.interval_ns() + self.pace.audit_ns()
    }

    /// A rival answered: it is asked for everything, if it was not lately.
    pub(super) fn suspect(&mut self, rival: NodeId, mac: Mac, now_ns: u64) {
        let lately = |begun_ns: &u64| now_ns.saturating_sub(*begun_ns) < RUSH_AGAIN_NS;
        if !self.begun_ns.get(&rival).is_some_and(lately) && self.rivals.iter().all(|(node, _)| *node != rival) {
            self.rivals.push_back((rival, mac));
        }
    }

    /// The rival whose turn it is now, if it is anybody's.
    pub(super) fn next_rival(&mut self, now_ns: u64) -> Option<(NodeId, Mac)> {
        if self.rush.is_some() {
            return None;
        }
        let next = self.rivals.pop_front()?;
        self.begun_ns.retain(|_, begun_ns| now_ns.saturating_sub(*begun_ns) < RUSH_AGAIN_NS);
        self.begun_ns.insert(next.0, now_ns);
        Some(next)
    }

    /// It may answer for `places`.
    pub(super) fn rush(&mut self, rival: Mac, places: VecDeque<Place>, now_ns: u64) {
        self.rush = (!places.is_empty()).then_some(Rush { rival, next_ns: now_ns.max(self.go_ns), places });
    }

    /// When [`Self::step`] wants to be called again.
    pub(super) fn due_ns(&self) -> Option<u64> {
        let rush = self.rush.as_ref().map(|rush| rush.next_ns);
        let waiting = self.rivals.front().filter(|_| rush.is_none()).map(|_| 0);
        let answers = self.asked.front().map(|(sent_ns, _)| sent_ns + ANSWER_NS);
        let audit = (!self.owned.is_empty()).then_some(self.next_ns);
        rush.into_iter().chain(waiting).chain(answers).chain(audit).chain(self.look_ns).min()
    }

    /// What to ask now, and whom.
    pub(super) fn step(&mut self, now_ns: u64) -> Vec<(Place, To)> {
        while self.asked.front().is_some_and(|(sent_ns, _)| sent_ns + ANSWER_NS <= now_ns) {
            self.asked.pop_front();
        }
        self.look_ns = self.look_ns.filter(|look_ns| *look_ns > now_ns);
        let mut questions = Vec::new();
        if now_ns >= self.next_ns
            && let Some(place) = self.next()
        {
            self.next_ns = now_ns + self.interval_ns();
            self.rounds = self.rounds.wrapping_add(usize::from(self.last.is_some_and(|last| place <= last)));
            self.probes = self.probes.wrapping_add(1);
            self.last = Some(place);
            questions.push((place, To::All));
        }
        if let Some(rush) = self.rush.as_mut().filter(|rush| now_ns >= rush.next_ns) {
            rush.next_ns = now_ns + RUSH_NS;
            self.go_ns = rush.next_ns;
            let some = rush.places.drain(..rush.places.len().min(RUSH));
            questions.extend(some.map(|place| (place, To::One(rush.rival))));
        }
        self.rush.take_if(|rush| rush.places.is_empty());
        questions.retain(|(place, _)| self.owned.contains(place));
        if questions.is_empty() {
            return questions;
        }
        self.look_ns = Some(now_ns + LOOK_NS);
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
        self.pace.audit_ns() * times as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u32) -> Place {
        (1, std::net::Ipv4Addr::from_bits(0xc000_0200 + number).into())
    }

    #[test]
    fn with_every_round_of_all_addresses_others_are_asked() {
        let mut audit = Audit::default();
        (0..2).for_each(|number| audit.add(place(number), 0));
        let mut asked = Vec::new();
        for turn in 1..=6 {
            let questions = audit.step(turn * 500 * MS);
            asked.extend(questions.into_iter().map(|(place, _)| (place, audit.rounds())));
        }
        let [one, other] = [place(0), place(1)];
        assert_eq!(asked, [(one, 0), (other, 0), (one, 1), (other, 1), (one, 2), (other, 2)]);
    }

    #[test]
    fn one_rival_after_the_other_is_asked_at_a_stated_rate() {
        let mut audit = Audit::default();
        (0..500).for_each(|number| audit.add(place(number), 0));
        let id = |number| NodeId::from_number(number).unwrap();
        // Whoever claims whatever: a node has one turn in two seconds.
        let (mut asked, mut now_ns) = (0, 0);
        while now_ns < 1_000 * MS {
            for node in 1..=300 {
                audit.suspect(id(node), Mac([2, 0, 0, 0, 0, 1]), now_ns);
            }
            if let Some((_, mac)) = audit.next_rival(now_ns) {
                let places = audit.owned().collect();
                audit.rush(mac, places, now_ns);
            }
            asked += audit.step(now_ns).len();
            now_ns += MS;
        }
        assert!((5_000..=6_402 + 128).contains(&asked), "{asked}");
        assert!(audit.rivals.len() <= 300 && audit.begun_ns.len() <= 300 && audit.asked.len() <= 1_500);
    }
}
