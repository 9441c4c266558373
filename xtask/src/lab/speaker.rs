//! A speaker in a namespace of the lab.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;

use super::{Lab, Node, Running, eventually};
use crate::{paths, sh};

/// The directory below `--pin-dir` that speakers of this version pin into (`abi::LAYOUT_DIRECTORY`, which is not linked here).
pub const LAYOUT_DIRECTORY: &str = "v2";

/// How long a speaker may take to start; the kernels under emulation are ten times slower than the machine.
const START: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(30);

/// How a speaker is started.
#[derive(Clone, Debug, Default)]
pub struct SpeakerOptions {
    /// The program, unless it is the one built with the same profile as this one.
    pub program: Option<PathBuf>,
    /// Further flags of `speaker run`.
    pub flags: Vec<String>,
    /// A command line in front of the speaker's own, for example `setpriv …`.
    pub wrapper: Vec<String>,
}

impl SpeakerOptions {
    /// Only flags.
    #[must_use]
    pub fn flags(flags: &[&str]) -> Self {
        Self { flags: flags.iter().map(|&flag| flag.to_owned()).collect(), ..Self::default() }
    }
}

/// A running `speaker run`, killed when dropped. Its pins stay, as they do in life.
pub struct SpeakerProcess {
    running: Running,
    places: Places,
}

/// What belongs to the speaker of one node, across restarts.
struct Places {
    program: PathBuf,
    namespace: PathBuf,
    directory: PathBuf,
    pins: PathBuf,
}

impl Places {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace.display())).arg("--").arg(program);
        command
    }

    fn config(&self) -> PathBuf {
        self.directory.join("config.yaml")
    }

    fn add_to(&self, command: &mut Command) {
        command.arg("--pin-dir").arg(&self.pins).arg("--run-dir").arg(self.directory.join("run"));
    }
}

impl SpeakerProcess {
    /// Starts the speaker of a node with this configuration and waits until it is ready.
    ///
    /// Pins and run directory are the node's: a second start after the first has ended finds them again.
    ///
    /// # Errors
    /// If it does not get ready; the message holds its log.
    pub fn start(lab: &Lab, node: &Node, config: &str, options: &SpeakerOptions) -> Result<Self> {
        let speaker = Self::launch(lab, node, config, options)?;
        speaker.wait_ready()?;
        Ok(speaker)
    }

    /// Starts the speaker without waiting.
    ///
    /// # Errors
    /// If the program is not there or the files cannot be written.
    pub fn launch(lab: &Lab, node: &Node, config: &str, options: &SpeakerOptions) -> Result<Self> {
        let program = options.program.clone().unwrap_or_else(paths::speaker);
        ensure!(program.exists(), "there is no {}; `cargo build -p arpeggio-speaker` makes it", program.display());
        let places = Places {
            program,
            namespace: node.namespace.path(),
            directory: lab.directory().join(&node.name),
            pins: lab.bpffs().join(&node.name),
        };
        fs::create_dir_all(places.directory.join("run")).context("make the speaker's run directory")?;
        write_whole(&places.config(), config)?;
        let mut line = options.wrapper.clone();
        line.push(places.program.to_string_lossy().into_owned());
        let mut command = places.command(&line[0]);
        command.args(&line[1..]).arg("run").arg("--config").arg(places.config()).args(["--node-name", &node.name]);
        places.add_to(&mut command);
        // An inherited variable would silently change what is tested.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_BACKTRACE", "1");
        // This machine's own FRR, if it has one, is none of the node's.
        command.env("ARPEGGIO_FRR_SOCKET_DIR", places.directory.join("frr"));
        let without_exclusions = places.directory.join("no-exclusions.yaml");
        if !options.flags.iter().any(|flag| flag == "--exclude-interfaces") {
            command.arg("--exclude-interfaces").arg(without_exclusions);
        }
        command.args(&options.flags);
        let running = Running::start(&mut command, &free_log(&places.directory))?;
        Ok(Self { running, places })
    }

    /// Waits until it says that it is ready and its control socket answers.
    ///
    /// # Errors
    /// If it ends or is not ready in time; the message holds its log.
    pub fn wait_ready(&self) -> Result<()> {
        let ready = eventually(START, "the speaker to be ready", || {
            // A speaker that has ended will never be ready: the outer result stops the waiting at once.
            if let Some(status) = self.running.ended()? {
                return Ok(Err(anyhow::anyhow!("the speaker ended with {status}")));
            }
            ensure!(self.log().contains("ready"), "its log does not say so");
            self.status()?;
            Ok(Ok(()))
        });
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => bail!("{error:#}; its log:\n{}", self.log()),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What it has logged since this start.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.output()
    }

    /// Where it pins: its maps and links are below, in [`LAYOUT_DIRECTORY`].
    #[must_use]
    pub fn pins(&self) -> &Path {
        &self.places.pins
    }

    /// A subcommand of the speaker about this speaker, for example `["status", "-o", "json"]`, in its namespace.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = self.places.command(&self.places.program.to_string_lossy());
        command.args(arguments);
        self.places.add_to(&mut command);
        command
    }

    /// `speaker status` as JSON, whatever problems it tells.
    ///
    /// # Errors
    /// If the agent does not answer, or its lease is over.
    pub fn status(&self) -> Result<serde_json::Value> {
        read_status(self.cli(&["status", "-o", "json"]))
    }

    /// Replaces the configuration; the agent reads it again by itself.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn configure(&self, config: &str) -> Result<()> {
        write_whole(&self.places.config(), config)
    }

    /// Ends it at once, as a crash would (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// If it has ended before.
    pub fn kill(self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    /// Asks it to end (SIGTERM) and waits until it is gone.
    ///
    /// # Errors
    /// If it has ended before or does not end.
    pub fn terminate(self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.running.signal(signal)
    }

    fn end(self, signal: Signal) -> Result<()> {
        self.running.signal(signal)?;
        self.running.wait(STOP).map(drop)
    }
}

/// Reads what `speaker status` writes as JSON. Its exit code only says whether there are problems.
///
/// # Errors
/// If the agent does not answer, or its lease is over.
pub fn read_status(mut command: Command) -> Result<serde_json::Value> {
    let output = sh::attempt(&mut command)?;
    let status: serde_json::Value =
        serde_json::from_slice(&output.stdout).with_context(|| sh::report(&command, &output))?;
    let works = status["agent"]["state"] == "running" && status["lease"]["state"] == "valid";
    ensure!(works, "the agent does not work: {status:#}");
    Ok(status)
}

/// Replaces a file in one step, as editors and Kubernetes do: the agent never reads half of it. Everybody may read it, whatever
/// the umask: some agents here are not root.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).with_context(|| format!("write {}", draft.display()))?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o644)).context("let everybody read the configuration")?;
    fs::rename(&draft, path).with_context(|| format!("rename {} to {}", draft.display(), path.display()))
}

/// Each start has a log of its own, so that an old "ready" is never taken for a new one.
fn free_log(directory: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let path = directory.join(format!("speaker-{number}.log"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

/// A configuration in which `candidates[0]` owns every address and answers on `eth0`.
#[must_use]
pub fn static_config(addresses: &[IpAddr], candidates: &[&str], attach: &str) -> String {
    let announcements: Vec<String> = addresses
        .iter()
        .map(|address| {
            format!(
                "  - address: \"{address}\"\n    l2: {{candidates: [{}], interfaces: [eth0], mode: Exclusive}}\n",
                candidates.join(", ")
            )
        })
        .collect();
    format!("announcements:\n{}interfaces:\n  - {{name: eth0, attach: {attach}}}\n", announcements.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_every_address_with_its_candidates() {
        let addresses = ["192.0.2.10".parse().unwrap(), "2001:db8::10".parse().unwrap()];
        assert_eq!(
            static_config(&addresses, &["node-a", "node-b"], "native"),
            "announcements:
  - address: \"192.0.2.10\"
    l2: {candidates: [node-a, node-b], interfaces: [eth0], mode: Exclusive}
  - address: \"2001:db8::10\"
    l2: {candidates: [node-a, node-b], interfaces: [eth0], mode: Exclusive}
interfaces:
  - {name: eth0, attach: native}
"
        );
    }

    #[test]
    fn each_start_has_its_own_log() {
        let directory = tempfile::tempdir().unwrap();
        let first = free_log(directory.path());
        fs::write(&first, "ready").unwrap();
        assert_ne!(free_log(directory.path()), first);
    }
}
