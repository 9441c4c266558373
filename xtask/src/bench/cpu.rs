//! Processor time, as the kernel accounts for it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use nix::{sys::time::TimeValLike as _, time::clock_getcpuclockid, unistd::Pid};

/// Nanoseconds of one unit in `/proc/stat` (USER_HZ is 100 on every architecture this runs on).
const TICK_NS: u64 = 10_000_000;

/// Nanoseconds that a process has run, all its threads together, those that have ended included: its own clock in the kernel.
/// `/proc/PID/stat` tells the same in hundredths of a second, and `/proc/PID/task` forgets what threads that ended have run.
pub(super) fn process_ns(pid: u32) -> Result<u64> {
    let number = i32::try_from(pid).context("process ids are positive 32-bit numbers")?;
    let clock = clock_getcpuclockid(Pid::from_raw(number))
        .with_context(|| format!("find the clock of process {pid}; has it ended?"))?;
    let time = clock.now().with_context(|| format!("read the clock of process {pid}; has it ended?"))?;
    u64::try_from(time.num_nanoseconds()).context("a process has run for less than no time")
}

/// Resident memory of a process, MiB.
pub(super) fn resident_mib(pid: u32) -> Result<f64> {
    let text = read(Path::new(&format!("/proc/{pid}/status")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<f64> = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    Ok(kib.with_context(|| format!("find the resident memory of process {pid}"))? / 1024.0)
}

/// Nanoseconds that this machine has spent in soft interrupts, all processors together.
pub(super) fn softirq_ns() -> Result<u64> {
    let path = Path::new("/proc/stat");
    parse_stat(&read(path)?).context("understand /proc/stat")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn parse_stat(text: &str) -> Option<u64> {
    // cpu user nice system idle iowait irq softirq …
    let numbers = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: u64 = numbers.split_ascii_whitespace().nth(6)?.parse().ok()?;
    Some(ticks * TICK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_columns_are_read() {
        assert_eq!(parse_stat("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 9 9 9 9 9 9 9 9\n"), Some(70_000_000));
        assert_eq!(parse_stat("intr 5"), None);
    }

    #[test]
    fn threads_that_have_ended_still_count() {
        let own = || process_ns(std::process::id()).unwrap();
        let (before, enough) = (own(), 20_000_000);
        let thread = std::thread::spawn(move || while own() - before < enough {});
        thread.join().unwrap();
        assert!(own() - before >= enough);
        softirq_ns().unwrap();
    }

    #[test]
    fn a_process_that_is_gone_has_no_clock() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(process_ns(child.id()).is_err());
    }
}
