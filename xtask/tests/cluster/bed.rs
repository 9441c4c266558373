//! Everything at once: two controllers, three speakers and a Service that every node serves; and what scenarios ask of it.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    Asker, Node, clients,
    cluster::{Cluster, Controller, Endpoint, NAMESPACE, Requests, Speaker, audit},
    eventually,
};

/// Limit for what takes seconds, with room for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// HTTP requests a second, each on a connection of its own.
pub(crate) const RATE: u32 = 20;
/// ARP requests a second.
const ASKED: u32 = 200;
pub(crate) const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];
/// Flags of controllers whose leader is missed after 6 s instead of 15 s: less to wait for.
pub(crate) const TIMES: [&str; 3] =
    ["--leader-elect-lease-duration=6s", "--leader-elect-renew-deadline=4s", "--leader-elect-retry-period=1s"];
/// Who the controllers are to the API server, and the speakers.
pub(crate) const CONTROLLER: &str = "system:serviceaccount:metallb-system:controller";
pub(crate) const SPEAKER: &str = "system:serviceaccount:metallb-system:speaker";

/// Two controllers, three speakers, and a Service of both families that every node serves.
pub(crate) struct Bed<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) controllers: Vec<Controller>,
    pub(crate) speakers: Vec<Speaker>,
}

impl<'a> Bed<'a> {
    pub(crate) fn new(cluster: &'a Cluster, traffic: &str) -> Self {
        let installed = cluster.install().unwrap();
        let speakers: Vec<Speaker> =
            NODES.iter().map(|node| installed.start_speaker(cluster, node, &[]).unwrap()).collect();
        let controllers: Vec<Controller> =
            [1, 2].map(|replica| installed.start_controller(cluster, replica, &TIMES).unwrap()).into();
        speakers.iter().for_each(|speaker| speaker.wait_ready().unwrap());
        controllers.iter().for_each(|controller| controller.wait_ready().unwrap());
        cluster.apply(&configuration()).unwrap();
        cluster.apply(&service(traffic)).unwrap();
        cluster.endpoints("default", "e2e", &NODES.map(Endpoint::ready)).unwrap();
        Self { cluster, controllers, speakers }
    }

    /// Both addresses, IPv4 first.
    pub(crate) fn addresses(&self) -> [IpAddr; 2] {
        eventually(SOON, "both addresses", || {
            let object = self.cluster.get(&["service", "e2e"])?;
            let ingress = object["status"]["loadBalancer"]["ingress"].as_array().context("no address")?.clone();
            let addresses: Vec<IpAddr> = ingress.iter().filter_map(|one| one["ip"].as_str()?.parse().ok()).collect();
            addresses.try_into().map_err(|some| anyhow::anyhow!("only {some:?}"))
        })
        .unwrap()
    }

    pub(crate) fn node(&self, name: &str) -> &'a Node {
        self.cluster.node(name).unwrap()
    }

    /// The node that answers alone, as client, Announcement and ServiceL2Status agree.
    pub(crate) fn owner(&self, address: IpAddr, not: &str) -> &'static str {
        let client = &self.cluster.segment().client;
        eventually(SOON, "one owner, everywhere the same", || {
            let object = self.cluster.get(&["announcement", &name(address)])?;
            let owner = object["status"]["owner"].as_str().context("nobody owns it")?;
            let owner = NODES.into_iter().find(|node| *node == owner).context("an owner that is no node")?;
            ensure!(owner != not, "{not} owns it still");
            clients::expect_only(client, address, &self.node(owner).mac)?;
            let statuses = self.cluster.get(&["servicel2statuses", "--namespace", NAMESPACE])?;
            let statuses = statuses["items"].as_array().context("no list")?;
            let named = |status: &&Value| status["status"]["node"] == owner;
            ensure!(statuses.iter().any(|status| named(&status)), "no ServiceL2Status names {owner}: {statuses:?}");
            Ok(owner)
        })
        .unwrap()
    }

    pub(crate) fn speaker(&self, node: &str) -> &Speaker {
        &self.speakers[NODES.iter().position(|name| *name == node).unwrap()]
    }

    /// The controller that leads.
    pub(crate) fn leader(&self) -> Result<&Controller> {
        let lease = self.cluster.get(&["lease", "arpeggio-controller", "--namespace", NAMESPACE])?;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        let leads = |controller: &&Controller| controller.log().contains(&holder);
        self.controllers.iter().find(leads).with_context(|| format!("{holder} is none of the controllers"))
    }

    /// Makes one more Service that every node serves, of one family.
    pub(crate) fn serve(&self, service: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": service, "namespace": "default"},
            "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}});
        self.cluster.apply(&object.to_string()).unwrap();
        self.cluster.endpoints("default", service, &NODES.map(Endpoint::ready)).unwrap();
    }

    /// The one address of such a Service.
    pub(crate) fn address(&self, service: &str) -> IpAddr {
        eventually(SOON, "an address", || address(self.cluster, service)).unwrap()
    }

    /// What controllers and speakers have written or tried to, in the order of the answers; without leases.
    pub(crate) fn writes(&self) -> Vec<audit::Request> {
        let ours = |request: &audit::Request| [CONTROLLER, SPEAKER].contains(&request.user.as_str());
        let reads = |request: &audit::Request| ["get", "list", "watch"].contains(&request.verb.as_str());
        let mut requests = self.cluster.requests().unwrap();
        requests.retain(|request| ours(request) && !reads(request) && request.resource != "leases");
        requests
    }

    /// Waits until all speakers have renewed their leases twice, 4 s, without that anything else was written; returns what
    /// was written until then.
    pub(crate) fn settled(&self) -> Vec<audit::Request> {
        let renewed = |request: &&audit::Request| request.user == SPEAKER && request.resource == "leases";
        let (mut written, mut since) = (usize::MAX, 0);
        eventually(SOON, "nobody to write any more", || {
            let renewals = self.cluster.requests()?.iter().filter(renewed).count();
            let now = self.writes();
            if now.len() != written {
                (written, since) = (now.len(), renewals);
            }
            ensure!(renewals >= since + 2 * NODES.len(), "the last of {written} writes is {:?}", now.last());
            Ok(now)
        })
        .unwrap()
    }

    pub(crate) fn requests(&self, address: IpAddr) -> Requests {
        Requests::start(&self.cluster.segment().client.namespace, address, 80, RATE).unwrap()
    }

    pub(crate) fn asker(&self, addresses: &[IpAddr]) -> Asker {
        Asker::start(&self.cluster.segment().lab, &self.cluster.segment().client, addresses, ASKED).unwrap()
    }
}

/// The first address of a Service.
pub(crate) fn address(cluster: &Cluster, service: &str) -> Result<IpAddr> {
    let object = cluster.get(&["service", service])?;
    let address = object["status"]["loadBalancer"]["ingress"][0]["ip"].as_str();
    Ok(address.with_context(|| format!("{service} has no address: {}", object["status"]))?.parse()?)
}

/// An object of the configuration, in the version that is stored.
pub(crate) fn configured(kind: &str, name: &str, namespace: &str, spec: &Value) -> String {
    let version = if kind == "BGPPeer" { "metallb.io/v1beta2" } else { "metallb.io/v1beta1" };
    let metadata = json!({ "name": name, "namespace": namespace });
    json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec }).to_string()
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // A scenario that failed is told by its own panic. The controllers are still there and take away what is theirs.
        let all = ["--field-selector", "metadata.name!=kubernetes", "--wait=false"];
        let _deleted = self.cluster.kubectl(&[&["delete", "services"], &all[..]].concat());
        let _gone = eventually(SOON, "no Announcement", || {
            let left = self.cluster.get(&["announcements"])?;
            ensure!(left["items"].as_array().is_some_and(Vec::is_empty), "{left}");
            Ok(())
        });
        let _deleted = self.cluster.delete(&configuration());
        let _deleted = self.cluster.kubectl(&[&["delete", "endpointslices"], &all[..]].concat());
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
pub(crate) fn name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:04x}")).join("-"),
    }
}
