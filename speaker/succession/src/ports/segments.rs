//! Which interfaces of this node are on one segment: a frame that it sent from one comes in on another. One segment has one
//! answering port for each node, or clients would be answered twice, with two MACs.

use std::collections::{BTreeMap, BTreeSet};

/// What was not seen again for so long is forgotten, in nanoseconds. Then the port that stood by asks who has its addresses, and
/// where it is still on the same segment, its questions are heard on the answering port: it stands by again before it claims.
const FORGOTTEN_NS: u64 = 600_000_000_000;

/// What is known of the segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// Pairs of interfaces, the lower index first, and when a frame of one was last heard on the other.
    together: BTreeMap<(u32, u32), u64>,
    /// Ports that receive nothing, although others of their segment do.
    deaf: BTreeSet<u32>,
    /// Ports that answer for a segment of several, or did when the others went.
    answering: BTreeSet<u32>,
}

impl Segments {
    /// `answering`: ports that answer already when the agent starts, because one before it left them so. They go on.
    pub fn new(answering: BTreeSet<u32>) -> Self {
        Self { answering, ..Self::default() }
    }

    /// A frame that this node sent from one of these interfaces came in on the other. Tells whether that is news.
    pub fn heard(&mut self, one: u32, other: u32, now_ns: u64) -> bool {
        let pair = (one.min(other), one.max(other));
        one != other && self.together.insert(pair, now_ns).is_none()
    }

    /// This port receives nothing, or receives again. Tells whether that is news.
    pub fn set_deaf(&mut self, port: u32, deaf: bool) -> bool {
        if deaf { self.deaf.insert(port) } else { self.deaf.remove(&port) }
    }

    /// Forgets what is too old, and everything about interfaces that are not `there`, gone or without carrier: they may be plugged in
    /// elsewhere when they come back. Who answers instead goes on then.
    pub fn forget(&mut self, there: impl Fn(u32) -> bool, now_ns: u64) {
        let there = |index: &u32| there(*index);
        let gone = self.answering.iter().filter(|port| !there(port));
        let heirs: Vec<_> = gone.filter_map(|port| self.beside(*port).into_iter().find(there)).collect();
        self.answering.extend(heirs);
        self.together
            .retain(|(one, other), at_ns| now_ns.saturating_sub(*at_ns) < FORGOTTEN_NS && there(one) && there(other));
        self.deaf.retain(there);
        self.answering.retain(there);
    }

    /// When something will be too old, monotonic nanoseconds.
    pub fn due_ns(&self) -> Option<u64> {
        self.together.values().min().map(|at_ns| at_ns.saturating_add(FORGOTTEN_NS))
    }

    /// The other ports of a port's segment.
    pub fn beside(&self, port: u32) -> BTreeSet<u32> {
        let mut found = BTreeSet::from([port]);
        let mut open = vec![port];
        while let Some(port) = open.pop() {
            for (one, other) in self.together.keys() {
                let next = if *one == port { other } else { one };
                if (*one == port || *other == port) && found.insert(*next) {
                    open.push(*next);
                }
            }
        }
        found.remove(&port);
        found
    }

    /// Which port answers for which others, of those that can be used: by the index of those that stand by. Who answers goes on
    /// while it can, for clients lose nothing then; else the lowest index answers.
    pub fn standing_by(&mut self, usable: impl Fn(u32) -> bool) -> BTreeMap<u32, u32> {
        let ports: BTreeSet<u32> = self.together.keys().flat_map(|(one, other)| [*one, *other]).collect();
        let mut standing_by = BTreeMap::new();
        let mut done = BTreeSet::new();
        for port in ports.iter().filter(|port| usable(**port)) {
            if done.contains(port) {
                continue;
            }
            let mut segment: BTreeSet<u32> = self.beside(*port).into_iter().filter(|one| usable(*one)).collect();
            segment.insert(*port);
            done.extend(segment.iter().copied());
            // Where all are deaf, nothing is won by another.
            let hearing = segment.iter().any(|one| !self.deaf.contains(one));
            let fit = |one: &&u32| !hearing || !self.deaf.contains(one);
            let before = segment.iter().filter(fit).find(|one| self.answering.contains(one));
            let Some(chosen) = before.or_else(|| segment.iter().find(fit)).copied() else { continue };
            if segment.len() > 1 {
                self.answering.insert(chosen);
            }
            standing_by.extend(segment.into_iter().filter(|one| *one != chosen).map(|one| (one, chosen)));
        }
        self.answering.retain(|port| !standing_by.contains_key(port));
        standing_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_: u32) -> bool {
        true
    }

    fn without(gone: &[u32]) -> impl Fn(u32) -> bool {
        move |index| (2..6).contains(&index) && !gone.contains(&index)
    }

    #[test]
    fn the_lowest_answers_for_all_that_hear_each_other() {
        let mut segments = Segments::default();
        assert_eq!(segments.standing_by(all), [].into());
        assert!(segments.heard(4, 3, 10) && !segments.heard(3, 4, 20), "known already");
        assert!(!segments.heard(3, 3, 10), "a port does not hear itself");
        assert_eq!(segments.standing_by(all), [(4, 3)].into());
        // A third one beside the second is beside the first; a pair elsewhere is a segment of its own.
        assert!(segments.heard(5, 4, 30) && segments.heard(7, 9, 30));
        assert_eq!(segments.standing_by(all), [(4, 3), (5, 3), (9, 7)].into());
        assert_eq!(segments.beside(5), [3, 4].into());
    }

    #[test]
    fn who_answers_goes_on_while_it_can() {
        let mut segments = Segments::default();
        segments.heard(2, 3, 10);
        assert_eq!(segments.standing_by(|port| port != 2), [].into(), "the other one is alone");
        segments.answering = [3].into();
        assert_eq!(segments.standing_by(all), [(2, 3)].into());
    }

    #[test]
    fn who_answers_when_the_agent_starts_goes_on() {
        let mut segments = Segments::new([3].into());
        segments.forget(without(&[]), 5);
        segments.heard(2, 3, 10);
        assert_eq!(segments.standing_by(all), [(2, 3)].into());
        let mut segments = Segments::new([2, 3].into());
        segments.heard(2, 3, 10);
        assert_eq!(segments.standing_by(all), [(3, 2)].into(), "both were alone, and one is enough");
    }

    #[test]
    fn a_port_that_comes_back_stands_by_for_who_took_over() {
        let mut segments = Segments::default();
        segments.heard(2, 3, 10);
        assert_eq!(segments.standing_by(all), [(3, 2)].into());
        segments.forget(without(&[2]), 20);
        assert_eq!((segments.standing_by(all), segments.due_ns()), ([].into(), None));
        // Now it has a carrier again, and its first question is heard on the other.
        assert!(segments.heard(3, 2, 30));
        assert_eq!(segments.standing_by(all), [(2, 3)].into());
    }

    #[test]
    fn a_deaf_port_stands_by_unless_all_are_deaf() {
        let mut segments = Segments::default();
        segments.heard(2, 3, 10);
        assert!(segments.set_deaf(2, true) && !segments.set_deaf(2, true));
        assert_eq!(segments.standing_by(all), [(2, 3)].into());
        segments.set_deaf(3, true);
        assert_eq!(segments.standing_by(all), [(2, 3)].into(), "nothing is won");
        segments.set_deaf(2, false);
        assert_eq!(segments.standing_by(all), [(3, 2)].into());
    }

    #[test]
    fn what_is_not_seen_again_is_forgotten() {
        let mut segments = Segments::default();
        segments.heard(2, 3, 10);
        segments.forget(without(&[]), FORGOTTEN_NS);
        assert_eq!(segments.due_ns(), Some(FORGOTTEN_NS + 10));
        segments.heard(2, 3, 50);
        segments.forget(without(&[]), FORGOTTEN_NS + 10);
        assert_eq!(segments.standing_by(all), [(3, 2)].into());
        segments.forget(without(&[]), FORGOTTEN_NS + 50);
        assert_eq!((segments.standing_by(all), segments.due_ns()), ([].into(), None));
        segments.heard(2, 9, 60);
        segments.forget(without(&[]), 70);
        assert_eq!(segments.standing_by(all), [].into(), "an interface that is gone");
    }
}
