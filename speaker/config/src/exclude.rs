//! Interfaces that are never announced on: MetalLB's `excludel2.yaml` (behaviour 4.7).
//!
//! ```yaml
//! announcedInterfacesToExclude: ["^docker.*", "^veth.*"]
//! ```
//!
//! The patterns are searched in the name, not anchored. A file that does not exist excludes nothing.

use std::path::Path;

use regex::RegexSet;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    problem::{FileError, Problem},
    yaml,
};

/// What MetalLB's manifests and chart put into the file: devices of container runtimes, bridges of hypervisors and CNIs.
pub const DEFAULT_PATTERNS: [&str; 14] = [
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "announcedInterfacesToExclude")]
    patterns: Option<Vec<Spanned<String>>>,
}

/// Compiled patterns.
#[derive(Clone, Debug)]
pub struct Exclude(RegexSet);

impl Exclude {
    /// Excludes nothing.
    pub fn nothing() -> Self {
        Self(RegexSet::empty())
    }

    /// The patterns of MetalLB's manifests.
    pub fn metallb() -> Self {
        // The patterns are constants and a test compiles them.
        Self(RegexSet::new(DEFAULT_PATTERNS).unwrap_or_default())
    }

    /// Reads the text of an exclude file. `file` only serves the messages. An empty file excludes nothing, as in MetalLB.
    ///
    /// # Errors
    /// Every pattern that is no regular expression; or the first place that is not YAML or has the wrong shape.
    pub fn parse(text: &str, file: &Path) -> Result<Self, FileError> {
        let refuse = |problems| FileError { file: file.to_owned(), problems };
        let raw: Raw = yaml::parse(text).map_err(|problem| refuse(vec![problem]))?.unwrap_or_default();
        let patterns = raw.patterns.unwrap_or_default();
        // One by one, because the set does not say which of its patterns is the wrong one.
        let problems: Vec<_> =
            patterns.iter().enumerate().filter_map(|(index, pattern)| pattern_problem(index, pattern)).collect();
        if !problems.is_empty() {
            return Err(refuse(problems));
        }
        RegexSet::new(patterns.iter().map(|pattern| &pattern.value)).map(Self).map_err(|error| {
            let text = format!("the patterns are too large together ({error}); write fewer or simpler ones");
            refuse(vec![Problem::new(0, "announcedInterfacesToExclude", text)])
        })
    }

    /// The first pattern that is found in the name of an interface.
    pub fn excludes(&self, interface: &str) -> Option<&str> {
        let first = self.0.matches(interface).into_iter().next()?;
        self.0.patterns().get(first).map(String::as_str)
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        self.0.patterns()
    }
}

impl PartialEq for Exclude {
    fn eq(&self, other: &Self) -> bool {
        self.patterns() == other.patterns()
    }
}

impl Eq for Exclude {}

fn pattern_problem(index: usize, pattern: &Spanned<String>) -> Option<Problem> {
    let error = regex::Regex::new(&pattern.value).err()?;
    // The library draws the pattern with a caret below it over several lines; the last line is the sentence.
    let said = error.to_string();
    let reason = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let text = format!(
        "{:?} is not a regular expression ({reason}); mend it, for one interface write its name between ^ and $",
        pattern.value
    );
    Some(Problem::new(pattern.referenced.line(), format!("announcedInterfacesToExclude[{index}]"), text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_manifests_give_the_default_patterns() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/speaker/excludel2.yaml");
        let map: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let raw: Raw = yaml::parse(map["data"]["excludel2.yaml"].as_str().unwrap()).unwrap().unwrap();
        let patterns: Vec<String> = raw.patterns.unwrap().into_iter().map(|pattern| pattern.value).collect();
        assert_eq!(patterns, DEFAULT_PATTERNS);
    }

    fn parse(text: &str) -> Result<Exclude, FileError> {
        Exclude::parse(text, Path::new("/etc/metallb/excludel2.yaml"))
    }

    #[test]
    fn the_default_patterns_exclude_what_metallb_excludes() {
        let exclude = Exclude::metallb();
        assert_eq!(exclude.patterns(), DEFAULT_PATTERNS);
        for name in
            ["docker0", "cbr0", "dummy0", "virbr0-nic", "lxcbr0", "veth1a2b", "lo", "cali123", "tunl0", "flannel.1"]
        {
            assert!(exclude.excludes(name).is_some(), "{name}");
        }
        for name in ["kube-ipvs0", "cni0", "nodelocaldns", "lxc_health"] {
            assert!(exclude.excludes(name).is_some(), "{name}");
        }
        for name in ["eth0", "enp1s0", "bond0", "br0", "lo1", "vlan.10", "wlan0"] {
            assert_eq!(exclude.excludes(name), None, "{name}");
        }
        assert_eq!(exclude.excludes("veth7"), Some("^veth.*"));
    }

    #[test]
    fn the_file_of_metallbs_manifests_is_read() {
        let text = "announcedInterfacesToExclude: [\"^docker.*\", \"^cbr.*\", \"^lo$\"]\n";
        assert_eq!(parse(text).unwrap().patterns(), ["^docker.*", "^cbr.*", "^lo$"]);
        let text = "announcedInterfacesToExclude:\n- ^docker.*\n- th1\n";
        let exclude = parse(text).unwrap();
        assert_eq!(exclude.excludes("eth1"), Some("th1"), "patterns are searched, not anchored");
        assert_eq!(exclude.excludes("eth2"), None);
    }

    #[test]
    fn nothing_written_excludes_nothing() {
        for text in ["", "# none\n", "{}", "announcedInterfacesToExclude:\n", "announcedInterfacesToExclude: []\n"] {
            let exclude = parse(text).unwrap();
            assert_eq!(exclude, Exclude::nothing());
            assert_eq!(exclude.excludes("lo"), None, "{text:?}");
        }
    }

    #[test]
    fn every_bad_pattern_is_told_with_its_line() {
        let error = parse("announcedInterfacesToExclude:\n- ^ok$\n- 'eth('\n- '*'\n").unwrap_err();
        let places: Vec<_> = error.problems.iter().map(|problem| (problem.line, problem.field.as_str())).collect();
        assert_eq!(
            places,
            [(Some(3), "announcedInterfacesToExclude[1]"), (Some(4), "announcedInterfacesToExclude[2]")]
        );
        assert_eq!(
            error.to_string().lines().next(),
            Some(
                "/etc/metallb/excludel2.yaml:3: announcedInterfacesToExclude[1]: \"eth(\" is not a regular expression \
                 (unclosed group); mend it, for one interface write its name between ^ and $"
            )
        );
    }

    #[test]
    fn a_misspelt_field_does_not_pass_for_an_empty_list() {
        let error = parse("announcedInterfaceToExclude: [eth0]").unwrap_err().to_string();
        assert!(error.contains("did you mean \"announcedInterfacesToExclude\"?"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = parse(&text);
            let _ = parse(&format!("announcedInterfacesToExclude: [{text:?}]"));
        }
    }
}
