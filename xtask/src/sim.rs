//! `cargo xtask sim`: simulated schedules of the succession, any number of them or one in full.

use std::{ffi::OsString, process::Command};

use anyhow::Result;

use crate::{ebpf, paths, sh, ui};

/// The crate that simulates.
pub(crate) const PACKAGE: &str = "arpeggio-speaker-sim";
/// The profile in which it is fast enough.
pub(crate) const PROFILE: &str = "sim";

/// `cargo xtask sim`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Arguments of the simulation; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the verb. The simulation links the agent, whose BPF objects have to be there.
///
/// # Errors
/// If it does not compile, or a schedule broke what must hold; the simulation has printed how to see it again.
pub fn run(args: &Args) -> Result<()> {
    ui::heading("simulation");
    ebpf::run(&ebpf::Args::default())?;
    let mut command = Command::new("cargo");
    command.current_dir(paths::root()).args([
        "run",
        "--quiet",
        "--package",
        PACKAGE,
        "--profile",
        PROFILE,
        "--bin",
        "sim",
        "--",
    ]);
    command.args(&args.arguments);
    sh::stream(command)
}
