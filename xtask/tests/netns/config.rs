//! The configuration file under a running agent, and the commands that look at it.

use nix::sys::signal::Signal;
use xtask::{
    lab::{LAYOUT_DIRECTORY, clients, eventually, static_config},
    sh,
};

use super::harness::{SOON, address, both, one_owner, owned_by, v4, v6, wait_status};

#[test]
fn a_changed_file_takes_effect_by_itself() {
    let (speaker, segment) = one_owner("native", &[]);
    let node = &segment.nodes[0];
    let another = "192.0.2.11".parse().unwrap();
    clients::expect_silence(&segment.client, another).unwrap();
    speaker.configure(&static_config(&[another, v6()], &["node-a"], "native")).unwrap();
    eventually(SOON, "the new address", || clients::expect_only(&segment.client, another, &node.mac)).unwrap();
    eventually(SOON, "the old address to fall silent", || clients::expect_silence(&segment.client, v4())).unwrap();
    clients::expect_only(&segment.client, v6(), &node.mac).unwrap();
}

#[test]
fn a_signal_reads_the_file_again() {
    let (speaker, _segment) = one_owner("native", &[]);
    let before = speaker.status().unwrap()["config"]["generation"].as_u64().unwrap();
    speaker.configure(&static_config(&[v4()], &["node-a"], "native")).unwrap();
    speaker.signal(Signal::SIGHUP).unwrap();
    wait_status(&speaker, "a new generation", |status| {
        status["config"]["generation"].as_u64().is_some_and(|generation| generation > before)
    });
}

#[test]
fn a_bad_file_keeps_the_last_good_one_in_force_and_says_why() {
    let (speaker, segment) = one_owner("native", &[]);
    let bad = owned_by(&["node-a"], "native").replace("192.0.2.10", "192.0.2.1000");
    speaker.configure(&bad).unwrap();
    let status = wait_status(&speaker, "the refusal", |status| !status["config"]["refused"].is_null());
    let refused = status["config"]["refused"].as_str().unwrap();
    assert!(refused.contains("192.0.2.1000") && refused.contains('2'), "value and line belong in it: {refused}");
    for vip in both() {
        clients::expect_only(&segment.client, vip, &segment.nodes[0].mac).unwrap();
    }
    speaker.configure(&owned_by(&["node-a"], "native")).unwrap();
    wait_status(&speaker, "the good file to be taken", |status| status["config"]["refused"].is_null());
}

#[test]
fn a_bad_file_at_the_start_ends_the_agent_with_the_reason() {
    let segment = xtask::lab::Segment::new(1).unwrap();
    let options = xtask::lab::SpeakerOptions::default();
    let config = "announcements: [{address: 192.0.2.10, l2: {candidates: [node-a], mode: Sometimes}}]\n";
    let speaker = xtask::lab::SpeakerProcess::start(&segment.lab, &segment.nodes[0], config, &options);
    let error = format!("{:#}", speaker.err().unwrap());
    assert!(error.contains("Sometimes") && error.contains("ended with"), "{error}");
}

#[test]
fn bpftool_shows_the_truth_with_field_names() {
    let (speaker, segment) = one_owner("native", &[]);
    assert_eq!(clients::ask(&segment.client, v4()).unwrap(), segment.nodes[0].mac);
    let mut dump = std::process::Command::new("bpftool");
    dump.args(["map", "dump", "pinned"]).arg(speaker.pins().join(LAYOUT_DIRECTORY).join("VIPS4"));
    let text = sh::read(dump).unwrap();
    for field in ["ifindex", "address", "mac", "action", "buckets"] {
        assert!(text.contains(field), "no {field} in {text}");
    }
}

#[test]
fn the_commands_agree_and_use_their_exit_codes() {
    let (speaker, _segment) = one_owner("native", &["--lease", "2s", "--lease-renew", "200ms"]);
    let table = sh::read(speaker.cli(&["status"])).unwrap();
    assert!(table.contains("192.0.2.10") && table.contains("2001:db8::10"), "{table}");
    let yaml = sh::read(speaker.cli(&["status", "-o", "yaml"])).unwrap();
    assert!(yaml.contains("192.0.2.10"), "{yaml}");
    let check = speaker.cli(&["check", "-o", "json"]);
    let checked: serde_json::Value = serde_json::from_str(&sh::read(check).unwrap()).unwrap();
    assert!(checked.is_object() || checked.is_array());
    assert_eq!(address(&speaker.status().unwrap(), v4())["shares"], 64);

    // Without an agent the status is made of the pinned maps, and the exit code says so.
    let mut after = speaker.cli(&["status", "-o", "json"]);
    speaker.kill().unwrap();
    let output = sh::attempt(&mut after).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["agent"]["state"], "notRunning", "{status:#}");
    assert_eq!(address(&status, v4())["role"], "owner", "{status:#}");
}
