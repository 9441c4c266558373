//! The files that an administrator writes.

#![expect(clippy::panic, reason = "a property that does not hold ends the run")]

use std::path::Path;

use arpeggio_common::model::NodeName;
use arpeggio_speaker_config::{Config, Defaults, Exclude};

/// Reads `data` as a configuration and as an exclude file. Nothing panics; what is refused is explained; what is taken can
/// be written and read again without a change.
///
/// # Panics
/// When a property does not hold.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = Path::new("fuzz.yaml");
    // The file may leave the node open.
    let defaults = Defaults { host_name: NodeName::try_from("fuzz").ok(), ..Defaults::default() };
    match Config::parse(text, file, &defaults) {
        Ok(config) => {
            let yaml = config.to_yaml().unwrap_or_else(|error| panic!("cannot be written: {error}\n{config:?}"));
            let again = Config::parse(&yaml, file, &Defaults::default());
            assert_eq!(again.as_ref(), Ok(&config), "written as\n{yaml}");
        }
        Err(error) => {
            assert!(error.problems.iter().all(|problem| !problem.text.is_empty()), "{error:?}");
            assert!(error.to_string().starts_with("fuzz.yaml"), "{error}");
        }
    }
    if let Err(error) = Exclude::parse(text, file) {
        assert!(error.to_string().starts_with("fuzz.yaml"), "{error}");
    }
}
