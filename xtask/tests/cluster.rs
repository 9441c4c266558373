//! The cluster tier: scenarios against a real Kubernetes in network namespaces. Needs root.
//!
//! `cargo xtask test cluster` builds what they start and runs them, one after the other: they share one cluster.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "cluster/configuration.rs"]
mod configuration;
#[path = "cluster/controller.rs"]
mod controller;
#[path = "cluster/crds.rs"]
mod crds;
#[path = "cluster/e2e.rs"]
mod e2e;
#[path = "cluster/harness.rs"]
mod harness;
#[path = "cluster/lab.rs"]
mod lab;
#[path = "cluster/speaker.rs"]
mod speaker;

use std::process::ExitCode;

use xtask::lab::cluster::Options;

fn main() -> ExitCode {
    let scenarios = [
        lab::SCENARIOS,
        crds::SCENARIOS,
        configuration::SCENARIOS,
        controller::SCENARIOS,
        speaker::SCENARIOS,
        e2e::SCENARIOS,
    ]
    .concat();
    harness::run(Options { audit: true, ..Options::default() }, &scenarios)
}
