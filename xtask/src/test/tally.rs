//! Counting what libtest reports.

use std::{fmt, ops::AddAssign};

use regex::Regex;

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// That passed.
    pub passed: u64,
    /// That failed, or could not be run although they were asked for.
    pub failed: u64,
}

impl Tally {
    /// One failure that no test program reported, for example one that could not be compiled.
    pub const FAILURE: Self = Self { passed: 0, failed: 1 };

    /// Whether everything passed and something ran at all.
    #[must_use]
    pub fn good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Reads test output line by line.
///
/// The summary of each test program counts. A program that died has none: its last test was begun but not ended, so programs
/// that were announced without a summary are counted as one failure each.
#[derive(Debug)]
pub struct Counter {
    summary: Regex,
    begun: u64,
    ended: u64,
    tally: Tally,
}

impl Counter {
    /// A counter that has seen nothing.
    ///
    /// # Errors
    /// Never, unless the pattern in it is wrong.
    pub fn new() -> Result<Self, regex::Error> {
        let summary = Regex::new(r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; ")?;
        Ok(Self { summary, begun: 0, ended: 0, tally: Tally::default() })
    }

    /// Reads one line.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")) {
            self.begun += 1;
        } else if let Some(numbers) = self.summary.captures(line) {
            let number = |index| numbers.get(index).and_then(|text| text.as_str().parse().ok()).unwrap_or(0);
            self.tally += Tally { passed: number(1), failed: number(2) };
            self.ended += 1;
        }
    }

    /// What was counted, given whether the command that printed it succeeded.
    #[must_use]
    pub fn finish(self, success: bool) -> Tally {
        let mut tally = self.tally;
        tally.failed += self.begun.saturating_sub(self.ended);
        if !success && tally.failed == 0 {
            tally += Tally::FAILURE;
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, success: bool) -> Tally {
        let mut counter = Counter::new().unwrap();
        text.lines().for_each(|line| counter.line(line));
        counter.finish(success)
    }

    const GOOD: &str = "running 2 tests\ntest a ... ok\ntest b ... ok\n\n\
        test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";

    #[test]
    fn summaries_are_added() {
        let bad = "running 3 tests\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(count(&format!("{GOOD}{GOOD}{bad}"), false), Tally { passed: 5, failed: 2 });
    }

    #[test]
    fn a_program_that_died_is_a_failure() {
        assert_eq!(count(&format!("{GOOD}running 1 test\ntest c ... "), false), Tally { passed: 2, failed: 1 });
        assert_eq!(count(&format!("{GOOD}running 1 test\ntest c ... "), true), Tally { passed: 2, failed: 1 });
    }

    #[test]
    fn a_command_that_failed_without_a_failed_test_is_a_failure() {
        assert_eq!(count("", false), Tally::FAILURE);
        assert_eq!(count(GOOD, false), Tally { passed: 2, failed: 1 });
    }

    #[test]
    fn nothing_is_not_good() {
        assert!(!count("", true).good());
        assert!(count(GOOD, true).good());
        assert!(!count(GOOD, false).good());
    }

    #[test]
    fn what_a_test_prints_is_not_taken_for_a_summary() {
        assert_eq!(count("  test result: ok. 7 passed; 0 failed; \nrunning late", true), Tally::default());
    }

    #[test]
    fn the_last_line_is_what_people_and_scripts_read() {
        assert_eq!(Tally { passed: 12, failed: 0 }.to_string(), "12 passed, 0 failed");
    }
}
