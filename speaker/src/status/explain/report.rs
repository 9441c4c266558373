//! The explanation of `speaker explain`: what is written as JSON and YAML, field names included. Ages are milliseconds before
//! the explanation was made. Fields may be added; a field that exists keeps its meaning.

use std::net::IpAddr;

use arpeggio_succession::{Cause, Happened};
use serde::{Deserialize, Serialize};

use super::wire::Wire;
use crate::status::{AddressReport, parties::Party};

/// Everything about one address on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The address.
    pub address: IpAddr,
    /// The prefix, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Name of the node, if it is known.
    pub node: Option<String>,
    /// Whether it is answered as it should be.
    pub verdict: Verdict,
    /// The whole chain, link by link.
    pub chain: Vec<Link>,
    /// The interfaces that the address belongs to.
    pub places: Vec<PlaceReport>,
    /// What happened to it, the oldest first.
    pub events: Vec<EventReport>,
}

/// The end of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Somebody answers, and it is who should.
    pub good: bool,
    /// The same in one sentence.
    pub text: String,
}

/// How a link of the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could, or not for long.
    Warning,
    /// It keeps the address from being answered as it should be.
    Problem,
}

impl Level {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One fact that has to be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// How it is.
    pub level: Level,
    /// The interface it is about; absent when it is about the node.
    pub interface: Option<String>,
    /// What it is about: `agent`, `configuration`, `bgp`, `lease`, `interface`, `attached`, `entry`, `standing`, `wire`, `sighting`,
    /// `requests`, `clients`.
    pub subject: String,
    /// The fact, in a sentence.
    pub text: String,
}

/// The address on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceReport {
    /// What `speaker status` says about it; absent when it says nothing.
    pub status: Option<AddressReport>,
    /// The interface.
    pub interface: String,
    /// Who answered when asked.
    pub wire: Wire,
    /// Who asked lately, the last first.
    pub clients: Vec<ClientReport>,
}

/// Somebody who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientReport {
    /// Its address.
    pub client: IpAddr,
    /// Its MAC.
    pub mac: String,
    /// When it was remembered last.
    pub ago_ms: u64,
}

/// One change of ownership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventReport {
    /// When, RFC 3339 with milliseconds.
    pub at: String,
    /// Time since the event, in milliseconds.
    pub ago_ms: u64,
    /// Name of the interface.
    pub interface: String,
    /// Of which address.
    pub address: IpAddr,
    /// The change of ownership.
    pub happened: Happened,
    /// Its cause.
    pub cause: Cause,
    /// The other side.
    pub other: Option<Party>,
    /// How long nobody was seen answering, where that is known.
    pub gap_ms: Option<u64>,
    /// The shares of clients that this node answered from then on, of 64.
    pub shares: u32,
    /// The same in words.
    pub text: String,
}
