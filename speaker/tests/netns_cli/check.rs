//! `speaker check` in namespaces with known contents.

use arpeggio_speaker::{
    args::{Args, Command},
    cli::{Answer, check},
};
use clap::Parser;
use serde_json::Value;

use crate::lab::{Places, enter_new_namespace, ip, run};

/// Runs the check as it is typed, and reads its JSON.
async fn findings(places: &Places, more: &str) -> (Answer, Vec<Value>) {
    let line = format!("speaker check -o json --pin-dir {} {more}", places.pin_dir.display());
    let Command::Check(args) = Args::try_parse_from(line.split_whitespace()).unwrap().command else { unreachable!() };
    let mut out = Vec::new();
    let answer = check::run(&args, &mut out).await.unwrap();
    let report: Value = serde_json::from_slice(&out).unwrap();
    (answer, report["findings"].as_array().unwrap().clone())
}

/// The texts about one subject.
fn texts<'a>(findings: &'a [Value], subject: &str) -> Vec<&'a str> {
    let about = findings.iter().filter(|finding| finding["subject"] == subject);
    about.map(|finding| finding["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_veth_gets_tcx_and_its_settings_are_read() {
    enter_new_namespace();
    ip("link add near0 type veth peer name far0");
    run(
        "sysctl",
        "-qw net.ipv4.conf.near0.rp_filter=1 net.ipv4.conf.near0.arp_announce=2 net.ipv6.conf.far0.disable_ipv6=1",
    );
    run("sysctl", "-qw net.ipv4.conf.all.rp_filter=0 net.ipv6.conf.near0.accept_dad=0");
    ip("link set near0 up promisc on");
    ip("link set far0 up");
    let places = Places::new();
    let (answer, findings) = findings(&places, "-i near0 -i far0 --exclude-interfaces /nonexistent").await;
    let near = texts(&findings, "near0");
    let has = |part: &str| assert!(near.iter().any(|text| text.contains(part)), "{part}: {near:#?}");
    has("tcx (driver veth, MTU 1500); not native: XDP_TX on a veth");
    has("promiscuous");
    has("rp_filter=1 (strict): a client that is routed out of another interface");
    has("arp_announce=2");
    assert!(
        texts(&findings, "far0").contains(&"IPv6 is disabled on it, so only IPv4 addresses are announced"),
        "{findings:#?}"
    );
    assert!(texts(&findings, "lo").is_empty(), "it was not asked for");
    assert_eq!(answer, Answer::Yes, "{findings:#?}");
    assert!(!places.pin_dir.exists(), "a check changes nothing");
}

#[tokio::test]
async fn reasons_against_an_interface_are_told() {
    enter_new_namespace();
    ip("link add br0 type bridge");
    ip("link add port0 type veth peer name far0");
    ip("link set port0 master br0 up");
    ip("link set br0 up");
    let places = Places::new();
    let exclude = places.run_dir().join("excludel2.yaml");
    std::fs::write(&exclude, "announcedInterfacesToExclude: ['^far']").unwrap();
    let (_, findings) = findings(&places, &format!("--exclude-interfaces {}", exclude.display())).await;
    for (subject, part) in
        [("lo", "loopback"), ("port0", "port of a bridge"), ("far0", "^far"), ("br0", "driver bridge")]
    {
        let texts = texts(&findings, subject);
        assert!(texts.iter().any(|text| text.contains(part)), "{subject}: {texts:#?}");
    }
}

#[tokio::test]
async fn nothing_to_announce_on_is_a_failure() {
    enter_new_namespace();
    let places = Places::new();
    let (answer, all) = findings(&places, "").await;
    assert_eq!(answer, Answer::No);
    assert!(texts(&all, "interfaces")[0].starts_with("no interface can be used"), "{all:#?}");
    let (answer, some) = findings(&places, "-i eth9").await;
    assert_eq!(answer, Answer::No);
    assert!(texts(&some, "eth9")[0].starts_with("there is no such interface"), "{some:#?}");
}
