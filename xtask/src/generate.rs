//! `cargo xtask generate`: files of the tree that are made from code. Today: `manifests/crds`, from the types of `common::api`.

mod chart;
mod dashboards;

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{build, manifests, paths, sh, ui};

/// `cargo xtask generate`.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Names of files and what they hold.
type Files = BTreeMap<String, String>;

/// Runs the verb.
///
/// # Errors
/// If the definitions cannot be made, a file cannot be read or written, or with `--check` if one differs; the message says which.
pub fn run(args: &Args) -> Result<()> {
    write_folder(args, "crds", &definitions()?)?;
    let file = manifests::folder().join(dashboards::FILE);
    if !args.check {
        write(&file, &dashboards::file()?)?;
    }
    write_folder(args, chart::FOLDER, &chart::templates()?)
}

fn write_folder(args: &Args, folder_name: &str, wanted: &Files) -> Result<()> {
    let folder = manifests::folder().join(folder_name);
    let changes = changes(&read(&folder)?, wanted);
    if args.check && !changes.is_empty() {
        let told: Vec<_> =
            changes.iter().map(|(name, change)| format!("manifests/{folder_name}/{name} {}", change.told())).collect();
        bail!("{}; run `cargo xtask generate`", told.join("; "));
    }
    for (name, change) in &changes {
        let path = folder.join(name);
        match (change, wanted.get(name)) {
            (Change::Extra, _) | (_, None) => {
                fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?
            }
            (Change::Missing | Change::Differs { .. }, Some(text)) => write(&path, text)?,
        }
        ui::say(format_args!("manifests/{folder_name}/{name} {}", change.done()));
    }
    ui::say(format_args!("{} files are as the code says", wanted.len()));
    Ok(())
}

/// The definitions of our kinds, as a program of the crate that has the types prints them: this one needs nothing of Kubernetes.
fn definitions() -> Result<Files> {
    let mut command = build::cargo("build", &paths::profile_name());
    command.args(["--quiet", "--locked", "--example", "crds"]);
    sh::stream(command)?;
    serde_json::from_str(&sh::read(Command::new(paths::example("crds")))?)
        .context("read what the example 'crds' of arpeggio-common printed")
}

fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(files),
        entries => entries.with_context(|| format!("list {}", folder.display()))?,
    };
    for entry in entries {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        files.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text);
    }
    Ok(files)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// How a file differs from what it should be.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// It is not there.
    Missing,
    /// It should not be there.
    Extra,
    /// It holds something else, from this line on.
    Differs { line: usize },
}

impl Change {
    fn told(&self) -> String {
        match self {
            Self::Missing => "is missing".to_owned(),
            Self::Extra => "belongs to no kind".to_owned(),
            Self::Differs { line } => format!("differs from the code in line {line}"),
        }
    }

    const fn done(&self) -> &'static str {
        match self {
            Self::Missing => "is new",
            Self::Extra => "is removed",
            Self::Differs { .. } => "is changed",
        }
    }
}

fn changes(found: &Files, wanted: &Files) -> BTreeMap<String, Change> {
    let extra = found.keys().filter(|name| !wanted.contains_key(*name)).map(|name| (name.clone(), Change::Extra));
    let others = wanted.iter().filter_map(|(name, text)| {
        let change = match found.get(name) {
            None => Change::Missing,
            Some(old) if old != text => Change::Differs { line: first_difference(old, text) },
            Some(_) => return None,
        };
        Some((name.clone(), change))
    });
    extra.chain(others).collect()
}

/// The first line, from 1, in which two texts that are not equal differ.
fn first_difference(one: &str, other: &str) -> usize {
    one.split('\n').zip(other.split('\n')).take_while(|(one, other)| one == other).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(pairs: &[(&str, &str)]) -> Files {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_file_that_differs_is_named_with_its_line() {
        let found = files(&[("a", "1\n2\n3\n"), ("b", "1\n"), ("old", "x"), ("same", "y")]);
        let wanted = files(&[("a", "1\n2\nX\n"), ("b", "1"), ("new", "x"), ("same", "y")]);
        let told: Vec<_> =
            changes(&found, &wanted).iter().map(|(name, change)| format!("{name} {}", change.told())).collect();
        assert_eq!(
            told,
            [
                "a differs from the code in line 3",
                "b differs from the code in line 2",
                "new is missing",
                "old belongs to no kind"
            ]
        );
        assert!(changes(&wanted, &wanted).is_empty());
    }
}
