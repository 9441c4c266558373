//! `cargo xtask generate`: files of the tree that are made from code. `manifests/crds` comes from the types of `common::api`,
//! `docs/reference/flags.md` from the help of both programs, `docs/reference/permissions.md` and the templates of the chart from the
//! other manifests; the dashboards from a table.

mod chart;
mod dashboards;
mod permissions;

use std::{collections::BTreeMap, fmt::Write as _, fs, io::ErrorKind, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{build, paths, sh, ui};

/// `cargo xtask generate`.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Files, by their paths below the root, and what they hold.
type Files = BTreeMap<String, String>;

/// Where the definitions of our kinds are; every file there is made from code.
const DEFINITIONS: &str = "manifests/crds";
/// The page with the help of both programs.
const FLAGS: &str = "docs/reference/flags.md";
/// The page with the rights of both programs.
const PERMISSIONS: &str = "docs/reference/permissions.md";
/// Programs and their subcommands with flags, in the order of the page.
const COMMANDS: [(&str, &[&str]); 2] =
    [("controller", &[]), ("speaker", &["run", "status", "explain", "check", "evacuate", "cleanup", "version"])];

/// Runs the verb.
///
/// # Errors
/// If a file cannot be made, read or written, or with `--check` if one differs; the message says which.
pub fn run(args: &Args) -> Result<()> {
    bring(args, &[DEFINITIONS], &wanted()?)?;
    let boards = Files::from([(format!("manifests/{}", dashboards::FILE), dashboards::file()?)]);
    bring(args, &[], &boards)?;
    // The templates are made from the files that are there by now.
    let folder = format!("manifests/{}", chart::FOLDER);
    let templates: Files =
        chart::templates()?.into_iter().map(|(name, text)| (format!("{folder}/{name}"), text)).collect();
    bring(args, &[&folder], &templates)
}

/// Makes these files, and no others in these folders, what they should be; with `--check` only compares.
fn bring(args: &Args, folders: &[&str], wanted: &Files) -> Result<()> {
    let changes = changes(&read(paths::root(), folders, wanted)?, wanted);
    if args.check && !changes.is_empty() {
        let told: Vec<_> = changes.iter().map(|(name, change)| format!("{name} {}", change.told())).collect();
        bail!("{}; run `cargo xtask generate`", told.join("; "));
    }
    for (name, change) in &changes {
        let path = paths::root().join(name);
        match (change, wanted.get(name)) {
            (Change::Extra, _) | (_, None) => {
                fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?
            }
            (Change::Missing | Change::Differs { .. }, Some(text)) => write(&path, text)?,
        }
        ui::say(format_args!("{name} {}", change.done()));
    }
    ui::say(format_args!("{} files are as the code says", wanted.len()));
    Ok(())
}

/// Every file as the code says it.
fn wanted() -> Result<Files> {
    let mut command = build::cargo("build", &paths::profile_name());
    command.args(["--quiet", "--locked", "--bin", "speaker", "--bin", "controller", "--example", "crds"]);
    sh::stream(command)?;
    let mut files = definitions()?;
    files.insert(FLAGS.to_owned(), flags()?);
    files.insert(PERMISSIONS.to_owned(), permissions::page()?);
    Ok(files)
}

/// The definitions of our kinds, as a program of the crate that has the types prints them: this one needs nothing of Kubernetes.
fn definitions() -> Result<Files> {
    let printed: Files = serde_json::from_str(&sh::read(Command::new(paths::example("crds")))?)
        .context("read what the example 'crds' of arpeggio-common printed")?;
    Ok(printed.into_iter().map(|(name, text)| (format!("{DEFINITIONS}/{name}"), text)).collect())
}

/// The help of both programs, as they print it.
fn flags() -> Result<String> {
    let mut page =
        "# Flags\n\nMade from `--help` of both programs by `cargo xtask generate`. A flag wins over its environment \
                    variable.\n"
            .to_owned();
    for (program, subcommands) in COMMANDS {
        for words in std::iter::once(vec![program]).chain(subcommands.iter().map(|word| vec![program, word])) {
            // A variable would be shown as the default, and a narrow terminal would break lines elsewhere.
            let mut command = Command::new(paths::profile().join(program));
            command.env_clear().args(&words[1..]).arg("--help");
            let help = sh::read(command)?;
            let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
            let _infallible = write!(page, "\n## `{}`\n\n```text\n{}\n```\n", words.join(" "), lines.join("\n"));
        }
    }
    Ok(page)
}

/// The files that are there: those that are wanted, and all of the folders.
fn read(root: &Path, folders: &[&str], wanted: &Files) -> Result<Files> {
    let mut names: Vec<String> = wanted.keys().cloned().collect();
    for folder in folders {
        let path = root.join(folder);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("list {}", path.display()))?,
        };
        for entry in entries {
            names.push(format!("{folder}/{}", entry?.file_name().to_string_lossy()));
        }
    }
    let mut files = Files::new();
    for name in names {
        match fs::read_to_string(root.join(&name)) {
            Ok(text) => files.insert(name, text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("read {name}")),
        };
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
