//! What is said about the configuration as a whole: ConfigurationState of the controller and of each node, conditions and events of
//! the kinds of BGP, and what MetalLB left behind. No webhook is in the way: every object gets in.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, Controller, Installed, NAMESPACE, Speaker, audit},
    eventually,
};

use super::{
    bed::{CONTROLLER, configured},
    harness::Scenario,
};

/// Limit for what takes a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(90);
/// The kinds of the configuration.
const KINDS: &str = "ipaddresspools,l2advertisements,bgpadvertisements,bgppeers,communities,bfdprofiles";
/// What is reported.
const REPORTS: &str = "configurationstates,servicebgpstatuses,servicel2statuses";

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "metallb_43_bad_configuration_is_told_by_each_object_and_each_node_until_it_is_repaired",
        metallb_43_bad_configuration_is_told_by_each_object_and_each_node_until_it_is_repaired,
    ),
    ("what_cannot_be_read_of_any_kind_hides_no_other", what_cannot_be_read_of_any_kind_hides_no_other),
    (
        "metallb_56_what_a_metallb_that_is_gone_reported_goes_and_what_is_reported_is_put_right",
        metallb_56_what_a_metallb_that_is_gone_reported_goes_and_what_is_reported_is_put_right,
    ),
];

/// Objects of its own, which go when it is dropped.
struct Bed<'a> {
    cluster: &'a Cluster,
    installed: Installed,
}

impl<'a> Bed<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let bed = Self { cluster, installed: cluster.install().unwrap() };
        bed.apply("IPAddressPool", "home", &json!({"addresses": ["198.18.20.0/24"]})).unwrap();
        bed
    }

    fn controller(&self) -> Controller {
        let controller = self.installed.start_controller(self.cluster, 1, &[]).unwrap();
        controller.wait_ready().unwrap();
        controller
    }

    fn speakers(&self) -> [Speaker; 2] {
        let speakers = ["node-a", "node-b"].map(|node| self.installed.start_speaker(self.cluster, node, &[]).unwrap());
        speakers.iter().for_each(|speaker| speaker.wait_ready().unwrap());
        speakers
    }

    fn apply(&self, kind: &str, name: &str, spec: &Value) -> Result<()> {
        self.cluster.apply(&configured(kind, name, NAMESPACE, spec))
    }

    /// Reports as somebody else writes them.
    fn leave(&self, objects: &[Value]) {
        objects.iter().for_each(|object| self.cluster.apply(&object.to_string()).unwrap());
    }

    fn get(&self, kind: &str, name: &str) -> Result<Value> {
        self.cluster.get(&[kind, name, "--namespace", NAMESPACE])
    }

    /// Waits until the condition `Accepted` of an object has this reason; gives its message.
    fn says(&self, kind: &str, name: &str, reason: &str) -> String {
        eventually(SOON, &format!("{kind} {name} to be {reason}"), || {
            let object = self.get(kind, name)?;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let condition = conditions.into_iter().find(|it| it["type"] == "Accepted").context("no condition")?;
            let present = condition["observedGeneration"] == object["metadata"]["generation"];
            ensure!(present && condition["reason"] == reason, "{condition}");
            Ok(condition["message"].as_str().unwrap_or_default().to_owned())
        })
        .unwrap()
    }

    /// Waits until a ConfigurationState has this result, and all these words in its summary.
    fn state(&self, name: &str, result: &str, words: &[&str]) -> Value {
        eventually(SOON, &format!("ConfigurationState {name} to be {result} {words:?}"), || {
            let object = self.get("configurationstate", name)?;
            let status = &object["status"];
            let summary = status["errorSummary"].as_str().unwrap_or_default();
            ensure!(status["result"] == result && words.iter().all(|word| summary.contains(word)), "{status}");
            ensure!(summary.lines().count() == words.len(), "{summary}");
            Ok(object.clone())
        })
        .unwrap()
    }

    fn events(&self, name: &str) -> Result<usize> {
        let about = format!("involvedObject.name={name}");
        let list = ["get", "events", "--namespace", NAMESPACE, "--field-selector", &about, "-o=name"];
        Ok(self.cluster.kubectl(&list)?.lines().count())
    }

    fn told(&self, name: &str, times: usize) {
        eventually(SOON, &format!("{times} events about {name}"), || {
            let events = self.events(name)?;
            ensure!(events == times, "{events}");
            Ok(())
        })
        .unwrap();
    }

    fn ask(&self, name: &str) {
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "labels": {"scenario": "states"}},
            "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}});
        self.cluster.apply(&service.to_string()).unwrap();
        eventually(SOON, &format!("an address for {name}"), || {
            let object = self.cluster.get(&["service", name])?;
            ensure!(object["status"]["loadBalancer"]["ingress"][0]["ip"].is_string(), "{}", object["status"]);
            Ok(())
        })
        .unwrap();
    }

    /// Successful writes of the controller to a ConfigurationState so far.
    fn writes(&self, name: &str) -> usize {
        let ours = |request: &&audit::Request| {
            request.user == CONTROLLER
                && request.resource.starts_with("configurationstates")
                && (request.verb == "create" || (request.verb == "patch" && request.name == name))
                && request.code < 400
        };
        self.cluster.requests().unwrap().iter().filter(ours).count()
    }

    fn stale(&self, controller: &Controller, wanted: &str) {
        eventually(SOON, "the metrics to follow", || {
            let page = controller.metrics()?;
            for (name, value) in [("loaded", "1"), ("stale", wanted)] {
                let line = format!("metallb_k8s_client_config_{name}_bool {value}");
                ensure!(page.lines().any(|found| found == line), "{line}");
            }
            Ok(())
        })
        .unwrap();
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // A scenario that failed is told by its own panic.
        let delete = |what: &str| {
            let _deleted = self.cluster.kubectl(&["delete", what, "--all", "--namespace", NAMESPACE]);
        };
        let _deleted = self.cluster.kubectl(&["delete", "services", "--selector", "scenario=states"]);
        delete(KINDS);
        let _deleted = self.cluster.kubectl(&["delete", "announcements,speakers.arpeggio.io", "--all"]);
        delete(REPORTS);
        delete("events");
        delete("leases");
        let _labels = self.cluster.kubectl(&["label", "node", "node-a", "node-b", "states-rack-"]);
    }
}

fn metallb_43_bad_configuration_is_told_by_each_object_and_each_node_until_it_is_repaired(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    cluster.kubectl(&["label", "node", "node-b", "states-rack=two"]).unwrap();
    let _speakers = bed.speakers();
    let controller = bed.controller();
    let all = ["controller", "speaker-node-a", "speaker-node-b"];
    for name in all {
        let state = bed.state(name, "Valid", &[]);
        let wanted = if name == "controller" { "poolReconcilerValid" } else { "configReconcilerValid" };
        let condition = &state["status"]["conditions"][0];
        assert_eq!((&condition["type"], &condition["status"]), (&json!(wanted), &json!("True")), "{state}");
        assert_eq!(state["metadata"]["labels"]["metallb.io/component-type"], name.split('-').next().unwrap());
    }
    bed.stale(&controller, "0");
    let peer = |address: &str| {
        json!({"myASN": 64512, "peerASN": 64513, "peerAddress": address,
            "nodeSelectors": [{"matchLabels": {"states-rack": "two"}}]})
    };
    let wide = |length: u8| json!({"ipAddressPools": ["home"], "aggregationLength": length});
    let names = |alias: &str| json!({"communities": [{"name": alias, "value": "64512:1"}]});
    bed.apply("BGPPeer", "one", &peer("192.0.2.77")).unwrap();
    bed.says("bgppeer", "one", "Valid");
    bed.apply("BGPPeer", "two", &peer("192.0.2.77")).unwrap();
    let message = bed.says("bgppeer", "two", "Invalid");
    assert!(
        message.contains("already exists: it is that of BGPPeer") && message.contains("It is not in force"),
        "{message}"
    );
    bed.state("speaker-node-b", "Invalid", &["configuration error: peer 192.0.2.77 already exists"]);
    bed.state("controller", "Valid", &[]);
    bed.state("speaker-node-a", "Valid", &[]);
    bed.stale(&controller, "1");
    // More that is wrong, for all nodes; and what only waits.
    bed.apply("BGPAdvertisement", "wide", &wide(8)).unwrap();
    bed.apply("Community", "names", &names("here")).unwrap();
    bed.says("community", "names", "Valid");
    bed.apply("Community", "twice", &names("here")).unwrap();
    bed.says("bgpadvertisement", "wide", "Invalid");
    bed.says("community", "twice", "Invalid");
    bed.apply("BGPAdvertisement", "marked", &json!({"communities": ["there"]})).unwrap();
    bed.says("bgpadvertisement", "marked", "Pending");
    let (wide_too, twice) = ("BGPAdvertisement metallb-system/wide", "Community metallb-system/twice");
    let marked = ["invalid community format: there", "invalid community \"there\" in BGP advertisement"];
    bed.state("speaker-node-a", "Invalid", &[wide_too, twice, marked[0], marked[1]]);
    bed.state("controller", "Invalid", &[twice]);
    bed.ask("states-meanwhile");
    bed.says("bgppeer", "one", "Valid");
    // The controller restarts: what is wrong is said as before, and told to nobody again.
    controller.terminate().unwrap();
    controller.restart().unwrap();
    controller.wait_ready().unwrap();
    bed.ask("states-again");
    // Repaired.
    bed.apply("BGPPeer", "two", &peer("192.0.2.78")).unwrap();
    bed.apply("BGPAdvertisement", "wide", &wide(28)).unwrap();
    bed.apply("Community", "twice", &names("there")).unwrap();
    for (kind, name) in
        [("bgppeer", "two"), ("bgpadvertisement", "wide"), ("community", "twice"), ("bgpadvertisement", "marked")]
    {
        bed.says(kind, name, "Valid");
        bed.told(name, 2);
    }
    all.iter().for_each(|name| drop(bed.state(name, "Valid", &[])));
    bed.stale(&controller, "0");
    let before = all.map(|name| bed.writes(name));
    bed.ask("states-afterwards");
    assert_eq!(all.map(|name| bed.writes(name)), before, "a Service costs none");
    assert_eq!(
        (bed.events("one").unwrap(), bed.events("names").unwrap()),
        (0, 0),
        "what was right is not worth a word"
    );
}

fn what_cannot_be_read_of_any_kind_hides_no_other(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let controller = bed.controller();
    let broken = [
        ("bgppeers", "BGPPeer", json!({"myASN": "many"})),
        ("bgpadvertisements", "BGPAdvertisement", json!({"peers": 5})),
        ("communities", "Community", json!({"communities": "none"})),
        ("bfdprofiles", "BFDProfile", json!({"receiveInterval": "fast"})),
    ];
    for (plural, kind, spec) in &broken {
        // As if the definitions were laxer than ours.
        let crd = cluster.get(&["crd", &format!("{plural}.metallb.io")]).unwrap();
        let versions = crd["spec"]["versions"].as_array().unwrap().len();
        let lax: Vec<Value> = (0..versions)
            .map(|version| {
                json!({"op": "replace", "path": format!("/spec/versions/{version}/schema/openAPIV3Schema"),
                    "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}})
            })
            .collect();
        let patch = json!(lax).to_string();
        cluster.kubectl(&["patch", "crd", &format!("{plural}.metallb.io"), "--type=json", "-p", &patch]).unwrap();
        eventually(SOON, "the laxer definition", || bed.apply(kind, "unreadable", spec)).unwrap();
    }
    for (plural, ..) in &broken {
        let message = bed.says(plural, "unreadable", "Invalid");
        assert!(message.contains("cannot be read") && message.contains("It is not in force"), "{message}");
    }
    bed.state("controller", "Invalid", &["Community"]);
    bed.stale(&controller, "1");
    bed.says("ipaddresspool", "home", "Valid");
    bed.ask("states-readable");
    cluster
        .kubectl(&["delete", "bgppeers,bgpadvertisements,communities,bfdprofiles", "--all", "-n", NAMESPACE])
        .unwrap();
    bed.state("controller", "Valid", &[]);
    bed.stale(&controller, "0");
    drop(bed);
    // The definitions as they were, for those who come after.
    cluster.install().unwrap();
}

/// A report as MetalLB writes it.
fn left(kind: &str, name: &str, service: &str) -> Value {
    let labels = json!({"metallb.io/node": "node-a", "metallb.io/service-name": service,
        "metallb.io/service-namespace": "default"});
    json!({"apiVersion": "metallb.io/v1beta1", "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}})
}

fn metallb_56_what_a_metallb_that_is_gone_reported_goes_and_what_is_reported_is_put_right(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    bed.leave(&[left("ServiceL2Status", "l2-abcde", "gone"), left("ServiceBGPStatus", "bgp-abcde", "gone")]);
    bed.leave(&[left("ConfigurationState", "speaker-gone", "gone")]);
    let speakers = bed.speakers();
    let _controller = bed.controller();
    let gone = |kind: &str, name: &str| {
        eventually(SOON, &format!("{kind} {name} to go"), || {
            ensure!(bed.get(kind, name).is_err(), "it is there");
            Ok(())
        })
        .unwrap();
    };
    for (kind, name) in
        [("servicel2status", "l2-abcde"), ("servicebgpstatus", "bgp-abcde"), ("configurationstate", "speaker-gone")]
    {
        gone(kind, name);
    }
    // One that appears later goes too.
    bed.leave(&[left("ServiceBGPStatus", "bgp-later", "gone")]);
    gone("servicebgpstatus", "bgp-later");
    let first = bed.state("speaker-node-a", "Valid", &[])["metadata"]["uid"].clone();
    cluster.kubectl(&["delete", "configurationstate", "speaker-node-a", "--namespace", NAMESPACE]).unwrap();
    let again = bed.state("speaker-node-a", "Valid", &[])["metadata"]["uid"].clone();
    assert_ne!(first, again, "made again");
    cluster
        .kubectl(&["label", "configurationstate", "controller", "metallb.io/component-type-", "--namespace", NAMESPACE])
        .unwrap();
    eventually(SOON, "the label to come back", || {
        let object = bed.get("configurationstate", "controller")?;
        ensure!(object["metadata"]["labels"]["metallb.io/component-type"] == "controller", "{object}");
        Ok(())
    })
    .unwrap();
    // A speaker that says nothing any more.
    let [a, _b] = &speakers;
    a.kill().unwrap();
    bed.state("speaker-node-a", "Unknown", &["does not renew its lease"]);
    a.restart().unwrap();
    bed.state("speaker-node-a", "Valid", &[]);
}
