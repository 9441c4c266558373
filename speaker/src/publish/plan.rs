//! Pure: what has to be written so that the API shows what is.
//!
//! Whoever answers says so at once. Whoever no longer does, and is still named, waits for the successor to say so, and then
//! clears it. Where nobody is a candidate any more the controller says why nobody answers; a node that has not let go yet leaves
//! that as it is. Nobody is contradicted in turns: a node that does not decide (see [`compose`](super::compose)) writes over
//! another's word only if its own is newer, and the queue lets the others repeat themselves more and more rarely.

use std::sync::Arc;

use arpeggio_common::api::{announcement::AnnouncementStatus, names::ANNOUNCED, speaker::SpeakerStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::types::Stance;
use crate::world::{Announced, Observed};

/// Milliseconds for which a successor may say by itself that it has taken over.
const CLEARING_MS: u64 = 5_000;
/// Milliseconds for which a candidate that can announce may say so, before others say that they cannot.
const NOWHERE_MS: u64 = 5_000;
/// Milliseconds between two candidates who have the same to say.
const RANK_MS: u64 = 2_000;
/// Candidates behind this one are not waited for longer.
const LAST_RANK: usize = 8;

/// A status that should replace the one that is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The whole of it.
    pub status: AnnouncementStatus,
    /// Milliseconds for which it has to be wanted before it is written.
    pub patience_ms: u64,
    /// It says otherwise than another node does.
    pub contradicts: bool,
    /// It must not be written over anything newer than this version of the object.
    pub version: Option<String>,
}

/// What should be written about one address, if anything. `node` is this one, `now` goes into what changes now.
pub fn change(node: &str, observed: &Observed, stance: Option<&Stance>, now: Timestamp) -> Option<Change> {
    let named = observed.owner.as_deref() == Some(node);
    let other = !named && observed.owner.is_some();
    match stance {
        Some(Stance::Answers { .. }) if observed.nobody => None,
        Some(Stance::Answers { interfaces, since, decides, shared, rival }) => {
            let newer = observed.since.is_none_or(|before| before < *since);
            if other && !decides && !newer {
                return None;
            }
            let verdict = verdict(node, *shared, rival.as_deref());
            let same_place = observed.interfaces.as_deref().unwrap_or_default() == &**interfaces;
            if named && same_place && verdict.is_shown_by(observed) {
                return None;
            }
            let since = observed.since.filter(|_| named).unwrap_or(*since);
            let status = AnnouncementStatus {
                owner: Some(node.to_owned()),
                interfaces: interfaces.to_vec(),
                since: Some(Time(since)),
                conditions: vec![verdict.condition(observed, now)],
            };
            Some(Change { status, patience_ms: 0, contradicts: other, version: None })
        }
        _ if other => None,
        Some(Stance::InUse { by, rank }) => {
            let text = format!("no node announces it, for a stranger answers: {by}");
            let verdict = Verdict { holds: false, reason: "AddressInUse", message: text.into() };
            nobody(observed, &verdict, RANK_MS * (*rank).min(LAST_RANK) as u64, now)
        }
        Some(Stance::Nowhere { why, rank }) => {
            // Each candidate has its own reason; the first that is told stays. What a stranger does matters more.
            let told = |shown: &Announced| !shown.holds && ["NoInterface", "AddressInUse"].contains(&&*shown.reason);
            if !named && observed.announced.as_ref().is_some_and(told) {
                return None;
            }
            let verdict = Verdict { holds: false, reason: "NoInterface", message: Arc::clone(why) };
            nobody(observed, &verdict, NOWHERE_MS + RANK_MS * (*rank).min(LAST_RANK) as u64, now)
        }
        None if named => {
            let text = format!("{node} no longer answers for it, and no other node has reported that it does");
            let verdict = Verdict { holds: false, reason: "NoOwner", message: text.into() };
            nobody(observed, &verdict, CLEARING_MS, now)
        }
        None => None,
    }
}

/// Nobody answers.
fn nobody(observed: &Observed, verdict: &Verdict, patience_ms: u64, now: Timestamp) -> Option<Change> {
    if observed.owner.is_none() && observed.interfaces.is_none() && verdict.is_shown_by(observed) {
        return None;
    }
    let conditions = vec![verdict.condition(observed, now)];
    let status = AnnouncementStatus { conditions, ..AnnouncementStatus::default() };
    let version = observed.version.as_deref().map(ToOwned::to_owned);
    Some(Change { status, patience_ms, contradicts: false, version })
}

/// The condition, without its times.
struct Verdict {
    holds: bool,
    reason: &'static str,
    message: Arc<str>,
}

fn verdict(node: &str, shared: bool, rival: Option<&str>) -> Verdict {
    let (holds, reason, message) = match (rival, shared) {
        (Some(rival), _) => {
            (false, "AddressConflict", format!("{node} answers for it, and so does a stranger: {rival}"))
        }
        (None, true) => (true, "Shared", "several nodes answer, each its share of the clients".to_owned()),
        (None, false) => (true, "Answered", format!("{node} answers for it")),
    };
    Verdict { holds, reason, message: message.into() }
}

impl Verdict {
    fn is_shown_by(&self, observed: &Observed) -> bool {
        observed.announced.as_ref().is_some_and(|shown| {
            (shown.holds, &*shown.reason, &*shown.message) == (self.holds, self.reason, &*self.message)
        })
    }

    fn condition(&self, observed: &Observed, now: Timestamp) -> Condition {
        let same = observed.announced.as_ref().filter(|shown| shown.holds == self.holds);
        Condition {
            type_: ANNOUNCED.to_owned(),
            status: if self.holds { "True" } else { "False" }.to_owned(),
            reason: self.reason.to_owned(),
            message: (*self.message).to_owned(),
            last_transition_time: Time(same.map_or(now, |shown| shown.since)),
            observed_generation: None,
        }
    }
}

/// The status of the Speaker object that should be written, if what is shown differs. The times of conditions are not compared;
/// a condition whose status stays keeps its time.
pub fn speaker_change(
    observed: Option<&SpeakerStatus>,
    wanted: &SpeakerStatus,
    now: Timestamp,
) -> Option<SpeakerStatus> {
    let shown = observed.map(|observed| observed.conditions.as_slice()).unwrap_or_default();
    let mut status = wanted.clone();
    for condition in &mut status.conditions {
        let before = shown.iter().find(|shown| shown.type_ == condition.type_ && shown.status == condition.status);
        condition.last_transition_time = before.map_or(Time(now), |before| before.last_transition_time.clone());
    }
    (observed != Some(&status)).then_some(status)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
