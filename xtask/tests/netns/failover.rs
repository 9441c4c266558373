//! Nodes die, are frozen, cut off, evacuated, restarted: another answers, never two for long, and nobody without need.
//!
//! What clients measure of it, in milliseconds, belongs into the benchmark; here it is who answers.

use std::process::Command;

use nix::sys::signal::Signal;
use xtask::lab::{Account, Node, Segment, clients, eventually, poll_until};

use crate::{
    cluster::{Cluster, standing_of},
    harness::{SOON, both, owned_by, start, v4, wait_status},
};

fn answerers(account: &Account) -> Vec<&str> {
    account.answerers.keys().map(String::as_str).collect()
}

#[test]
fn a_node_that_loses_power_is_followed_by_the_next() {
    let cluster = Cluster::start(3, &[]);
    let streams = cluster.streams();
    let cut = cluster.segment.cut(&cluster.segment.nodes[0]).unwrap();
    cluster.owned_by(1);
    cluster.wait_standing(0, "out");
    cluster.wait_standing(2, "standby");
    // Who returns stands by.
    cut.heal().unwrap();
    cluster.wait_standing(0, "standby");
    cluster.owned_by(1);
    let (account, packets) = streams.stop();
    assert_eq!(answerers(&account), [cluster.mac(0), cluster.mac(1)]);
    assert_eq!(account.doubled, 0, "{account:?}");
    assert!(packets.echoed > packets.lost, "{packets:?}");
}

#[test]
fn two_nodes_that_die_together_are_followed_by_the_third() {
    let cluster = Cluster::start(5, &["--failover", "fast"]);
    let nodes = &cluster.segment.nodes;
    let streams = cluster.streams();
    let _cuts = [cluster.segment.cut(&nodes[0]).unwrap(), cluster.segment.cut(&nodes[1]).unwrap()];
    cluster.owned_by(2);
    for index in [3, 4] {
        cluster.wait_standing(index, "standby");
    }
    let (account, _) = streams.stop();
    assert_eq!(account.doubled, 0, "{account:?}");
}

#[test]
fn a_killed_agent_is_followed_when_its_lease_ends_and_not_before() {
    let mut cluster = Cluster::start(3, &[]);
    let streams = cluster.streams();
    cluster.kill(0);
    let account = cluster.ask_for(5);
    account.expect_complete(cluster.mac(0)).unwrap();
    cluster.owned_by(1);
    let (account, _) = streams.stop();
    assert_eq!(account.doubled, 0, "{account:?}");
    // It comes back, finds another owner and stands by.
    cluster.restart(0);
    cluster.wait_standing(0, "standby");
    cluster.owned_by(1);
}

#[test]
fn an_agent_that_is_stopped_for_half_a_minute_wakes_up_as_standby() {
    let cluster = Cluster::start(3, &[]);
    cluster.running(0).signal(Signal::SIGSTOP).unwrap();
    let account = cluster.ask_for(30);
    assert_eq!(answerers(&account), [cluster.mac(0), cluster.mac(1)]);
    assert_eq!(account.doubled, 0, "{account:?}");
    cluster.running(0).signal(Signal::SIGCONT).unwrap();
    cluster.wait_standing(0, "standby");
    let account = cluster.ask_for(2);
    account.expect_complete(cluster.mac(1)).unwrap();
}

#[test]
fn an_agent_that_is_stopped_for_five_seconds_loses_nothing() {
    let cluster = Cluster::start(3, &[]);
    // The owner, then its first standby, then both: neither dies nor takes over.
    for stopped in [&[0][..], &[1], &[0, 1]] {
        stopped.iter().for_each(|index| cluster.running(*index).signal(Signal::SIGSTOP).unwrap());
        let asleep = cluster.ask_for(5);
        stopped.iter().for_each(|index| cluster.running(*index).signal(Signal::SIGCONT).unwrap());
        let awake = cluster.ask_for(2);
        for account in [asleep, awake] {
            account.expect_complete(cluster.mac(0)).unwrap();
        }
    }
}

#[test]
fn a_starved_machine_sees_no_false_failover() {
    let cluster = Cluster::start(3, &["--failover", "fast"]);
    let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let mut busy: Vec<_> = (0..16).map(|_| spin()).collect();
    let account = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cluster.ask_for(15)));
    for process in &mut busy {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    assert_eq!(answerers(&account.unwrap()), [cluster.mac(0)]);
    cluster.wait_standing(0, "owner");
}

#[test]
fn a_flapping_link_leaves_one_owner() {
    let cluster = Cluster::start(3, &[]);
    for _ in 0..4 {
        let cut = cluster.segment.cut(&cluster.segment.nodes[0]).unwrap();
        poll_until(SOON, "the carrier to go", || standing_of(&cluster.running(0).status().unwrap(), v4()) == "out")
            .unwrap();
        cut.heal().unwrap();
    }
    cluster.owned_by(1);
    cluster.wait_standing(0, "standby");
    cluster.wait_standing(2, "standby");
}

#[test]
fn after_a_partition_there_is_one_owner_again_the_better_one() {
    let cluster = Cluster::start(3, &[]);
    let nodes = &cluster.segment.nodes;
    let parted = cluster.segment.part(&[&nodes[0]]).unwrap();
    cluster.owned_by(1);
    cluster.wait_standing(0, "owner");
    parted.heal().unwrap();
    cluster.owned_by(0);
    for index in [1, 2] {
        cluster.wait_standing(index, "standby");
    }
}

#[test]
fn a_deaf_standby_takes_nothing_from_an_owner_that_answers() {
    let cluster = Cluster::start(3, &[]);
    let deaf = cluster.segment.deafen(&cluster.segment.nodes[1]).unwrap();
    cluster.ask_for(5).expect_complete(cluster.mac(0)).unwrap();
    deaf.heal().unwrap();
    cluster.ask_for(2).expect_complete(cluster.mac(0)).unwrap();
    cluster.wait_standing(1, "standby");
}

#[test]
fn an_evacuation_loses_no_request_and_no_packet() {
    let cluster = Cluster::start(3, &[]);
    let streams = cluster.streams();
    let run = |arguments: &[&str]| xtask::sh::read(cluster.running(0).cli(arguments));
    run(&["evacuate", "--wait"]).unwrap();
    cluster.owned_by(1);
    run(&["evacuate", "--undo"]).unwrap();
    cluster.wait_standing(0, "standby");
    cluster.owned_by(1);
    let (account, packets) = streams.stop();
    assert_eq!((account.lost, packets.lost), (0, 0), "{account:?} {packets:?}");
    assert_eq!(answerers(&account), [cluster.mac(0), cluster.mac(1)]);
}

#[test]
fn an_evacuation_on_a_silent_segment_finds_its_successor() {
    let cluster = Cluster::start(2, &[]);
    xtask::sh::read(cluster.running(0).cli(&["evacuate", "--wait"])).unwrap();
    cluster.owned_by(1);
}

#[test]
fn an_evacuation_by_configuration_loses_nothing_either() {
    let cluster = Cluster::start(2, &[]);
    let streams = cluster.streams();
    let config = owned_by(&cluster.candidates(), "auto");
    cluster.running(0).configure(&format!("{config}succession: {{evacuate: true}}\n")).unwrap();
    cluster.owned_by(1);
    cluster.running(0).configure(&config).unwrap();
    cluster.wait_standing(0, "standby");
    let (account, packets) = streams.stop();
    assert_eq!((account.lost, packets.lost), (0, 0), "{account:?} {packets:?}");
}

#[test]
fn a_new_order_moves_the_addresses_without_a_gap() {
    let cluster = Cluster::start(2, &[]);
    let streams = cluster.streams();
    for index in [0, 1] {
        cluster.running(index).configure(&owned_by(&["node-b", "node-a"], "auto")).unwrap();
    }
    cluster.owned_by(1);
    cluster.wait_standing(0, "standby");
    let (account, packets) = streams.stop();
    assert_eq!((account.lost, packets.lost), (0, 0), "{account:?} {packets:?}");
}

#[test]
fn a_rolling_restart_of_all_agents_loses_nothing() {
    let mut cluster = Cluster::start(3, &[]);
    let streams = cluster.streams();
    for index in 0..3 {
        cluster.kill(index);
        cluster.restart(index);
    }
    let (account, packets) = streams.stop();
    account.expect_complete(cluster.mac(0)).unwrap();
    assert_eq!(packets.lost, 0, "{packets:?}");
    cluster.wait_standing(0, "owner");
}

/// A machine without a speaker whose kernel answers for the first address.
fn stranger(segment: &Segment) -> &Node {
    let stranger = segment.nodes.last().unwrap();
    stranger.namespace.ip(&format!("addr add {}/32 dev lo", v4())).unwrap();
    stranger
}

#[test]
fn an_address_that_a_stranger_has_is_left_to_it() {
    let segment = Segment::new(3).unwrap();
    let stranger = stranger(&segment);
    let config = owned_by(&["node-a", "node-b"], "auto");
    let speakers: Vec<_> = segment.nodes[..2].iter().map(|node| start(&segment, node, &config, &[])).collect();
    let status = wait_status(&speakers[0], "in use", |status| standing_of(status, v4()) == "in-use");
    assert!(speakers[0].log().contains(&stranger.mac), "{status:#}\n{}", speakers[0].log());
    clients::expect_only(&segment.client, v4(), &stranger.mac).unwrap();
    // The other address is not in anybody's way.
    clients::expect_only(&segment.client, both()[1], &segment.nodes[0].mac).unwrap();
    stranger.namespace.ip(&format!("addr del {}/32 dev lo", v4())).unwrap();
    // Each asks again in its own time; nobody had it, so whoever does so first has it.
    eventually(SOON, "the address to be claimed", || {
        let found = clients::who_has(&segment.client, v4())?;
        let is_one = found.len() == 1 && segment.nodes[..2].iter().any(|node| found.contains(&node.mac));
        anyhow::ensure!(is_one, "answered by {found:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_stranger_that_claims_an_owned_address_is_answered_once_and_reported() {
    let segment = Segment::new(2).unwrap();
    let speaker = start(&segment, &segment.nodes[0], &owned_by(&["node-a"], "auto"), &[]);
    let stranger = stranger(&segment);
    clients::ping(&segment.client, segment.nodes[0].ipv4.into()).unwrap();
    let mut claim = stranger.namespace.command("arping");
    claim.args(["-U", "-c", "3", "-I", "eth0", "-s", &v4().to_string(), &v4().to_string()]);
    xtask::sh::run(claim).unwrap();
    poll_until(SOON, "the conflict in the log", || {
        speaker.log().lines().any(|line| line.contains(&v4().to_string()) && line.contains(&stranger.mac))
    })
    .unwrap();
    wait_status(&speaker, "still owned", |status| standing_of(status, v4()) == "owner");
}

#[test]
fn live_candidates_share_the_clients_and_a_loss_moves_only_its_own() {
    let segment = Segment::new(3).unwrap();
    let names: Vec<_> = segment.nodes.iter().map(|node| node.name.as_str()).collect();
    let config = owned_by(&names, "auto").replace("Exclusive", "Shared");
    let speakers: Vec<_> = segment.nodes.iter().map(|node| start(&segment, node, &config, &[])).collect();
    for speaker in &speakers {
        wait_status(speaker, "sharing", |status| {
            let shares = crate::harness::address(status, v4())["shares"].as_u64().unwrap();
            standing_of(status, v4()) == "sharing" && (1..64).contains(&shares)
        });
    }
    let client = &segment.client;
    let one = || -> anyhow::Result<String> {
        let answered = clients::who_has(client, v4())?;
        anyhow::ensure!(answered.len() == 1, "one should answer, not {answered:?}");
        Ok(answered.into_iter().next().unwrap_or_default())
    };
    let first = eventually(SOON, "one answerer", one).unwrap();
    let owner = segment.nodes.iter().find(|node| node.mac == first).unwrap();
    let cut = segment.cut(owner).unwrap();
    let second = eventually(SOON, "another one", || {
        let answered = one()?;
        anyhow::ensure!(answered != first, "still {first}");
        Ok(answered)
    });
    assert_ne!(second.unwrap(), first);
    cut.heal().unwrap();
    eventually(SOON, "the share to go back", || {
        let answered = one()?;
        anyhow::ensure!(answered == first, "still {answered}");
        Ok(())
    })
    .unwrap();
}
