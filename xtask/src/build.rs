//! Compiling the programs of this workspace.
//!
//! Cargo compiles a dependency with the features that the selected packages want of it. Every selection of packages would
//! compile the large ones anew, minutes each time: so there is one selection, everything, and what is built of it is named.
//! An example or a test has to be among what is named: without one, what only tests depend on has no say in features, which
//! is another selection.

use std::process::Command;

use anyhow::Result;

use crate::{paths, sh};

/// `cargo VERB` about the whole workspace: the caller names targets.
pub(crate) fn cargo(verb: &str, profile: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root()).args([verb, "--workspace", "--profile", profile]);
    command
}

/// Builds the speaker, the controller and some of the clients that measure them, which are examples.
///
/// # Errors
/// If they do not compile; the compiler has said why.
pub(crate) fn programs(profile: &str, clients: &[&str]) -> Result<()> {
    build(profile, &["speaker", "controller"], clients)
}

fn build(profile: &str, programs: &[&str], clients: &[&str]) -> Result<()> {
    let mut command = cargo("build", profile);
    command.arg("--quiet").args(programs.iter().flat_map(|program| ["--bin", program]));
    command.args(clients.iter().flat_map(|client| ["--example", client]));
    sh::stream(command)
}

/// Speaker, controller, kubectl plugin and all clients in the profile of this very program: what tests start.
///
/// # Errors
/// If they do not compile; the compiler has said why.
pub(crate) fn own_programs() -> Result<()> {
    build(&paths::profile_name(), &["speaker", "controller", "kubectl-arpeggio"], &["asker", "udp", "services"])
}
