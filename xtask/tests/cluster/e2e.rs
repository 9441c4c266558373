//! The whole way: a Service gets an address, a node answers for it in the kernel, kube-proxy forwards, a backend replies; and
//! what may happen to nodes, agents and controllers while requests go on.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use xtask::lab::{
    Asker, Node, clients,
    cluster::{Cluster, Controller, Endpoint, NAMESPACE, Requests, Speaker},
    eventually,
};

use super::harness::Scenario;

/// Limit for what takes seconds, with room for a busy machine.
const SOON: Duration = Duration::from_secs(90);
/// HTTP requests a second, each on a connection of its own.
const RATE: u32 = 20;
/// ARP requests a second.
const ASKED: u32 = 200;
const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("requests_arrive_over_both_families", requests_arrive_over_both_families),
    ("restarts_and_a_dead_leader_lose_no_request", restarts_and_a_dead_leader_lose_no_request),
    ("an_evacuation_loses_no_answer", an_evacuation_loses_no_answer),
    ("another_node_serves_when_the_owner_dies", another_node_serves_when_the_owner_dies),
    ("local_traffic_moves_with_its_endpoints", local_traffic_moves_with_its_endpoints),
];

/// Two controllers, three speakers, and a Service of both families that every node serves.
struct Bed<'a> {
    cluster: &'a Cluster,
    controllers: Vec<Controller>,
    speakers: Vec<Speaker>,
}

impl<'a> Bed<'a> {
    fn new(cluster: &'a Cluster, traffic: &str) -> Self {
        let installed = cluster.install().unwrap();
        let speakers: Vec<Speaker> =
            NODES.iter().map(|node| installed.start_speaker(cluster, node, &[]).unwrap()).collect();
        let controllers: Vec<Controller> =
            [1, 2].map(|replica| installed.start_controller(cluster, replica, &[]).unwrap()).into();
        speakers.iter().for_each(|speaker| speaker.wait_ready().unwrap());
        controllers.iter().for_each(|controller| controller.wait_ready().unwrap());
        cluster.apply(&configuration()).unwrap();
        cluster.apply(&service(traffic)).unwrap();
        cluster.endpoints("default", "e2e", &NODES.map(Endpoint::ready)).unwrap();
        Self { cluster, controllers, speakers }
    }

    /// Both addresses, IPv4 first.
    fn addresses(&self) -> [IpAddr; 2] {
        eventually(SOON, "both addresses", || {
            let object = self.cluster.get(&["service", "e2e"])?;
            let ingress = object["status"]["loadBalancer"]["ingress"].as_array().context("no address")?.clone();
            let addresses: Vec<IpAddr> = ingress.iter().filter_map(|one| one["ip"].as_str()?.parse().ok()).collect();
            addresses.try_into().map_err(|some| anyhow::anyhow!("only {some:?}"))
        })
        .unwrap()
    }

    fn node(&self, name: &str) -> &'a Node {
        self.cluster.node(name).unwrap()
    }

    /// The node that answers alone, as client, Announcement and ServiceL2Status agree.
    fn owner(&self, address: IpAddr, not: &str) -> &'static str {
        let client = &self.cluster.segment().client;
        eventually(SOON, "one owner, everywhere the same", || {
            let object = self.cluster.get(&["announcement", &name(address)])?;
            let owner = object["status"]["owner"].as_str().context("nobody owns it")?;
            let owner = NODES.into_iter().find(|node| *node == owner).context("an owner that is no node")?;
            ensure!(owner != not, "{not} owns it still");
            clients::expect_only(client, address, &self.node(owner).mac)?;
            let statuses = self.cluster.get(&["servicel2statuses", "--namespace", NAMESPACE])?;
            let statuses = statuses["items"].as_array().context("no list")?;
            let named = |status: &&serde_json::Value| status["status"]["node"] == owner;
            ensure!(statuses.iter().any(|status| named(&status)), "no ServiceL2Status names {owner}: {statuses:?}");
            Ok(owner)
        })
        .unwrap()
    }

    fn speaker(&self, node: &str) -> &Speaker {
        &self.speakers[NODES.iter().position(|name| *name == node).unwrap()]
    }

    /// The controller that leads.
    fn leader(&self) -> Result<&Controller> {
        let lease = self.cluster.get(&["lease", "arpeggio-controller", "--namespace", NAMESPACE])?;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        let leads = |controller: &&Controller| controller.log().contains(&holder);
        self.controllers.iter().find(leads).with_context(|| format!("{holder} is none of the controllers"))
    }

    fn requests(&self, address: IpAddr) -> Requests {
        Requests::start(&self.cluster.segment().client.namespace, address, 80, RATE).unwrap()
    }

    fn asker(&self, addresses: &[IpAddr]) -> Asker {
        Asker::start(&self.cluster.segment().lab, &self.cluster.segment().client, addresses, ASKED).unwrap()
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // A scenario that failed is told by its own panic. The controllers are still there and take away what is theirs.
        let _deleted = self.cluster.delete(&service("Cluster"));
        let _gone = eventually(SOON, "no Announcement", || {
            let left = self.cluster.get(&["announcements"])?;
            ensure!(left["items"].as_array().is_some_and(Vec::is_empty), "{left}");
            Ok(())
        });
        let _deleted = self.cluster.delete(&configuration());
        let _deleted = self.cluster.kubectl(&["delete", "endpointslices", "--all"]);
        let _deleted = self.cluster.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]);
    }
}

fn configuration() -> String {
    let metadata = json!({"name": "e2e", "namespace": NAMESPACE});
    let items = json!([
        {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata,
            "spec": {"addresses": ["192.0.2.160-192.0.2.169", "2001:db8::160-2001:db8::169"]}},
        {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": metadata},
    ]);
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn service(traffic: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "e2e", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ipFamilyPolicy": "RequireDualStack",
            "externalTrafficPolicy": traffic, "ports": [{"port": 80}]}})
    .to_string()
}

/// The name of an Announcement.
fn name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:04x}")).join("-"),
    }
}

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
        let pin = bed.speaker(owner).pins().join("v1").join(map);
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
    let owner = bed.owner(address, "");
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
    let client: IpAddr = cluster.segment().client.ipv4.into();
    assert_eq!(account.clients.iter().collect::<Vec<_>>(), [&client], "backends see the client itself");
}
