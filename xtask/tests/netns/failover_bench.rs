//! The benchmark of failovers runs from end to end: what its faults do to a set-up of known behaviour is what it measures.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use xtask::bench::failover::{
    Args, Fault,
    report::{Line, Report},
    run,
};

/// A set-up without succession: the first node's kernel answers, while its daemon runs, and nobody takes over.
const PEER: &str = r#"#!/bin/sh
set -e
pid=$BENCH_DIRECTORY/pid
case $1 in
start)
    [ "$2" = 1 ] || exit 0
    sleep 600 >/dev/null 2>&1 &
    echo $! >"$pid"
    ip address add "$BENCH_ADDRESS/32" dev "$BENCH_INTERFACE" ;;
stop | kill)
    [ "$2" = 1 ] || exit 0
    kill -KILL "$(cat "$pid")"
    ip address del "$BENCH_ADDRESS/32" dev "$BENCH_INTERFACE" ;;
freeze) kill -STOP "$(cat "$pid")" ;;
thaw) kill -CONT "$(cat "$pid")" ;;
esac
"#;

fn arguments(out: &Path, only: &str, faults: &[Fault]) -> Args {
    let peer = out.join("peer.sh");
    fs::write(&peer, PEER).unwrap();
    fs::set_permissions(&peer, fs::Permissions::from_mode(0o755)).unwrap();
    Args {
        quick: true,
        repetitions: Some(1),
        peer: Some(peer),
        only: vec![only.to_owned()],
        fault: faults.to_vec(),
        out: Some(out.to_owned()),
    }
}

fn line<'a>(report: &'a Report, contender: &str, fault: Fault) -> &'a Line {
    let found = report.lines.iter().find(|line| line.contender == contender && line.fault == fault);
    found.unwrap_or_else(|| panic!("{contender} has no line for {fault}: {report:?}"))
}

#[test]
fn a_set_up_without_succession_shows_its_gaps() {
    let out = tempfile::tempdir().unwrap();
    let faults = [Fault::Killed, Fault::Frozen, Fault::Idle];
    let files = run(&arguments(out.path(), "--peer", &faults)).unwrap();
    let report: Report = serde_json::from_slice(&fs::read(&files.json).unwrap()).unwrap();
    assert_eq!(report.lines.len(), 3, "{report:?}");

    let killed = line(&report, "--peer", Fault::Killed).trials[0];
    // Packets are served still: the node holds the address as services do, and the client's neighbour entry is fresh.
    assert!(killed.requests_lost > 100 && killed.requests_lost < killed.requests, "{killed:?}");
    // The address is gone for a second at least; what is asked before it is back has no answer.
    assert!(killed.answer_gap_ms > 1_000.0 && killed.double_ms == 0.0 && killed.takeovers == 0, "{killed:?}");
    for fault in [Fault::Frozen, Fault::Idle] {
        let trial = line(&report, "--peer", fault).trials[0];
        assert_eq!((trial.requests_lost, trial.packets_lost, trial.takeovers), (0, 0, 0), "{fault}: {trial:?}");
        assert!(trial.requests > 1_000 && trial.packets > 1_000, "{fault}: {trial:?}");
    }
    let picture = fs::read_to_string(&files.svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("killed") && picture.contains("--peer"), "{picture}");
}

#[test]
fn keepalived_takes_over_and_answers_twice_when_it_is_killed() {
    let out = tempfile::tempdir().unwrap();
    let files = run(&arguments(out.path(), "keepalived, 100 ms", &[Fault::LinkCut, Fault::Killed])).unwrap();
    let report: Report = serde_json::from_slice(&fs::read(&files.json).unwrap()).unwrap();
    let cut = line(&report, "keepalived, 100 ms", Fault::LinkCut).trials[0];
    assert!(cut.takeovers > 0 && cut.requests_lost > 0 && cut.packets_lost > 0, "{cut:?}");
    assert!(cut.answer_gap_ms > 100.0, "{cut:?}");
    // The killed daemon's address stays, and another node takes it.
    let killed = line(&report, "keepalived, 100 ms", Fault::Killed).trials[0];
    assert!(killed.double_ms > 0.0 && killed.takeovers > 0, "{killed:?}");
}

#[test]
fn ours_takes_over_once_and_loses_nothing_to_a_restart() {
    let out = tempfile::tempdir().unwrap();
    let faults = [Fault::LinkCut, Fault::Evacuated, Fault::Restarted];
    let files = run(&arguments(out.path(), "ours, default", &faults)).unwrap();
    let report: Report = serde_json::from_slice(&fs::read(&files.json).unwrap()).unwrap();
    let trial = |fault| line(&report, "ours, default", fault).trials[0];
    let (cut, evacuated, restarted) = (trial(Fault::LinkCut), trial(Fault::Evacuated), trial(Fault::Restarted));
    assert!(cut.takeovers == 1 && cut.requests_lost > 0 && cut.packets_lost > 0, "{cut:?}");
    assert_eq!(evacuated.takeovers, 1, "{evacuated:?}");
    assert_eq!((restarted.requests_lost, restarted.packets_lost, restarted.takeovers), (0, 0, 0), "{restarted:?}");
    // Node loss, evacuation, restart, and two answerers over all.
    assert_eq!(report.goals.len(), 4, "{:?}", report.goals);
    assert!(report.goals.iter().all(|goal| goal.value.is_finite()), "{:?}", report.goals);
}
