//! The agent runs without root, with four capabilities.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::Command,
};

use xtask::{
    lab::{Segment, SpeakerOptions, SpeakerProcess, clients},
    paths, sh,
};

use super::harness::{both, interface, owned_by};

const NOBODY: u32 = 65534;

fn unprivileged(capabilities: &str) -> Vec<String> {
    let id = NOBODY.to_string();
    let sets = ["--inh-caps", "--ambient-caps", "--bounding-set"];
    let mut line =
        vec!["setpriv".to_owned(), "--reuid".into(), id.clone(), "--regid".into(), id, "--clear-groups".into()];
    line.extend(sets.into_iter().flat_map(|set| [set.to_owned(), format!("-all,{capabilities}")]));
    line
}

fn segment_for_nobody() -> Segment {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    // What an administrator prepares for the service: a directory on the bpffs and a run directory of its own.
    let pins = segment.lab.bpffs().join(&node.name);
    let run = segment.lab.directory().join(&node.name).join("run");
    for directory in [&pins, &run] {
        fs::create_dir_all(directory).unwrap();
        chown(directory, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // The program too: the sources may lie where nobody else may look. Copied by another process: a child that this one starts
    // meanwhile would hold the file open for writing, and nobody could run it.
    let mut copy = Command::new("cp");
    copy.arg(paths::speaker()).arg(program(&segment));
    sh::run(copy).unwrap();
    let (lab, bpffs, node) = (segment.lab.directory(), segment.lab.bpffs(), segment.lab.directory().join(&node.name));
    for path in [lab, &bpffs, &node, &program(&segment)] {
        // A bpffs is mounted for root alone, and a umask may keep the rest for root.
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    segment
}

fn program(segment: &Segment) -> PathBuf {
    segment.lab.directory().join("speaker")
}

fn options(segment: &Segment, capabilities: &str) -> SpeakerOptions {
    let (program, wrapper) = (Some(program(segment)), unprivileged(capabilities));
    SpeakerOptions { program, wrapper, ..SpeakerOptions::default() }
}

#[test]
fn four_capabilities_are_enough() {
    for mode in ["native", "tcx", "user"] {
        let segment = segment_for_nobody();
        let node = &segment.nodes[0];
        let options = options(&segment, "+bpf,+net_admin,+perfmon,+net_raw");
        let config = owned_by(&["node-a"], mode);
        let speaker = SpeakerProcess::start(&segment.lab, node, &config, &options).unwrap();
        let process = fs::read_to_string(format!("/proc/{}/status", speaker.pid())).unwrap();
        assert!(process.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}")), "{process}");
        assert_eq!(interface(&speaker.status().unwrap(), "eth0")["attach"], mode);
        for vip in both() {
            clients::expect_only(&segment.client, vip, &node.mac).unwrap();
        }
        // The next one finds its own pins.
        speaker.kill().unwrap();
        let speaker = SpeakerProcess::start(&segment.lab, node, &config, &options).unwrap();
        for vip in both() {
            clients::expect_only(&segment.client, vip, &node.mac).unwrap();
        }
        drop(speaker);
    }
}

#[test]
fn a_missing_capability_is_named() {
    let segment = segment_for_nobody();
    let options = options(&segment, "+net_admin,+net_raw");
    let config = owned_by(&["node-a"], "native");
    let result = SpeakerProcess::start(&segment.lab, &segment.nodes[0], &config, &options);
    // Either it refuses to start or it runs and reports; in both cases it says which capability is missing.
    let told = match result {
        Ok(speaker) => format!("{}{:#}", speaker.log(), speaker.status().unwrap()),
        Err(error) => format!("{error:#}"),
    };
    assert!(told.contains("CAP_BPF") || told.contains("CAP_PERFMON"), "{told}");
}
