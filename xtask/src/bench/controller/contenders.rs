//! Who gives addresses: our controller, a plain writer, any other controller behind a script.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{build, paths, sh, ui};

/// The name of the yardstick.
pub(super) const PLAIN: &str = "plain writer";

/// What the script has to do, for `--help`.
pub(super) const CONTRACT: &str = "\
THE SCRIPT OF --peer
  It is called as `SCRIPT start` and `SCRIPT stop`, and returns when that is done: `start` leaves a controller running that gives
  addresses to all Services of type LoadBalancer, and prints its process id; `stop` ends it. What the controller needs in the API
  server (its CRDs, a pool of at least 10.64.0.0/16, rights) the script applies itself.
  In its environment:
    KUBECONFIG        the administrator's; the API server is reached from the network namespace that the script runs in
    BENCH_KUBECTL     a kubectl
    BENCH_DIRECTORY   a directory for its files, removed afterwards";

/// A program that writes the status of Services.
#[derive(Clone, Debug)]
pub(super) enum Contender {
    /// Our controller.
    Ours,
    /// Writes what has to be written, and decides nothing.
    Plain,
    /// Another controller.
    Peer(PathBuf),
}

impl Contender {
    /// How the table calls it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Ours => "ours".to_owned(),
            Self::Plain => PLAIN.to_owned(),
            Self::Peer(script) => script.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }
}

/// The programs that take part.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// Where our controller and our agent are.
    pub(super) folder: PathBuf,
    /// Makes Services and measures.
    pub(super) services: PathBuf,
}

impl Programs {
    /// Builds them: for a quick run as the tests have them, else for release.
    pub(super) fn build(quick: bool) -> Result<Self> {
        let (profile, folder) = if quick {
            (paths::profile_name(), paths::profile())
        } else {
            ("release".to_owned(), paths::target().join("release"))
        };
        let step = ui::Step::begin("building controller, agent and the bulk client");
        build::programs(&profile, &["services"])?;
        step.done("built");
        Ok(Self { services: folder.join("examples/services"), folder })
    }
}

/// Calls the script of another controller.
pub(super) fn call(script: &Path, verb: &str, mut inside: Command) -> Result<String> {
    let output = sh::attempt(inside.arg(verb))?;
    if !output.status.success() {
        bail!(sh::report(&inside, &output));
    }
    let text = String::from_utf8(output.stdout).with_context(|| format!("{} printed no text", script.display()))?;
    Ok(text.trim().to_owned())
}
