//! `cargo xtask tidy`: the rules about files that lints cannot express.

mod imports;
mod rules;
mod sentences;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use self::rules::{Finding, Severity};
use crate::{paths, ui};

/// `cargo xtask tidy`.
#[derive(clap::Args)]
pub struct Args {}

/// Folders whose content is made by tools.
const SKIPPED: [&str; 3] = ["target", "corpus", "artifacts"];
/// Files with a text that people write.
const TEXTS: [&str; 7] = ["rs", "toml", "md", "yaml", "yml", "sh", "json"];

/// Runs the verb.
///
/// # Errors
/// If a rule is broken; each break has been shown.
pub fn run(_args: &Args) -> Result<()> {
    let root = paths::root();
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut broken = 0;
    for file in &files {
        let bytes = fs::read(root.join(file)).with_context(|| format!("read {file}"))?;
        for Finding { severity, line, text } in rules::check(file, &String::from_utf8_lossy(&bytes)) {
            let word = match severity {
                Severity::Warning => "warning",
                Severity::Error => {
                    broken += 1;
                    "error"
                }
            };
            ui::say(format_args!("{file}:{line}: {word}: {text}"));
        }
    }
    if broken > 0 {
        bail!("{broken} rules are broken in the {} files looked at", files.len());
    }
    ui::say(format_args!("{} files are tidy", files.len()));
    Ok(())
}

/// Paths below the root, with `/`, of every text file.
fn collect(folder: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) && name != ".git" {
                collect(&entry.path(), files)?;
            }
        } else if kind.is_file() && is_text(&entry.path(), &name) {
            let path = entry.path();
            files.push(path.strip_prefix(paths::root()).unwrap_or(&path).to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn is_text(path: &Path, name: &str) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    // Files without an extension are scripts and the like: README, LICENSE, .ci/run.
    extension.map_or(name != ".git", |extension| TEXTS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_file_is_among_those_looked_at() {
        let mut files = Vec::new();
        collect(paths::root(), &mut files).unwrap();
        assert!(files.iter().any(|file| file == "xtask/src/tidy/mod.rs"), "{files:?}");
        assert!(!files.iter().any(|file| file.starts_with("target/") || file.starts_with(".git/")), "{files:?}");
    }
}
