//! What is written for each case that MetalLB has a golden file for. `UPDATE_GOLDEN=1` writes the files anew.

#![expect(clippy::unwrap_used, reason = "a failed step of a test ends the test")]

use std::{fs, path::PathBuf};

use arpeggio_bgp::{
    config::{Config, Daemon},
    plan::{Command, script},
};

mod cases;
mod planning;

use cases::cases;
use planning::plan_from;

fn text(commands: &[Command]) -> String {
    let parts = [Daemon::Bfdd, Daemon::Bgpd].into_iter().filter_map(|daemon| {
        let mine: Vec<Command> = commands.iter().filter(|command| command.daemon == daemon).cloned().collect();
        (!mine.is_empty()).then(|| format!("! {daemon}\n{}", script(&mine)))
    });
    parts.collect()
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[test]
fn every_case_is_written_as_its_file_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, desired) in cases() {
        let plan = plan_from(&Config::default(), &desired);
        assert_eq!(plan.conflicts, [], "{name}");
        let (path, text) = (directory().join(format!("{name}.conf")), text(&plan.commands));
        if update {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&path).unwrap_or_default(), "{name}: see {}", path.display());
    }
}

#[test]
fn every_file_belongs_to_a_case() {
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(cases().contains_key(name.trim_end_matches(".conf")), "{name}");
    }
}
