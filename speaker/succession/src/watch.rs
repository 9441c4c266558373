//! Heartbeats to one node: one at a time for all addresses that this node stands by for, each in its turn.
//!
//! What proves life is the kernel's stamp of the last answer, never the moment at which it was read: a process that was
//! stopped finds the answers that came meanwhile, and one that could not send has nothing to miss.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

use arpeggio_common::model::NodeId;

use super::{Pace, Place, exclusive::solitude_ns, hearing::Hearing};

/// What a watch found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Ask this address of the node; `doubtful`: the question before was not answered yet.
    Ask { place: Place, doubtful: bool },
    /// The node does not answer; it last did at this time.
    Silent(u64),
    /// The node does not answer, it last did at this time, and nothing else was heard since: perhaps this node is deaf.
    Deserted(u64),
    /// The node answers, but not for this address; it last did at this time.
    Lost(Place, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    /// Neither first nor second in line.
    slow: bool,
    /// Not asked yet.
    new: bool,
    /// Heartbeats for this address that were not answered.
    misses: u32,
    /// When it was answered last.
    answered_ns: u64,
}

/// The heartbeats of this node to another on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    node: Option<NodeId>,
    members: BTreeMap<Place, Member>,
    /// All members are slow.
    slow: bool,
    /// When the heartbeats went out that no answer followed, oldest first, and for which address.
    unanswered: VecDeque<(u64, Place)>,
    answered_ns: u64,
    /// When the last heartbeat went out, and for which address.
    last: Option<(u64, Place)>,
    /// Frames came while heartbeats went unanswered.
    hears: bool,
    /// Whether the members believe that it answers.
    alive: bool,
    /// Its present silence was told, and that of everybody.
    told: bool,
    deserted: bool,
    /// When it was found silent.
    silent_ns: u64,
}

impl Watch {
    /// `alive`: whether it is known to answer, because it was just seen to.
    pub(super) fn new(node: Option<NodeId>, now_ns: u64, alive: bool) -> Self {
        Self {
            node,
            members: BTreeMap::new(),
            slow: true,
            unanswered: VecDeque::new(),
            // An answer to what is asked now is a later one.
            answered_ns: now_ns.saturating_sub(1),
            last: None,
            hears: false,
            alive,
            told: false,
            deserted: false,
            silent_ns: now_ns,
        }
    }

    /// Who is watched, as far as it said.
    pub(super) const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// Takes part; tells whether it did not before. Somebody new wants to hear of a silence that is known already.
    pub(super) fn join(&mut self, place: Place, slow: bool, now_ns: u64) -> bool {
        let new = !self.members.contains_key(&place);
        let fresh = Member { slow: !slow, new: true, misses: 0, answered_ns: now_ns };
        let member = self.members.entry(place).or_insert(fresh);
        if std::mem::replace(&mut member.slow, slow) != slow {
            self.slow = self.members.values().all(|member| member.slow);
        }
        if new {
            self.tell_again();
        }
        new
    }

    /// A silence that is known already has to be told once more.
    pub(super) fn tell_again(&mut self) {
        self.deserted = false;
        if self.told {
            self.told = false;
            self.unanswered.clear();
            self.hears = false;
        }
    }

    /// Whether nothing is left to be watched for.
    pub(super) fn part(&mut self, place: Place) -> bool {
        self.members.remove(&place);
        self.slow = self.members.values().all(|member| member.slow);
        self.members.is_empty()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = Place> + '_ {
        self.members.keys().copied()
    }

    /// When it answered last for this address, or in general.
    pub(super) fn answered_ns(&self, place: Place) -> Option<u64> {
        self.members.get(&place).map(|member| member.answered_ns)
    }

    /// When it answered last, for whichever address.
    pub(super) const fn last_ns(&self) -> u64 {
        self.answered_ns
    }

    /// Since when it does not answer, if nothing else is heard either.
    pub(super) fn doubt_ns(&self, pace: Pace) -> Option<u64> {
        (self.unanswered.len() >= pace.misses() as usize && !self.hears && !self.told).then_some(self.answered_ns)
    }

    /// Whether the last heartbeat was not answered yet.
    pub(super) fn is_doubtful(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Whether it is believed not to answer, although it was heard later than it was found silent: it may be about to.
    pub(super) fn may_return(&self, heard_ns: u64) -> bool {
        !self.alive && heard_ns > self.silent_ns
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.alive
    }

    /// The addresses whose answers may have come.
    pub(super) fn asked(&self) -> impl Iterator<Item = Place> + '_ {
        self.unanswered.iter().map(|(_, place)| *place)
    }

    /// Whether received frames have to be counted.
    pub(super) fn wants_hearing(&self) -> bool {
        !self.unanswered.is_empty() && !self.hears
    }

    /// The node answered, or claimed; `place`: for which address, if for one of these. Tells whether it was believed not to.
    pub(super) fn answered(&mut self, place: Option<Place>, at_ns: u64) -> bool {
        if let Some(member) = place.and_then(|place| self.members.get_mut(&place))
            && at_ns > member.answered_ns
        {
            member.answered_ns = at_ns;
            member.misses = 0;
        }
        let fresh = at_ns > self.answered_ns;
        self.answered_ns = self.answered_ns.max(at_ns);
        let answered_ns = self.answered_ns;
        // An answer that came after a heartbeat may belong to the one before it: still it is alive.
        while let Some((sent_ns, asked)) = self.unanswered.front().copied()
            && sent_ns <= answered_ns
        {
            self.unanswered.pop_front();
            if let Some(member) = self.members.get_mut(&asked)
                && member.answered_ns < sent_ns
            {
                member.misses += 1;
            }
        }
        if self.unanswered.is_empty() {
            self.hears = false;
        }
        if fresh {
            self.told = false;
            self.deserted = false;
            return !std::mem::replace(&mut self.alive, true);
        }
        false
    }

    /// When [`Self::step`] wants to be called again.
    pub(super) fn due_ns(&self, pace: Pace) -> u64 {
        match self.verdict_ns(pace) {
            Some(verdict_ns) if !self.told => verdict_ns.min(self.next_ns(pace)),
            _ => self.next_ns(pace),
        }
    }

    fn next_ns(&self, pace: Pace) -> u64 {
        let interval_ns = if self.slow { pace.slow_interval_ns() } else { pace.interval_ns() };
        self.last.map_or(0, |(sent_ns, _)| sent_ns + interval_ns)
    }

    fn verdict_ns(&self, pace: Pace) -> Option<u64> {
        let (sent_ns, _) = self.unanswered.back()?;
        (self.unanswered.len() >= pace.misses() as usize && self.hears).then(|| sent_ns + pace.reply_ns())
    }

    /// Looks at the time. `hearing` was read just now.
    pub(super) fn step(&mut self, pace: Pace, hearing: &Hearing, now_ns: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.told && self.verdict_ns(pace).is_some_and(|at| now_ns >= at) {
            self.told = true;
            self.alive = false;
            self.silent_ns = now_ns;
            findings.push(Finding::Silent(self.answered_ns));
        }
        let alone = self.doubt_ns(pace).is_some_and(|last_ns| now_ns.saturating_sub(last_ns) >= solitude_ns(pace));
        if alone && !self.deserted {
            self.deserted = true;
            self.alive = false;
            self.silent_ns = now_ns;
            findings.push(Finding::Deserted(self.answered_ns));
        }
        if let Some(place) = self.lost(pace) {
            findings.push(Finding::Lost(place, self.members.get(&place).map_or(0, |member| member.answered_ns)));
        }
        if now_ns >= self.next_ns(pace)
            && let Some(place) = self.next_member()
        {
            let doubtful = !self.unanswered.is_empty();
            // The sign has to be later than the answer that is missed first: else hearing may have ended in between; and older
            // than a heartbeat that is then missed: else it may have begun after all of them.
            if let Some((first_ns, _)) = self.unanswered.front() {
                self.hears |= hearing.since(first_ns + pace.reply_ns());
            }
            self.unanswered.push_back((now_ns, place));
            if self.unanswered.len() > pace.misses() as usize + 1 {
                self.unanswered.pop_front();
            }
            self.last = Some((now_ns, place));
            if let Some(member) = self.members.get_mut(&place) {
                member.new = false;
            }
            findings.push(Finding::Ask { place, doubtful });
        }
        findings
    }

    /// An address that the node does not answer for any more, although it answers for others.
    fn lost(&mut self, pace: Pace) -> Option<Place> {
        if !self.alive {
            return None;
        }
        let (place, member) = self.members.iter_mut().find(|(_, member)| member.misses >= pace.misses())?;
        member.misses = 0;
        Some(*place)
    }

    /// The address whose turn it is. Behind a heartbeat that was not answered the one that was answered last: the node may
    /// have lost the other, and is not silent for that. Else one that was missed, or the next in the circle.
    fn next_member(&self) -> Option<Place> {
        if !self.unanswered.is_empty() {
            let is_asked = |place: &Place| self.unanswered.iter().any(|(_, asked)| asked == place);
            let others = self.members.iter().filter(|(place, _)| !is_asked(place));
            if let Some((place, _)) = others.max_by_key(|(_, member)| member.answered_ns) {
                return Some(*place);
            }
        }
        // Whoever claimed may have been about to leave.
        if let Some((place, _)) = self.members.iter().find(|(_, member)| member.new) {
            return Some(*place);
        }
        let last = self.last.map(|(_, place)| place);
        let doubtful = self.members.iter().find(|(place, member)| member.misses > 0 && Some(**place) != last);
        if let Some((place, _)) = doubtful {
            return Some(*place);
        }
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.members.range((after, Bound::Unbounded)).next().or_else(|| self.members.first_key_value());
        next.map(|(place, _)| *place)
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
