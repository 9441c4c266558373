//! Sockets of the frames folder for real: two hosts on a wire, in network namespaces of their own. Needs root.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed step of a test ends the test")]

mod asker;
mod groups;
mod lab;
mod responder;
mod sending;
