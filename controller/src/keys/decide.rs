//! What has to be done about the key: pure, from what the Secret holds and what speakers say.

use std::{collections::BTreeMap, time::Duration};

use arpeggio_common::{
    api::speaker::Authentication,
    model::{Key, Keys, NodeName},
};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The first key: it signs, and frames without a proof are accepted.
    Introduced,
    /// One key, and nothing else is accepted.
    Steady,
    /// A second key is accepted; the one before signs.
    Accepted,
    /// The second key signs; the one before is accepted.
    Switched,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Introduced, Self::Steady, Self::Accepted, Self::Switched];

    /// As the Secret has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Introduced => "introduced",
            Self::Steady => "steady",
            Self::Accepted => "accepted",
            Self::Switched => "switched",
        }
    }
}

/// The key, the one that comes or goes, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How far.
    pub stage: Stage,
    /// What signs.
    pub sign: Key,
    /// What is accepted as well; there while a key is replaced.
    pub other: Option<Key>,
    /// The wish for another key that was served last; empty: none was.
    pub served: String,
}

impl State {
    /// What speakers are told.
    pub fn keys(&self) -> Keys {
        let keys = [Some(self.sign), self.other].into_iter().flatten().collect();
        // One key, or two that differ: that was seen to when it was read or made.
        Keys::new(keys, self.stage == Stage::Introduced).unwrap_or_default()
    }
}

/// How long each step takes at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A speaker that starts reads what stood in the Secret so long ago at most: kubelet looks once a minute, and may be as late
    /// again.
    pub dwell: Duration,
    /// How long a speaker is waited for whose lease has run out: it may be alive and only have lost the API server.
    pub patience: Duration,
}

impl Pace {
    /// Three minutes, and an hour.
    pub const DEFAULT: Self = Self { dwell: Duration::from_secs(180), patience: Duration::from_secs(3600) };
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Everybody signs: what has no proof is refused from now on.
    Refuse,
    /// Another key is accepted.
    Introduce,
    /// Everybody accepts it: it signs.
    Switch,
    /// Everybody signs with it: the one before is not accepted any more.
    Retire,
}

/// What a speaker says, and for how long its lease has not been held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Zero while it is held.
    pub absent: Duration,
    /// By what it knows the frames of others; `None`: it does not say, so it knows no keys.
    pub authentication: Option<Authentication>,
}

/// Speakers that have not taken yet what the Secret holds, by name: the next step waits for them.
pub fn held_up_by<'s>(state: &State, speakers: &'s BTreeMap<NodeName, Said>, pace: Pace) -> Vec<&'s NodeName> {
    let sign = state.sign.fingerprint();
    let other = state.other.map(|key| key.fingerprint());
    let has = |said: &Said| {
        let keys = said.authentication.as_ref().map(|said| said.keys.as_slice()).unwrap_or_default();
        match state.stage {
            Stage::Introduced | Stage::Steady | Stage::Switched => keys.first() == Some(&sign),
            Stage::Accepted => other.as_ref().is_some_and(|other| keys.contains(other)),
        }
    };
    speakers.iter().filter(|(_, said)| said.absent < pace.patience && !has(said)).map(|(name, _)| name).collect()
}

/// The next step. `settled` is how long the Secret has been as it is; `wish` is the wish for another key.
pub fn step(state: &State, wish: &str, speakers: &BTreeMap<NodeName, Said>, settled: Duration, pace: Pace) -> Step {
    if state.stage == Stage::Steady {
        return if wish == state.served { Step::Keep } else { Step::Introduce };
    }
    let somebody = speakers.values().any(|said| said.absent < pace.patience);
    if settled < pace.dwell || !somebody || !held_up_by(state, speakers, pace).is_empty() {
        return Step::Keep;
    }
    match state.stage {
        Stage::Introduced => Step::Refuse,
        Stage::Accepted => Step::Switch,
        Stage::Switched => Step::Retire,
        Stage::Steady => Step::Keep,
    }
}

/// What the Secret holds after a step. `new` is for [`Step::Introduce`].
pub fn apply(state: &State, step: Step, wish: &str, new: Key) -> State {
    let mut after = state.clone();
    match step {
        Step::Keep => {}
        Step::Refuse => after.stage = Stage::Steady,
        Step::Introduce => {
            (after.stage, after.other) = (Stage::Accepted, Some(new));
            wish.clone_into(&mut after.served);
        }
        Step::Switch => {
            (after.stage, after.other) = (Stage::Switched, Some(state.sign));
            after.sign = state.other.unwrap_or(state.sign);
        }
        Step::Retire => (after.stage, after.other) = (Stage::Steady, None),
    }
    after
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
