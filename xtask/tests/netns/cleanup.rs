//! Stopping and cleaning up: what stays, what goes, and that nothing of others goes with it.

use std::{fs, path::Path, process::Command};

use xtask::{
    lab::{Node, Segment, clients, leftovers, poll_until},
    sh,
};

use super::{
    foreign::{attach_foreign_xdp, xdp_program},
    harness::{SOON, both, one_owner, owned_by, pinned_programs, program_exists, start},
};

/// Every file below a directory of the bpffs.
fn pins(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { pins(&path) } else { vec![path.display().to_string()] }
        })
        .collect();
    found.sort();
    found
}

/// Everything BPF that is attached to interfaces of a node.
fn attached(node: &Node) -> String {
    let mut show = node.namespace.command("bpftool");
    show.args(["-j", "net", "show"]);
    sh::read(show).unwrap()
}

#[test]
fn a_graceful_stop_keeps_answering_and_cleanup_leaves_no_trace() {
    for mode in ["native", "tcx", "generic"] {
        let segment = Segment::new(1).unwrap();
        let node = &segment.nodes[0];
        let untouched = attached(node);
        let speaker = start(&segment, node, &owned_by(&["node-a"], mode), &[]);
        let pinned = speaker.pins().to_owned();
        let listing = speaker.cli(&["cleanup"]);
        let removal = speaker.cli(&["cleanup", "--yes"]);
        let mut refused = speaker.cli(&["cleanup", "--yes"]);
        assert!(!sh::attempt(&mut refused).unwrap().status.success(), "cleanup must refuse while the agent runs");
        speaker.terminate().unwrap();
        for vip in both() {
            clients::expect_only(&segment.client, vip, &node.mac).unwrap();
        }
        assert!(!pins(&pinned).is_empty());
        let programs = pinned_programs(&pinned);
        assert!(!programs.is_empty() && programs.iter().all(|id| program_exists(*id)), "{programs:?}");

        let listed = sh::read(listing).unwrap();
        assert!(listed.contains("VIPS4"), "{listed}");
        assert!(!pins(&pinned).is_empty(), "without --yes nothing is removed");
        sh::run(removal).unwrap();
        assert_eq!(pins(&pinned), Vec::<String>::new());
        assert_eq!(attached(node), untouched);
        // The kernel frees a program a little after the last thing that held it.
        poll_until(SOON, "the programs to be gone", || !programs.iter().any(|id| program_exists(*id))).unwrap();
        for vip in both() {
            clients::expect_silence(&segment.client, vip).unwrap();
        }
    }
}

#[test]
fn a_withdrawing_stop_takes_the_answers_away_at_once() {
    let (speaker, segment) = one_owner("native", &["--on-exit", "withdraw"]);
    for vip in both() {
        clients::expect_only(&segment.client, vip, &segment.nodes[0].mac).unwrap();
    }
    speaker.terminate().unwrap();
    for vip in both() {
        clients::expect_silence(&segment.client, vip).unwrap();
    }
}

#[test]
fn objects_of_others_survive_start_stop_and_cleanup() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    segment.plug(node, "eth1", "02:00:00:00:cc:01").unwrap();
    let foreign = attach_foreign_xdp(&segment, node, "eth1", "xdpdrv");
    let map = segment.lab.bpffs().join("foreign-map");
    let mut create = Command::new("bpftool");
    create.args(["map", "create"]).arg(&map);
    create.args(["type", "hash", "key", "4", "value", "4", "entries", "8", "name", "VIPS4"]);
    sh::run(create).unwrap();
    let program = xdp_program(node, "eth1").unwrap();
    let before = attached(node);

    // No interface is named: the agent takes every eligible one, and meets the foreign program on eth1.
    let config = owned_by(&["node-a"], "native").replace(", interfaces: [eth0]", "");
    let speaker = start(&segment, node, &config, &[]);
    let removal = speaker.cli(&["cleanup", "--yes"]);
    speaker.terminate().unwrap();
    sh::run(removal).unwrap();

    assert_eq!(xdp_program(node, "eth1"), Some(program));
    assert_eq!(attached(node), before);
    assert!(!pins(&foreign).is_empty());
    assert!(map.exists(), "a map of the same name elsewhere is not ours");
}

#[test]
fn a_second_cleanup_and_one_without_anything_succeed() {
    let (speaker, _segment) = one_owner("native", &[]);
    let (first, second) = (speaker.cli(&["cleanup", "--yes"]), speaker.cli(&["cleanup", "--yes"]));
    speaker.terminate().unwrap();
    sh::run(first).unwrap();
    sh::run(second).unwrap();
}

#[test]
fn nothing_of_the_lab_stays_behind() {
    let (speaker, segment) = one_owner("native", &[]);
    let tag = segment.lab.tag().to_owned();
    drop(speaker);
    drop(segment);
    assert_eq!(leftovers(&tag), Vec::<String>::new());
}
