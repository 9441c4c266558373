//! How it stands with BGP, as the report says it.

use arpeggio_common::model::Route;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::text::span;
use crate::bgp::{BgpReport, Engine, SessionReport};

/// Whether FRR is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EngineState {
    /// It is not known yet what is wanted.
    Waiting,
    /// FRR does not run here.
    Absent,
    /// No peer selects this node.
    Idle,
    /// It is driven.
    Driven,
    /// It does not answer.
    Silent,
}

/// BGP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpStatus {
    /// Whether FRR is driven.
    pub engine: EngineState,
    /// FRR's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frr: Option<String>,
    /// How many prefixes are announced.
    pub prefixes: usize,
    /// Why none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Peers were told good bye.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// One for each peer that selects this node.
    pub sessions: Vec<BgpSessionStatus>,
    /// What is not as it should be, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A session with a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpSessionStatus {
    /// Name of the peer.
    pub peer: String,
    /// Where it is: an address, or an interface.
    pub place: String,
    /// In FRR's words.
    pub state: String,
    /// Whether it is up.
    pub up: bool,
    /// How long it has been up, or down.
    pub for_ms: u64,
    /// How many prefixes the peer has.
    pub prefixes: u64,
    /// How many it should have.
    pub wanted: usize,
    /// State of the BFD session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd: Option<String>,
    /// Why it is down, or was the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl BgpStatus {
    /// `now_s`: seconds since 1970.
    pub(super) fn new(report: &BgpReport, now_s: u64) -> Self {
        Self {
            engine: match report.engine {
                Engine::Waiting => EngineState::Waiting,
                Engine::Absent => EngineState::Absent,
                Engine::Idle => EngineState::Idle,
                Engine::Driven => EngineState::Driven,
                Engine::Silent => EngineState::Silent,
            },
            frr: report.version.map(|(major, minor)| format!("{major}.{minor}")),
            prefixes: report.wish.prefixes(),
            withheld: report.wish.withheld.clone(),
            leaving: report.closing.is_some(),
            sessions: report.sessions.iter().map(|session| of_session(session, now_s)).collect(),
            problems: report.problems.clone(),
        }
    }

    /// What is wrong, each in a sentence that says what it is about.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.problems.iter().map(|problem| format!("BGP: {problem}")).collect();
        let down =
            self.sessions.iter().filter(|session| !session.up && self.engine == EngineState::Driven && !self.leaving);
        problems.extend(down.map(|session| {
            let BgpSessionStatus { peer, place, state, for_ms, last_error, .. } = session;
            let why = last_error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("BGP: no session with peer {peer} ({place}) for {}, it is {state}{why}", span(*for_ms))
        }));
        problems
    }

    /// The section for people; `None` where BGP is not used.
    pub(super) fn section(&self) -> Option<String> {
        if self.sessions.is_empty() {
            return None;
        }
        let frr = self.frr.as_ref().map(|version| format!("FRR {version}, ")).unwrap_or_default();
        let why = match (&self.withheld, self.leaving) {
            (_, true) => " (peers were told good bye)".to_owned(),
            (Some(why), false) => format!(" (nothing is announced: {why})"),
            (None, false) => String::new(),
        };
        let head = format!("BGP PEERS: {frr}{} prefixes{why}\n", self.prefixes);
        let lines = self.sessions.iter().map(|session| {
            let BgpSessionStatus { peer, place, state, for_ms, prefixes, wanted, bfd, last_error, .. } = session;
            let bfd = bfd.as_ref().map(|bfd| format!(", BFD {bfd}")).unwrap_or_default();
            let error = last_error.as_ref().filter(|_| !session.up).map(|why| format!(": {why}")).unwrap_or_default();
            format!(
                "  {peer:<20} {place:<22} {state} for {}, {prefixes} of {wanted} prefixes{bfd}{error}\n",
                span(*for_ms)
            )
        });
        Some(head + &lines.collect::<String>())
    }
}

fn of_session(session: &SessionReport, now_s: u64) -> BgpSessionStatus {
    let facts = session.facts.as_ref();
    BgpSessionStatus {
        peer: session.peer.clone(),
        place: session.place.clone(),
        state: facts.map_or("Idle", |facts| facts.state.as_str()).to_owned(),
        up: session.is_up(),
        for_ms: now_s.saturating_sub(session.since_s).saturating_mul(1_000),
        prefixes: facts.map_or(0, |facts| if session.is_up() { facts.sent } else { 0 }),
        wanted: session.wanted,
        bfd: facts.and_then(|facts| Some(facts.bfd.as_ref()?.status.clone())),
        last_error: session.last_error.clone(),
    }
}

/// What is told to whom of a prefix, for `speaker explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Facts in sentences, and whether each is as it should be.
    pub(super) lines: Vec<(bool, String)>,
    /// Peers that have it.
    pub(super) have: Vec<String>,
    /// Peers that should have it and have not.
    pub(super) lack: Vec<String>,
}

/// Of the prefixes that `asked` is in, or that are in it: an address is explained with its aggregates.
pub(super) fn told(report: &BgpReport, asked: &IpNet) -> Told {
    let mut told = Told::default();
    let concerns = |prefix: &IpNet| prefix.contains(asked) || asked.contains(prefix);
    for router in report.wish.desired.routers.values() {
        for (prefix, class) in router.networks.iter().filter(|(prefix, _)| concerns(prefix)) {
            let Some(class) = report.wish.desired.classes.get(class) else { continue };
            for neighbor in router.neighbors.values().filter(|neighbor| neighbor.carries(prefix)) {
                let peer = &neighbor.peer.name;
                let Some(attributes) = class.attributes(peer) else { continue };
                let with = with((attributes.local_pref, neighbor.is_internal()), attributes.communities.iter());
                let session = report.sessions.iter().find(|session| session.peer == *peer);
                let up = session.is_some_and(SessionReport::is_up);
                let state = session.map_or("Idle", SessionReport::state);
                let why = session.and_then(|session| session.last_error.as_ref()).filter(|_| !up);
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let text = if up {
                    format!("{prefix} is told to peer {peer} ({}){with}", neighbor.peer.remote)
                } else {
                    format!(
                        "{prefix} is for peer {peer} ({}){with}, whose session is {state}{why}",
                        neighbor.peer.remote
                    )
                };
                told.lines.push((up, text));
                if up { &mut told.have } else { &mut told.lack }.push(peer.clone());
            }
        }
    }
    for names in [&mut told.have, &mut told.lack] {
        names.sort_unstable();
        names.dedup();
    }
    told
}

/// Local preference is for peers of our own number alone.
fn with<'c>(
    (local_pref, is_internal): (u32, bool),
    communities: impl Iterator<Item = &'c arpeggio_common::model::Community>,
) -> String {
    let mut parts: Vec<String> = communities.map(ToString::to_string).collect();
    if !parts.is_empty() {
        parts = vec![format!("communities {}", parts.join(" "))];
    }
    if local_pref != 0 && is_internal {
        parts.push(format!("local preference {local_pref}"));
    }
    if parts.is_empty() { String::new() } else { format!(" with {}", parts.join(", ")) }
}

/// Why a route of this address is told to nobody, although there is one; `None`: there is none, or somebody is told.
pub(super) fn silence(report: &BgpReport, node: &str, routes: &[Route]) -> Option<String> {
    if routes.is_empty() {
        return None;
    }
    let here = |route: &&Route| route.nodes.as_ref().is_none_or(|nodes| nodes.iter().any(|name| name.as_str() == node));
    let own: Vec<&Route> = routes.iter().filter(here).collect();
    if own.is_empty() {
        return Some("its routes are for other nodes".to_owned());
    }
    match report.engine {
        Engine::Waiting => return Some("it is not known yet which peers there are".to_owned()),
        Engine::Absent => return Some("FRR does not run on this node".to_owned()),
        Engine::Idle => return Some("no BGPPeer selects this node".to_owned()),
        Engine::Driven | Engine::Silent => {}
    }
    if let Some(why) = &report.wish.withheld {
        return Some(format!("this node announces nothing to BGP peers: {why}"));
    }
    if report.closing.is_some() {
        return Some("this node is evacuated".to_owned());
    }
    let text = "its routes are for none of the peers that have a session with this node, or for the other family";
    own.iter().all(|route| told(report, &route.prefix).lines.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
#[path = "bgp_tests.rs"]
mod tests;
