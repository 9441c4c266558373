//! Whatever happens to the agent, clients notice nothing until the lease ends.

use std::time::Duration;

use xtask::lab::{Asker, LAYOUT_DIRECTORY, Segment, SpeakerProcess, clients, eventually};

use super::harness::{SOON, both, one_owner, owned_by, pinned_programs, start};

/// Requests a second, both families in turn.
const RATE: u32 = 200;

/// Runs `trouble` while a client asks, and checks that every single request was answered, once, and by the owner.
fn nobody_notices(mode: &str, trouble: impl FnOnce(SpeakerProcess, &Segment) -> SpeakerProcess) {
    let segment = Segment::new(2).unwrap();
    let speaker = restart(&segment, mode);
    let asker = Asker::start(&segment.lab, &segment.client, &both(), RATE).unwrap();
    let _speaker = trouble(speaker, &segment);
    let account = asker.stop().unwrap();
    account.expect_complete(&segment.nodes[0].mac).unwrap();
}

fn restart(segment: &Segment, mode: &str) -> SpeakerProcess {
    start(segment, &segment.nodes[0], &owned_by(&["node-a"], mode), &["--lease", "10s"])
}

#[test]
fn a_crash_and_a_restart_lose_nothing() {
    for mode in ["native", "tcx", "generic"] {
        nobody_notices(mode, |speaker, segment| {
            speaker.kill().unwrap();
            restart(segment, mode)
        });
    }
}

#[test]
fn an_upgrade_replaces_the_program_and_loses_nothing() {
    for mode in ["native", "tcx"] {
        nobody_notices(mode, |speaker, segment| {
            let before = pinned_programs(speaker.pins());
            // Another build would not look for the programs of this one.
            std::fs::remove_dir_all(speaker.pins().join(LAYOUT_DIRECTORY).join("programs")).unwrap();
            speaker.terminate().unwrap();
            let speaker = restart(segment, mode);
            assert_ne!(pinned_programs(speaker.pins()), before, "a new agent brings its own program");
            speaker
        });
    }
}

#[test]
fn three_crashes_in_a_row_lose_nothing() {
    nobody_notices("native", |mut speaker, segment| {
        for _ in 0..3 {
            speaker.kill().unwrap();
            speaker = restart(segment, "native");
        }
        speaker
    });
}

#[test]
fn a_stalled_agent_loses_nothing_within_the_lease() {
    nobody_notices("native", |speaker, segment| {
        speaker.signal(nix::sys::signal::Signal::SIGSTOP).unwrap();
        // Three seconds of client time: six hundred requests without an agent.
        let account = Asker::ask(&segment.lab, &segment.nodes[1], &both(), RATE, 600).unwrap();
        speaker.signal(nix::sys::signal::Signal::SIGCONT).unwrap();
        account.expect_complete(&segment.nodes[0].mac).unwrap();
        speaker
    });
}

#[test]
fn after_the_lease_there_is_silence_and_a_restart_answers_again() {
    let flags = ["--lease", "2s", "--lease-renew", "200ms"];
    for mode in ["native", "tcx"] {
        let (speaker, segment) = one_owner(mode, &flags);
        let mac = &segment.nodes[0].mac;
        speaker.kill().unwrap();
        for vip in both() {
            clients::ask(&segment.client, vip).expect("the lease still holds");
        }
        for vip in both() {
            eventually(Duration::from_secs(10), "silence", || clients::expect_silence(&segment.client, vip)).unwrap();
        }
        let _speaker = start(&segment, &segment.nodes[0], &owned_by(&["node-a"], mode), &flags);
        for vip in both() {
            eventually(SOON, "an answer", || clients::expect_only(&segment.client, vip, mac)).unwrap();
        }
    }
}

#[test]
fn the_user_space_responder_ends_with_its_agent() {
    let (speaker, segment) = one_owner("user", &[]);
    speaker.kill().unwrap();
    for vip in both() {
        clients::expect_silence(&segment.client, vip).unwrap();
    }
}
