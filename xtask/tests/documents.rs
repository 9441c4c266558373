//! What must hold for the documents: links lead somewhere, and the pages of reasons know every reason of the code.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;
use xtask::paths;

fn documents() -> Vec<String> {
    let mut found: Vec<String> = ["README.md", "CONTRIBUTING.md", "CONFORMANCE.md"].map(str::to_owned).into();
    for folder in ["docs", "docs/reference"] {
        let entries = fs::read_dir(paths::root().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        found.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    found
}

fn text(file: &str) -> String {
    fs::read_to_string(paths::root().join(file)).unwrap()
}

/// Headings as the addresses of their places.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()));
    let anchor = |heading: &str| {
        let kept =
            heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let link = Regex::new(r"\]\(([^)#]*)(?:#([^)]*))?\)").unwrap();
    for file in documents() {
        let text = text(&file);
        for found in link.captures_iter(&text).filter(|found| !found[1].starts_with("http")) {
            let here = Path::new(&file).parent().unwrap();
            let target = if found[1].is_empty() { Path::new(&file).to_owned() } else { here.join(&found[1]) };
            let path = paths::root().join(&target);
            assert!(path.exists(), "{file} links to {}, which is not there", &found[1]);
            if let Some(place) = found.get(2) {
                let anchors = anchors(&fs::read_to_string(path).unwrap());
                assert!(anchors.contains(place.as_str()), "{file}: {} has no heading {}", &found[1], place.as_str());
            }
        }
    }
}

/// Files in which reasons of conditions and events are written down.
const SOURCES: [&str; 11] = [
    "common/src/api/names.rs",
    "controller/src/cluster/state.rs",
    "controller/src/decide/accept.rs",
    "controller/src/decide/allocate/refusal.rs",
    "controller/src/decide/allocate/settle.rs",
    "controller/src/decide/announce/bgp/explain.rs",
    "controller/src/decide/announce/explain.rs",
    "controller/src/decide/conflict.rs",
    "speaker/src/publish/events.rs",
    "speaker/src/publish/plan.rs",
    "speaker/src/publish/speaker.rs",
];

#[test]
fn every_reason_is_documented() {
    let pages = text("docs/reference/conditions.md") + &text("docs/reference/events.md");
    let word = Regex::new(r#""([A-Z][a-z]+(?:[A-Z][A-Za-z]+)*)""#).unwrap();
    let mut known = BTreeSet::new();
    for file in SOURCES {
        let text = text(file);
        let code = text.split("#[cfg(test)]").next().unwrap();
        known.extend(word.captures_iter(code).map(|found| found[1].to_owned()));
    }
    // Values of `status` and the action of an event are no reasons. The pages name types of conditions as well.
    let missing: Vec<_> = known.iter().filter(|reason| !pages.contains(&format!("`{reason}`"))).collect();
    assert_eq!(missing, ["Announce", "False", "True", "Unknown"]);
}
