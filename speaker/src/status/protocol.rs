//! The control socket: one JSON request line, one JSON response line, in either direction at most the given number of bytes.
//!
//! A request is an object with the verb as its only key, `{"status":{}}`; the response has the same key, or `error`.

use serde::{Deserialize, Serialize};

use super::StatusReport;

/// Name of the socket in the run directory.
pub const SOCKET_NAME: &str = "speaker.sock";
/// A request is a verb and a few words.
pub(super) const MAX_REQUEST: usize = 4096;
/// A hundred thousand addresses make 40 MB.
pub(super) const MAX_RESPONSE: usize = 128 * 1024 * 1024;

/// What can be asked. Other verbs (evacuate, explain) get variants here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// The present report.
    Status(Nothing),
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
    /// The request was not understood or could not be answered.
    Error {
        /// Why, and what to do about it.
        message: String,
    },
}
