//! Processor time, as the kernel accounts for it.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result};

/// Nanoseconds of one unit in `/proc/stat` (USER_HZ is 100 on every architecture this runs on).
const TICK_NS: u64 = 10_000_000;

/// Nanoseconds that all threads of a process have run: the first number of `/proc/PID/task/*/schedstat`. It is what utime
/// and stime in `/proc/PID/stat` are made of, without their rounding to hundredths of a second.
pub(super) fn process_ns(pid: u32) -> Result<u64> {
    let tasks = format!("/proc/{pid}/task");
    let mut total = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("list {tasks}; has the process ended?"))? {
        let path = task.with_context(|| format!("list {tasks}"))?.path().join("schedstat");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // It ended between the listing and here: what it ran is missing, as is that of threads that ended before.
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_gone(&error) => continue,
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        total += parse_schedstat(&text).with_context(|| format!("understand {}", path.display()))?;
    }
    Ok(total)
}

/// The thread ended after its file was opened.
fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32)
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

fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
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
        assert_eq!(parse_schedstat("2188474 77 1\n"), Some(2_188_474));
        assert_eq!(parse_stat("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 9 9 9 9 9 9 9 9\n"), Some(70_000_000));
        assert_eq!((parse_schedstat(""), parse_stat("intr 5")), (None, None));
    }

    #[test]
    fn this_process_has_run() {
        assert!(process_ns(std::process::id()).unwrap() > 0);
        softirq_ns().unwrap();
    }
}
