//! `speaker status` and `speaker cleanup` over maps and links that an agent left behind.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, DEFAULT_CAPACITY, Flags, Lease},
    wire::Mac,
};
use arpeggio_speaker::{
    args::{Args, Command},
    cli::{Answer, check, cleanup, explain, status},
    dataplane::{Dataplane, Options, monotonic_ns},
    decide::{AttachPolicy, Desired, DesiredInterface, DesiredVip},
    world::LinkKind,
};
use clap::Parser;
use nix::net::if_::if_nametoindex;

use crate::lab::{Places, enter_new_namespace, ip};

fn parse(places: &Places, line: &str) -> Command {
    let (pin_dir, run_dir) = (places.pin_dir.display(), places.run_dir().display());
    let line = format!("speaker {line} --pin-dir {pin_dir} --run-dir {run_dir}");
    Args::try_parse_from(line.split_whitespace()).unwrap().command
}

/// Runs a subcommand; its answer and what it wrote.
async fn speak(places: &Places, line: &str) -> (Answer, String) {
    let mut out = Vec::new();
    let answer = match parse(places, line) {
        Command::Status(args) => status(&args, &mut out).await.unwrap(),
        Command::Cleanup(args) => cleanup(&args, &mut out).await.unwrap(),
        Command::Explain(args) => explain(&args, &mut out).await.unwrap(),
        Command::Check(args) => check::run(&args, &mut out).await.unwrap(),
        Command::Run(_) | Command::Evacuate(_) | Command::Version => unreachable!(),
    };
    (answer, String::from_utf8(out).unwrap())
}

/// What an agent would leave behind that was killed: one address on one interface, attached as told, a lease.
fn leave_behind(places: &Places, policy: AttachPolicy) -> u32 {
    let index = if_nametoindex("near0").unwrap();
    let mac = Mac([2, 0, 0, 0, 0x0b, 1]);
    let interface = DesiredInterface {
        name: "near0".to_owned(),
        mac,
        kind: LinkKind::Veth,
        carries_vlans: false,
        carrier: true,
        policy,
    };
    let vip = DesiredVip {
        mac,
        action: Action::Answer,
        flags: Flags::NONE,
        buckets: ALL_BUCKETS,
        may_own: true,
        generation: 0,
    };
    let options = Options { pin_dir: Some(places.pin_dir.clone()), capacity: DEFAULT_CAPACITY, log_level: 0 };
    let mut dataplane = Dataplane::open(&options).unwrap();
    let applied = dataplane.apply(&Desired {
        generation: 1,
        interfaces: BTreeMap::from([(index, interface)]),
        vips: BTreeMap::from([((index, "192.0.2.10".parse().unwrap()), vip)]),
        groups: BTreeSet::new(),
    });
    assert!(applied.errors.is_empty(), "{:?}", applied.errors);
    dataplane.renew(Lease { until_ns: monotonic_ns() + 60_000_000_000, node: None }).unwrap();
    index
}

fn veth() {
    enter_new_namespace();
    ip("link add near0 address 02:00:00:00:0b:01 type veth peer name far0");
    ip("link set near0 up");
    ip("link set far0 up");
}

#[tokio::test]
async fn maps_speak_for_an_agent_that_is_gone_until_they_are_cleaned_up() {
    veth();
    let places = Places::new();
    let (answer, text) = speak(&places, "status").await;
    assert_eq!(answer, Answer::No);
    assert!(text.contains("agent    not running, and nothing is pinned"), "{text}");

    leave_behind(&places, AttachPolicy::Tcx);
    let (answer, text) = speak(&places, "status").await;
    assert_eq!(answer, Answer::No, "no agent runs, even though the kernel answers");
    assert!(text.contains("agent    not running; what follows stands in the pinned maps\nlease    valid, 5"), "{text}");
    let squeezed: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(
        squeezed.iter().any(|line| line.starts_with("near0 ") && line.ends_with(" 02:00:00:00:0b:01 tcx yes 1500")),
        "{text}"
    );
    assert!(squeezed.contains(&"192.0.2.10 near0 owner -".to_owned()), "{text}");
    let (_, text) = speak(&places, "status 192.0.2.10 -o json").await;
    assert!(text.contains("\"role\": \"owner\""), "{text}");

    let (answer, text) = speak(&places, "explain 192.0.2.10").await;
    assert_eq!(answer, Answer::No);
    let verdict = "no agent is running; the kernel of this node answers on near0 with what is pinned, for 5";
    assert!(text.contains(verdict) && text.contains("  ok       attached       tcx\n"), "{text}");
    let (_, text) = speak(&places, "explain 192.0.2.99").await;
    assert!(text.ends_with("\nno agent is running, and nothing is pinned for 192.0.2.99.\n"), "{text}");

    let foreign = places.pin_dir.join("elsewhere");
    std::fs::create_dir(&foreign).unwrap();
    let (answer, text) = speak(&places, "cleanup").await;
    assert!(answer == Answer::Yes && text.contains("would remove ") && text.contains("give --yes"), "{text}");
    assert!(speak(&places, "status").await.1.contains("192.0.2.10"), "listing changed nothing");
    let (answer, text) = speak(&places, "cleanup --yes").await;
    assert!(answer == Answer::Yes && text.contains("/v2/VIPS4\n") && text.contains("elsewhere: not ours"), "{text}");
    assert!(!places.pin_dir.join("v1").exists() && foreign.exists());
    let (_, text) = speak(&places, "status").await;
    assert!(text.contains("nothing is pinned"), "{text}");
}

#[tokio::test]
async fn our_own_xdp_program_is_not_taken_for_a_foreign_one() {
    veth();
    let places = Places::new();
    leave_behind(&places, AttachPolicy::Generic);
    let line = "check -i near0 --attach native -o json --exclude-interfaces /nonexistent";
    let (_, text) = speak(&places, line).await;
    assert!(!text.contains("somebody else"), "{text}");
    // The same program, seen by an agent with another pin directory.
    let (answer, text) = speak(&Places::new(), line).await;
    assert!(answer == Answer::No && text.contains("is attached; it stays"), "{text}");
}
