//! Who owns an address and who would take over, as the report says it.

use std::net::IpAddr;

use arpeggio_succession::{Standing, View};
use serde::{Deserialize, Serialize};

use super::{
    facts::{Facts, PeerFacts, SuccessionFacts},
    parties::Party,
    text::span,
};

/// How the nodes of the segment watch each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SuccessionReport {
    /// Between two heartbeats.
    pub interval_ms: u64,
    /// Unanswered heartbeats in a row that mean silence.
    pub misses: u32,
    /// From an owner's end to the first claim of another, at most.
    pub detection_ms: u64,
    /// Whether this node is to lose everything to others.
    pub evacuating: bool,
    /// By which key it knows the frames of other nodes, in words; "unauthenticated": by none.
    #[serde(default)]
    pub authentication: String,
    /// The other speakers that were heard, by interface.
    pub peers: Vec<PeerReport>,
    /// Devices that answer for every address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<ProxyReport>,
}

/// A device that answers for every address of one family (proxy ARP).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyReport {
    /// Where it was heard.
    pub interface: String,
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// Its MAC.
    pub mac: String,
}

/// Another speaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerReport {
    /// Its name, or its number when the configuration does not know it.
    pub node: String,
    /// Its MAC there.
    pub mac: String,
    /// Where it was heard.
    pub interface: String,
    /// When it was heard last.
    pub ago_ms: u64,
    /// How many of its frames were heard.
    pub frames: u64,
}

/// What this node is for one address on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnershipReport {
    /// What it is.
    pub standing: Standing,
    /// Its position among the candidates, 1 for the preferred owner; absent when it is none of them.
    pub rank: Option<usize>,
    /// Who owns the address as far as this node knows, itself included.
    pub owner: Option<Party>,
    /// How long it has been so.
    pub for_ms: u64,
    /// When the owner answered a heartbeat of this node last.
    pub heartbeat_ago_ms: Option<u64>,
    /// For how long this node has heard nothing, so that it does not take over from an owner that does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deaf_ms: Option<u64>,
}

impl SuccessionReport {
    pub(super) fn new(facts: &Facts, succession: &SuccessionFacts, interface: impl Fn(u32) -> String) -> Self {
        let ms = |ns: u64| ns / 1_000_000;
        let peer = |peer: &PeerFacts| PeerReport {
            node: facts.names.of(peer.node),
            mac: peer.mac.to_string(),
            interface: interface(peer.ifindex),
            ago_ms: ms(facts.now_ns.saturating_sub(peer.last_ns)),
            frames: peer.frames,
        };
        let mut peers: Vec<_> = succession.peers.iter().map(peer).collect();
        let proxies = succession.proxies.iter().map(|proxy| ProxyReport {
            interface: interface(proxy.ifindex),
            family: if proxy.ipv4 { "IPv4" } else { "IPv6" }.to_owned(),
            mac: proxy.mac.to_string(),
        });
        let proxies = proxies.collect();
        peers.sort_by(|a, b| (&a.interface, &a.node, &a.mac).cmp(&(&b.interface, &b.node, &b.mac)));
        Self {
            interval_ms: ms(succession.pace.interval_ns()),
            misses: succession.pace.misses(),
            detection_ms: ms(succession.pace.detection_ns()),
            evacuating: succession.evacuating,
            authentication: succession.keys.to_string(),
            peers,
            proxies,
        }
    }
}

impl OwnershipReport {
    /// Of an address on an interface, if the succession knows it.
    pub(super) fn new(facts: &Facts, (index, address): (u32, IpAddr)) -> Option<Self> {
        let view = facts.succession.as_ref()?.views.get(&(index, address))?;
        let ago_ms = |at_ns: u64| facts.now_ns.saturating_sub(at_ns) / 1_000_000;
        Some(Self {
            standing: view.standing,
            rank: view.rank.map(|rank| rank + 1),
            owner: owner(facts, index, view),
            for_ms: ago_ms(view.since_ns),
            heartbeat_ago_ms: view.heartbeat_ns.map(ago_ms),
            deaf_ms: view.doubt.map(|doubt| ago_ms(doubt.since_ns)),
        })
    }
}

fn owner(facts: &Facts, index: u32, view: &View) -> Option<Party> {
    match view.standing {
        Standing::Owner | Standing::Leaving => {
            let mac = facts.links.0.get(&index).and_then(|link| link.mac)?;
            Some(Party { node: facts.node.as_ref().map(ToString::to_string), mac: mac.to_string() })
        }
        Standing::Out
        | Standing::Asking
        | Standing::Standby
        | Standing::Waiting
        | Standing::InUse
        | Standing::Sharing => view.owner.map(|voice| Party::new(voice, &facts.names)),
    }
}

/// The standing as people read it.
pub(super) const fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Out => "out",
        Standing::Asking => "asking",
        Standing::Standby => "standby",
        Standing::Waiting => "waiting",
        Standing::Owner => "owner",
        Standing::Leaving => "leaving",
        Standing::InUse => "in use",
        Standing::Sharing => "sharing",
    }
}

impl SuccessionReport {
    /// One line for the head of the report.
    pub(super) fn line(&self) -> String {
        let Self { interval_ms, misses, detection_ms, authentication, .. } = self;
        let evacuating = if self.evacuating { "; evacuating" } else { "" };
        let pace = format!("heartbeats every {interval_ms} ms, {misses} missed mean silence: {detection_ms} ms");
        format!("{pace}; {authentication}{evacuating}")
    }
}

impl PeerReport {
    /// The header of [`Self::row`].
    pub(super) const HEADER: [&'static str; 5] = ["PEER", "INTERFACE", "MAC", "HEARD", "FRAMES"];

    /// One line of the table of peers.
    pub(super) fn row(&self) -> Vec<String> {
        let heard = format!("{} ago", span(self.ago_ms));
        vec![self.node.clone(), self.interface.clone(), self.mac.clone(), heard, self.frames.to_string()]
    }
}

impl OwnershipReport {
    /// Rank, owner, since and last heartbeat: the columns of the address table behind the standing.
    pub(super) fn columns(&self) -> [String; 4] {
        let dash = || "-".to_owned();
        [
            self.rank.map_or_else(dash, |rank| rank.to_string()),
            self.owner.as_ref().map_or_else(dash, |owner| owner.short().to_owned()),
            span(self.for_ms),
            self.heartbeat_ago_ms.map_or_else(dash, |ms| format!("{ms} ms")),
        ]
    }
}
