//! How long something took, and how much of that was work: what only waits can run beside something else.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

/// One unit of processor time in `/proc` (USER_HZ is 100 on every architecture this runs on).
const TICK: Duration = Duration::from_millis(10);

/// Measures what comes after its start.
pub(super) struct Watch {
    began: Instant,
    used: Duration,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Took {
    elapsed: Duration,
    /// Processor time of the processes that ended meanwhile, as far as somebody waited for them; those of a tier that ran
    /// beside this one are among them.
    work: Duration,
}

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "how long a tier takes is shown, not judged")]
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), used: children() }
    }

    pub(super) fn stop(&self) -> Took {
        Took { elapsed: self.began.elapsed(), work: children().saturating_sub(self.used) }
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s, processors {} s", self.elapsed.as_secs(), self.work.as_secs())
    }
}

/// Processor time of the processes that this one has waited for, and of those that they have waited for. Nothing where the
/// kernel does not tell: it is only shown.
fn children() -> Duration {
    fs::read_to_string("/proc/self/stat").ok().and_then(|text| parse(&text)).unwrap_or_default()
}

/// The sum of cutime and cstime, fields 16 and 17 (proc_pid_stat(5)). The name, field 2, may hold blanks and brackets.
fn parse(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace().skip(13);
    let [user, system]: [u32; 2] = [fields.next()?.parse().ok()?, fields.next()?.parse().ok()?];
    Some(TICK * user.checked_add(system)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_fields_are_read() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 11 12 130 17 20 0 1 0 100 1000 10\n";
        assert_eq!(parse(stat), Some(Duration::from_millis(1470)));
        assert_eq!(parse("42 (short) S 1"), None);
    }

    #[test]
    fn time_and_work_are_shown_in_seconds() {
        let took = Took { elapsed: Duration::from_millis(61_900), work: Duration::from_secs(100) };
        assert_eq!(took.to_string(), "61 s, processors 100 s");
    }
}
