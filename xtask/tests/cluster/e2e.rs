//! The whole way: a Service gets an address, a node answers for it in the kernel, kube-proxy forwards, a backend replies; and
//! what may happen to nodes, agents and controllers while requests go on.

use std::net::IpAddr;

use anyhow::ensure;
use serde_json::json;
use xtask::lab::{
    LAYOUT_DIRECTORY, clients,
    cluster::{Cluster, Endpoint},
    eventually,
};

use super::{
    bed::{Bed, NODES, RATE, SOON},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("requests_arrive_over_both_families", requests_arrive_over_both_families),
    ("restarts_and_a_dead_leader_lose_no_request", restarts_and_a_dead_leader_lose_no_request),
    ("an_evacuation_loses_no_answer", an_evacuation_loses_no_answer),
    ("another_node_serves_when_the_owner_dies", another_node_serves_when_the_owner_dies),
    ("local_traffic_moves_with_its_endpoints", local_traffic_moves_with_its_endpoints),
];

fn requests_arrive_over_both_families(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    for address in bed.addresses() {
        let owner = bed.owner(address, "");
        let requests = bed.requests(address);
        eventually(SOON, "answers of every backend", || {
            let account = requests.so_far();
            ensure!(account.nodes.len() == NODES.len(), "{account:?}");
            Ok(())
        })
        .unwrap();
        requests.stop().unwrap().expect_complete().unwrap();
        // The truth is where users are told to look.
        let map = if address.is_ipv4() { "VIPS4" } else { "VIPS6" };
        let pin = bed.speaker(owner).pins().join(LAYOUT_DIRECTORY).join(map);
        let dump = xtask::sh::read({
            let mut bpftool = std::process::Command::new("bpftool");
            bpftool.args(["map", "dump", "pinned"]).arg(pin);
            bpftool
        });
        assert!(dump.unwrap().contains("\"action\": 1"), "the owner's map says answer");
    }
}

fn restarts_and_a_dead_leader_lose_no_request(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let [address, other] = bed.addresses();
    let owner = bed.owner(address, "");
    bed.owner(other, "");
    let (requests, asker) = (bed.requests(address), bed.asker(&[address, other]));
    for crash in [false, true] {
        let speaker = bed.speaker(owner);
        if crash { speaker.kill() } else { speaker.terminate() }.unwrap();
        speaker.restart().unwrap();
        speaker.wait_ready().unwrap();
    }
    let leader = eventually(SOON, "a leader", || bed.leader()).unwrap();
    leader.kill().unwrap();
    eventually(SOON, "another leader", || {
        let now = bed.leader()?;
        ensure!(!std::ptr::eq(now, leader), "the dead one still holds the lease");
        Ok(())
    })
    .unwrap();
    assert_eq!(bed.owner(address, ""), owner, "nothing moved");
    let account = asker.stop().unwrap();
    assert_eq!(account.lost, 0, "{account:?}");
    requests.stop().unwrap().expect_complete().unwrap();
}

fn an_evacuation_loses_no_answer(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let [address, _] = bed.addresses();
    let owner = bed.owner(address, "");
    let (requests, asker) = (bed.requests(address), bed.asker(&[address]));
    let patch = |evacuate| {
        let spec = json!({"spec": {"evacuate": evacuate}}).to_string();
        cluster.kubectl(&["patch", "speaker", owner, "--type", "merge", "--patch", &spec]).unwrap();
    };
    patch(true);
    bed.owner(address, owner);
    let account = asker.stop().unwrap();
    assert_eq!(account.lost, 0, "{account:?}");
    // A connection that is open at the very moment goes on at a node that does not know it.
    let account = requests.stop().unwrap();
    assert!(account.lost <= 1 && account.repeated <= 1, "{account:?}");
    patch(false);
}

fn another_node_serves_when_the_owner_dies(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let [address, _] = bed.addresses();
    let owner = bed.owner(address, "");
    let left: Vec<&str> = NODES.into_iter().filter(|node| *node != owner).collect();
    cluster.endpoints("default", "e2e", &[Endpoint::ready(left[0]), Endpoint::ready(left[1])]).unwrap();
    bed.owner(address, "");
    let before = bed.requests(address);
    let fault = cluster.segment().cut(bed.node(owner)).unwrap();
    let successor = bed.owner(address, owner);
    assert!(left.contains(&successor));
    drop(before.stop().unwrap());
    let after = bed.requests(address);
    eventually(SOON, "answers after the takeover", || {
        let account = after.so_far();
        ensure!(account.answered > u64::from(RATE), "{account:?}");
        Ok(())
    })
    .unwrap();
    after.stop().unwrap().expect_complete().unwrap();
    fault.heal().unwrap();
}

fn local_traffic_moves_with_its_endpoints(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Local");
    let [address, _] = bed.addresses();
    // Its owner is not the first of the order: that was away for less time than controllers wait for a lease.
    let first = bed.owner(address, "");
    let fault = cluster.segment().cut(bed.node(first)).unwrap();
    let client = &cluster.segment().client;
    let another = || {
        let answered = clients::who_has(client, address)?;
        ensure!(!answered.is_empty() && !answered.contains(&bed.node(first).mac), "answered by {answered:?}");
        Ok(())
    };
    eventually(SOON, "another owner", another).unwrap();
    fault.heal().unwrap();
    let owner = bed.owner(address, first);
    let others: Vec<Endpoint<'_>> = NODES.into_iter().filter(|node| *node != owner).map(Endpoint::ready).collect();
    let (requests, asker) = (bed.requests(address), bed.asker(&[address]));
    // Its pod drains, and is gone only after the address has moved.
    let draining: Vec<Endpoint<'_>> = std::iter::once(Endpoint::terminating(owner)).chain(others.clone()).collect();
    cluster.endpoints("default", "e2e", &draining).unwrap();
    bed.owner(address, owner);
    cluster.endpoints("default", "e2e", &others).unwrap();
    let account = asker.stop().unwrap();
    assert_eq!(account.lost, 0, "{account:?}");
    let account = requests.stop().unwrap();
    assert!(account.lost <= 1 && account.repeated <= 1, "{account:?}");
    assert!(account.clients.iter().eq([&IpAddr::from(client.ipv4)]), "backends see the client itself");
}
