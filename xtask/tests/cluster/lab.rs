//! The lab's own promises: that it is a Kubernetes, with everything a scenario builds on.

use std::{net::IpAddr, time::Duration};

use xtask::lab::{
    cluster::{Answer, Cluster, Endpoint, NAMESPACE, Requests, audit, backend, http},
    eventually,
};

use super::harness::Scenario;

/// Limit for things that take a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("nodes_and_backends_are_there", nodes_and_backends_are_there),
    ("a_service_is_reached_through_kube_proxy", a_service_is_reached_through_kube_proxy),
    ("local_traffic_keeps_the_clients_address", local_traffic_keeps_the_clients_address),
    ("rights_of_a_service_account_are_enforced", rights_of_a_service_account_are_enforced),
    ("requests_are_counted_by_user", requests_are_counted_by_user),
    ("a_killed_api_server_keeps_its_objects", a_killed_api_server_keeps_its_objects),
    ("etcd_can_be_away_for_a_while", etcd_can_be_away_for_a_while),
    ("the_api_server_is_reached_from_outside", the_api_server_is_reached_from_outside),
    ("the_manifests_give_accounts_and_rights", the_manifests_give_accounts_and_rights),
    ("speakers_start_with_the_rights_of_the_manifests", speakers_start_with_the_rights_of_the_manifests),
    ("a_client_accounts_for_every_request", a_client_accounts_for_every_request),
    ("programs_run_beside_the_api_server_and_on_nodes", programs_run_beside_the_api_server_and_on_nodes),
];

/// A Service without a selector, with both families, and what it says about traffic.
fn service(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec:
  ipFamilyPolicy: RequireDualStack
  ports: [{{port: 80, targetPort: {}}}]
{more}",
        backend::PORT
    )
}

fn addresses(cluster: &Cluster, service: &str) -> Vec<IpAddr> {
    let object = cluster.get(&["service", service]).unwrap();
    let addresses = object["spec"]["clusterIPs"].as_array().unwrap();
    addresses.iter().map(|address| address.as_str().unwrap().parse().unwrap()).collect()
}

fn nodes_and_backends_are_there(cluster: &Cluster) {
    let nodes = cluster.get(&["nodes"]).unwrap();
    let nodes = nodes["items"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    for (object, node) in nodes.iter().zip(&cluster.segment().nodes) {
        assert_eq!(object["metadata"]["name"], node.name.as_str());
        assert_eq!(object["status"]["addresses"][0]["address"], node.ipv4.to_string());
        assert_eq!(object["spec"]["taints"], serde_json::Value::Null);
        for address in [IpAddr::from(node.ipv4), IpAddr::from(node.ipv6)] {
            let answer = eventually(SOON, "the backend", || cluster.curl(address, backend::PORT)).unwrap();
            assert_eq!(answer.node, node.name);
        }
    }
    for daemon in cluster.daemons() {
        daemon.check().unwrap();
    }
}

fn a_service_is_reached_through_kube_proxy(cluster: &Cluster) {
    cluster.apply(&service("spread", "")).unwrap();
    let ready = ["node-a", "node-b"].map(Endpoint::ready);
    cluster.endpoints("default", "spread", &[ready[0], ready[1], Endpoint::unready("node-c")]).unwrap();
    let from = &cluster.node("node-c").unwrap().namespace;
    for address in addresses(cluster, "spread") {
        let mut seen = std::collections::BTreeSet::new();
        eventually(SOON, "both ready backends to answer", || {
            seen.insert(http::get(from, address, 80)?.node);
            anyhow::ensure!(seen.len() > 1, "only {seen:?}");
            Ok(())
        })
        .unwrap();
        assert!(seen.iter().eq(["node-a", "node-b"]), "{seen:?}");
    }
    cluster.kubectl(&["delete", "service", "spread"]).unwrap();
}

fn local_traffic_keeps_the_clients_address(cluster: &Cluster) {
    // An external address is routed to a node by hand here: nobody announces it.
    let vip: IpAddr = "192.0.2.180".parse().unwrap();
    let local = format!("  type: LoadBalancer\n  externalIPs: [{vip}]\n  externalTrafficPolicy: Local\n");
    cluster.apply(&service("local", &local)).unwrap();
    cluster.endpoints("default", "local", &[Endpoint::ready("node-b")]).unwrap();
    let (client, node) = (&cluster.segment().client, cluster.node("node-b").unwrap());
    client.namespace.ip(&format!("route add {vip}/32 via {}", node.ipv4)).unwrap();
    let answer = eventually(SOON, "the service to answer", || cluster.curl(vip, 80)).unwrap();
    assert_eq!(answer, Answer { node: "node-b".to_owned(), client: client.ipv4.into() });
    client.namespace.ip(&format!("route del {vip}/32")).unwrap();
    cluster.kubectl(&["delete", "service", "local"]).unwrap();
}

fn rights_of_a_service_account_are_enforced(cluster: &Cluster) {
    cluster.kubectl(&["create", "serviceaccount", "reader"]).unwrap();
    cluster.kubectl(&["create", "role", "reads-services", "--verb=list", "--resource=services"]).unwrap();
    let account = cluster.service_account("default", "reader").unwrap();
    let list = ["get", "services", "-n", "default"];
    let refused = cluster.kubectl_as(&account, &list).unwrap_err();
    assert!(format!("{refused:#}").contains("system:serviceaccount:default:reader"), "{refused:#}");
    let binding = ["create", "rolebinding", "reader", "--role=reads-services", "--serviceaccount=default:reader"];
    cluster.kubectl(&binding).unwrap();
    eventually(SOON, "the right to be granted", || cluster.kubectl_as(&account, &list)).unwrap();
    assert!(cluster.kubectl_as(&account, &["get", "secrets", "-n", "default"]).is_err());
    cluster.kubectl(&["delete", "rolebinding/reader", "role/reads-services", "serviceaccount/reader"]).unwrap();
}

fn requests_are_counted_by_user(cluster: &Cluster) {
    let before = cluster.requests().unwrap().len();
    cluster.kubectl(&["create", "configmap", "counted", "--from-literal=a=b"]).unwrap();
    cluster.kubectl(&["delete", "configmap", "counted"]).unwrap();
    let requests = cluster.requests().unwrap();
    let counts = audit::count(&requests[before..]);
    let of = |verb: &str| counts.get(&("admin".to_owned(), verb.to_owned(), "configmaps".to_owned())).copied();
    assert_eq!((of("create"), of("delete")), (Some(1), Some(1)), "{counts:?}");
}

fn a_killed_api_server_keeps_its_objects(cluster: &Cluster) {
    cluster.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]).unwrap();
    let uid = |cluster: &Cluster| cluster.get(&["configmap", "kept"]).unwrap()["metadata"]["uid"].clone();
    let before = uid(cluster);
    cluster.api_server().kill().unwrap();
    assert!(cluster.get(&["configmap", "kept"]).is_err());
    cluster.api_server().restart().unwrap();
    cluster.wait_ready().unwrap();
    assert_eq!(uid(cluster), before);
    cluster.kubectl(&["delete", "configmap", "kept"]).unwrap();
}

fn etcd_can_be_away_for_a_while(cluster: &Cluster) {
    let write = |name: &str| cluster.kubectl(&["create", "configmap", name, "--request-timeout=3s"]);
    write("before").unwrap();
    cluster.etcd().kill().unwrap();
    assert!(write("meanwhile").is_err());
    cluster.etcd().restart().unwrap();
    eventually(SOON, "writes to succeed again", || write("after")).unwrap();
    cluster.kubectl(&["delete", "--ignore-not-found", "configmap", "before", "meanwhile", "after"]).unwrap();
}

fn the_api_server_is_reached_from_outside(cluster: &Cluster) {
    let file = cluster.segment().lab.directory().join("outside.kubeconfig");
    std::fs::write(&file, cluster.outside_kubeconfig()).unwrap();
    let inside = cluster.kubectl_command(&file, &["get", "nodes", "-o", "name"]);
    // The same kubectl without the namespace: what stands behind `--` in the command.
    let line: Vec<_> = inside.get_args().skip_while(|argument| *argument != "--").skip(1).collect();
    let mut outside = std::process::Command::new(line[0]);
    outside.args(&line[1..]).env_remove("HTTPS_PROXY").env_remove("https_proxy");
    let nodes = xtask::sh::read(outside).unwrap();
    assert_eq!(nodes.lines().count(), 3, "{nodes}");
}

fn the_manifests_give_accounts_and_rights(cluster: &Cluster) {
    cluster.install().unwrap();
    let controller = cluster.service_account(NAMESPACE, "controller").unwrap();
    let may = |what: &[&str]| cluster.kubectl_as(&controller, &[&["auth", "can-i"], what].concat()).is_ok();
    eventually(SOON, "the rights to be granted", || {
        anyhow::ensure!(may(&["patch", "services", "--subresource=status", "--all-namespaces"]), "not yet");
        Ok(())
    })
    .unwrap();
    assert!(!may(&["list", "secrets", "--all-namespaces"]) && !may(&["update", "services", "--all-namespaces"]));
    // What is installed stays: scenarios that need it install it again, which changes nothing.
    cluster.install().unwrap();
}

fn speakers_start_with_the_rights_of_the_manifests(cluster: &Cluster) {
    let installed = cluster.install().unwrap();
    let nodes = cluster.segment().nodes.iter().map(|node| node.name.as_str());
    let speakers: Vec<_> = nodes.map(|node| installed.start_speaker(cluster, node, &[]).unwrap()).collect();
    for (speaker, node) in speakers.iter().zip(&cluster.segment().nodes) {
        speaker.wait_ready().unwrap();
        let lease = format!("speaker-{}", node.name);
        eventually(SOON, "its lease and its object", || {
            let lease = cluster.get(&["lease", &lease, "--namespace", NAMESPACE])?;
            anyhow::ensure!(lease["spec"]["holderIdentity"] == node.name.as_str(), "{lease}");
            cluster.get(&["speakers.arpeggio.io", &node.name])
        })
        .unwrap();
        // The exclude file of the manifests holds: nothing is attached to the management network.
        let status = speaker.status().unwrap();
        let interfaces = status["interfaces"].as_array().unwrap().iter();
        let names: Vec<_> = interfaces.filter(|one| one["eligible"] == true).map(|one| &one["name"]).collect();
        assert_eq!(names, ["eth0"], "{status:#}");
    }
    drop(speakers);
    cluster.kubectl(&["delete", "speakers.arpeggio.io", "--all"]).unwrap();
}

fn a_client_accounts_for_every_request(cluster: &Cluster) {
    let (client, node) = (&cluster.segment().client.namespace, cluster.node("node-b").unwrap());
    let start = || Requests::start(client, node.ipv6.into(), backend::PORT, 50).unwrap();
    let answered = |requests: &Requests, more: u64| {
        let before = requests.so_far().answered;
        eventually(SOON, "more answers", || {
            let now = requests.so_far();
            anyhow::ensure!(now.answered >= before + more, "{now:?}");
            Ok(())
        })
        .unwrap();
    };
    let undisturbed = start();
    answered(&undisturbed, 20);
    let account = undisturbed.stop().unwrap();
    account.expect_complete().unwrap();
    assert_eq!(account.clients.into_iter().collect::<Vec<IpAddr>>(), [IpAddr::from(cluster.segment().client.ipv6)]);

    let disturbed = start();
    answered(&disturbed, 10);
    let backend = cluster.backend("node-b").unwrap();
    backend.kill().unwrap();
    eventually(SOON, "a lost request", || {
        anyhow::ensure!(disturbed.so_far().lost > 0, "none is lost yet");
        Ok(())
    })
    .unwrap();
    backend.restart().unwrap();
    answered(&disturbed, 10);
    let account = disturbed.stop().unwrap();
    assert!(account.expect_complete().is_err());
    assert_eq!(account.sent, account.answered + account.lost);
    assert!(account.nodes.keys().eq(["node-b"]), "{account:?}");
}

fn programs_run_beside_the_api_server_and_on_nodes(cluster: &Cluster) {
    // The right `ip` is the machine's own; what it shows is the namespace's.
    let ip = xtask::setup::find("ip").unwrap();
    let beside = cluster.run_in_control_plane("looks-a", &ip, &["-brief", "address"]).unwrap();
    let on_node = cluster.run_on_node("node-b", "looks-b", &ip, &["-brief", "address"]).unwrap();
    for (program, address) in [(beside, "198.51.100.100/24"), (on_node, "192.0.2.2/24")] {
        eventually(SOON, "the address", || {
            anyhow::ensure!(program.log().contains(address), "it printed {}", program.log());
            Ok(())
        })
        .unwrap();
    }
}
