//! BGP alone: a Service becomes a route at a router, by the real FRR beside a speaker.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::{
    lab::{
        Namespace,
        cluster::{Cluster, Daemon, Endpoint, NAMESPACE},
        eventually,
    },
    manifests, sh,
};

use super::{
    bed::{SOON, SPEAKER, address},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] =
    &[("a_service_by_bgp_alone_is_a_route_while_it_is_there", a_service_by_bgp_alone_is_a_route_while_it_is_there)];

const NODE: &str = "node-a";

/// FRR's daemons in a namespace. They end when it is dropped.
struct Frr {
    sockets: PathBuf,
    daemons: Vec<Daemon>,
}

impl Frr {
    /// Starts zebra, bfdd and bgpd; the text is bgpd's configuration at its start, `port` where it listens (0: nowhere).
    fn start(cluster: &Cluster, namespace: &Namespace, name: &str, bgpd: &str, port: u16) -> Self {
        // Not below the folder of the lab: the user of the daemons has to get there.
        let sockets = Path::new("/run").join(format!("{}-{name}", cluster.segment().lab.tag()));
        fs::create_dir_all(&sockets).unwrap();
        fs::set_permissions(&sockets, Permissions::from_mode(0o755)).unwrap();
        let daemon = |program: &str, text: &str, port: Option<u16>| {
            let config = sockets.join(format!("{program}.conf"));
            fs::write(&config, text).unwrap();
            let mut chown = Command::new("chown");
            chown.args(["-R", "frr:frr"]).arg(&sockets);
            sh::run(chown).unwrap();
            let mut command = namespace.command(format!("/usr/lib/frr/{program}"));
            command.arg("--vty_socket").arg(&sockets).arg("-i").arg(sockets.join(format!("{program}.pid")));
            command
                .args(["-u", "frr", "-g", "frr", "-P", "0", "-z"])
                .arg(sockets.join("zserv.api"))
                .arg("-f")
                .arg(config);
            if program == "bfdd" {
                command.arg("--bfdctl").arg(sockets.join("bfdd.sock"));
            }
            if let Some(port) = port {
                command.args(["-p", &port.to_string()]);
            }
            let daemon =
                Daemon::start(&format!("{name}-{program}"), &command, cluster.segment().lab.directory()).unwrap();
            let socket = sockets.join(format!("{program}.vty"));
            eventually(SOON, program, || Ok(UnixStream::connect(&socket).map(drop)?)).unwrap();
            daemon
        };
        let daemons = vec![daemon("zebra", "", None), daemon("bfdd", "", None), daemon("bgpd", bgpd, Some(port))];
        Self { sockets: sockets.clone(), daemons }
    }

    fn json(&self, command: &str) -> Result<Value> {
        let mut vtysh = Command::new("vtysh");
        vtysh.arg("--vty_socket").arg(&self.sockets).args(["-d", "bgpd", "-c", command]);
        Ok(serde_json::from_str(&sh::read(vtysh)?)?)
    }

    /// Waits until the table has this prefix, or has it no more.
    fn until_route(&self, prefix: &str, there: bool) {
        eventually(SOON, &format!("a route to {prefix}: {there}"), || {
            let table = self.json("show bgp ipv4 unicast json")?;
            ensure!(table["routes"].get(prefix).is_some() == there, "{}", table["routes"]);
            Ok(())
        })
        .unwrap();
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        self.daemons.clear();
        // Left behind, it would be found by the last trial.
        let _ = fs::remove_dir_all(&self.sockets);
    }
}

/// A pool, advertised to one peer alone.
fn configuration(peer: &str) -> String {
    let metadata = json!({"name": "routed", "namespace": NAMESPACE});
    let items = json!([
        {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata,
            "spec": {"addresses": ["198.18.40.0/28"]}},
        {"apiVersion": "metallb.io/v1beta1", "kind": "BGPAdvertisement", "metadata": metadata,
            "spec": {"ipAddressPools": ["routed"], "communities": ["64512:7"]}},
        {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": metadata,
            "spec": {"myASN": 64512, "peerASN": 64513, "peerAddress": peer, "connectTime": "1s"}},
    ]);
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn service() -> String {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "routed", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}})
    .to_string()
}

fn a_service_by_bgp_alone_is_a_route_while_it_is_there(cluster: &Cluster) {
    let segment = cluster.segment();
    let (node, router) = (cluster.node(NODE).unwrap(), &segment.client);
    let installed = cluster.install().unwrap();
    let access = fs::read_to_string(manifests::folder().join("frr/access.yaml")).unwrap();
    cluster.apply(&access).unwrap();
    let before = cluster.requests().unwrap().len();
    let beside = Frr::start(cluster, &node.namespace, "frr", "", 0);
    let listening = format!(
        "router bgp 64513\n no bgp ebgp-requires-policy\n neighbor {} remote-as 64512\n neighbor {} passive\n",
        node.ipv4, node.ipv4
    );
    let tor = Frr::start(cluster, &router.namespace, "tor", &listening, 179);

    let controller = installed.start_controller(cluster, 1, &[]).unwrap();
    let flags = ["--frr-socket-dir", beside.sockets.to_str().unwrap()];
    let speaker = installed.start_speaker(cluster, NODE, &flags).unwrap();
    controller.wait_ready().unwrap();
    speaker.wait_ready().unwrap();
    cluster.apply(&configuration(&router.ipv4.to_string())).unwrap();
    cluster.apply(&service()).unwrap();
    cluster.endpoints("default", "routed", &[Endpoint::ready(NODE)]).unwrap();

    let address = eventually(SOON, "an address", || address(cluster, "routed")).unwrap();
    let prefix = format!("{address}/32");
    tor.until_route(&prefix, true);
    let route = tor.json(&format!("show bgp ipv4 unicast {prefix} json")).unwrap();
    assert_eq!(route["paths"][0]["community"]["string"], "64512:7", "{route:#}");
    eventually(SOON, "everything to say so", || {
        let sessions = cluster.get(&["speaker", NODE])?["status"]["bgpSessions"].clone();
        ensure!(sessions[0]["state"] == "Established" && sessions[0]["peer"] == "routed", "{sessions:#}");
        let status = cluster.get(&["announcement", &address.to_string()])?["status"].clone();
        let condition = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Announced");
        ensure!(condition.is_none_or(|condition| condition["reason"] != "NoBgpSpeaker"), "{status:#}");
        let service = cluster.get(&["service", "routed"])?["status"]["conditions"].clone();
        ensure!(!service.to_string().contains("NoBgpSpeaker"), "{service:#}");
        let reports = cluster.get(&["servicebgpstatuses", "--namespace", NAMESPACE])?["items"].clone();
        ensure!(reports.as_array().is_some_and(|list| list.len() == 1), "{reports:#}");
        ensure!(reports[0]["status"]["node"] == NODE && reports[0]["status"]["serviceName"] == "routed", "{reports:#}");
        ensure!(reports[0]["status"]["peers"] == json!(["routed"]), "{reports:#}");
        Ok(())
    })
    .unwrap();

    // Neither a crash nor a restart of the speaker touches the session.
    speaker.kill().unwrap();
    tor.until_route(&prefix, true);
    let speaker = installed.start_speaker(cluster, NODE, &flags).unwrap();
    speaker.wait_ready().unwrap();
    cluster.delete(&service()).unwrap();
    tor.until_route(&prefix, false);
    eventually(SOON, "no report of a Service that is gone", || {
        let reports = cluster.get(&["servicebgpstatuses", "--namespace", NAMESPACE])?["items"].clone();
        ensure!(reports.as_array().is_some_and(Vec::is_empty), "{reports:#}");
        Ok(())
    })
    .unwrap();
    let neighbor = tor.json("show bgp neighbors json").unwrap()[node.ipv4.to_string()].clone();
    assert_eq!(
        (&neighbor["connectionsEstablished"], &neighbor["connectionsDropped"]),
        (&json!(1), &json!(0)),
        "{neighbor:#}"
    );

    let requests = cluster.requests().unwrap().split_off(before);
    let refused: Vec<_> = requests.iter().filter(|request| request.user == SPEAKER && request.code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    cluster.delete(&configuration(&router.ipv4.to_string())).unwrap();
    // What was told to FRR goes with its peer.
    eventually(SOON, "FRR to be as before", || {
        let mut vtysh = Command::new("vtysh");
        vtysh.arg("--vty_socket").arg(&beside.sockets).args(["-d", "bgpd", "-c", "show running-config"]);
        let text = sh::read(vtysh)?;
        ensure!(!text.contains("router bgp"), "{text}");
        Ok(())
    })
    .unwrap();
    cluster.delete(&access).unwrap();
}
