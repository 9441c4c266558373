//! How much a run measures, and the programs it measures with.

use std::{net::Ipv4Addr, path::PathBuf, process::Command};

use anyhow::Result;

use crate::{build, paths, sh, ui};

/// The address that is kept alive.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Repetitions on one segment: with three nodes the address goes round once, so that nobody's past counts against it.
pub(super) const ROUND: u32 = 3;

/// The size of a run.
pub(super) struct Plan {
    /// Repetitions of each fault with each contender; the quiet ones have one.
    pub(super) repetitions: u32,
    /// Short times, and our agent as the tests have it.
    pub(super) quick: bool,
}

impl Plan {
    /// Our agent.
    pub(super) fn speaker(&self) -> PathBuf {
        let folder = if self.quick { paths::profile() } else { paths::target().join("release") };
        folder.join("speaker")
    }

    /// Builds our agent and the measuring clients.
    ///
    /// # Errors
    /// If they do not compile.
    pub(super) fn build(&self) -> Result<()> {
        let step = ui::Step::begin("building the agent and the clients");
        // The clients as they are for the lab: beside this very program.
        build::own_programs()?;
        if !self.quick {
            build::programs("release", &["asker"])?;
        }
        step.done("built");
        Ok(())
    }

    /// What our agent says about its flags.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn agent_help(&self) -> Result<String> {
        let mut command = Command::new(self.speaker());
        command.args(["run", "--help"]);
        sh::read(command)
    }
}
