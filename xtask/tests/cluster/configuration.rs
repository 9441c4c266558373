//! What becomes of configuration that is refused, as its author sees it with kubectl: a condition, an event, and after the cure
//! neither; and who keeps the addresses that two pools claim.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, Controller, Installed, NAMESPACE, audit},
    eventually,
};

use super::{
    bed::{CONTROLLER, address, configured},
    harness::Scenario,
};

/// Limit for what takes a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "a_pool_at_fault_says_so_in_a_condition_and_an_event_until_it_is_repaired",
        a_pool_at_fault_says_so_in_a_condition_and_an_event_until_it_is_repaired,
    ),
    (
        "an_edit_costs_one_write_and_the_time_of_a_condition_is_that_of_its_change",
        an_edit_costs_one_write_and_the_time_of_a_condition_is_that_of_its_change,
    ),
    ("of_two_pools_the_one_in_force_stays_so_over_a_restart", of_two_pools_the_one_in_force_stays_so_over_a_restart),
    ("an_advertisement_at_fault_says_so_and_silences_nobody", an_advertisement_at_fault_says_so_and_silences_nobody),
    ("a_pool_that_cannot_be_read_says_so_too", a_pool_that_cannot_be_read_says_so_too),
    ("both_replicas_tell_whether_the_configuration_is_sound", both_replicas_tell_whether_the_configuration_is_sound),
];

/// Pools and advertisements of its own, which go when it is dropped.
struct Bed<'a> {
    cluster: &'a Cluster,
    installed: Installed,
}

impl<'a> Bed<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, installed: cluster.install().unwrap() }
    }

    fn controller(&self, replica: u8) -> Controller {
        let controller = self.installed.start_controller(self.cluster, replica, &[]).unwrap();
        controller.wait_ready().unwrap();
        controller
    }

    fn pool(&self, name: &str, addresses: &[&str]) {
        self.apply("IPAddressPool", name, &json!({ "addresses": addresses })).unwrap();
    }

    fn apply(&self, kind: &str, name: &str, spec: &Value) -> Result<()> {
        self.cluster.apply(&configured(kind, name, NAMESPACE, spec))
    }

    /// The condition `Accepted` of an object, if it is about what the object says now.
    fn accepted(&self, kind: &str, name: &str) -> Result<Value> {
        let object = self.cluster.get(&[kind, name, "--namespace", NAMESPACE])?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.into_iter().find(|condition| condition["type"] == "Accepted").unwrap_or_default();
        let present = &object["metadata"]["generation"];
        ensure!(condition["observedGeneration"] == *present, "generation {present}: {condition}");
        Ok(condition)
    }

    /// Waits until the condition says this; returns it.
    fn says(&self, kind: &str, name: &str, status: &str) -> Value {
        eventually(SOON, &format!("{kind} {name} to be accepted: {status}"), || {
            let condition = self.accepted(kind, name)?;
            ensure!(condition["status"] == status, "{condition}");
            Ok(condition)
        })
        .unwrap()
    }

    /// Types and reasons of the events about an object, the oldest first.
    fn events(&self, name: &str) -> Result<Vec<String>> {
        let about = format!("involvedObject.name={name}");
        let path = "-o=jsonpath={range .items[*]}{.type}/{.reason}{\"\\n\"}{end}";
        let text = self.cluster.kubectl(&[
            "get",
            "events",
            "--namespace",
            NAMESPACE,
            "--field-selector",
            &about,
            "--sort-by=.eventTime",
            path,
        ])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn tells(&self, name: &str, wanted: &[&str]) {
        eventually(SOON, &format!("events about {name}"), || {
            let events = self.events(name)?;
            ensure!(events == wanted, "{events:?}");
            Ok(())
        })
        .unwrap();
    }

    /// A Service that asks for an address of a pool.
    fn ask(&self, name: &str, pool: &str) {
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "labels": {"scenario": "configuration"}, "annotations": {"metallb.io/address-pool": pool}},
            "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}});
        self.cluster.apply(&service.to_string()).unwrap();
    }

    fn address(&self, service: &str) -> String {
        eventually(SOON, &format!("an address for {service}"), || address(self.cluster, service)).unwrap().to_string()
    }

    /// Writes of the controller to the status of an object so far.
    fn writes(&self, name: &str) -> usize {
        let ours = |request: &&audit::Request| {
            request.user == CONTROLLER && request.name == name && request.verb == "patch" && request.code < 400
        };
        self.cluster.requests().unwrap().iter().filter(ours).count()
    }

    /// The value of a metric of a replica.
    fn metric(&self, controller: &Controller, name: &str) -> Result<String> {
        let page = controller.metrics()?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.unwrap_or("missing").to_owned())
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // A scenario that failed is told by its own panic.
        let _deleted = self.cluster.kubectl(&["delete", "services", "--selector", "scenario=configuration"]);
        let _deleted =
            self.cluster.kubectl(&["delete", "ipaddresspools,l2advertisements", "--all", "--namespace", NAMESPACE]);
        let _deleted = self.cluster.kubectl(&["delete", "announcements", "--all"]);
        let _deleted = self.cluster.kubectl(&["delete", "events", "--all", "--namespace", NAMESPACE]);
        let _deleted = self.cluster.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]);
    }
}

fn a_pool_at_fault_says_so_in_a_condition_and_an_event_until_it_is_repaired(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let _controller = bed.controller(1);
    bed.pool("good", &["198.18.20.1-198.18.20.9"]);
    bed.pool("bad", &["198.18.21.9-198.18.21.1"]);
    assert_eq!(bed.says("ipaddresspool", "good", "True")["reason"], "Valid");
    let condition = bed.says("ipaddresspool", "bad", "False");
    assert_eq!(condition["reason"], "Invalid");
    let message = condition["message"].as_str().unwrap();
    assert!(message.contains("spec.addresses[0] \"198.18.21.9-198.18.21.1\""), "{message}");
    assert!(message.contains("It is not in force"), "{message}");
    bed.tells("bad", &["Warning/ConfigurationRefused"]);
    let described = cluster.kubectl(&["describe", "ipaddresspool", "bad", "--namespace", NAMESPACE]).unwrap();
    assert!(described.contains("ConfigurationRefused") && described.contains("Observed Generation"), "{described}");
    let table = cluster.kubectl(&["get", "ipaddresspools", "--namespace", NAMESPACE, "-o", "wide"]).unwrap();
    let column = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        row.split_whitespace().last().unwrap_or_default().to_owned()
    };
    assert_eq!([column("NAME"), column("good"), column("bad")], ["ACCEPTED", "True", "False"], "{table}");

    bed.pool("bad", &["198.18.21.1-198.18.21.9"]);
    let cured = bed.says("ipaddresspool", "bad", "True");
    assert_eq!(cured["reason"], "Valid");
    bed.tells("bad", &["Warning/ConfigurationRefused", "Normal/ConfigurationAccepted"]);
    bed.ask("web", "bad");
    assert_eq!(bed.address("web"), "198.18.21.1");
    // An edit that breaks it takes nothing away, and says so.
    bed.pool("bad", &["198.18.21.1-198.18.21.9", "198.18.22.0/33"]);
    let message = bed.says("ipaddresspool", "bad", "False")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.ends_with("until then it stays in force as it was"), "{message}");
    bed.ask("next", "bad");
    assert_eq!(bed.address("next"), "198.18.21.2");
    assert_eq!(
        bed.events("good").unwrap(),
        Vec::<String>::new(),
        "what was right from the beginning is not worth a word"
    );
}

fn an_edit_costs_one_write_and_the_time_of_a_condition_is_that_of_its_change(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    bed.pool("edited-home", &["198.18.20.1-198.18.20.9"]);
    bed.pool("edited-other", &["198.18.21.1-198.18.21.9"]);
    let controller = bed.controller(1);
    let since = bed.says("ipaddresspool", "edited-home", "True")["lastTransitionTime"].clone();
    bed.says("ipaddresspool", "edited-other", "True");
    assert_eq!((bed.writes("edited-home"), bed.writes("edited-other")), (1, 1), "counters and condition in one");
    bed.pool("edited-home", &["198.18.20.1-198.18.20.19"]);
    let edited = bed.says("ipaddresspool", "edited-home", "True");
    assert_eq!(edited["lastTransitionTime"], since, "it is accepted as before");
    controller.terminate().unwrap();
    controller.restart().unwrap();
    controller.wait_ready().unwrap();
    // Something that the new one writes: it has looked at everything.
    bed.pool("edited-third", &["198.18.22.1-198.18.22.9"]);
    bed.says("ipaddresspool", "edited-third", "True");
    assert_eq!(
        (bed.writes("edited-home"), bed.writes("edited-other"), bed.writes("edited-third")),
        (2, 1, 1),
        "a restart writes nothing"
    );
}

fn of_two_pools_the_one_in_force_stays_so_over_a_restart(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let controller = bed.controller(1);
    bed.pool("first", &["198.18.20.0/25"]);
    bed.says("ipaddresspool", "first", "True");
    bed.pool("second", &["198.18.20.128/25"]);
    bed.says("ipaddresspool", "second", "True");
    bed.ask("web", "second");
    assert_eq!(bed.address("web"), "198.18.20.128");
    // The older one wants the addresses of the younger, and a third one that is new.
    bed.pool("first", &["198.18.20.0/24"]);
    bed.pool("third", &["198.18.20.0/26"]);
    let refused = bed.says("ipaddresspool", "first", "False");
    assert!(refused["message"].as_str().unwrap().contains("of IPAddressPool metallb-system/second"), "{refused}");
    bed.says("ipaddresspool", "third", "False");
    controller.kill().unwrap();
    controller.restart().unwrap();
    controller.wait_ready().unwrap();
    // What was in force of the first is known to nobody any more. That the condition says so proves that all were looked at.
    let refused = eventually(SOON, "the new controller to say what is in force", || {
        let condition = bed.accepted("ipaddresspool", "first")?;
        ensure!(condition["message"].as_str().unwrap_or_default().contains("It is not in force"), "{condition}");
        Ok(condition)
    })
    .unwrap();
    assert_eq!(refused["status"], "False");
    assert_eq!(bed.says("ipaddresspool", "second", "True")["reason"], "Valid");
    assert_eq!(bed.address("web"), "198.18.20.128");
    bed.ask("next", "second");
    assert_eq!(bed.address("next"), "198.18.20.129", "it gives addresses");
    // The one in the way goes: the older one has what it wants.
    cluster.kubectl(&["delete", "services", "web", "next"]).unwrap();
    cluster.kubectl(&["delete", "ipaddresspool", "second", "--namespace", NAMESPACE]).unwrap();
    bed.says("ipaddresspool", "first", "True");
    bed.says("ipaddresspool", "third", "False");
}

fn an_advertisement_at_fault_says_so_and_silences_nobody(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let _controller = bed.controller(1);
    bed.pool("home", &["198.18.20.1-198.18.20.9"]);
    bed.apply("L2Advertisement", "lan", &json!({})).unwrap();
    assert_eq!(bed.says("l2advertisement", "lan", "True")["reason"], "Valid");
    let selector =
        |operator: &str| json!([{"matchExpressions": [{"key": "zone", "operator": operator, "values": ["a"]}]}]);
    bed.apply("L2Advertisement", "lan", &json!({ "nodeSelectors": selector("Near") })).unwrap();
    let condition = bed.says("l2advertisement", "lan", "False");
    let message = condition["message"].as_str().unwrap();
    assert!(message.starts_with("spec.nodeSelectors[0]") && message.contains("Near"), "{message}");
    assert!(message.ends_with("until then it stays in force as it was"), "{message}");
    bed.tells("lan", &["Warning/ConfigurationRefused"]);
    let table = cluster.kubectl(&["get", "l2advertisements", "--namespace", NAMESPACE, "-o", "wide"]).unwrap();
    assert!(table.lines().any(|line| line.starts_with("lan") && line.ends_with("False")), "{table}");
    bed.apply("L2Advertisement", "lan", &json!({ "nodeSelectors": selector("In") })).unwrap();
    bed.says("l2advertisement", "lan", "True");
    bed.tells("lan", &["Warning/ConfigurationRefused", "Normal/ConfigurationAccepted"]);
}

fn a_pool_that_cannot_be_read_says_so_too(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    // As if the definitions were laxer than ours.
    let schema = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]);
    let crd = "ipaddresspools.metallb.io";
    cluster.kubectl(&["patch", "crd", crd, "--type=json", "-p", &schema.to_string()]).unwrap();
    let broken = json!({ "addresses": {"not": "a list"} });
    eventually(SOON, "the laxer definition", || bed.apply("IPAddressPool", "broken", &broken)).unwrap();
    let _controller = bed.controller(1);
    let condition = bed.says("ipaddresspool", "broken", "False");
    let message = condition["message"].as_str().unwrap();
    assert!(message.contains("spec.addresses") && message.contains("cannot be read"), "{message}");
    bed.tells("broken", &["Warning/ConfigurationRefused"]);
    bed.pool("broken", &["198.18.20.1"]);
    bed.says("ipaddresspool", "broken", "False");
    bed.pool("broken", &["198.18.20.1/32"]);
    bed.says("ipaddresspool", "broken", "True");
    drop(bed);
    // The definitions as they were, for those who come after.
    cluster.install().unwrap();
}

fn both_replicas_tell_whether_the_configuration_is_sound(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let replicas = [bed.controller(1), bed.controller(2)];
    let follow = |loaded: &str, stale: &str| {
        for replica in &replicas {
            eventually(SOON, "the metrics to follow", || {
                for (name, wanted) in [("loaded", loaded), ("stale", stale)] {
                    let value = bed.metric(replica, &format!("metallb_k8s_client_config_{name}_bool"))?;
                    ensure!(value == wanted, "{name}: {value}");
                }
                Ok(())
            })
            .unwrap();
        }
    };
    follow("1", "0");
    bed.pool("bad", &["198.18.21.9-198.18.21.1"]);
    follow("1", "1");
    bed.pool("bad", &["198.18.21.1-198.18.21.9"]);
    follow("1", "0");
}
