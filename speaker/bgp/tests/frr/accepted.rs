//! Live FRR takes everything that is written, and says afterwards that it is so.

use std::{fs, path::Path, process::Command};

use crate::{
    cases::cases,
    lab::{Lab, Release},
};

crate::lab::with_both_releases! {
    every_case_after_every_other
}

/// The same daemons have all cases, one after the other and without being emptied in between.
fn every_case_after_every_other(release: Release) {
    let lab = Lab::new();
    let namespace = lab.namespace("s");
    let frr = lab.frr(&namespace, release, "", "");
    let cases = cases();
    for (name, desired) in cases.iter().chain(cases.iter().rev()) {
        let outcome = lab.reconcile(&frr, desired);
        assert!(outcome.refused.is_empty() && outcome.unsettled.is_empty(), "{name}: {outcome:?}");
        assert!(outcome.faults.is_empty() && outcome.conflicts.is_empty(), "{name}: {outcome:?}");
        assert_eq!(lab.reconcile(&frr, desired).changed, 0, "{name}");
    }
}

#[test]
fn vtysh_takes_every_golden_file() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        let output = Command::new("vtysh").arg("-C").arg("-f").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    }
}
