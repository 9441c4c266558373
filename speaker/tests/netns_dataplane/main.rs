//! The dataplane for real: kernel, bpffs, veth pairs, in namespaces that each test makes for itself. Needs root.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed step of a test ends the test")]

mod attaching;
mod beside;
mod cleaning;
mod healing;
mod layouts;
mod pinning;
mod privileges;
mod roles;
mod sandbox;
mod tables;
mod takeover;
