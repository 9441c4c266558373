//! The definitions of our kinds on a real API server: what it takes, fills in, drops and refuses, and what kubectl shows of it.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::{
    lab::{
        cluster::{Cluster, NAMESPACE},
        eventually,
    },
    manifests,
};

use super::harness::Scenario;

/// Limit for things that take a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("definitions_are_taken_and_explained", definitions_are_taken_and_explained),
    ("samples_are_taken_and_listed_as_by_metallb", samples_are_taken_and_listed_as_by_metallb),
    ("what_clients_in_go_write_is_taken", what_clients_in_go_write_is_taken),
    ("what_the_schemas_forbid_is_refused", what_the_schemas_forbid_is_refused),
    ("addresses_and_nodes_once_written_stay", addresses_and_nodes_once_written_stay),
    ("kinds_of_bgp_are_filled_in_refused_and_listed", kinds_of_bgp_are_filled_in_refused_and_listed),
    ("announcements_and_speakers_show_what_matters", announcements_and_speakers_show_what_matters),
];

fn install(cluster: &Cluster) {
    cluster.install().unwrap();
    for condition in ["NamesAccepted", "NonStructuralSchema"] {
        let path = format!("{{.items[*].status.conditions[?(@.type==\"{condition}\")].status}}");
        let told = cluster.kubectl(&["get", "crd", "-o", &format!("jsonpath={path}")]).unwrap();
        assert!(!told.contains(if condition == "NamesAccepted" { "False" } else { "True" }), "{condition}: {told}");
    }
}

fn object(kind: &str, name: &str, parts: &Value) -> String {
    let group = match kind {
        "Announcement" | "Speaker" => "arpeggio.io/v1alpha1",
        "BGPPeer" => "metallb.io/v1beta2",
        _ => "metallb.io/v1beta1",
    };
    let mut object = json!({ "apiVersion": group, "kind": kind, "metadata": { "name": name } });
    if group.starts_with("metallb") {
        object["metadata"]["namespace"] = json!(NAMESPACE);
    }
    for (key, value) in parts.as_object().unwrap() {
        object[key] = value.clone();
    }
    object.to_string()
}

fn refusal(cluster: &Cluster, text: &str) -> String {
    format!("{:#}", cluster.apply(text).unwrap_err())
}

/// The first line of `kubectl get`, column by column.
fn heading(cluster: &Cluster, arguments: &[&str]) -> Vec<String> {
    table(cluster, arguments).swap_remove(0)
}

/// What `kubectl get` prints, line by line; columns are at least three spaces apart.
fn table(cluster: &Cluster, arguments: &[&str]) -> Vec<Vec<String>> {
    let text = cluster.kubectl(&[&["get"], arguments].concat()).unwrap();
    let cells =
        |line: &str| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
    text.lines().map(cells).collect()
}

fn definitions_are_taken_and_explained(cluster: &Cluster) {
    install(cluster);
    for (path, words) in [
        ("ipaddresspools", "pool of IP addresses"),
        ("ipaddresspools.spec.addresses", "CIDR"),
        ("ipaddresspools.spec.serviceAllocation.serviceSelectors.matchExpressions.operator", "DoesNotExist"),
        ("ipaddresspools.status.conditions", "Accepted"),
        ("l2advertisements.spec.preferredNodeSelectors.weight", "1 to 100"),
        ("servicel2statuses.status.node", "node that answers"),
        ("bgppeers.spec.peerASN", "iBGP"),
        ("bgpadvertisements.spec.aggregationLength", "wider than the pool"),
        ("communities.spec.communities.value", "large:64512"),
        ("bfdprofiles.spec.detectMultiplier", "counts as gone"),
        ("servicebgpstatuses.status.peers", "alphabetical"),
        ("configurationstates.status.errorSummary", "one sentence to a line"),
        ("ann.spec.l2.candidates", "order of succession"),
        ("spk.spec.evacuate", "take over"),
    ] {
        let told = eventually(SOON, "kubectl to explain", || cluster.kubectl(&["explain", path])).unwrap();
        assert!(told.contains(words), "{path}: {told}");
    }
}

fn samples_are_taken_and_listed_as_by_metallb(cluster: &Cluster) {
    install(cluster);
    let samples = manifests::folder().join("samples");
    let samples = samples.to_string_lossy();
    cluster.kubectl(&["apply", "--validate=strict", "-f", &samples]).unwrap();
    let wide = |kind: &str, options: &[&str]| heading(cluster, &[&[kind, "-n", NAMESPACE], options].concat());
    let columns = ["NAME", "AUTO ASSIGN", "AVOID BUGGY IPS", "ADDRESSES"];
    let counters = ["ASSIGNED IPV4", "AVAILABLE IPV4", "ASSIGNED IPV6", "AVAILABLE IPV6"];
    assert_eq!(wide("ipaddresspools", &[]), [columns, counters].concat());
    assert_eq!(wide("l2advertisements", &[]), ["NAME", "IPADDRESSPOOLS", "IPADDRESSPOOL SELECTORS", "INTERFACES"]);
    assert_eq!(wide("l2advertisements", &["-o", "wide"])[4], "NODE SELECTORS");
    let pools = table(cluster, &["ipaddresspools", "-n", NAMESPACE]);
    let home = pools.iter().find(|row| row[0] == "home").unwrap();
    assert_eq!(home[1..4], ["true", "false", r#"["192.0.2.100-192.0.2.150"]"#]);
    cluster.kubectl(&["delete", "-f", &samples]).unwrap();
}

fn what_clients_in_go_write_is_taken(cluster: &Cluster) {
    install(cluster);
    let taken = |kind: &str, parts: &Value| {
        // As a client writes it: kubectl would refuse unknown fields before it sends them, and drop a null.
        let text = object(kind, "lenient", parts);
        let file = cluster.segment().lab.directory().join("lenient.json");
        std::fs::write(&file, text).unwrap();
        let plural = format!("{}s", kind.to_lowercase());
        let path = format!("/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/{plural}");
        cluster.kubectl(&["create", "--raw", &path, "-f", &file.to_string_lossy()]).unwrap();
        let object = cluster.get(&[&plural, "lenient", "-n", NAMESPACE]).unwrap();
        cluster.kubectl(&["delete", &plural, "lenient", "-n", NAMESPACE]).unwrap();
        object
    };
    let pool = taken(
        "IPAddressPool",
        &json!({
            "spec": {
                "addresses": ["192.0.2.1"], "autoAssign": null, "avoidBuggyIPs": null, "protocol": "layer2",
                "serviceAllocation": { "namespaces": null, "namespaceSelectors": null, "priority": null, "serviceSelectors": null },
            },
            "status": { "assignedIPv4": 0, "assignedIPv6": 0, "availableIPv4": 0, "availableIPv6": 0 },
        }),
    );
    assert_eq!(
        pool["spec"],
        json!({ "addresses": ["192.0.2.1"], "autoAssign": true, "avoidBuggyIPs": false, "serviceAllocation": {} })
    );
    assert!(pool.get("status").is_none(), "a status is written on its own");
    for parts in [json!({}), json!({ "spec": null }), json!({ "spec": {}, "status": {} })] {
        taken("L2Advertisement", &parts);
    }
    let nulls =
        json!({ "spec": { "ipAddressPools": null, "interfaces": null, "nodeSelectors": [{ "matchLabels": null }] } });
    assert_eq!(taken("L2Advertisement", &nulls)["spec"], json!({ "nodeSelectors": [{}] }));
}

fn what_the_schemas_forbid_is_refused(cluster: &Cluster) {
    install(cluster);
    let preferred =
        |weight: i32| json!({ "spec": { "preferredNodeSelectors": [{ "weight": weight, "preference": {} }] } });
    for (kind, parts, words) in [
        ("IPAddressPool", json!({}), "spec: Required value"),
        ("IPAddressPool", json!({ "spec": {} }), "spec.addresses: Required value"),
        ("IPAddressPool", json!({ "spec": { "addresses": "192.0.2.0/24" } }), "must be of type array"),
        ("L2Advertisement", preferred(0), "should be greater than or equal to 1"),
        ("L2Advertisement", preferred(101), "should be less than or equal to 100"),
        (
            "L2Advertisement",
            json!({ "spec": { "nodeSelectors": [{ "matchExpressions": [{ "key": "a" }] }] } }),
            "operator: Required value",
        ),
        ("Announcement", json!({ "spec": {} }), "spec.address: Required value"),
        ("Announcement", json!({ "spec": { "address": "home" } }), "spec.address"),
        (
            "Announcement",
            json!({ "spec": { "address": "192.0.2.1", "l2": { "candidates": ["a"], "mode": "Both" } } }),
            "Unsupported value",
        ),
        (
            "Announcement",
            json!({ "spec": { "address": "192.0.2.1", "l2": { "candidates": ["a", "b", "a"] } } }),
            "a node is listed twice",
        ),
    ] {
        let told = refusal(cluster, &object(kind, "refused", &parts));
        assert!(told.contains(words), "{kind} {parts}: {told}");
    }
}

fn addresses_and_nodes_once_written_stay(cluster: &Cluster) {
    install(cluster);
    let announcement = |address: &str| object("Announcement", "192.0.2.1", &json!({ "spec": { "address": address } }));
    cluster.apply(&announcement("192.0.2.1")).unwrap();
    let told = refusal(cluster, &announcement("192.0.2.2"));
    assert!(told.contains("every address has an object of its own"), "{told}");
    cluster.delete(&announcement("192.0.2.1")).unwrap();

    cluster.apply(&object("ServiceL2Status", "l2-a", &json!({ "spec": {} }))).unwrap();
    let patch = |status: &Value| {
        let patch = json!({ "status": status }).to_string();
        let what =
            ["patch", "servicel2status", "l2-a", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", &patch];
        cluster.kubectl(&what)
    };
    let status =
        json!({ "node": "a", "serviceName": "web", "serviceNamespace": "default", "interfaces": [{ "name": "eth0" }] });
    patch(&status).unwrap();
    patch(&json!({ "interfaces": [{ "name": "eth1" }] })).unwrap();
    for field in ["node", "serviceName", "serviceNamespace"] {
        let told = format!("{:#}", patch(&json!({ field: "other" })).unwrap_err());
        assert!(told.contains("cannot be changed; delete the object and create another one"), "{told}");
    }
    let rows = table(cluster, &["servicel2statuses", "-n", NAMESPACE]);
    assert_eq!(rows[0], ["NAME", "ALLOCATED NODE", "SERVICE NAME", "SERVICE NAMESPACE"]);
    assert_eq!(rows[1], ["l2-a", "a", "web", "default"]);
    cluster.kubectl(&["delete", "servicel2status", "l2-a", "-n", NAMESPACE]).unwrap();
}

fn kinds_of_bgp_are_filled_in_refused_and_listed(cluster: &Cluster) {
    install(cluster);
    let peer = |extra: &Value| {
        let mut spec = json!({ "myASN": 4_200_000_000u32, "peerASN": 64513, "peerAddress": "192.0.2.254" });
        for (field, value) in extra.as_object().unwrap() {
            spec[field] = value.clone();
        }
        object("BGPPeer", "tor", &json!({ "spec": spec }))
    };
    cluster.apply(&peer(&json!({ "enableGracefulRestart": true, "connectTime": "5s" }))).unwrap();
    let stored = cluster.get(&["bgppeers", "tor", "-n", NAMESPACE]).unwrap();
    assert_eq!(stored["apiVersion"], "metallb.io/v1beta2");
    assert_eq!((&stored["spec"]["peerPort"], &stored["spec"]["disableMP"]), (&json!(179), &json!(false)));
    let rows = table(cluster, &["bgppeers", "-n", NAMESPACE]);
    assert_eq!(rows[0], ["NAME", "ADDRESS", "ASN", "BFD PROFILE", "MULTI HOPS"]);
    assert_eq!(rows[1], ["tor", "192.0.2.254", "64513"]);
    cluster.apply(&object("BGPAdvertisement", "all", &json!({ "spec": { "localPref": u32::MAX } }))).unwrap();
    let spec = cluster.get(&["bgpadvertisements", "all", "-n", NAMESPACE]).unwrap()["spec"].clone();
    assert_eq!(spec, json!({ "aggregationLength": 32, "aggregationLengthV6": 128, "localPref": u32::MAX }));

    let refused = |kind: &str, spec: Value| (object(kind, "refused", &json!({ "spec": spec })), kind.to_owned());
    for ((text, what), words) in [
        (
            (peer(&json!({ "enableGracefulRestart": false })), "restart".to_owned()),
            "enableGracefulRestart cannot be changed",
        ),
        ((peer(&json!({ "connectTime": "1500ms" })), "time".to_owned()), "whole number of seconds"),
        ((peer(&json!({ "connectTime": "0s" })), "time".to_owned()), "from 1s to 65535s"),
        ((peer(&json!({ "peerPort": 20_000 })), "port".to_owned()), "less than or equal to 16384"),
        (refused("BGPPeer", json!({ "peerASN": 1 })), "spec.myASN: Required value"),
        (refused("BGPPeer", json!({ "myASN": 1, "dynamicASN": "any" })), "Unsupported value"),
        (refused("BGPPeer", json!({ "myASN": 4_294_967_296u64 })), "less than or equal to 4294967295"),
        (refused("BGPAdvertisement", json!({ "aggregationLength": 0 })), "greater than or equal to 1"),
        (
            refused("BGPAdvertisement", json!({ "serviceSelectors": [{}], "aggregationLength": 24 })),
            "serviceSelectors need aggregationLength 32",
        ),
        (refused("BFDProfile", json!({ "receiveInterval": 9 })), "greater than or equal to 10"),
        (refused("BFDProfile", json!({ "minimumTtl": 255 })), "less than or equal to 254"),
    ] {
        let told = refusal(cluster, &text);
        assert!(told.contains(words), "{what}: {told}");
    }
    for (kind, columns) in [
        ("BFDProfile", &["NAME", "PASSIVE MODE", "TRANSMIT INTERVAL", "RECEIVE INTERVAL", "MULTIPLIER"][..]),
        ("BGPAdvertisement", &["NAME", "IPADDRESSPOOLS", "IPADDRESSPOOL SELECTORS", "PEERS"]),
        ("Community", &["NAME", "AGE"]),
        ("ServiceBGPStatus", &["NAME", "NODE", "SERVICE NAME", "SERVICE NAMESPACE"]),
        ("ConfigurationState", &["NAME", "RESULT", "ERRORSUMMARY", "AGE"]),
    ] {
        let text = object(kind, "shown", &json!({ "spec": {} }));
        cluster.apply(&text).unwrap();
        assert_eq!(heading(cluster, &[&kind.to_lowercase(), "-n", NAMESPACE]), columns, "{kind}");
        cluster.delete(&text).unwrap();
    }
    let status = |result: &str| {
        let patch = json!({ "status": { "result": result, "errorSummary": "one\ntwo" } }).to_string();
        let what = [
            "patch",
            "configurationstate",
            "controller",
            "-n",
            NAMESPACE,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        cluster.kubectl(&what)
    };
    cluster.apply(&object("ConfigurationState", "controller", &json!({}))).unwrap();
    status("Invalid").unwrap();
    assert!(status("Perhaps").is_err());
    cluster
        .kubectl(&["delete", "configurationstate/controller", "bgppeer/tor", "bgpadvertisement/all", "-n", NAMESPACE])
        .unwrap();
}

fn announcements_and_speakers_show_what_matters(cluster: &Cluster) {
    install(cluster);
    let condition = |kind: &str, reason: &str| json!([{ "type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
    let services = json!([{ "namespace": "default", "name": "web" }, { "namespace": "default", "name": "dns" }]);
    let spec =
        json!({ "address": "192.0.2.1", "pool": "home", "services": services, "l2": { "candidates": ["a", "b"] } });
    cluster.apply(&object("Announcement", "192.0.2.1", &json!({ "spec": spec }))).unwrap();
    let status = json!({ "status": {
        "owner": "a", "interfaces": [{ "name": "eth0", "mac": "02:00:00:00:00:01" }, { "name": "eth1", "mac": "02:00:00:00:00:02" }],
        "conditions": condition("Announced", "Answering"),
    } });
    let write = |what: &str, name: &str, status: &Value| {
        cluster
            .kubectl(&["patch", what, name, "--subresource=status", "--type=merge", "-p", &status.to_string()])
            .unwrap();
    };
    write("ann", "192.0.2.1", &status);
    let rows = table(cluster, &["ann"]);
    assert_eq!(rows[0], ["NAME", "ADDRESS", "NAMESPACE", "SERVICE", "OWNER", "FIRST", "SECOND", "ANNOUNCED", "AGE"]);
    assert_eq!(rows[1][..8], ["192.0.2.1", "192.0.2.1", "default", "web", "a", "a", "b", "True"]);
    let wide = cluster.kubectl(&["get", "ann", "-o", "wide"]).unwrap();
    assert!(wide.contains("home") && wide.contains("Answering") && wide.contains("eth0"), "{wide}");
    assert!(!wide.contains(['{', '[']), "names, no JSON: {wide}");
    assert_eq!(cluster.get(&["ann", "192.0.2.1"]).unwrap()["spec"]["l2"]["mode"], "Exclusive");

    cluster.apply(&object("Speaker", "a", &json!({}))).unwrap();
    let status = json!({ "status": { "version": "0.1.0", "owned": 3, "conditions": condition("Ready", "Attached") } });
    write("spk", "a", &status);
    let rows = table(cluster, &["spk"]);
    assert_eq!(rows[0], ["NAME", "VERSION", "READY", "OWNED", "AGE"]);
    assert_eq!(rows[1][..4], ["a", "0.1.0", "True", "3"]);
    let both = cluster.kubectl(&["get", "arpeggio"]).unwrap();
    assert!(both.contains("announcement.arpeggio.io/192.0.2.1") && both.contains("speaker.arpeggio.io/a"), "{both}");
    cluster.kubectl(&["delete", "ann/192.0.2.1", "spk/a"]).unwrap();
}
