//! A program of the cluster that can be stopped, killed, frozen and started again.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;

use crate::lab::Running;

/// How long a program may take to end when it is asked to.
const END: Duration = Duration::from_secs(30);

/// A long-running program. Dropping it kills it: that one process, by its id. Shared references suffice for everything, so
/// that scenarios can share a cluster.
pub struct Daemon {
    name: String,
    line: Line,
    log: PathBuf,
    running: Mutex<Option<Start>>,
}

struct Start {
    running: Running,
    /// Length of the log when it began.
    from: usize,
}

/// A command that can be run again. Nothing is inherited from our environment but `PATH`: a proxy or a kubeconfig of the
/// person at the terminal would change what is tested.
struct Line {
    program: OsString,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    home: PathBuf,
}

impl Line {
    fn of(command: &Command, home: &Path) -> Self {
        let set =
            |(name, value): (&std::ffi::OsStr, Option<&std::ffi::OsStr>)| Some((name.to_owned(), value?.to_owned()));
        Self {
            program: command.get_program().to_owned(),
            arguments: command.get_args().map(ToOwned::to_owned).collect(),
            environment: command.get_envs().filter_map(set).collect(),
            home: home.to_owned(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.home).env("RUST_BACKTRACE", "1").envs(&self.environment);
        command
    }
}

impl Daemon {
    /// Starts the command. Its output goes to `DIRECTORY/NAME.log`; of its environment only what the command itself sets and
    /// `PATH` are kept.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(name: &str, command: &Command, directory: &Path) -> Result<Self> {
        let daemon = Self {
            name: name.to_owned(),
            line: Line::of(command, directory),
            log: directory.join(format!("{name}.log")),
            running: Mutex::new(None),
        };
        daemon.restart()?;
        Ok(daemon)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it again as it was started first, after it has ended or was ended.
    ///
    /// # Errors
    /// If it still runs or cannot be started.
    pub fn restart(&self) -> Result<()> {
        let mut slot = self.slot();
        if let Some(start) = slot.as_ref()
            && start.running.ended()?.is_none()
        {
            bail!("{} still runs", self.name);
        }
        let from = self.whole_log().len();
        *slot = Some(Start { running: Running::start(&mut self.line.command(), &self.log)?, from });
        Ok(())
    }

    /// Its process id.
    ///
    /// # Errors
    /// If it was ended.
    pub fn pid(&self) -> Result<u32> {
        self.with(|running| Ok(running.pid()))
    }

    /// Ends it as a crash would (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// If it has ended before.
    pub fn kill(&self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    /// Asks it to end (SIGTERM), and waits until it is gone.
    ///
    /// # Errors
    /// If it has ended before, or does not end.
    pub fn terminate(&self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    /// Stops it where it is (SIGSTOP): its connections stay, nothing answers.
    ///
    /// # Errors
    /// If it has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Errors
    /// If it has ended.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.with(|running| running.signal(signal))
    }

    /// Fails if it runs no more, with the end of its log.
    ///
    /// # Errors
    /// If it has ended or was ended.
    pub fn check(&self) -> Result<()> {
        match self.with(Running::ended)? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); its log ends with:\n{}", self.name, tail(&self.log(), 20)),
        }
    }

    /// What it has printed since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        let from = self.slot().as_ref().map_or(0, |start| start.from);
        let whole = self.whole_log();
        String::from_utf8_lossy(whole.get(from..).unwrap_or_default()).into_owned()
    }

    /// Resident memory, KiB.
    ///
    /// # Errors
    /// If it has ended.
    pub fn memory_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid()?);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} has ended", self.name))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.with_context(|| format!("{path} says nothing about memory: {} has ended", self.name))
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let mut slot = self.slot();
        let Some(start) = slot.as_ref() else { bail!("{} was ended before", self.name) };
        start.running.signal(signal)?;
        start.running.wait(END)?;
        *slot = None;
        Ok(())
    }

    fn with<T>(&self, ask: impl FnOnce(&Running) -> Result<T>) -> Result<T> {
        match self.slot().as_ref() {
            Some(start) => ask(&start.running),
            None => bail!("{} was ended before", self.name),
        }
    }

    fn whole_log(&self) -> Vec<u8> {
        std::fs::read(&self.log).unwrap_or_default()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Start>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last lines of a text.
#[must_use]
pub(super) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::eventually;

    fn sleeper(directory: &Path) -> Daemon {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $WORD; exec sleep 600"]).env("WORD", "hello");
        Daemon::start("sleeper", &command, directory).unwrap()
    }

    #[test]
    fn it_can_be_ended_and_started_again() {
        let directory = tempfile::tempdir().unwrap();
        let daemon = sleeper(directory.path());
        let first = daemon.pid().unwrap();
        daemon.check().unwrap();
        assert!(daemon.restart().is_err(), "it runs");
        daemon.kill().unwrap();
        assert!(daemon.check().is_err() && daemon.pid().is_err() && daemon.terminate().is_err());
        daemon.restart().unwrap();
        assert_ne!(daemon.pid().unwrap(), first);
        daemon.terminate().unwrap();
    }

    #[test]
    fn the_log_is_that_of_the_last_start() {
        let directory = tempfile::tempdir().unwrap();
        let daemon = sleeper(directory.path());
        let greeted = || {
            eventually(END, "the greeting", || {
                if daemon.log().is_empty() { bail!("nothing yet") } else { Ok(daemon.log()) }
            })
        };
        assert_eq!(greeted().unwrap(), "hello\n");
        daemon.kill().unwrap();
        daemon.restart().unwrap();
        assert_eq!(greeted().unwrap(), "hello\n");
        assert_eq!(std::fs::read_to_string(directory.path().join("sleeper.log")).unwrap(), "hello\nhello\n");
    }

    #[test]
    fn memory_is_told_while_it_runs() {
        let directory = tempfile::tempdir().unwrap();
        let daemon = sleeper(directory.path());
        assert!(daemon.memory_kib().unwrap() > 0);
        daemon.kill().unwrap();
        assert!(daemon.memory_kib().is_err());
    }

    #[test]
    fn a_tail_is_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
