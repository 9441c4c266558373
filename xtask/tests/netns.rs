//! The netns tier: the whole agent between real clients and real kernels, in network namespaces. Needs root.
//!
//! `cargo xtask test netns` builds what these tests start (the speaker, its examples, the BPF objects) and runs them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "netns/bench.rs"]
mod bench;
#[path = "netns/capabilities.rs"]
mod capabilities;
#[path = "netns/cleanup.rs"]
mod cleanup;
#[path = "netns/cluster.rs"]
mod cluster;
#[path = "netns/config.rs"]
mod config;
#[path = "netns/continuity.rs"]
mod continuity;
#[path = "netns/explain.rs"]
mod explain;
#[path = "netns/fabrics.rs"]
mod fabrics;
#[path = "netns/failover.rs"]
mod failover;
#[path = "netns/failover_bench.rs"]
mod failover_bench;
#[path = "netns/faults.rs"]
mod faults;
#[path = "netns/foreign.rs"]
mod foreign;
#[path = "netns/harness.rs"]
mod harness;
#[path = "netns/kubernetes.rs"]
mod kubernetes;
#[path = "netns/lab.rs"]
mod lab;
#[path = "netns/links.rs"]
mod links;
#[path = "netns/modes.rs"]
mod modes;
#[path = "netns/own_addresses.rs"]
mod own_addresses;
#[path = "netns/proxies.rs"]
mod proxies;
#[path = "netns/segments.rs"]
mod segments;
#[path = "netns/streams.rs"]
mod streams;
#[path = "netns/succession.rs"]
mod succession;
#[path = "netns/suppression.rs"]
mod suppression;
