//! The rules, as functions of a path and a text.

use super::{imports::BANS, sentences};

/// Non-test lines from which a file is worth a thought.
const WARN_LINES: usize = 300;
/// Most non-test lines of a file.
const MAX_LINES: usize = 400;
/// Places that exist on one machine only. Split, so that this file does not contain them.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("arti", "factory")];

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Shown only.
    Warning,
    /// Fails the verb.
    Error,
}

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// From 1.
    pub(super) line: usize,
    pub(super) text: String,
}

fn error(line: usize, text: String) -> Finding {
    Finding { severity: Severity::Error, line, text }
}

/// Everything that is wrong with a file.
pub(super) fn check(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = machine_paths(text);
    findings.extend(sentences::long(file, text).iter().map(|long| error(long.line, long.message())));
    if file.ends_with(".rs") {
        findings.extend(module_doc(text));
        if !is_test_file(file) {
            findings.extend(length(text));
            findings.extend(imports(file, text));
        }
    }
    findings
}

fn is_test_file(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    file.contains("/tests/") || file.contains("/benches/") || name == "tests.rs" || name.ends_with("_tests.rs")
}

fn module_doc(text: &str) -> Option<Finding> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!first.starts_with("//!")).then(|| error(1, "the file does not begin with what it is about (`//! …`)".to_owned()))
}

/// The lines before the test module: tests stand at the end of a file.
fn without_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut lines = text.lines().enumerate().peekable();
    std::iter::from_fn(move || {
        let (number, line) = lines.next()?;
        let begins_tests = line == "#[cfg(test)]" && lines.peek().is_some_and(|(_, next)| next.ends_with('{'));
        (!begins_tests).then_some((number + 1, line))
    })
}

fn length(text: &str) -> Option<Finding> {
    let lines = without_tests(text).count();
    let severity = match lines {
        ..WARN_LINES => return None,
        WARN_LINES..MAX_LINES => Severity::Warning,
        MAX_LINES.. => Severity::Error,
    };
    Some(Finding { severity, line: lines, text: format!("{lines} lines without the tests; {MAX_LINES} are too many") })
}

fn imports(file: &str, text: &str) -> Vec<Finding> {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    without_tests(text)
        .flat_map(|(number, line)| {
            let code = code(line);
            BANS.iter().filter_map(move |ban| {
                let word = ban.broken_by(file, &code)?;
                Some(error(number, format!("{word} does not belong here: {}", ban.reason)))
            })
        })
        .collect()
}

fn machine_paths(text: &str) -> Vec<Finding> {
    text.lines()
        .enumerate()
        .flat_map(|(number, line)| {
            let found = MACHINE_PATHS.iter().filter(move |path| line.contains(*path));
            found.map(move |path| error(number + 1, format!("{path} exists on one machine only")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        format!("//! About.\n{}", "let x = 1;\n".repeat(count - 1))
    }

    #[test]
    fn files_have_a_length() {
        assert_eq!(check("speaker/src/a.rs", &lines(299)), []);
        assert_eq!(check("speaker/src/a.rs", &lines(300))[0].severity, Severity::Warning);
        assert_eq!(check("speaker/src/a.rs", &lines(400))[0].severity, Severity::Error);
        assert_eq!(check("speaker/tests/a.rs", &lines(900)), []);
        assert_eq!(check("Dockerfile", &lines(900)), []);
    }

    #[test]
    fn tests_at_the_end_do_not_count() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(100), "use std::net::IpAddr;\n".repeat(900));
        assert_eq!(check("common/src/abi/key.rs", &text), []);
        // A single item for tests is not the end of the code.
        let text = format!("{}#[cfg(test)]\nmod tests;\nuse std::net::IpAddr;\n", lines(10));
        assert_eq!(check("common/src/abi/key.rs", &text).len(), 1);
    }

    #[test]
    fn files_say_what_they_are_about() {
        assert_eq!(check("speaker/src/a.rs", "\n//! About.\nfn f() {}\n"), []);
        assert_eq!(check("speaker/src/a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(check("speaker/tests/a.rs", "fn f() {}\n").len(), 1);
    }

    #[test]
    fn imports_are_found_with_their_line_but_not_in_comments() {
        let findings = check("speaker/src/decide/a.rs", "//! tokio::x\n// tokio::y\nuse tokio::z;\n");
        assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn places_on_one_machine_are_found_in_every_text() {
        for path in MACHINE_PATHS {
            assert_eq!(check("README.md", &format!("see\n{path}x\n"))[0].line, 2);
        }
    }
}
