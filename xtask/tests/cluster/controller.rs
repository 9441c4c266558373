//! The controller against a real API server: addresses are given and kept, and what may happen to it and to the API server
//! changes nothing for those who have one.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, Controller, Installed, NAMESPACE, audit},
    eventually,
};

use super::harness::Scenario;

/// Limit for what takes a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Who the controller is to the API server.
const USER: &str = "system:serviceaccount:metallb-system:controller";

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a_service_gets_an_address_and_keeps_it_over_a_restart", a_service_gets_an_address_and_keeps_it_over_a_restart),
    ("a_leader_that_is_stopped_hands_over", a_leader_that_is_stopped_hands_over),
    ("a_leader_killed_while_it_writes_gives_no_address_twice", a_leader_killed_while_it_writes_gives_no_address_twice),
    (
        "a_leader_that_is_cut_off_writes_nothing_when_it_is_back",
        a_leader_that_is_cut_off_writes_nothing_when_it_is_back,
    ),
    ("what_others_write_into_a_status_is_put_right", what_others_write_into_a_status_is_put_right),
    ("an_api_server_that_restarts_is_not_written_to", an_api_server_that_restarts_is_not_written_to),
    ("an_object_that_cannot_be_read_hides_no_other", an_object_that_cannot_be_read_hides_no_other),
];

/// A namespace with pools of its own and Services in it; everything goes when it is dropped.
struct Bed<'a> {
    cluster: &'a Cluster,
    installed: Installed,
    name: &'static str,
}

impl<'a> Bed<'a> {
    fn new(cluster: &'a Cluster, name: &'static str, addresses: &str) -> Self {
        let installed = cluster.install().unwrap();
        cluster.kubectl(&["create", "namespace", name]).unwrap();
        cluster.apply(&pool(name, addresses)).unwrap();
        Self { cluster, installed, name }
    }

    fn controller(&self, replica: u8, arguments: &[&str]) -> Controller {
        let controller = self.installed.start_controller(self.cluster, replica, arguments).unwrap();
        controller.wait_ready().unwrap();
        controller
    }

    fn create(&self, services: &[&str]) {
        let items: Vec<Value> = services
            .iter()
            .map(|service| {
                json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": self.name},
                    "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}})
            })
            .collect();
        self.cluster.create(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap();
    }

    fn address(&self, service: &str) -> Result<IpAddr> {
        let object = self.cluster.get(&["service", service, "--namespace", self.name])?;
        let ingress = &object["status"]["loadBalancer"]["ingress"];
        let address = ingress[0]["ip"].as_str().with_context(|| format!("{service} has no address: {ingress}"))?;
        ensure!(ingress[0]["ipMode"] == "VIP", "{ingress}");
        Ok(address.parse()?)
    }

    fn eventually_address(&self, service: &str) -> IpAddr {
        eventually(SOON, &format!("an address for {service}"), || self.address(service)).unwrap()
    }

    /// Every address of the namespace, ordered.
    fn addresses(&self) -> Result<Vec<String>> {
        let list = self.cluster.get(&["services", "--namespace", self.name])?;
        let items = list["items"].as_array().context("no list")?;
        let address = |item: &Value| item["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned);
        let mut all: Vec<String> = items.iter().filter_map(address).collect();
        all.sort();
        Ok(all)
    }

    fn holder(&self) -> Result<String> {
        let lease = self.cluster.get(&["lease", "arpeggio-controller", "--namespace", NAMESPACE])?;
        Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    /// Another than this one leads.
    fn eventually_other_holder(&self, before: &str) -> String {
        eventually(SOON, "another leader", || {
            let holder = self.holder()?;
            ensure!(!holder.is_empty() && holder != before, "{holder} leads");
            Ok(holder)
        })
        .unwrap()
    }

    /// Requests of the controller so far that changed anything in the namespace of the Services.
    fn writes(&self) -> Vec<audit::Request> {
        let changes = |request: &audit::Request| {
            request.user == USER
                && request.namespace == self.name
                && !matches!(request.verb.as_str(), "get" | "list" | "watch")
        };
        self.cluster.requests().unwrap().into_iter().filter(changes).collect()
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // A scenario that failed is told by its own panic.
        let _deleted = self.cluster.kubectl(&["delete", "namespace", self.name, "--wait=false"]);
        // All at once: kubectl would delete, and wait for, one after the other.
        let services = format!("/api/v1/namespaces/{}/services", self.name);
        let _deleted = self.cluster.kubectl(&["delete", "--raw", &services]);
        let _deleted = self.cluster.kubectl(&["delete", "--raw", "/apis/arpeggio.io/v1alpha1/announcements"]);
        let _deleted =
            self.cluster.kubectl(&["delete", "ipaddresspools,l2advertisements", "--all", "--namespace", NAMESPACE]);
        let _deleted = self.cluster.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]);
    }
}

fn pool(name: &str, addresses: &str) -> String {
    json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"addresses": [addresses]}})
    .to_string()
}

fn a_service_gets_an_address_and_keeps_it_over_a_restart(cluster: &Cluster) {
    let bed = Bed::new(cluster, "restart", "198.18.1.1-198.18.1.9");
    let controller = bed.controller(1, &[]);
    bed.create(&["first", "second"]);
    let before = (bed.eventually_address("first"), bed.eventually_address("second"));
    assert_eq!(before.0, "198.18.1.1".parse::<IpAddr>().unwrap(), "the lowest");
    cluster.kubectl(&["delete", "service", "first", "--namespace", bed.name]).unwrap();
    controller.terminate().unwrap();
    controller.restart().unwrap();
    controller.wait_ready().unwrap();
    bed.create(&["third"]);
    assert_eq!(bed.eventually_address("third"), before.0, "what is free again is given again");
    assert_eq!(bed.address("second").unwrap(), before.1);
}

fn a_leader_that_is_stopped_hands_over(cluster: &Cluster) {
    let bed = Bed::new(cluster, "handover", "198.18.2.1-198.18.2.9");
    let first = bed.controller(1, &[]);
    let before = bed.eventually_other_holder("");
    let _second = bed.controller(2, &[]);
    assert_eq!(bed.holder().unwrap(), before, "one that comes later waits");
    first.terminate().unwrap();
    bed.eventually_other_holder(&before);
    bed.create(&["web"]);
    bed.eventually_address("web");
}

fn a_leader_killed_while_it_writes_gives_no_address_twice(cluster: &Cluster) {
    let bed = Bed::new(cluster, "killed", "198.18.4.0/24");
    let names: Vec<String> = (0..150).map(|number| format!("web-{number:03}")).collect();
    bed.create(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let times =
        ["--leader-elect-lease-duration=6s", "--leader-elect-renew-deadline=4s", "--leader-elect-retry-period=1s"];
    // One connection at a time: it is killed in the midst of it.
    let first = bed.controller(1, &[times.as_slice(), &["--write-connections=1"]].concat());
    eventually(SOON, "some addresses", || {
        ensure!(bed.addresses()?.len() > 5, "not yet");
        Ok(())
    })
    .unwrap();
    first.kill().unwrap();
    let before = bed.addresses().unwrap();
    let second = bed.controller(2, &times);
    let after = eventually(SOON, "addresses for all", || {
        let all = bed.addresses()?;
        ensure!(all.len() == names.len(), "{} of {}", all.len(), names.len());
        Ok(all)
    })
    .unwrap();
    let mut once = after.clone();
    once.dedup();
    assert_eq!(once.len(), after.len(), "an address was given twice: {after:?}");
    assert!(before.iter().all(|address| after.contains(address)), "an address was taken away: {before:?} {after:?}");
    second.check().unwrap();
}

fn a_leader_that_is_cut_off_writes_nothing_when_it_is_back(cluster: &Cluster) {
    let bed = Bed::new(cluster, "cut-off", "198.18.5.1-198.18.5.99");
    let times =
        ["--leader-elect-lease-duration=6s", "--leader-elect-renew-deadline=4s", "--leader-elect-retry-period=1s"];
    let first = bed.controller(1, &times);
    let before = bed.eventually_other_holder("");
    bed.create(&["one"]);
    bed.eventually_address("one");
    let second = bed.controller(2, &times);
    first.cut_off(cluster, true).unwrap();
    bed.eventually_other_holder(&before);
    bed.create(&["two"]);
    let (one, two) = (bed.eventually_address("one"), bed.eventually_address("two"));
    first.cut_off(cluster, false).unwrap();
    bed.create(&["three"]);
    let three = bed.eventually_address("three");
    assert_eq!((bed.address("one").unwrap(), bed.address("two").unwrap()), (one, two));
    assert!(three != one && three != two);
    assert!(bed.writes().iter().all(|write| write.code < 400), "{:?}", bed.writes());
    first.check().unwrap();
    second.check().unwrap();
}

fn what_others_write_into_a_status_is_put_right(cluster: &Cluster) {
    let bed = Bed::new(cluster, "others", "198.18.6.1-198.18.6.9");
    let _controller = bed.controller(1, &[]);
    bed.create(&["web"]);
    let address = bed.eventually_address("web");
    for foreign in
        [json!([{"ip": address, "ipMode": "Proxy"}]), json!([{"ip": address}, {"hostname": "lb.example.org"}])]
    {
        let patch = json!({"status": {"loadBalancer": {"ingress": foreign}}}).to_string();
        let arguments =
            ["patch", "service", "web", "--namespace", bed.name, "--subresource=status", "--type=merge", "-p"];
        cluster.kubectl(&[arguments.as_slice(), &[&patch]].concat()).unwrap();
        eventually(SOON, "the status to be put right", || {
            let object = cluster.get(&["service", "web", "--namespace", bed.name])?;
            let ingress = &object["status"]["loadBalancer"]["ingress"];
            ensure!(*ingress == json!([{"ip": address, "ipMode": "VIP"}]), "{ingress}");
            Ok(())
        })
        .unwrap();
    }
}

fn an_api_server_that_restarts_is_not_written_to(cluster: &Cluster) {
    let bed = Bed::new(cluster, "api-restart", "198.18.7.1-198.18.7.99");
    let controller = bed.controller(1, &[]);
    bed.create(&["one", "two", "three"]);
    let before: Vec<IpAddr> = ["one", "two", "three"].map(|name| bed.eventually_address(name)).into();
    cluster.api_server().kill().unwrap();
    cluster.api_server().restart().unwrap();
    cluster.wait_ready().unwrap();
    let known = bed.writes().len();
    // Something new is done, so it is back at work; nothing of the old was.
    bed.create(&["four"]);
    bed.eventually_address("four");
    for (name, address) in ["one", "two", "three"].into_iter().zip(before) {
        assert_eq!(bed.address(name).unwrap(), address);
    }
    let old = |write: &&audit::Request| ["one", "two", "three"].contains(&write.name.as_str());
    let writes = bed.writes();
    assert_eq!(writes[known..].iter().filter(old).count(), 0, "{:?}", &writes[known..]);
    controller.check().unwrap();
}

fn an_object_that_cannot_be_read_hides_no_other(cluster: &Cluster) {
    let bed = Bed::new(cluster, "unreadable", "198.18.8.1-198.18.8.9");
    // As if the definitions were older or laxer than ours.
    let crd = "ipaddresspools.metallb.io";
    let schema = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]);
    cluster.kubectl(&["patch", "crd", crd, "--type=json", "-p", &schema.to_string()]).unwrap();
    let broken = json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": "broken", "namespace": NAMESPACE}, "spec": {"addresses": {"not": "a list"}}});
    eventually(SOON, "the laxer definition", || cluster.apply(&broken.to_string())).unwrap();
    let controller = bed.controller(1, &[]);
    bed.create(&["web"]);
    bed.eventually_address("web");
    let told = |log: &str| log.contains("broken") && log.contains("spec.addresses");
    eventually(SOON, "a word about the broken pool", || {
        ensure!(told(&controller.log()), "{}", controller.log());
        Ok(())
    })
    .unwrap();
    drop(bed);
    // The definitions as they were, for those who come after.
    cluster.install().unwrap();
}
