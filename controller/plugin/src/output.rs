//! Reports on the screen: tables for people, JSON and YAML for programs.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};
use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use crate::args::Form;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work: the exit code is 1.
    Problem,
    /// Something to know.
    Warning,
    /// All is well.
    Ok,
}

/// A finding of a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: String,
    /// One sentence.
    pub message: String,
    /// The next command to type, or the next thing to do.
    pub next: String,
}

impl Finding {
    /// A problem.
    pub fn problem(subject: impl Into<String>, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, subject: subject.into(), message: message.into(), next: next.into() }
    }

    /// A warning.
    pub fn warning(subject: impl Into<String>, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::problem(subject, message, next) }
    }

    /// Whether one of these is a problem.
    pub fn any_problem(findings: &[Self]) -> bool {
        findings.iter().any(|finding| finding.severity == Severity::Problem)
    }
}

/// How text for people looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// More columns.
    pub wide: bool,
    /// With colours.
    pub colour: bool,
}

impl Style {
    /// The text in the colour of a severity.
    pub fn paint(self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Problem => 31,
            Severity::Warning => 33,
            Severity::Ok => 32,
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Findings, the worst first, each with the next step below it.
    pub fn findings(self, findings: &[Finding]) -> String {
        let line = |finding: &Finding| {
            let word = match finding.severity {
                Severity::Problem => "PROBLEM",
                Severity::Warning => "WARNING",
                Severity::Ok => "OK",
            };
            let Finding { severity, subject, message, next } = finding;
            let next = if next.is_empty() { String::new() } else { format!("\n  → {next}") };
            format!("{}  {subject}: {message}{next}\n", self.paint(*severity, word))
        };
        findings.iter().map(line).collect()
    }
}

/// A table under a title; nothing without rows.
pub fn table<const N: usize>(title: &str, header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty().set_header(header);
    for row in rows {
        table.add_row(row);
    }
    if table.row_iter().next().is_none() {
        return String::new();
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("\n{title}\n{}\n", table.trim_fmt())
}

/// A value, or `-` for an empty one.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// Prints a report in the form that was asked for.
///
/// # Errors
/// Nobody reads, or the report cannot be written as YAML.
pub fn print<R: Serialize>(form: Form, report: &R, text: impl FnOnce(Style) -> String) -> Result<()> {
    let is_terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = match form {
        Form::Table => text(Style { wide: false, colour: is_terminal }),
        Form::Wide => text(Style { wide: true, colour: is_terminal }),
        Form::Json => serde_json::to_string_pretty(report)? + "\n",
        Form::Yaml => serde_saphyr::to_string(report).context("write YAML")?,
    };
    std::io::stdout().write_all(text.as_bytes()).context("write the report")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_for_terminals() {
        let findings = [Finding::problem("Service shop/web", "has no address", "kubectl get services")];
        let plain = Style::default().findings(&findings);
        assert_eq!(plain, "PROBLEM  Service shop/web: has no address\n  → kubectl get services\n");
        let coloured = Style { colour: true, ..Style::default() }.findings(&findings);
        assert!(coloured.starts_with("\u{1b}[31mPROBLEM\u{1b}[0m"), "{coloured}");
    }

    #[test]
    fn a_table_without_rows_is_not_shown() {
        assert_eq!(table("X", ["A"], []), "");
        assert_eq!(table("X", ["A", "B"], [["1".to_owned(), "2".to_owned()]]), "\nX\nA  B\n1  2\n");
    }
}
