//! How it stands with the API server, as the agent tells it.

use std::{collections::BTreeMap, path::PathBuf};

/// Where what is in force came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// The file that the agent keeps.
    Snapshot,
    /// The API server.
    Api,
}

/// How it stands. Times are monotonic nanoseconds, unless it is said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiState {
    /// Where the server is.
    pub server: String,
    /// Where what is in force came from.
    pub origin: Origin,
    /// Whether the last request was answered, and since when it has been so; `None` before the first.
    pub answers: Option<(Result<(), String>, u64)>,
    /// The last fault of each watch, and when it was.
    pub watches: BTreeMap<&'static str, (String, u64)>,
    /// The file of the snapshot.
    pub snapshot: PathBuf,
    /// When the snapshot was written, wall-clock nanoseconds.
    pub snapshot_wall_ns: Option<u64>,
    /// Announcements that cannot be used: the name of the object, and why.
    pub faults: Vec<(String, String)>,
    /// Whether the node is to be evacuated, as `spec.evacuate` of its Speaker says.
    pub evacuate_spec: bool,
    /// As the annotation of its Node says.
    pub evacuate_annotation: bool,
}

impl ApiState {
    /// A request was answered, or not.
    pub fn heard(&mut self, result: Result<(), String>, now_ns: u64) {
        let same = self.answers.as_ref().is_some_and(|(before, _)| before.is_ok() == result.is_ok());
        let since_ns = self.answers.as_ref().map_or(now_ns, |(_, since_ns)| if same { *since_ns } else { now_ns });
        self.answers = Some((result, since_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_last_turn() {
        let mut state = ApiState::default();
        state.heard(Ok(()), 5);
        state.heard(Ok(()), 9);
        assert_eq!(state.answers, Some((Ok(()), 5)));
        state.heard(Err("refused".into()), 11);
        state.heard(Err("timed out".into()), 13);
        assert_eq!(state.answers, Some((Err("timed out".into()), 11)), "the newest reason, since the first");
    }
}
