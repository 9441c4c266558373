//! The measuring client against the kernel's own answers: what it reports must be true to the request.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::lab::{FAR_MAC, NEAR_MAC, Namespace, Wire};

/// The built example; `cargo test -p arpeggio-speaker` builds it along with the tests.
pub(crate) fn program() -> PathBuf {
    let path = env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/asker");
    assert!(path.exists(), "{} is missing: cargo build -p arpeggio-speaker --example asker", path.display());
    path
}

/// Runs `asker -i near0 ARGUMENTS` to its end and returns the summary.
pub(crate) fn asker(namespace: &Namespace, arguments: &str) -> Value {
    let text = namespace.run(program().to_str().unwrap(), &format!("-i near0 {arguments}"));
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// A summary without fault: everything sent was answered once, by the far host.
pub(crate) fn assert_flawless(summary: &Value) {
    let sent = summary["sent"].as_u64().unwrap();
    assert!(sent > 0, "{summary}");
    assert_eq!(summary["answered"], sent, "{summary}");
    for nothing in ["lost", "duplicates", "late", "unasked", "held", "send_failures", "socket_drops", "silent"] {
        assert_eq!(summary[nothing], 0, "{nothing}: {summary}");
    }
    assert_eq!(summary["answerers"], serde_json::json!({ FAR_MAC: sent }));
}

fn wire() -> Wire {
    let wire = Wire::new();
    wire.far.ip("address add 10.77.0.2/24 dev far0");
    wire.far.hold("2001:db8:77::2".parse().unwrap(), "far0");
    wire
}

#[test]
fn every_request_is_accounted_for_at_a_rate() {
    let wire = wire();
    for (address, rate) in [("10.77.0.2", 200), ("2001:db8:77::2", 500)] {
        let summary = asker(&wire.near, &format!("--address {address} --rate {rate}/s --duration 2s"));
        assert_flawless(&summary);
        assert_eq!(summary["sent"], 2 * rate, "the schedule is absolute: {summary}");
        assert!(summary["latency_ns"]["p50"].as_u64().unwrap() < 5_000_000, "{summary}");
        assert!(summary["gap_count"] == 0 || summary["longest_gap_ns"].as_u64() > Some(100_000_000), "{summary}");
    }
}

/// Lets the busy threads end, also when the test fails.
struct Idle<'a>(&'a AtomicBool);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn the_rate_holds_on_a_busy_machine() {
    let wire = wire();
    let busy = AtomicBool::new(true);
    let summary = thread::scope(|scope| {
        // Threads, because they end with the test, however it ends.
        for _ in 0..8 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let _idle = Idle(&busy);
        asker(&wire.near, "--address 10.77.0.2 --rate 500/s --duration 3s")
    });
    assert_flawless(&summary);
    assert_eq!(summary["sent"], 1_500, "{summary}");
    let sending_ns = summary["sending_ns"].as_u64().unwrap();
    assert!((2_990_000_000..3_200_000_000).contains(&sending_ns), "{summary}");
}

#[test]
fn thousands_of_addresses_of_both_families_are_asked_in_turn() {
    let wire = wire();
    wire.far.ip("route add local 10.88.0.0/16 dev lo");
    let summary = asker(
        &wire.near,
        "--address 10.88.0.1-10.88.39.16 --address 2001:db8:77::2 --source 10.77.0.100 --flood --in-flight 32 --count 20002",
    );
    assert_flawless(&summary);
    assert_eq!((&summary["sent"], &summary["addresses"]), (&20_002.into(), &10_001.into()));
}

#[test]
fn an_outage_shows_as_lost_requests_and_as_one_gap_of_its_length() {
    let wire = wire();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut child = wire.near.enter(|| {
        Command::new(program())
            .args(["-i", "near0", "--address", "10.77.0.2", "--rate", "200", "--until-stdin-closes", "--ready-line"])
            .args(["--timeout", "200ms", "--log", log.path().to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), r#"{"ready":true}"#);
    thread::sleep(Duration::from_millis(300));
    wire.far.run("sysctl", "-qw net.ipv4.conf.far0.arp_ignore=8");
    thread::sleep(Duration::from_millis(400));
    wire.far.run("sysctl", "-qw net.ipv4.conf.far0.arp_ignore=0");
    thread::sleep(Duration::from_millis(300));
    // Anything written is read and ignored; the end of the input ends the measurement.
    child.stdin.take().unwrap().write_all(b"ignored\n").unwrap();
    let summary: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());

    let number = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(number("answered") + number("lost"), number("sent"), "{summary}");
    assert_eq!((number("duplicates"), number("held"), number("gap_count")), (0, 0, 1), "{summary}");
    // 400 ms and the time that two commands take.
    let gap = &summary["gaps"][0];
    let length_ns = gap["length_ns"].as_u64().unwrap();
    assert!((380_000_000..900_000_000).contains(&length_ns), "{summary}");
    assert!(number("lost").abs_diff(length_ns / 5_000_000) <= 2, "one every 5 ms: {summary}");
    // The log tells the same story, request by request.
    let log: Vec<Value> =
        fs::read_to_string(log.path()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(log.len() as u64, number("sent"));
    let lost: Vec<u64> =
        log.iter().filter(|line| line["mac"].is_null()).map(|line| line["sent_ns"].as_u64().unwrap()).collect();
    assert_eq!(lost.len() as u64, number("lost"));
    assert_eq!(lost.iter().min(), gap["from_ns"].as_u64().as_ref());
    assert!(log.iter().filter(|line| !line["mac"].is_null()).all(|line| line["mac"] == FAR_MAC));
}

#[test]
fn silence_and_wrong_interfaces_are_told_apart() {
    let wire = wire();
    let summary = asker(&wire.near, "--address 10.77.0.77 --rate 50 --count 10 --timeout 100ms");
    assert_eq!((&summary["sent"], &summary["lost"], &summary["silent"]), (&10.into(), &10.into(), &1.into()));
    assert_eq!((&summary["mac"], &summary["gaps"][0]["open"]), (&NEAR_MAC.into(), &true.into()));
    let output = wire.near.enter(|| Command::new(program()).args(["-i", "none", "-a", "10.0.0.1"]).output().unwrap());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no interface none"));
}
