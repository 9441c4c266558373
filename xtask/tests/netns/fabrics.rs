//! Switches that do more than a plain bridge: they suppress, inspect and rate-limit ARP, or lose what a node sends.

use std::time::Duration;

use xtask::lab::{Asker, eventually};

use crate::{
    cluster::{Cluster, standing_of},
    harness::{both, interface, wait_status},
};

/// Longer than anything that is stated for two nodes that hear nobody else.
const SILENT: Duration = Duration::from_secs(30);

/// Waits until this node says that it owns both addresses. Nobody is asked: the segment stays as quiet as it is.
fn takes_over(cluster: &Cluster, index: usize) {
    eventually(SILENT, "the standby to take over", || {
        let status = cluster.running(index).status()?;
        for vip in both() {
            let found = standing_of(&status, vip);
            anyhow::ensure!(found == "owner", "{vip} is {found} at node {index}: {status:#}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn three_nodes_need_nobody_else_to_replace_an_owner_whose_frames_are_lost() {
    let cluster = Cluster::start(3, &[]);
    let lost = cluster.segment.swallow(&cluster.segment.nodes[0]).unwrap();
    takes_over(&cluster, 1);
    cluster.wait_standing(2, "standby");
    cluster.owned_by(1);
    // It never knew, and of two owners the one that ranks better keeps the address.
    lost.heal().unwrap();
    cluster.owned_by(0);
    cluster.wait_standing(1, "standby");
    cluster.ask_for(2).expect_complete(cluster.mac(0)).unwrap();
}

#[test]
fn of_two_nodes_and_nothing_else_the_second_takes_over_when_the_first_is_unplugged() {
    let cluster = Cluster::start(2, &[]);
    let cut = cluster.segment.cut(&cluster.segment.nodes[0]).unwrap();
    takes_over(&cluster, 1);
    cluster.owned_by(1);
    cut.heal().unwrap();
    cluster.wait_standing(0, "standby");
}

#[test]
fn two_candidates_agree_across_a_fabric_that_suppresses_arp() {
    let cluster = Cluster::start(2, &[]);
    let nodes = &cluster.segment.nodes;
    let leaf = cluster.segment.behind_suppressing_leaf(&[&nodes[1]]).unwrap();
    // The owner is known and stays.
    let account = cluster.ask_for(5);
    account.expect_complete(cluster.mac(0)).unwrap();
    cluster.wait_standing(1, "standby");
    // It dies; who returns finds the new owner, across the same fabric.
    let cut = cluster.segment.cut(&nodes[0]).unwrap();
    cluster.owned_by(1);
    cut.heal().unwrap();
    cluster.wait_standing(0, "standby");
    cluster.ask_for(5).expect_complete(cluster.mac(1)).unwrap();
    drop(leaf);
}

#[test]
fn a_switch_that_floods_no_questions_is_told_and_moves_nothing() {
    let mut cluster = Cluster::start(2, &[]);
    cluster.kill(1);
    let _unflooded = cluster.segment.unflood(&cluster.segment.nodes[1]).unwrap();
    cluster.restart(1);
    let standby = cluster.running(1);
    wait_status(standby, "the switch to be told", |status| {
        let told =
            |path: &serde_json::Value| path.as_str().is_some_and(|text| text.contains("node-a answers heartbeats"));
        interface(status, "eth0")["paths"].as_array().is_some_and(|paths| paths.iter().any(told))
    });
    let found = xtask::sh::attempt(&mut standby.cli(&["check", "--interface", "eth0"])).unwrap();
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(found.contains("node-a answers heartbeats, but not questions to all nodes"), "{found}");
    cluster.wait_standing(1, "standby");
    cluster.owned_by(0);
}

#[test]
fn a_switch_that_inspects_arp_drops_nothing_of_quiet_nodes() {
    let cluster = Cluster::start(3, &["--failover", "quiet"]);
    let segment = &cluster.segment;
    let _inspected = segment.inspect_arp().unwrap();
    let account = Asker::ask(&segment.lab, &segment.client, &both(), 2, 24).unwrap();
    account.expect_complete(cluster.mac(0)).unwrap();
    for index in [1, 2] {
        cluster.wait_standing(index, "standby");
    }
    assert_eq!(segment.dropped_by("inspect").unwrap(), 0);
}
