//! Three speakers share addresses by the order in their configuration, and clients are answered whatever happens to one.

use std::net::IpAddr;

use xtask::{
    lab::{Segment, SpeakerProcess, clients, eventually},
    sh,
};

use super::harness::{SOON, answered_by, both, owned_by, start};

const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// A segment whose three nodes run a speaker each.
fn three(attach: &str) -> (Vec<SpeakerProcess>, Segment) {
    let segment = Segment::new(3).unwrap();
    let config = owned_by(&NAMES, attach);
    let speakers = segment.nodes.iter().map(|node| start(&segment, node, &config, &[])).collect();
    (speakers, segment)
}

/// What a speaker logged about an address.
fn changes(speaker: &SpeakerProcess, vip: IpAddr) -> Vec<String> {
    let log = speaker.log();
    log.lines().filter(|line| line.contains(&format!("address={vip}"))).map(str::to_owned).collect()
}

#[test]
fn the_first_candidate_answers_and_the_next_one_takes_over_when_it_is_cut_off() {
    for attach in ["native", "tcx", "user"] {
        let (speakers, segment) = three(attach);
        let [first, second, _third] = &segment.nodes[..] else { panic!("three nodes") };
        answered_by(&segment, first);
        let cut = segment.cut(first).unwrap();
        answered_by(&segment, second);
        for vip in both() {
            let told = changes(&speakers[1], vip);
            let took = told.iter().filter(|line| line.contains("took over from node-a")).count();
            assert_eq!(took, 1, "{attach}, {vip}: {told:#?}");
        }
        // Whoever comes back does not take it back: that would be a second interruption for nothing.
        cut.heal().unwrap();
        for vip in both() {
            eventually(SOON, "node-a to stand by", || {
                let told = changes(&speakers[0], vip);
                anyhow::ensure!(told.iter().any(|line| line.contains("owned by node-b")), "{told:#?}");
                Ok(())
            })
            .unwrap();
        }
        answered_by(&segment, second);
    }
}

#[test]
fn an_evacuated_node_gives_everything_away_and_takes_part_again() {
    let (speakers, segment) = three("native");
    answered_by(&segment, &segment.nodes[0]);
    let told = sh::read(speakers[0].cli(&["evacuate", "--wait"])).unwrap();
    assert!(told.contains("this node owns no address"), "{told}");
    answered_by(&segment, &segment.nodes[1]);
    sh::read(speakers[0].cli(&["evacuate", "--undo"])).unwrap();
    let second = segment.cut(&segment.nodes[1]).unwrap();
    let third = segment.cut(&segment.nodes[2]).unwrap();
    answered_by(&segment, &segment.nodes[0]);
    drop((second, third));
}

#[test]
fn an_evacuation_without_a_successor_is_refused_and_forced_it_names_what_nobody_answers_for() {
    let segment = Segment::new(1).unwrap();
    let speaker = start(&segment, &segment.nodes[0], &owned_by(&["node-a", "node-b"], "native"), &[]);
    answered_by(&segment, &segment.nodes[0]);
    let output = sh::attempt(&mut speaker.cli(&["evacuate", "--wait"])).unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let refused = "refused: no other candidate can take over 192.0.2.10 on eth0 and 1 more; this node answers on";
    assert!(told.starts_with(refused), "{told}");
    assert_eq!(speaker.status().unwrap()["succession"]["evacuating"], false);
    answered_by(&segment, &segment.nodes[0]);

    let output = sh::attempt(&mut speaker.cli(&["evacuate", "--wait", "--force"])).unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for vip in both() {
        assert!(told.contains(&format!("no other node claimed {vip} on eth0")), "{told}");
        clients::expect_silence(&segment.client, vip).unwrap();
    }
}

#[test]
fn a_new_order_moves_an_address_to_whoever_it_puts_first() {
    let (speakers, segment) = three("native");
    answered_by(&segment, &segment.nodes[0]);
    for speaker in &speakers {
        speaker.configure(&owned_by(&["node-c", "node-a", "node-b"], "native")).unwrap();
    }
    answered_by(&segment, &segment.nodes[2]);
}

#[test]
fn who_sends_to_the_old_owner_is_told_the_new_one() {
    let (speakers, segment) = three("native");
    let [old, new, _third] = &segment.nodes[..] else { panic!("three nodes") };
    answered_by(&segment, old);
    for speaker in &speakers {
        speaker.configure(&owned_by(&["node-b", "node-a", "node-c"], "native")).unwrap();
    }
    answered_by(&segment, new);
    // Whoever hears no claims can only be told by a frame to itself alone.
    let lonely = &segment.client;
    let port = &lonely.port;
    let mut deafen = segment.switch.command("bridge");
    deafen.args(["link", "set", "dev", port, "bcast_flood", "off", "mcast_flood", "off"]);
    sh::run(deafen).unwrap();
    for vip in both() {
        let family = if vip.is_ipv4() { "-4" } else { "-6" };
        let entry = format!("{family} neigh replace {vip} lladdr {} dev eth0 nud reachable", old.mac);
        lonely.namespace.ip(&entry).unwrap();
        eventually(SOON, "the sender to know the new owner", || {
            // Nobody holds the address: what counts is where the packet goes.
            let mut ping = lonely.namespace.command("ping");
            ping.args(["-c", "1", "-W", "1", &vip.to_string()]);
            let _ = sh::attempt(&mut ping)?;
            let known = clients::neighbour(lonely, vip)?;
            anyhow::ensure!(known == new.mac, "it knows {known}");
            Ok(())
        })
        .unwrap();
    }
}
