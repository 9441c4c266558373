//! `cargo xtask <verb>`: the one vocabulary of the project's tooling. Each verb lives in a module of its own.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{bench, cluster, demo, ebpf, fuzz, generate, image, kernels, kube, lab, setup, sim, test, tidy, ui};

/// The tasks of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Compile the BPF programs. Installs compiler and linker if it can.
    BuildEbpf(ebpf::Args),
    /// Install what the other verbs need, or print the commands.
    Setup(setup::Args),
    /// Show the data path between network namespaces of this machine.
    Demo(demo::Args),
    /// Run tiers of tests. The last line counts passed and failed tests.
    Test(test::Args),
    /// Measure, and compare with stated goals.
    Bench(bench::Args),
    /// Fuzz the packet decision and the configuration files.
    Fuzz(fuzz::Args),
    /// Simulate the succession under faults, and replay failures.
    Sim(sim::Args),
    /// Write the files that are made from code: manifests/crds, and flags and permissions in docs/reference.
    Generate(generate::Args),
    /// Check the rules about files that lints cannot express.
    Tidy(tidy::Args),
    /// Build the container image with both programs.
    Image(image::Args),
    /// Run a command inside one of Debian's kernels, under QEMU.
    Kernel(kernels::Args),
    /// Find or build the programs of a real Kubernetes.
    KubeAssets(kube::Args),
    /// Run a Kubernetes cluster in network namespaces of this machine.
    Cluster(cluster::Args),
    /// What answers HTTP on a node of the cluster; started by it.
    #[command(hide = true)]
    LabBackend(lab::cluster::backend::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().verb {
        Verb::BuildEbpf(args) => ebpf::run(&args),
        Verb::Setup(args) => setup::run(&args),
        Verb::Demo(args) => demo::run(&args),
        // Its last line is its result: nothing may be printed after it.
        Verb::Test(args) => return test::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Sim(args) => sim::run(&args),
        Verb::Generate(args) => generate::run(&args),
        Verb::Tidy(args) => tidy::run(&args),
        Verb::Image(args) => image::run(&args),
        Verb::Kernel(args) => kernels::run(&args),
        Verb::KubeAssets(args) => kube::run(&args),
        Verb::Cluster(args) => cluster::run(&args),
        Verb::LabBackend(args) => lab::cluster::backend::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::failure(&error);
            ExitCode::FAILURE
        }
    }
}
