//! The benchmark of the fast path runs from end to end and writes what it measured. Nothing here looks at the clock.

use std::fs;

use xtask::bench::fastpath::{
    Args,
    report::{Family, Report},
    run,
};

/// A responder of few words: it puts the address it is given on the interface it is given, and the kernel answers.
const RESPONDER: &str = "sh -c 'ip address add $1/32 dev $0 && exec sleep 600'";

#[test]
fn a_quick_run_measures_every_contender_and_writes_both_files() {
    let out = tempfile::tempdir().unwrap();
    let args = Args { quick: true, responder: Some(RESPONDER.to_owned()), out: Some(out.path().to_owned()) };
    let files = run(&args).unwrap();

    let report: Report = serde_json::from_slice(&fs::read(&files.json).unwrap()).unwrap();
    assert!(report.machine.quick && report.machine.processors > 0);
    for (hook, name) in
        [("xdp", "empty"), ("xdp", "bounce"), ("xdp", "answer"), ("tc", "answer NS"), ("tc", "pass IPv4/TCP")]
    {
        assert!(report.frames.ns(hook, name).is_some(), "{hook} {name}: {:?}", report.frames);
    }
    for (contender, family, by_process) in [
        ("kernel", Family::Arp, false),
        ("kernel", Family::Ns, false),
        ("rewrite in XDP", Family::Arp, false),
        ("ours, native", Family::Arp, true),
        ("ours, native", Family::Ns, true),
        ("ours, tcx", Family::Arp, true),
        ("ours, tcx", Family::Ns, true),
        ("ours, generic", Family::Arp, true),
        ("ours, user", Family::Arp, true),
        ("--responder", Family::Arp, true),
    ] {
        let line = report.answers.iter().find(|line| line.contender == contender && line.family == family).unwrap();
        // Who is slow beside busy processes is asked less often.
        assert!((1..=100).contains(&line.idle.sent) && (1..=100).contains(&line.loaded.sent), "{line:?}");
        assert!(
            line.idle.lost < line.idle.sent && 0.0 < line.idle.p50_us && line.idle.p50_us <= line.idle.p99_us,
            "{line:?}"
        );
        assert!(line.flood.answers_per_second > 0.0, "{line:?}");
        assert_eq!(line.flood.agent_us.is_some(), by_process, "{line:?}");
    }
    assert_eq!(report.streams.len(), 4);
    assert!(
        report.streams.iter().all(|line| line.tcp_gbit > 0.0 && line.packets_per_second > 0.0),
        "{:?}",
        report.streams
    );
    assert!(report.goals.len() >= 12 && report.goals.iter().all(|goal| goal.value.is_finite()), "{:?}", report.goals);

    let picture = fs::read_to_string(&files.svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    for label in ["answer NS", "ours, native ARP", "64-byte packets per second"] {
        assert!(picture.contains(label), "{label}");
    }
}
