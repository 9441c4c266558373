//! `cargo xtask kube-assets`: the programs of a real Kubernetes, found or built.
//!
//! Nothing is downloaded ready-made. A folder named by `KUBEBUILDER_ASSETS` comes first; what it lacks is taken from `PATH`.
//! Otherwise Go builds one pinned release (`xtask/kube/go.mod`) into a cache of the user, once for all working copies.

mod build;
mod find;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use clap::ValueEnum;

pub use self::find::Missing;
use crate::ui;

/// The release that is built.
pub const VERSION: &str = "v1.36.3";

/// `cargo xtask kube-assets`.
#[derive(clap::Args)]
pub struct Args {
    /// Only these programs, separated by commas [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Program>,
}

/// A program of a Kubernetes cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Program {
    /// The API server.
    #[value(alias = "kube-apiserver")]
    Apiserver,
    /// The client on the command line.
    Kubectl,
    /// The controllers of Kubernetes itself.
    #[value(alias = "kube-controller-manager")]
    ControllerManager,
    /// Makes nodes deliver the traffic of services.
    #[value(alias = "kube-proxy")]
    Proxy,
    /// Gives pods to nodes.
    #[value(alias = "kube-scheduler")]
    Scheduler,
    /// Runs pods on a node.
    Kubelet,
    /// Installs charts.
    Helm,
    /// The database of the API server: never built, a package has it.
    Etcd,
}

impl Program {
    /// Every program, in the order in which they are built: what is needed by most comes first.
    pub const ALL: [Self; 8] = [
        Self::Apiserver,
        Self::Kubectl,
        Self::ControllerManager,
        Self::Proxy,
        Self::Scheduler,
        Self::Kubelet,
        Self::Helm,
        Self::Etcd,
    ];

    /// What a cluster without kubelets consists of.
    pub const CLUSTER: [Self; 5] = [Self::Apiserver, Self::Kubectl, Self::ControllerManager, Self::Proxy, Self::Etcd];

    /// Name of its file.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Apiserver => "kube-apiserver",
            Self::Kubectl => "kubectl",
            Self::ControllerManager => "kube-controller-manager",
            Self::Proxy => "kube-proxy",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::Helm => "helm",
            Self::Etcd => "etcd",
        }
    }
}

/// Where the programs are.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    paths: BTreeMap<Program, PathBuf>,
}

impl Assets {
    /// The file of a program.
    ///
    /// # Errors
    /// If these assets were made without it.
    pub fn path(&self, program: Program) -> Result<&PathBuf> {
        self.paths.get(&program).ok_or_else(|| {
            anyhow::anyhow!("{} was not asked for: name it where the assets are ensured", program.file())
        })
    }
}

/// A program that the user's own folder of programs has, by the name of its file.
#[must_use]
pub fn provided(file: &str) -> Option<PathBuf> {
    find::Places::of_this_machine().provided(file)
}

/// Makes sure that these programs are there and says where; builds those that nobody provides.
///
/// # Errors
/// If one is neither found nor can be built; the message names the ways out.
pub fn ensure(programs: &[Program]) -> Result<Assets> {
    let places = find::Places::of_this_machine();
    let mut paths = BTreeMap::new();
    let mut missing = Vec::new();
    for &program in programs {
        match places.find(program) {
            Ok(path) => drop(paths.insert(program, path)),
            Err(Missing::Buildable) => missing.push(program),
            Err(other) => return Err(other.into()),
        }
    }
    missing.sort();
    missing.dedup();
    for alike in missing.chunk_by(|one, other| places.cache_of(*one) == places.cache_of(*other)) {
        if let [first, ..] = alike {
            paths.extend(build::build(alike, &places.cache_of(*first))?);
        }
    }
    Ok(Assets { paths })
}

/// Runs the verb.
///
/// # Errors
/// As [`ensure`].
pub fn run(args: &Args) -> Result<()> {
    let wanted = if args.only.is_empty() { &Program::ALL[..] } else { &args.only };
    if wanted.contains(&Program::Etcd) {
        crate::setup::ensure(&[crate::setup::Purpose::Cluster])?;
    }
    let assets = ensure(wanted)?;
    for (program, path) in &assets.paths {
        ui::say(format_args!("{:<24} {}", program.file(), path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_by_their_file_or_in_short() {
        for program in Program::ALL {
            assert_eq!(Program::from_str(program.file(), false), Ok(program));
        }
        assert_eq!(Program::from_str("apiserver", false), Ok(Program::Apiserver));
    }

    #[test]
    fn what_was_not_asked_for_is_not_there() {
        let message = Assets::default().path(Program::Kubelet).unwrap_err().to_string();
        assert!(message.starts_with("kubelet was not asked for"), "{message}");
    }
}
