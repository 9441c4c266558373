//! How it stands with the Kubernetes API, as the report says it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{facts::ApiFacts, text::span};
use crate::world::ApiOrigin;

/// A watch that failed is told of for so long; one that goes on failing does so more often.
const RECENT_NS: u64 = 90_000_000_000;
/// Announcements that are told one by one.
const SPELLED_OUT: usize = 10;

/// Where what is in force came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ApiSource {
    /// Nothing is known yet.
    None,
    /// The file that the agent keeps.
    Snapshot,
    /// The API server.
    Api,
}

/// The Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesReport {
    /// Where the server is.
    pub server: String,
    /// Where what is in force came from.
    pub source: ApiSource,
    /// Whether the last request was answered; absent before the first.
    pub answering: Option<bool>,
    /// How long it has been so.
    pub for_ms: Option<u64>,
    /// Why the last request was not answered.
    pub error: Option<String>,
    /// Why a watch failed lately, by what it watches.
    pub watches: BTreeMap<String, String>,
    /// The file that the agent goes on from when it starts without a server.
    pub snapshot: PathBuf,
    /// When it was written; absent when there is none.
    pub snapshot_ago_ms: Option<u64>,
    /// Announcements that cannot be used; what they said before stays in force.
    pub faults: Vec<FaultReport>,
}

/// An Announcement that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultReport {
    /// The object.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl KubernetesReport {
    pub(super) fn new(facts: &ApiFacts, now_ns: u64) -> Self {
        let state = &facts.state;
        let ms = |ns: u64| ns / 1_000_000;
        let answers = state.answers.as_ref();
        let wall_ns = now_ns.saturating_add(facts.wall_ahead_ns);
        let recent = |(_, (_, at_ns)): &(&&'static str, &(String, u64))| now_ns.saturating_sub(*at_ns) < RECENT_NS;
        let watches = state.watches.iter().filter(recent);
        Self {
            server: state.server.clone(),
            source: match state.origin {
                ApiOrigin::Unknown => ApiSource::None,
                ApiOrigin::Snapshot => ApiSource::Snapshot,
                ApiOrigin::Api => ApiSource::Api,
            },
            answering: answers.map(|(result, _)| result.is_ok()),
            for_ms: answers.map(|(_, since_ns)| ms(now_ns.saturating_sub(*since_ns))),
            error: answers.and_then(|(result, _)| result.clone().err()),
            watches: watches.map(|(watch, (fault, _))| ((*watch).to_owned(), fault.clone())).collect(),
            snapshot: state.snapshot.clone(),
            snapshot_ago_ms: state.snapshot_wall_ns.map(|at_ns| ms(wall_ns.saturating_sub(at_ns))),
            faults: (state.faults.iter())
                .map(|(name, reason)| FaultReport { name: name.clone(), reason: reason.clone() })
                .collect(),
        }
    }

    /// Lines for the head of the report.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let since = self.for_ms.map(|ms| format!(" for {}", span(ms))).unwrap_or_default();
        let answering = match (self.answering, &self.error) {
            (Some(true), _) => format!("answering{since}"),
            (Some(false), Some(error)) => format!("not answering{since}: {error}"),
            (Some(false), None) => format!("not answering{since}"),
            (None, _) => "not asked yet".to_owned(),
        };
        let mut lines = vec![("api", format!("{}, {answering}", self.server))];
        lines.extend(self.watches.iter().map(|(watch, fault)| ("", format!("watch of {watch}: {fault}"))));
        let age = self.snapshot_ago_ms.map_or_else(|| "none yet".to_owned(), |ms| format!("{} old", span(ms)));
        let used = match self.source {
            ApiSource::None => "; nothing is known yet of what is announced",
            ApiSource::Snapshot => "; in force until the API server answers",
            ApiSource::Api => "",
        };
        lines.push(("snapshot", format!("{}, {age}{used}", self.snapshot.display())));
        let faults = self.faults.iter().take(SPELLED_OUT);
        lines.extend(faults.map(|fault| ("", format!("Announcement {} cannot be used: {}", fault.name, fault.reason))));
        if self.faults.len() > SPELLED_OUT {
            lines.push(("", format!("and {} more", self.faults.len() - SPELLED_OUT)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::ApiState;

    const SECOND: u64 = 1_000_000_000;

    fn report(state: ApiState) -> KubernetesReport {
        KubernetesReport::new(&ApiFacts { state, wall_ahead_ns: 1000 * SECOND }, 100 * SECOND)
    }

    #[test]
    fn an_api_server_that_is_away_is_told_with_what_is_in_force_instead() {
        let report = report(ApiState {
            server: "https://192.0.2.1:6443".into(),
            origin: ApiOrigin::Snapshot,
            answers: Some((Err("connection refused".into()), 60 * SECOND)),
            watches: [("announcements", ("refused".into(), 99 * SECOND)), ("node", ("old".into(), SECOND))].into(),
            snapshot: "/run/x/kubernetes.json".into(),
            snapshot_wall_ns: Some(1090 * SECOND),
            faults: vec![("192.0.2.9".into(), "spec.address: no".into())],
            ..ApiState::default()
        });
        assert_eq!(
            (report.answering, report.for_ms, report.snapshot_ago_ms),
            (Some(false), Some(40_000), Some(10_000))
        );
        let lines: Vec<_> = report.lines().into_iter().map(|(name, text)| format!("{name}|{text}")).collect();
        assert_eq!(
            lines,
            [
                "api|https://192.0.2.1:6443, not answering for 40s: connection refused",
                "|watch of announcements: refused",
                "snapshot|/run/x/kubernetes.json, 10s old; in force until the API server answers",
                "|Announcement 192.0.2.9 cannot be used: spec.address: no",
            ]
        );
    }

    #[test]
    fn before_the_first_answer_nothing_is_claimed() {
        let report = report(ApiState::default());
        assert_eq!((report.answering, report.source, report.snapshot_ago_ms), (None, ApiSource::None, None));
        let lines = report.lines();
        assert!(
            lines[0].1.ends_with("not asked yet") && lines[1].1.contains("none yet; nothing is known"),
            "{lines:?}"
        );
    }
}
