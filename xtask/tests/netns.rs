//! The netns tier: the whole agent between real clients and real kernels, in network namespaces. Needs root.
//!
//! `cargo xtask test netns` builds what these tests start (the speaker, its examples, the BPF objects) and runs them.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "netns/lab.rs"]
mod lab;
