//! Running other programs. A command that fails is shown in full, together with what it printed.

use std::{
    fmt::Write as _,
    process::{Command, ExitStatus, Output, Stdio},
};

use anyhow::{Context as _, Result, bail};
pub use xshell::{Shell, cmd};

use crate::paths;

/// A shell for [`cmd!`] that stands in the root of the workspace.
pub fn shell() -> Result<Shell> {
    let shell = Shell::new().context("the working directory does not exist; change to one that does")?;
    shell.change_dir(paths::root());
    Ok(shell)
}

/// The command as one could type it.
#[must_use]
pub fn display(command: &Command) -> String {
    let mut line = quoted(&command.get_program().to_string_lossy());
    for argument in command.get_args() {
        // Writing to a string cannot fail.
        let _ = write!(line, " {}", quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs the command without showing anything and returns its standard output, with the line end at its end cut off.
///
/// # Errors
/// If it cannot be started or fails; the message holds the command and both its outputs.
pub fn read(command: impl Into<Command>) -> Result<String> {
    let mut command = command.into();
    let output = attempt(&mut command)?;
    if !output.status.success() {
        bail!(report(&command, &output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs the command without showing anything.
///
/// # Errors
/// As [`read`].
pub fn run(command: impl Into<Command>) -> Result<()> {
    read(command).map(drop)
}

/// Runs the command without showing anything and returns whatever came of it.
///
/// # Errors
/// If it cannot be started.
pub fn attempt(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| not_started(command))
}

/// Runs the command with its output going where ours goes.
///
/// # Errors
/// If it cannot be started or fails.
pub fn stream(command: impl Into<Command>) -> Result<()> {
    let mut command = command.into();
    let status = command.stdin(Stdio::null()).status().with_context(|| not_started(&command))?;
    if status.success() { Ok(()) } else { bail!("`{}` {}", display(&command), ended(status)) }
}

/// One paragraph: the command, how it ended, and what it printed.
#[must_use]
pub fn report(command: &Command, output: &Output) -> String {
    let mut text = format!("`{}` {}", display(command), ended(output.status));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let printed = String::from_utf8_lossy(bytes);
        if !printed.trim().is_empty() {
            let _ = write!(text, "\n--- {name}\n{}", printed.trim_end());
        }
    }
    text
}

/// Message for a program that could not be started.
#[must_use]
pub fn not_started(command: &Command) -> String {
    format!("could not start `{}`; `cargo xtask setup` installs what is missing", display(command))
}

fn ended(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("failed with exit code {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_returned_without_its_last_line_end() {
        let shell = shell().unwrap();
        assert_eq!(read(cmd!(shell, "printf 'a\nb\n'")).unwrap(), "a\nb");
    }

    #[test]
    fn a_failure_shows_the_command_and_both_outputs() {
        let shell = shell().unwrap();
        let script = "echo out; echo err >&2; exit 3";
        let message = format!("{:#}", read(cmd!(shell, "sh -c {script}")).unwrap_err());
        assert_eq!(
            message,
            "`sh -c 'echo out; echo err >&2; exit 3'` failed with exit code 3\n--- stdout\nout\n--- stderr\nerr"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let message = format!("{:#}", run(Command::new("no-such-program-here")).unwrap_err());
        assert!(message.starts_with("could not start `no-such-program-here`; `cargo xtask setup`"), "{message}");
    }
}
