//! A process that ends with its guard, and whose output goes to a file.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use super::{undo::Undo, wait::eventually};
use crate::sh;

/// A process of the lab. Dropping it kills it: that one process, by its id.
pub struct Running {
    child: Arc<Mutex<Child>>,
    line: String,
    log: PathBuf,
    _undo: Undo,
}

impl Running {
    /// Starts the command; both its outputs are appended to `log`.
    ///
    /// # Errors
    /// If the file cannot be written or the program cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {} for the output of `{}`", log.display(), sh::display(command)))?;
        let copy = file.try_clone().context("share the log file between both outputs")?;
        let child =
            command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn().with_context(|| sh::not_started(command))?;
        let child = Arc::new(Mutex::new(child));
        let undo = Undo::new({
            let child = Arc::clone(&child);
            move || {
                let mut child = lock(&child);
                // Both fail only for a process that is gone already, which is what is wanted.
                let _ = child.kill();
                let _ = child.wait();
            }
        })?;
        Ok(Self { child, line: sh::display(command), log: log.to_owned(), _undo: undo })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// What it printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read(&self.log).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = lock(&self.child);
        if let Some(status) = child.try_wait().with_context(|| format!("ask after `{}`", self.line))? {
            anyhow::bail!("`{}` has ended ({status}) before it was sent {signal}:\n{}", self.line, self.output());
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).context("process ids are positive 32-bit numbers")?);
        signal::kill(pid, signal).with_context(|| format!("send {signal} to `{}`", self.line))
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the kernel cannot tell.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        lock(&self.child).try_wait().with_context(|| format!("ask after `{}`", self.line))
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// If it does not in that time; the message holds what it printed.
    pub fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        eventually(timeout, "the process to end", || {
            self.ended()?.ok_or_else(|| anyhow::anyhow!("`{}` still runs; it printed:\n{}", self.line, self.output()))
        })
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeping(directory: &Path) -> Running {
        Running::start(Command::new("sleep").arg("600"), &directory.join("log")).unwrap()
    }

    #[test]
    fn dropping_kills() {
        let directory = tempfile::tempdir().unwrap();
        let running = sleeping(directory.path());
        let proc = PathBuf::from(format!("/proc/{}", running.pid()));
        assert!(proc.exists());
        drop(running);
        assert!(!proc.exists());
    }

    #[test]
    fn a_signal_ends_it_and_a_second_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let running = sleeping(directory.path());
        running.signal(Signal::SIGTERM).unwrap();
        assert!(!running.wait(Duration::from_secs(10)).unwrap().success());
        assert!(format!("{:#}", running.signal(Signal::SIGTERM).unwrap_err()).contains("has ended"));
    }

    #[test]
    fn output_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let mut echo = Command::new("sh");
        echo.args(["-c", "echo out; echo err >&2"]);
        let running = Running::start(&mut echo, &directory.path().join("log")).unwrap();
        assert!(running.wait(Duration::from_secs(10)).unwrap().success());
        assert_eq!(running.output(), "out\nerr\n");
    }
}
