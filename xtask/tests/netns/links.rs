//! Interfaces that change under a running agent: it follows at once.

use xtask::lab::{Segment, clients, eventually};

use super::harness::{SOON, both, interface, one_owner, owned_by, start, v4, wait_status};

#[test]
fn a_new_mac_is_answered_with_at_once() {
    let (_speaker, segment) = one_owner("native", &[]);
    let node = &segment.nodes[0];
    let new = "02:00:00:00:aa:01";
    node.namespace.ip(&format!("link set eth0 address {new}")).unwrap();
    for vip in both() {
        eventually(SOON, "an answer with the new MAC", || clients::expect_only(&segment.client, vip, new)).unwrap();
    }
}

/// The client's kernel holds a wrong MAC for the address: only a gratuitous frame can set it right, as it asks nobody.
fn poison(segment: &Segment) {
    for vip in both() {
        let set = format!("neigh replace {vip} dev eth0 lladdr 02:00:00:00:ff:ff nud reachable");
        segment.client.namespace.ip(&set).unwrap();
    }
}

fn wait_until_corrected(segment: &Segment, mac: &str) {
    for vip in both() {
        eventually(SOON, "the client's neighbour entry to be corrected", || {
            let held = clients::neighbour(&segment.client, vip)?;
            anyhow::ensure!(held == mac, "{vip} is still at {held}");
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_new_mac_reaches_the_clients_of_a_shared_address() {
    let segment = Segment::new(1).unwrap();
    let config = owned_by(&["node-a"], "native").replace("Exclusive", "Shared");
    let _speaker = start(&segment, &segment.nodes[0], &config, &[]);
    let node = &segment.nodes[0];
    eventually(SOON, "an answer", || clients::expect_only(&segment.client, v4(), &node.mac)).unwrap();
    // Linux ignores answers within a second of the last change of an entry.
    let mut locktime = segment.client.namespace.command("sysctl");
    locktime.args(["-w", "net.ipv4.neigh.eth0.locktime=0"]);
    xtask::sh::run(locktime).unwrap();
    poison(&segment);
    let new = "02:00:00:00:aa:02";
    node.namespace.ip(&format!("link set eth0 address {new}")).unwrap();
    eventually(SOON, "the client's neighbour entry to be corrected", || {
        let held = clients::neighbour(&segment.client, v4())?;
        anyhow::ensure!(held == new, "{} is still at {held}", v4());
        Ok(())
    })
    .unwrap();
}

#[test]
fn taking_an_address_corrects_the_caches_of_clients() {
    let segment = Segment::new(1).unwrap();
    poison(&segment);
    let _speaker = start(&segment, &segment.nodes[0], &owned_by(&["node-a"], "native"), &[]);
    wait_until_corrected(&segment, &segment.nodes[0].mac);
}

#[test]
fn a_cable_that_comes_back_corrects_the_caches_of_clients() {
    let (speaker, segment) = one_owner("native", &[]);
    let node = &segment.nodes[0];
    wait_until_settled(&speaker);
    segment.switch.ip(&format!("link set {} down", node.port)).unwrap();
    wait_status(&speaker, "the carrier to be missed", |status| interface(status, "eth0")["carrier"] == false);
    poison(&segment);
    segment.switch.ip(&format!("link set {} up", node.port)).unwrap();
    wait_until_corrected(&segment, &node.mac);
    for vip in both() {
        clients::expect_only(&segment.client, vip, &node.mac).unwrap();
    }
}

/// Waits until the gratuitous frames of the start are over (the last is due after 4 s), so that later ones have another
/// cause.
fn wait_until_settled(speaker: &xtask::lab::SpeakerProcess) {
    wait_status(speaker, "the first gratuitous frames to be over", |status| {
        status["gratuitous"]["lastAgoMs"].as_u64().is_some_and(|ago| ago > 2500)
    });
}

#[test]
fn an_interface_that_is_added_later_answers() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    let config = owned_by(&["node-a"], "native").replace("eth0", "eth1");
    let speaker = start(&segment, node, &config, &[]);
    for vip in both() {
        clients::expect_silence(&segment.client, vip).unwrap();
    }
    let mac = "02:00:00:00:bb:01";
    segment.plug(node, "eth1", mac).unwrap();
    for vip in both() {
        eventually(SOON, "an answer from the new interface", || clients::expect_only(&segment.client, vip, mac))
            .unwrap();
    }
    node.namespace.ip("link del eth1").unwrap();
    wait_status(&speaker, "the interface to be forgotten", |status| {
        status["interfaces"].as_array().is_some_and(|all| all.iter().all(|one| one["name"] != "eth1"))
    });
    // And once more under the same name: a new interface with a new index.
    let mac = "02:00:00:00:bb:02";
    segment.plug(node, "eth1", mac).unwrap();
    eventually(SOON, "an answer from the second one", || clients::expect_only(&segment.client, v4(), mac)).unwrap();
}

#[test]
fn an_excluded_interface_is_left_alone() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    let file = segment.lab.directory().join("excludel2.yaml");
    std::fs::write(&file, "announcedInterfacesToExclude: [\"^eth.*\"]\n").unwrap();
    let flags = ["--exclude-interfaces", file.to_str().unwrap()];
    let speaker = start(&segment, node, &owned_by(&["node-a"], "native"), &flags);
    let report = interface(&speaker.status().unwrap(), "eth0");
    assert_eq!(report["eligible"], false);
    assert!(report["reason"].as_str().unwrap().contains("^eth.*"), "{report:#}");
    for vip in both() {
        clients::expect_silence(&segment.client, vip).unwrap();
    }
    assert_eq!(super::foreign::xdp_program(node, "eth0"), None);
}
