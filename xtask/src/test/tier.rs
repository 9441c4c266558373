//! Which test programs belong to which tier.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Deserialize;

use crate::{sh, sim};

/// A tier of tests, by what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Tier {
    /// Plain functions, properties, documentation: needs nothing.
    Unit,
    /// Thousands of simulated schedules of the succession: needs nothing.
    Simulation,
    /// The real BPF program in this kernel, frame by frame: needs root.
    Program,
    /// Agents, clients and a bridge in network namespaces: needs root.
    Netns,
    /// Real FRR daemons in network namespaces: needs root and what `cargo xtask setup frr` gets.
    Frr,
    /// A real Kubernetes without kubelets, in network namespaces: needs root and the programs of `cargo xtask kube-assets`.
    Cluster,
    /// The same with kubelets and containers: needs root, containerd and runc.
    Daemonset,
    /// Debian's 6.1 and 6.12 kernels under QEMU: needs root and the packages of `cargo xtask setup kernels`.
    Kernels,
}

impl Tier {
    /// Every tier, the quickest first.
    pub const ALL: [Self; 8] = [
        Self::Unit,
        Self::Simulation,
        Self::Program,
        Self::Netns,
        Self::Frr,
        Self::Cluster,
        Self::Daemonset,
        Self::Kernels,
    ];

    /// Whether it computes in virtual time and nothing else: how fast does not matter, so that it can take the processor time
    /// that others leave.
    pub(super) fn only_computes(self) -> bool {
        self == Self::Simulation
    }

    /// Whether it waits for most of its time: one scenario after the other, for leases, pods and the like.
    pub(super) fn mostly_waits(self) -> bool {
        matches!(self, Self::Cluster | Self::Daemonset)
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Simulation => "simulation",
            Self::Program => "program",
            Self::Netns => "netns",
            Self::Frr => "frr",
            Self::Cluster => "cluster",
            Self::Daemonset => "daemonset",
            Self::Kernels => "kernels",
        }
    }
}

/// An integration test program: a file or folder in a crate's `tests/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TestProgram {
    /// The crate it belongs to.
    pub package: String,
    /// Its name.
    pub name: String,
}

impl TestProgram {
    /// The tier it belongs to.
    ///
    /// Every program has exactly one, so that a new one runs without being listed here. What needs network namespaces
    /// or a cluster says so in its name.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match (self.package.as_str(), self.name.as_str()) {
            ("xtask", "guest") => Tier::Kernels,
            (sim::PACKAGE, "simulation") => Tier::Simulation,
            ("arpeggio-speaker", "program") => Tier::Program,
            (_, name) if name.starts_with("netns") => Tier::Netns,
            (_, name) if name.starts_with("frr") => Tier::Frr,
            (_, name) if name.starts_with("cluster") => Tier::Cluster,
            (_, name) if name.starts_with("daemonset") => Tier::Daemonset,
            _ => Tier::Unit,
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Every integration test program of the workspace.
///
/// # Errors
/// If cargo cannot read the workspace.
pub(super) fn programs() -> Result<BTreeSet<TestProgram>> {
    let shell = sh::shell()?;
    let text = sh::read(sh::cmd!(shell, "cargo metadata --no-deps --format-version 1"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<BTreeSet<TestProgram>> {
    let metadata: Metadata = serde_json::from_str(text).context("read the answer of `cargo metadata`")?;
    let tests = metadata.packages.into_iter().flat_map(|package| {
        let tests = package.targets.into_iter().filter(|target| target.kind.iter().any(|kind| kind == "test"));
        tests.map(move |target| TestProgram { package: package.name.clone(), name: target.name })
    });
    Ok(tests.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integration_tests_are_found_and_sorted_into_tiers() {
        let text = r#"{"packages": [
            {"name": "arpeggio-speaker", "targets": [{"name": "speaker", "kind": ["bin"]}, {"name": "program", "kind": ["test"]},
              {"name": "netns_frames", "kind": ["test"]}]},
            {"name": "arpeggio-speaker-sim", "targets": [{"name": "simulation", "kind": ["test"]}]},
            {"name": "arpeggio-bgp", "targets": [{"name": "frr", "kind": ["test"]}, {"name": "golden", "kind": ["test"]}]},
            {"name": "arpeggio-common", "targets": [{"name": "layout", "kind": ["test"]}]},
            {"name": "xtask", "targets": [{"name": "netns", "kind": ["test"]}, {"name": "guest", "kind": ["test"]},
              {"name": "cluster", "kind": ["test"]}, {"name": "daemonset", "kind": ["test"]}]}]}"#;
        let tiers: Vec<_> = parse(text).unwrap().into_iter().map(|program| (program.tier(), program.name)).collect();
        assert_eq!(
            tiers,
            [
                (Tier::Frr, "frr".to_owned()),
                (Tier::Unit, "golden".to_owned()),
                (Tier::Unit, "layout".to_owned()),
                (Tier::Netns, "netns_frames".to_owned()),
                (Tier::Program, "program".to_owned()),
                (Tier::Simulation, "simulation".to_owned()),
                (Tier::Cluster, "cluster".to_owned()),
                (Tier::Daemonset, "daemonset".to_owned()),
                (Tier::Kernels, "guest".to_owned()),
                (Tier::Netns, "netns".to_owned()),
            ]
        );
    }

    #[test]
    fn this_workspace_has_the_programs_the_tiers_rely_on() {
        let tiers: BTreeSet<_> = programs().unwrap().iter().map(TestProgram::tier).collect();
        assert!(tiers.contains(&Tier::Netns) && tiers.contains(&Tier::Frr), "{tiers:?}");
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for tier in Tier::ALL {
            assert_eq!(Tier::from_str(tier.name(), false), Ok(tier));
        }
    }
}
