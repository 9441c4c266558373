//! What the person at the terminal sees: headings, spinners on a terminal, plain lines elsewhere.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this module is the only one that prints")]

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// One line of plain output.
pub fn say(line: impl Display) {
    println!("{line}");
    // A reader at the other end of a pipe should not wait for the buffer; an unreadable standard output is no reason to stop.
    let _ = std::io::stdout().flush();
}

/// A line that separates two parts of the output.
pub fn heading(text: impl Display) {
    if std::io::stdout().is_terminal() {
        say(format_args!("\n\x1b[1m== {text}\x1b[0m"));
    } else {
        say(format_args!("\n== {text}"));
    }
}

/// Something the person should know but that does not stop anything.
pub fn warn(text: impl Display) {
    eprintln!("warning: {text}");
}

/// The error a verb ended with, with all its causes.
pub fn failure(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Something that takes a while: a spinner with the elapsed time on a terminal, a line at the start and one at the end elsewhere.
///
/// Dropping it without [`done`](Self::done) reports that it failed.
pub struct Step {
    text: String,
    started: Instant,
    spinner: Option<ProgressBar>,
    finished: bool,
}

impl Step {
    /// Starts showing `text`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "measures how long the step took, for display only")]
    pub fn begin(text: impl Into<String>) -> Self {
        let text = text.into();
        let spinner = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(text.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if spinner.is_none() {
            say(format_args!("   {text} ..."));
        }
        Self { text, started: Instant::now(), spinner, finished: false }
    }

    /// Shows what is going on within the step; only on a terminal.
    pub fn note(&self, detail: impl Display) {
        if let Some(bar) = &self.spinner {
            bar.set_message(format!("{}: {detail}", self.text));
        }
    }

    /// Prints a line where there is no terminal, so that a log shows that something goes on.
    pub fn plain(&self, line: impl Display) {
        if self.spinner.is_none() {
            say(line);
        }
    }

    /// Prints a line without tearing the spinner.
    pub fn line(&self, line: impl Display) {
        match &self.spinner {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Ends the step well; `outcome` says what came of it.
    pub fn done(mut self, outcome: impl Display) {
        self.finished = true;
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
        let took = self.started.elapsed();
        let took = if took < Duration::from_secs(10) {
            format!("{:.1} s", took.as_secs_f64())
        } else {
            HumanDuration(took).to_string()
        };
        say(format_args!("   {}: {outcome} ({took})", self.text));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            if let Some(bar) = &self.spinner {
                bar.finish_and_clear();
            }
            say(format_args!("   {}: failed", self.text));
        }
    }
}
