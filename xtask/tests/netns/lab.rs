//! The lab itself: kernels answer for their own addresses, nothing is left behind.

use std::{net::IpAddr, process::Command};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use xtask::lab::{Segment, abandoned, clients, leftovers, remove_abandoned};

const ABSENT: [&str; 2] = ["192.0.2.99", "2001:db8::99"];

#[test]
fn real_clients_reach_real_kernels() {
    let segment = Segment::new(2).unwrap();
    let tag = segment.lab.tag().to_owned();
    for node in &segment.nodes {
        for address in [IpAddr::from(node.ipv4), IpAddr::from(node.ipv6)] {
            assert_eq!(clients::ask(&segment.client, address).unwrap(), node.mac);
            clients::expect_only(&segment.client, address, &node.mac).unwrap();
            assert_eq!(clients::ping(&segment.client, address).unwrap(), node.mac);
        }
        assert_eq!(node.namespace.mac("eth0").unwrap(), node.mac);
    }
    for address in ABSENT {
        let address = address.parse().unwrap();
        clients::expect_silence(&segment.client, address).unwrap();
        assert!(clients::ask(&segment.client, address).is_err());
        assert!(clients::ping(&segment.client, address).is_err());
    }
    assert!(!leftovers(&tag).is_empty());
    drop(segment);
    assert_eq!(leftovers(&tag), Vec::<String>::new());
}

/// Where there is no bpffs, `ip` would mount one, for everybody and for ever.
#[test]
fn the_machine_keeps_its_mounts() {
    let without_bpffs = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("none"), "/sys/fs/bpf", Some("tmpfs"), MsFlags::MS_RDONLY, none).unwrap();
        drop(Segment::new(1).unwrap());
        let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
        let there = |line: &&str| line.split(' ').nth(1) == Some("/sys/fs/bpf");
        mounts.lines().rfind(there).unwrap().to_owned()
    };
    // In a thread of its own, which takes its mounts along when it ends.
    let last = std::thread::spawn(without_bpffs).join().unwrap();
    assert!(last.starts_with("none /sys/fs/bpf tmpfs ro"), "{last}");
}

#[test]
fn two_answerers_are_both_seen() {
    let segment = Segment::new(2).unwrap();
    let shared: IpAddr = "192.0.2.50".parse().unwrap();
    for node in &segment.nodes {
        node.namespace.ip("addr add 192.0.2.50/24 dev eth0").unwrap();
    }
    let macs = clients::who_has(&segment.client, shared).unwrap();
    assert_eq!(macs.len(), 2, "{macs:?}");
    assert!(clients::expect_only(&segment.client, shared, &segment.nodes[0].mac).is_err());
}

#[test]
fn an_address_that_is_held_like_a_service_is_not_answered_by_its_kernel() {
    let segment = Segment::new(1).unwrap();
    for address in ["192.0.2.10", "2001:db8::10"] {
        let address = address.parse().unwrap();
        segment.nodes[0].hold(address).unwrap();
        clients::expect_silence(&segment.client, address).unwrap();
    }
}

#[test]
fn a_panic_cleans_up() {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let segment = Segment::new(1).unwrap();
        sender.send(segment.lab.tag().to_owned()).unwrap();
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert_eq!(leftovers(&receiver.recv().unwrap()), Vec::<String>::new());
}

/// Not a test of its own: what the next test starts as a process that makes a lab and then waits to be ended.
#[test]
#[ignore = "started by other tests"]
fn helper_that_waits_in_a_lab() {
    let segment = Segment::new(1).unwrap();
    std::fs::write(std::env::var("LAB_TAG_FILE").unwrap(), segment.lab.tag()).unwrap();
    loop {
        std::thread::park();
    }
}

/// Starts [`helper_that_waits_in_a_lab`], sends it a signal when its lab stands, and returns the lab's tag.
fn end_a_lab_by(signal: nix::sys::signal::Signal) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("tag");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "lab::helper_that_waits_in_a_lab"]).env("LAB_TAG_FILE", &file);
    let running = xtask::lab::Running::start(&mut command, &scratch.path().join("log")).unwrap();
    let patience = std::time::Duration::from_secs(60);
    let tag = xtask::lab::eventually(patience, "the lab of the child", || {
        let tag = std::fs::read_to_string(&file)?;
        if tag.is_empty() { Err(anyhow::anyhow!("not written yet")) } else { Ok(tag) }
    });
    let tag = tag.unwrap();
    assert!(!leftovers(&tag).is_empty());
    running.signal(signal).unwrap();
    running.wait(patience).unwrap();
    tag
}

#[test]
fn ctrl_c_cleans_up() {
    let tag = end_a_lab_by(nix::sys::signal::Signal::SIGINT);
    assert_eq!(leftovers(&tag), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_left_can_be_found_and_removed() {
    let tag = end_a_lab_by(nix::sys::signal::Signal::SIGKILL);
    assert!(abandoned().contains(&tag));
    remove_abandoned(&tag).unwrap();
    assert_eq!(leftovers(&tag), Vec::<String>::new());
}
