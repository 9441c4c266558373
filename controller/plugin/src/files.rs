//! The driver: reads objects out of files.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Names of files with objects.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Every object in these files and directories; `-` is the standard input.
///
/// # Errors
/// A file cannot be read, or is no YAML.
pub fn documents(paths: &[PathBuf]) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("read the standard input")?;
            all.extend(parse(&text).context("read the standard input")?);
            continue;
        }
        for file in files(path)? {
            let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            all.extend(parse(&text).with_context(|| format!("read {}", file.display()))?);
        }
    }
    Ok(all)
}

/// The file itself, or every file in the directory, in the order of names.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("list {}", path.display()))? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if ENDINGS.contains(&ending.as_str()) {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("no file in {} ends in .yaml, .yml or .json", path.display());
    }
    found.sort();
    Ok(found)
}

/// The objects of a text; those of a List one by one.
fn parse(text: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    let mut all = Vec::new();
    for mut document in documents {
        match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => all.extend(items),
            Some(_) | None if document.is_object() => all.push(document),
            Some(_) | None => {}
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_with_every_document_and_list() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("b.yaml", "kind: A\n---\nkind: B\n---\n");
        write("a.yml", "kind: List\nitems: [{kind: C}, {kind: D}]\n");
        write("c.json", "{\"kind\": \"E\"}");
        write("README.md", "not: [read");
        let kinds =
            |all: Vec<Value>| all.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(kinds(documents(&[directory.path().to_owned()]).unwrap()), ["C", "D", "A", "B", "E"]);
        assert_eq!(kinds(documents(&[directory.path().join("c.json")]).unwrap()), ["E"]);
        assert!(documents(&[directory.path().join("missing.yaml")]).is_err());
        write("bad.yaml", "kind: [\n");
        assert!(format!("{:#}", documents(&[directory.path().to_owned()]).unwrap_err()).contains("bad.yaml"));
    }
}
