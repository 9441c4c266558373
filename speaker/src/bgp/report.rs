//! Pure: what FRR says, against what is wanted.

use std::{collections::BTreeMap, sync::Arc};

use arpeggio_bgp::{Outcome, SessionFacts};
use arpeggio_common::program::with_causes;

use super::wish::Wish;

/// Whether FRR is driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// It is not known yet what is wanted.
    #[default]
    Waiting,
    /// There is no directory with FRR's sockets.
    Absent,
    /// No peer selects this node: nobody needs FRR.
    Idle,
    /// It is driven.
    Driven,
    /// It does not answer. It is tried again and again.
    Silent,
}

/// A session that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionReport {
    /// Name of the peer.
    pub peer: String,
    /// Where it is: an address, or an interface.
    pub place: String,
    /// How many prefixes it should be told.
    pub wanted: usize,
    /// Since when it is up, or down, in seconds since 1970.
    pub since_s: u64,
    /// Why it is down, the last time that is known.
    pub last_error: Option<String>,
    /// What FRR says; `None`: it has no such session.
    pub facts: Option<SessionFacts>,
}

impl SessionReport {
    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.facts.as_ref().is_some_and(SessionFacts::is_established)
    }

    /// In the words of RFC 4271. Of the states between which a session that is tried changes all the time, one stands for all.
    pub fn state(&self) -> &'static str {
        match self.facts.as_ref().map(|facts| facts.state.as_str()) {
            Some("Established") => "Established",
            None | Some("Idle") => "Idle",
            Some(_) => "Active",
        }
    }
}

/// How it stands with BGP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BgpReport {
    /// Whether FRR is driven.
    pub engine: Engine,
    /// FRR's version.
    pub version: Option<(u32, u32)>,
    /// What is wanted.
    pub wish: Arc<Wish>,
    /// One for each peer that selects this node, by name.
    pub sessions: Vec<SessionReport>,
    /// What is not as it should be, each in a sentence.
    pub problems: Vec<String>,
    /// FRR runs with what is wanted, as far as it can be had.
    pub settled: bool,
    /// Peers are told good bye. `Some(true)`: nobody holds a session with this node any more.
    pub closing: Option<bool>,
}

/// A session that came up or went down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Name of the peer.
    pub peer: String,
    /// Whether it is up.
    pub up: bool,
    /// The sentence about it.
    pub text: String,
}

impl BgpReport {
    /// Whether FRR is driven, so that peers can be told anything.
    pub const fn is_driven(&self) -> bool {
        matches!(self.engine, Engine::Driven | Engine::Silent | Engine::Idle)
    }

    /// Whether it says the same as another one, counters apart.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let essence = |session: &SessionReport| {
            let facts = session.facts.as_ref();
            let bfd = facts.and_then(|facts| Some(facts.bfd.as_ref()?.status.clone()));
            let sent = facts.map(|facts| facts.sent);
            (session.peer.clone(), session.state(), session.since_s, session.last_error.clone(), bfd, sent)
        };
        let sessions = |report: &Self| report.sessions.iter().map(essence).collect::<Vec<_>>();
        (self.engine, self.version, self.settled, self.closing)
            == (other.engine, other.version, other.settled, other.closing)
            && self.problems == other.problems
            && Arc::ptr_eq(&self.wish, &other.wish)
            && sessions(self) == sessions(other)
    }

    /// After a round of the driver. `now_s`: seconds since 1970.
    #[must_use]
    pub fn after(&self, wish: &Arc<Wish>, outcome: &Outcome, now_s: u64) -> Self {
        let answers = outcome.faults.is_empty() || !outcome.sessions.is_empty() || outcome.version.is_some();
        let mut problems = wish.problems.clone();
        problems.extend(outcome.faults.iter().map(|fault| with_causes(fault)));
        problems.extend(outcome.refused.iter().map(ToString::to_string));
        problems.extend(outcome.conflicts.iter().map(ToString::to_string));
        problems.extend(outcome.unsettled.iter().map(|command| {
            format!("{}: {} took {:?}, and it is not in force", command.object, command.daemon, command.shown())
        }));
        problems.dedup();
        let told = |closing: &Arc<Wish>| closing.desired.closing.is_some();
        let mut report = Self {
            engine: if answers { Engine::Driven } else { Engine::Silent },
            version: outcome.version.or(self.version),
            wish: Arc::clone(wish),
            sessions: self.sessions_of(wish, &outcome.sessions, now_s),
            problems,
            settled: outcome.faults.is_empty() && outcome.unsettled.is_empty(),
            closing: None,
        };
        // With FRR gone there are no sessions left to end.
        report.closing =
            told(wish).then(|| !report.sessions.iter().any(SessionReport::is_up) && (report.settled || !answers));
        report
    }

    /// With newer facts about the sessions.
    #[must_use]
    pub fn with_sessions(&self, facts: &[SessionFacts], now_s: u64) -> Self {
        let mut report = Self { sessions: self.sessions_of(&self.wish, facts, now_s), ..self.clone() };
        if report.closing.is_some() {
            report.closing = Some(!report.sessions.iter().any(SessionReport::is_up) && report.settled);
        }
        report
    }

    /// Nothing is done with FRR, and this is why.
    #[must_use]
    pub fn resting(engine: Engine, wish: &Arc<Wish>, problem: Option<String>) -> Self {
        let closing = wish.desired.closing.is_some().then_some(true);
        let problems = wish.problems.iter().cloned().chain(problem).collect();
        let sessions = Self::default().sessions_of(wish, &[], 0);
        Self { engine, wish: Arc::clone(wish), problems, sessions, settled: true, closing, ..Self::default() }
    }

    fn sessions_of(&self, wish: &Wish, facts: &[SessionFacts], now_s: u64) -> Vec<SessionReport> {
        let before: BTreeMap<&str, &SessionReport> =
            self.sessions.iter().map(|session| (session.peer.as_str(), session)).collect();
        let session = |(name, remote): (&String, &arpeggio_common::model::Remote)| {
            let facts = facts.iter().find(|facts| facts.peer.as_deref() == Some(name)).cloned();
            let mut session = SessionReport {
                peer: name.clone(),
                place: match remote {
                    arpeggio_common::model::Remote::Address(address) => address.to_string(),
                    arpeggio_common::model::Remote::Interface(interface) => interface.to_string(),
                },
                wanted: wish.wanted.get(name).copied().unwrap_or_default(),
                facts,
                ..SessionReport::default()
            };
            let before = before.get(name.as_str());
            let up_since = session.facts.as_ref().and_then(|facts| facts.since);
            let kept = before.filter(|before| before.is_up() == session.is_up()).map(|before| before.since_s);
            session.since_s = up_since.or(kept).unwrap_or(now_s);
            let newest = session.facts.as_ref().and_then(|facts| facts.last_error.clone());
            let newest = newest.or_else(|| wish.without.get(name).cloned());
            session.last_error = newest.or_else(|| before.and_then(|before| before.last_error.clone()));
            session
        };
        wish.peers.iter().map(session).collect()
    }

    /// The sessions that came up or went down since another report; of a peer that is new there, only that it is up.
    pub fn turns(&self, before: &Self) -> Vec<Turn> {
        let of = |report: &'_ Self| -> BTreeMap<String, SessionReport> {
            report.sessions.iter().map(|session| (session.peer.clone(), session.clone())).collect()
        };
        let (before, now) = (of(before), of(self));
        let mut turns = Vec::new();
        for (peer, session) in &now {
            let was = before.get(peer).is_some_and(SessionReport::is_up);
            let reset = before.get(peer).is_some_and(|before| was && before.since_s != session.since_s);
            let place = &session.place;
            match (was, session.is_up()) {
                (false, true) => {
                    turns.push(Turn { peer: peer.clone(), up: true, text: format!("the session with {place} is up") });
                }
                (true, true) if reset => {
                    let text = format!("the session with {place} was lost and is up again");
                    turns.push(Turn { peer: peer.clone(), up: true, text });
                }
                (true, false) => {
                    let why = session.last_error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                    let text = format!("the session with {place} is down{why}");
                    turns.push(Turn { peer: peer.clone(), up: false, text });
                }
                (true, true) | (false, false) => {}
            }
        }
        for (peer, session) in before.iter().filter(|(peer, session)| session.is_up() && !now.contains_key(*peer)) {
            let text = format!("the session with {} is ended: no peer of this name selects the node", session.place);
            turns.push(Turn { peer: peer.clone(), up: false, text });
        }
        turns
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
