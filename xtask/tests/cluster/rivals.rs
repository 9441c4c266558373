//! Somebody else writes what is ours: it is put right, and nobody writes more than the other does.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, NAMESPACE, audit::Request},
    eventually,
};

use super::{
    bed::{Bed, CONTROLLER, NODES, SOON, SPEAKER, name},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("what_others_write_or_delete_is_put_right_once", what_others_write_or_delete_is_put_right_once),
    ("a_rival_who_never_rests_is_not_answered_as_often", a_rival_who_never_rests_is_not_answered_as_often),
    ("a_rival_who_goes_on_is_named_and_the_address_is_back_within_two_seconds", a_rival_who_goes_on),
];

/// Writes of a rival, as fast as they go.
const RIVALRY: usize = 40;

/// How long a rival goes on that writes once a second. In virtual time the controller's own tests go on for two minutes.
const LONG: Duration = Duration::from_secs(20);
/// How soon addresses are right again, and what reading them takes on a busy machine.
const RIGHT: Duration = Duration::from_secs(2);
const READING: Duration = Duration::from_secs(1);

/// An object of ours, and how to see that it is as it should be.
struct Ours<'a> {
    /// As for `kubectl get`.
    object: Vec<String>,
    /// Whose it is, and the resource of the writes that put it right.
    writes: (&'static str, &'static str),
    right: Box<dyn Fn(&Value) -> bool + 'a>,
}

impl Ours<'_> {
    fn await_right(&self, cluster: &Cluster) -> Value {
        let object: Vec<&str> = self.object.iter().map(String::as_str).collect();
        eventually(SOON, &format!("{object:?} to be put right"), || {
            let found = cluster.get(&object)?;
            ensure!((self.right)(&found), "{found:#}");
            Ok(found)
        })
        .unwrap()
    }

    /// Writes of it so far that were done.
    fn written(&self, bed: &Bed<'_>) -> usize {
        let (user, resource) = self.writes;
        let name = &self.object[1];
        let mine = |write: &&Request| write.user == user && write.resource == resource && write.name == *name;
        bed.writes().iter().filter(mine).filter(|write| write.code < 400).count()
    }
}

fn patch(cluster: &Cluster, object: &[String], subresource: Option<&str>, patch: &Value) -> Result<()> {
    let mut arguments: Vec<&str> = vec!["patch"];
    arguments.extend(object.iter().map(String::as_str));
    let text = patch.to_string();
    arguments.extend(["--type=merge", "--patch", &text]);
    let flag = subresource.map(|subresource| format!("--subresource={subresource}"));
    arguments.extend(flag.as_deref());
    cluster.kubectl(&arguments).map(drop)
}

fn delete(cluster: &Cluster, ours: &Ours<'_>) {
    let words: Vec<&str> = ours.object.iter().map(String::as_str).collect();
    cluster.kubectl(&[&["delete"], words.as_slice()].concat()).unwrap();
    ours.await_right(cluster);
}

fn object(kind: &str, name: &str) -> Vec<String> {
    let namespace = if kind == "service" { "default" } else { NAMESPACE };
    [kind, name, "--namespace", namespace].map(ToOwned::to_owned).into()
}

fn ingress(addresses: &[std::net::IpAddr]) -> Value {
    addresses.iter().map(|address| json!({"ip": address, "ipMode": "VIP"})).collect()
}

fn what_others_write_or_delete_is_put_right_once(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let addresses = bed.addresses();
    let owner = bed.owner(addresses[0], "");
    bed.owner(addresses[1], "");
    bed.settled();
    let announcement = object("announcement", &name(addresses[0]));
    let service = Ours {
        object: object("service", "e2e"),
        writes: (CONTROLLER, "services/status"),
        right: Box::new(|found| found["status"]["loadBalancer"]["ingress"] == ingress(&addresses)),
    };
    let specification = cluster.get(&["announcement", &name(addresses[0])]).unwrap()["spec"].clone();
    let whole = |found: &Value| {
        let mut candidates: Vec<&str> =
            found["spec"]["l2"]["candidates"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        candidates.sort_unstable();
        let rest = |field: &str| found["spec"][field] == specification[field];
        candidates == NODES && ["address", "pool", "services"].into_iter().all(rest)
    };
    let announced =
        Ours { object: announcement.clone(), writes: (CONTROLLER, "announcements"), right: Box::new(whole) };
    let told = Ours {
        object: announcement.clone(),
        writes: (SPEAKER, "announcements/status"),
        right: Box::new(|found| NODES.iter().any(|node| found["status"]["owner"] == *node)),
    };
    let report = l2_status(cluster, owner);
    let reported = Ours {
        object: object("servicel2status", &report),
        writes: (CONTROLLER, "servicel2statuses/status"),
        right: Box::new(|found| found["status"]["interfaces"] == json!([{"name": "eth0"}])),
    };
    let counted = Ours {
        object: object("ipaddresspool", "e2e"),
        writes: (CONTROLLER, "ipaddresspools/status"),
        right: Box::new(|found| found["status"]["assignedIPv4"] == 1),
    };
    let foreign = [
        (&service, Some("status"), json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}})),
        (&service, Some("status"), json!({"status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.org"}]}}})),
        (&service, Some("status"), json!({"status": {"loadBalancer": {"ingress": null}}})),
        (&told, Some("status"), json!({"status": {"owner": "nobody"}})),
        (&told, Some("status"), json!({"status": {"owner": null}})),
        (&reported, Some("status"), json!({"status": {"interfaces": [{"name": "other"}]}})),
        (&counted, Some("status"), json!({"status": {"assignedIPv4": 7, "availableIPv4": 0}})),
        (&announced, None, json!({"spec": {"l2": {"candidates": ["nobody"]}, "pool": "other"}})),
        (&announced, None, json!({"spec": {"services": []}})),
    ];
    delete(cluster, &reported);
    for (ours, subresource, change) in &foreign {
        ours.await_right(cluster);
        let before = ours.written(&bed);
        patch(cluster, &ours.object, *subresource, change).unwrap();
        // What comes back is ours: nobody else writes it.
        eventually(SOON, &format!("an answer to {change}"), || {
            ensure!(ours.written(&bed) > before, "not yet");
            Ok(())
        })
        .unwrap();
        ours.await_right(cluster);
        let times = ours.written(&bed) - before;
        assert!(times <= 2, "{times} writes against {change}");
    }
    delete(cluster, &announced);
    assert_eq!(bed.addresses(), addresses);
    told.await_right(cluster);
    bed.settled();
}

/// The name of the ServiceL2Status of a node.
fn l2_status(cluster: &Cluster, node: &str) -> String {
    let statuses = cluster.get(&["servicel2statuses", "--namespace", NAMESPACE]).unwrap();
    let found = statuses["items"].as_array().unwrap().iter().find(|status| status["status"]["node"] == node);
    found.unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
}

fn a_rival_who_never_rests_is_not_answered_as_often(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let addresses = bed.addresses();
    bed.owner(addresses[0], "");
    bed.settled();
    let service = Ours {
        object: object("service", "e2e"),
        writes: (CONTROLLER, "services/status"),
        right: Box::new(|found| found["status"]["loadBalancer"]["ingress"] == ingress(&addresses)),
    };
    let before = service.written(&bed);
    let theirs = json!({"status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.org"}]}}});
    for _ in 0..RIVALRY {
        patch(cluster, &service.object, Some("status"), &theirs).unwrap();
    }
    service.await_right(cluster);
    bed.settled();
    let ours = service.written(&bed) - before;
    assert!((1..RIVALRY / 2).contains(&ours), "{ours} writes against {RIVALRY}");
}

#[expect(clippy::disallowed_methods, reason = "another program writes once a second, and that is real time")]
fn a_rival_who_goes_on(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let addresses = bed.addresses();
    bed.owner(addresses[0], "");
    bed.settled();
    let service = object("service", "e2e");
    let words: Vec<&str> = [&["get"], service.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat();
    let found = || cluster.get(&words[1..]);
    let is_right = |found: &Value| found["status"]["loadBalancer"]["ingress"] == ingress(&addresses);
    let conflict = |found: &Value| {
        let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "arpeggio.io/StatusConflict")
    };
    // The API server notes who sets a field, and nobody for one that is taken away.
    let theirs = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.254"}]}}}).to_string();
    let arguments: Vec<&str> = [
        &["patch"],
        &words[1..],
        &["--type=merge", "--subresource=status", "--field-manager=rival", "--patch", &theirs],
    ]
    .concat();
    let begin = Instant::now();
    let mut wrong: Option<Instant> = None;
    while begin.elapsed() < LONG {
        let round = Instant::now();
        cluster.kubectl(&arguments).unwrap();
        let from = *wrong.get_or_insert(round);
        while round.elapsed() < Duration::from_secs(1) {
            if is_right(&found().unwrap()) {
                wrong = None;
                break;
            }
            assert!(from.elapsed() < RIGHT + READING, "the address is gone for {:?}", from.elapsed());
        }
        sleep(Duration::from_secs(1).saturating_sub(round.elapsed()));
    }
    let told = eventually(RIGHT + READING, "the condition that tells of the rival", || {
        let found = found()?;
        ensure!(is_right(&found), "{found:#}");
        conflict(&found).ok_or_else(|| anyhow::anyhow!("{found:#}"))
    })
    .unwrap();
    let message = told["message"].as_str().unwrap_or_default();
    assert!(told["status"] == "True" && message.contains("rival"), "{told:#}");
}
