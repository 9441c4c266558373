//! The cluster tier: scenarios against a real Kubernetes in network namespaces. Needs root.
//!
//! `cargo xtask test cluster` builds what they start and runs them, one after the other in each of two clusters.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "cluster/bed.rs"]
mod bed;
#[path = "cluster/bgp.rs"]
mod bgp;
#[path = "cluster/bulk.rs"]
mod bulk;
#[path = "cluster/configuration.rs"]
mod configuration;
#[path = "cluster/controller.rs"]
mod controller;
#[path = "cluster/crds.rs"]
mod crds;
#[path = "cluster/e2e.rs"]
mod e2e;
#[path = "cluster/expiry.rs"]
mod expiry;
#[path = "cluster/harness.rs"]
mod harness;
#[path = "cluster/held.rs"]
mod held;
#[path = "cluster/keys.rs"]
mod keys;
#[path = "cluster/kinds/mod.rs"]
mod kinds;
#[path = "cluster/lab.rs"]
mod lab;
#[path = "cluster/metrics.rs"]
mod metrics;
#[path = "cluster/outage.rs"]
mod outage;
#[path = "cluster/overlays.rs"]
mod overlays;
#[path = "cluster/plugin.rs"]
mod plugin;
#[path = "cluster/rivals.rs"]
mod rivals;
#[path = "cluster/silence.rs"]
mod silence;
#[path = "cluster/speaker.rs"]
mod speaker;
#[path = "cluster/states.rs"]
mod states;
#[path = "cluster/takeover.rs"]
mod takeover;
#[path = "cluster/webhooks.rs"]
mod webhooks;

use std::process::ExitCode;

use xtask::lab::cluster::Options;

fn main() -> ExitCode {
    let scenarios = [
        lab::SCENARIOS,
        crds::SCENARIOS,
        kinds::SCENARIOS,
        takeover::SCENARIOS,
        configuration::SCENARIOS,
        states::SCENARIOS,
        controller::SCENARIOS,
        webhooks::SCENARIOS,
        speaker::SCENARIOS,
        e2e::SCENARIOS,
        bgp::SCENARIOS,
        metrics::SCENARIOS,
        overlays::SCENARIOS,
        rivals::SCENARIOS,
        held::SCENARIOS,
        silence::SCENARIOS,
        keys::SCENARIOS,
        expiry::SCENARIOS,
        outage::SCENARIOS,
        plugin::SCENARIOS,
        bulk::SCENARIOS,
    ]
    .concat();
    harness::run(Options { audit: true, ..Options::default() }, &scenarios)
}
