//! The control socket: one JSON request line, one JSON response line, in either direction at most the given number of bytes.
//!
//! A request is an object with the verb as its only key, `{"status":{}}`; the response has the same key, or `error`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Explanation, StatusReport};

/// Name of the socket in the run directory.
pub const SOCKET_NAME: &str = "speaker.sock";
/// A request is a verb and a few words.
pub(super) const MAX_REQUEST: usize = 4096;
/// A hundred thousand addresses make 40 MB.
pub(super) const MAX_RESPONSE: usize = 128 * 1024 * 1024;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// The present report.
    Status(Nothing),
    /// Give everything away, or take part again; answered with how far that is.
    Evacuate(Evacuate),
    /// How far an evacuation is.
    Evacuation(Nothing),
    /// Why one address is answered, or why not; takes a third of a second.
    Explain(Explain),
}

/// What is to become of the addresses of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evacuate {
    /// Others are to take them over.
    pub on: bool,
    /// Also where no other node is there to take them over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// How far an evacuation is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvacuationReport {
    /// Whether this node is to lose everything to others, as asked or as configured.
    pub evacuating: bool,
    /// What it still answers for, as `address on interface`.
    pub owned: Vec<String>,
    /// Sessions of BGP whose peers may still have routes of this node; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<usize>,
    /// Nothing was given away, because no other node is there to take these over.
    #[serde(default)]
    pub alone: Vec<String>,
    /// What it let go of since the evacuation was asked for although nobody claimed it.
    pub abandoned: Vec<String>,
}

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The address; of a prefix, its first one.
    pub address: IpAddr,
    /// The prefix, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only on this interface; on all that it belongs to when absent.
    #[serde(default)]
    pub interface: Option<String>,
}

/// The empty object: room for parameters that an older client does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Response {
    /// The present report.
    Status(Box<StatusReport>),
    /// How far an evacuation is.
    Evacuation(EvacuationReport),
    /// The chain of one address.
    Explain(Box<Explanation>),
    /// The request was not understood or could not be answered.
    Error {
        /// Why, and what to do about it.
        message: String,
    },
}
