//! The daemonset tier: scenarios on nodes with real kubelets and containers. Needs root, containerd and runc.
//!
//! `cargo xtask test daemonset` builds what they start and runs them, one after the other in each of two clusters.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "daemonset/chart.rs"]
mod chart;
#[path = "daemonset/deployed.rs"]
mod deployed;
#[path = "cluster/harness.rs"]
mod harness;
#[path = "daemonset/kubelets.rs"]
mod kubelets;

use std::process::ExitCode;

use xtask::lab::cluster::Options;

fn main() -> ExitCode {
    let scenarios = [kubelets::SCENARIOS, deployed::SCENARIOS, chart::SCENARIOS].concat();
    harness::run(Options { kubelet: true, ..Options::default() }, &scenarios)
}
