//! How much of everything a run measures, and the programs it measures with.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::Result;

use crate::{build, paths, sh, ui};

/// The size of a run.
pub(super) struct Plan {
    /// Build profile of the programs: the same as of the project's releases, or the one of the tests.
    profile: &'static str,
    /// Where cargo puts them.
    folder: PathBuf,
    /// Runs of a program in one reading.
    pub(super) repeat: u32,
    /// Readings of each program on each frame.
    pub(super) readings: u32,
    /// Addresses that the agents announce beside the one that is asked for.
    pub(super) loaded: u32,
    /// How often the contenders have their turn.
    pub(super) rounds: u32,
    /// Single requests of one turn, and how many a second.
    pub(super) requests: u32,
    pub(super) rate: u32,
    /// How long answers are asked for as fast as they come.
    pub(super) flood: Duration,
    /// How long ordinary traffic runs, each kind; whole seconds.
    pub(super) stream: Duration,
}

impl Plan {
    /// Four to five minutes.
    pub(super) fn full() -> Self {
        Self {
            profile: "release",
            folder: paths::target().join("release"),
            repeat: 10_000,
            readings: 150,
            loaded: 10_000,
            rounds: 3,
            requests: 1000,
            rate: 500,
            flood: Duration::from_secs(2),
            stream: Duration::from_secs(2),
        }
    }

    /// Half a minute.
    pub(super) fn quick() -> Self {
        Self {
            profile: "dev",
            folder: paths::target().join("debug"),
            repeat: 500,
            readings: 20,
            loaded: 100,
            rounds: 1,
            requests: 100,
            rate: 500,
            flood: Duration::from_millis(300),
            stream: Duration::from_secs(1),
        }
    }

    /// Builds the agent, the measuring client and the benchmark program.
    ///
    /// # Errors
    /// If they do not compile.
    pub(super) fn build(&self) -> Result<()> {
        let step = ui::Step::begin(format!("building the agent, profile {}", self.profile));
        build::programs(self.profile, &["asker"])?;
        let mut command = self.benchmark();
        command.args(["--quiet", "--no-run"]);
        sh::run(command)?;
        step.done("built");
        Ok(())
    }

    /// `cargo bench` with the benchmark program.
    pub(super) fn benchmark(&self) -> Command {
        let mut command = build::cargo("bench", self.profile);
        command.args(["--bench", "fastpath"]);
        command
    }

    /// The agent.
    pub(super) fn speaker(&self) -> PathBuf {
        self.folder.join("speaker")
    }

    /// The measuring client.
    pub(super) fn asker(&self) -> PathBuf {
        self.folder.join("examples").join("asker")
    }
}
