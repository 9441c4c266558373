//! Speakers against the real API server, without a controller: Announcements are made by hand.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    Asker, Node, clients,
    cluster::{Cluster, Installed, Speaker},
    eventually,
};

use super::harness::Scenario;

/// Limit for things that take a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(90);
/// Requests a second of a client that asks all the while.
const RATE: u32 = 200;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("an_announcement_is_answered_and_its_owner_told", an_announcement_is_answered_and_its_owner_told),
    ("one_bad_announcement_hides_no_other", one_bad_announcement_hides_no_other),
    ("a_node_is_evacuated_by_its_speaker_object_or_its_annotation", a_node_is_evacuated),
    ("a_speaker_restarted_without_an_api_server_goes_on", a_speaker_restarted_without_an_api_server_goes_on),
];

/// Two speakers, and a third node that has none.
struct Pair {
    a: Speaker,
    b: Speaker,
    installed: Installed,
}

impl Pair {
    fn start(cluster: &Cluster) -> Self {
        let installed = cluster.install().unwrap();
        let [a, b] = ["node-a", "node-b"].map(|node| installed.start_speaker(cluster, node, &[]).unwrap());
        for speaker in [&a, &b] {
            speaker.wait_ready().unwrap();
        }
        Self { a, b, installed }
    }
}

fn vip(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

/// An Announcement of `node-a` before `node-b`.
fn announcement(address: IpAddr, more: &str) -> String {
    format!(
        "apiVersion: arpeggio.io/v1alpha1
kind: Announcement
metadata: {{name: {address}}}
spec:
  address: {address}
  pool: home
  services: [{{namespace: default, name: web}}]
  l2: {{candidates: [node-a, node-b], mode: Exclusive{more}}}
"
    )
}

fn node<'c>(cluster: &'c Cluster, name: &str) -> &'c Node {
    cluster.node(name).unwrap()
}

/// Waits until this node alone answers, and the API says so.
fn owned_by(cluster: &Cluster, address: IpAddr, name: &str) {
    let what = format!("{name} to answer for {address} alone");
    let client = &cluster.segment().client;
    eventually(SOON, &what, || clients::expect_only(client, address, &node(cluster, name).mac)).unwrap();
    let what = format!("the status to name {name}");
    eventually(SOON, &what, || {
        let object = cluster.get(&["announcement", &address.to_string()])?;
        ensure!(object["status"]["owner"] == name, "{:#}", object["status"]);
        Ok(())
    })
    .unwrap();
}

/// Waits until `node-a` has an address that is new. Whoever was quicker keeps one, whatever the order says; a new order moves it.
fn begins_at_node_a(cluster: &Cluster, address: IpAddr) {
    let name = address.to_string();
    let order = |candidates: [&str; 2]| {
        let patch = json!({"spec": {"l2": {"candidates": candidates}}}).to_string();
        cluster.kubectl(&["patch", "announcement", &name, "--type=merge", "-p", &patch])
    };
    eventually(SOON, "node-a to own it", || {
        let object = cluster.get(&["announcement", &name])?;
        if object["status"]["owner"] == "node-b" {
            order(["node-b", "node-a"])?;
            order(["node-a", "node-b"])?;
        }
        ensure!(object["status"]["owner"] == "node-a", "{:#}", object["status"]);
        Ok(())
    })
    .unwrap();
    owned_by(cluster, address, "node-a");
}

/// A condition of an object: its status and its reason.
fn condition(object: &Value, kind: &str) -> Result<(String, String)> {
    let conditions = object["status"]["conditions"].as_array().context("no conditions")?;
    let found = conditions.iter().find(|condition| condition["type"] == kind).context("no such condition")?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Ok((text("status"), text("reason")))
}

fn wait_condition(cluster: &Cluster, object: &[&str], kind: &str, wanted: (&str, &str)) {
    eventually(SOON, &format!("{object:?} to be {kind} {wanted:?}"), || {
        let object = cluster.get(object)?;
        let (status, reason) = condition(&object, kind)?;
        ensure!((status.as_str(), reason.as_str()) == wanted, "{:#}", object["status"]);
        Ok(())
    })
    .unwrap();
}

fn an_announcement_is_answered_and_its_owner_told(cluster: &Cluster) {
    let speakers = Pair::start(cluster);
    let address = vip(150);
    cluster.apply(&announcement(address, "")).unwrap();
    begins_at_node_a(cluster, address);

    let object = cluster.get(&["announcement", "192.0.2.150"]).unwrap();
    let status = &object["status"];
    assert_eq!(status["interfaces"][0]["name"], "eth0", "{status:#}");
    assert_eq!(status["interfaces"][0]["mac"], node(cluster, "node-a").mac.as_str());
    assert!(status["since"].is_string(), "{status:#}");
    assert_eq!(condition(&object, "Announced").unwrap(), ("True".into(), "Answered".into()));

    let speaker = cluster.get(&["speaker", "node-a"]).unwrap();
    let eth0 = &speaker["status"]["interfaces"][0];
    assert_eq!((eth0["name"].as_str(), eth0["carrier"].as_bool()), (Some("eth0"), Some(true)), "{speaker:#}");
    assert!(eth0["addresses"].as_array().unwrap().contains(&"192.0.2.1/24".into()), "{eth0:#}");
    assert!(["native", "tcx", "generic"].contains(&eth0["attached"].as_str().unwrap()), "{eth0:#}");
    assert_eq!(speaker["metadata"]["ownerReferences"][0]["kind"], "Node", "{speaker:#}");
    assert_eq!(condition(&speaker, "Ready").unwrap().0, "True");

    let selector = "app.kubernetes.io/component=arpeggio-speaker";
    let leases = cluster.get(&["leases", "-n", "metallb-system", "-l", selector]).unwrap();
    let leases = leases["items"].as_array().unwrap();
    for name in ["speaker-node-a", "speaker-node-b"] {
        // Those of speakers of earlier scenarios are there as well: nobody takes a lease away.
        let lease = leases.iter().find(|lease| lease["metadata"]["name"] == name).unwrap();
        assert_eq!(lease["spec"]["leaseDurationSeconds"], 10, "{lease:#}");
    }

    // Whoever takes over says so.
    speakers.a.kill().unwrap();
    owned_by(cluster, address, "node-b");
    assert_eq!(speakers.b.status().unwrap()["kubernetes"]["source"], "api");
    cluster.delete(&announcement(address, "")).unwrap();
    let client = &cluster.segment().client;
    eventually(SOON, "nobody to answer", || clients::expect_silence(client, address)).unwrap();
}

fn one_bad_announcement_hides_no_other(cluster: &Cluster) {
    let _speakers = Pair::start(cluster);
    let (good, bad) = (vip(151), vip(152));
    // The API server takes it: that no interface can have such a name is the speaker's knowledge.
    let bad_text = announcement(bad, ", interfaces: [an/impossible/name]");
    cluster.apply(&bad_text).unwrap();
    cluster.apply(&announcement(good, "")).unwrap();
    begins_at_node_a(cluster, good);
    wait_condition(cluster, &["speaker", "node-a"], "Accepted", ("False", "Invalid"));

    // One that becomes bad is answered as before.
    cluster.apply(&announcement(good, ", interfaces: [an/impossible/name]")).unwrap();
    cluster.delete(&bad_text).unwrap();
    eventually(SOON, "the fault of the other one to be told", || {
        let speaker = cluster.get(&["speaker", "node-a"])?;
        let text = speaker["status"].to_string();
        ensure!(text.contains("192.0.2.151: spec.l2.interfaces[0]") && !text.contains("192.0.2.152"), "{text}");
        Ok(())
    })
    .unwrap();
    clients::expect_only(&cluster.segment().client, good, &node(cluster, "node-a").mac).unwrap();
    cluster.apply(&announcement(good, "")).unwrap();
    wait_condition(cluster, &["speaker", "node-a"], "Accepted", ("True", "Valid"));
    cluster.delete(&announcement(good, "")).unwrap();
}

fn a_node_is_evacuated(cluster: &Cluster) {
    let _speakers = Pair::start(cluster);
    let address = vip(153);
    cluster.apply(&announcement(address, "")).unwrap();
    begins_at_node_a(cluster, address);
    let asker = Asker::start(&cluster.segment().lab, &cluster.segment().client, &[address], RATE).unwrap();

    let patch = |evacuate: bool| {
        let patch = format!("{{\"spec\":{{\"evacuate\":{evacuate}}}}}");
        cluster.kubectl(&["patch", "speaker", "node-a", "--type=merge", "-p", &patch]).unwrap();
    };
    patch(true);
    owned_by(cluster, address, "node-b");
    wait_condition(cluster, &["speaker", "node-a"], "Evacuating", ("True", "Asked"));
    patch(false);
    wait_condition(cluster, &["speaker", "node-a"], "Evacuating", ("False", "NotAsked"));
    // Whoever took over keeps it, until it is evacuated in turn.
    owned_by(cluster, address, "node-b");

    cluster.kubectl(&["annotate", "node", "node-b", "arpeggio.io/evacuate=true"]).unwrap();
    owned_by(cluster, address, "node-a");
    cluster.kubectl(&["annotate", "node", "node-b", "arpeggio.io/evacuate-"]).unwrap();
    wait_condition(cluster, &["speaker", "node-b"], "Evacuating", ("False", "NotAsked"));

    let account = asker.stop().unwrap();
    assert_eq!(account.lost, 0, "{account:?}");
    cluster.delete(&announcement(address, "")).unwrap();
}

/// Requests of speakers that changed something, and how often they said that they live.
fn writes(cluster: &Cluster) -> Result<(u64, u64)> {
    let requests = cluster.requests()?;
    let mine = requests.iter().filter(|request| request.user.ends_with(":speaker"));
    let changing: Vec<_> =
        mine.filter(|request| ["create", "update", "patch"].contains(&request.verb.as_str())).collect();
    let leases = changing.iter().filter(|request| request.resource == "leases").count() as u64;
    Ok((changing.len() as u64 - leases, leases))
}

fn a_speaker_restarted_without_an_api_server_goes_on(cluster: &Cluster) {
    let Pair { a, b: _b, installed } = Pair::start(cluster);
    let addresses = [vip(154), vip(155)];
    for address in addresses {
        cluster.apply(&announcement(address, "")).unwrap();
    }
    for address in addresses {
        begins_at_node_a(cluster, address);
    }
    eventually(SOON, "the snapshot, and the count in the Speaker object", || {
        let status = a.status()?;
        ensure!(status["kubernetes"]["snapshotAgoMs"].is_u64(), "{:#}", status["kubernetes"]);
        let speaker = cluster.get(&["speaker", "node-a"])?;
        ensure!(speaker["status"]["owned"] == 2, "{:#}", speaker["status"]);
        Ok(())
    })
    .unwrap();
    let (written, _) = writes(cluster).unwrap();

    let asker = Asker::start(&cluster.segment().lab, &cluster.segment().client, &addresses, RATE).unwrap();
    // Asked to end, it would wait for everybody's watches.
    cluster.api_server().kill().unwrap();
    a.terminate().unwrap();
    drop(a);
    let again = installed.start_speaker(cluster, "node-a", &[]).unwrap();
    again.wait_ready().unwrap();
    let status = again.status().unwrap();
    assert_eq!(status["kubernetes"]["source"], "snapshot", "{:#}", status["kubernetes"]);
    eventually(SOON, "the lease of the kernel to be renewed by the new agent", || {
        let status = again.status()?;
        ensure!(status["lease"]["state"] == "valid", "{:#}", status["lease"]);
        ensure!(status["kubernetes"]["answering"] == false, "{:#}", status["kubernetes"]);
        Ok(())
    })
    .unwrap();

    cluster.api_server().restart().unwrap();
    cluster.wait_ready().unwrap();
    let before = writes(cluster).unwrap().1;
    eventually(SOON, "the API's view, and some signs of life", || {
        let status = again.status()?;
        ensure!(status["kubernetes"]["source"] == "api", "{:#}", status["kubernetes"]);
        let now = writes(cluster)?.1;
        ensure!(now >= before + 6, "{} renewals since", now - before);
        Ok(())
    })
    .unwrap();
    assert_eq!(writes(cluster).unwrap().0, written, "everything stood there already, and nothing is written again");
    let account = asker.stop().unwrap();
    account.expect_complete(&node(cluster, "node-a").mac).unwrap();
    for address in addresses {
        cluster.delete(&announcement(address, "")).unwrap();
    }
}
