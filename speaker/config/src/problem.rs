//! What is wrong with a file an administrator wrote: one sentence for each fault, with the line to look at.

use std::{fmt, path::PathBuf};

/// How many faults are spelled out; ten thousand lines of log help nobody.
const SHOWN: usize = 20;

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; `None` when the fault is the file as a whole.
    pub line: Option<u64>,
    /// Where in the document, like `announcements[3].l2.candidates[1]`; empty for the document itself.
    pub field: String,
    /// The value, the rule it breaks, and what to do.
    pub text: String,
}

impl Problem {
    /// `line`: counted from 1; 0 is unknown. `field` and `text` as the fields of that name.
    pub fn new(line: u64, field: impl Into<String>, text: impl Into<String>) -> Self {
        // A location the parser does not know has line 0.
        Self { line: Some(line).filter(|&line| line > 0), field: field.into(), text: text.into() }
    }
}

/// A file that cannot be used, and everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// Its faults in the order of the file; at least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if !problem.field.is_empty() {
                write!(f, ": {}", problem.field)?;
            }
            write!(f, ": {}", problem.text)?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n{}: and {more} more faults", self.file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_one_line_and_the_list_has_an_end() {
        let problems = (1..=25).map(|line| Problem::new(line, format!("a[{line}]"), "is wrong; mend it")).collect();
        let text = FileError { file: "/etc/x.yaml".into(), problems }.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), SHOWN + 1);
        assert_eq!(lines.first(), Some(&"/etc/x.yaml:1: a[1]: is wrong; mend it"));
        assert_eq!(lines.last(), Some(&"/etc/x.yaml: and 5 more faults"));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let problems = vec![Problem::new(0, "", "cannot be read")];
        assert_eq!(FileError { file: "x".into(), problems }.to_string(), "x: cannot be read");
    }
}
