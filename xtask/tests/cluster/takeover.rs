//! From a MetalLB that runs and back to it, with `kubectl apply`: no object is lost, and nothing of the one keeps running in the pods
//! of the other. What MetalLB installs is written here as it matters for that: its names, selectors, versions and what is stored.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use xtask::{
    lab::{
        cluster::{Cluster, NAMESPACE},
        eventually,
    },
    manifests,
};

use super::harness::Scenario;

/// Limit for what takes seconds, with room for a busy machine.
const SOON: Duration = Duration::from_secs(90);

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("what_metallb_stored_is_taken_over_and_given_back", what_metallb_stored_is_taken_over_and_given_back),
    (
        "nothing_of_metallb_runs_on_in_our_pods_nor_the_other_way_round",
        nothing_of_metallb_runs_on_in_our_pods_nor_the_other_way_round,
    ),
    (
        "what_the_migration_deletes_is_metallbs_and_nothing_else",
        what_the_migration_deletes_is_metallbs_and_nothing_else,
    ),
];

/// Kinds that MetalLB has had since 0.13, and those that came later: kind, plural.
const KINDS: [(&str, &str); 6] = [
    ("IPAddressPool", "ipaddresspools"),
    ("L2Advertisement", "l2advertisements"),
    ("BGPAdvertisement", "bgpadvertisements"),
    ("BGPPeer", "bgppeers"),
    ("Community", "communities"),
    ("BFDProfile", "bfdprofiles"),
];
const LATER: [(&str, &str); 3] = [
    ("ServiceL2Status", "servicel2statuses"),
    ("ServiceBGPStatus", "servicebgpstatuses"),
    ("ConfigurationState", "configurationstates"),
];

/// A version of a definition as MetalLB has it: everything in the spec, of the status of pools the counters alone.
fn version(kind: &str, name: &str, storage: bool) -> Value {
    let counter = json!({ "type": "integer", "format": "int64" });
    let counters = ["assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6"];
    let status = if kind == "IPAddressPool" {
        let fields: BTreeMap<&str, &Value> = counters.iter().map(|field| (*field, &counter)).collect();
        json!({ "type": "object", "properties": fields, "required": counters })
    } else {
        json!({ "type": "object", "properties": { "node": { "type": "string" } } })
    };
    let schema = json!({
        "type": "object",
        "properties": {
            "apiVersion": { "type": "string" }, "kind": { "type": "string" }, "metadata": { "type": "object" },
            "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }, "status": status,
        },
    });
    json!({ "name": name, "served": true, "storage": storage, "schema": { "openAPIV3Schema": schema },
        "subresources": { "status": {} } })
}

fn definition((kind, plural): (&str, &str), versions: &[(&str, bool)]) -> Value {
    let versions_of: Vec<Value> = versions.iter().map(|(name, storage)| version(kind, name, *storage)).collect();
    let mut spec = json!({
        "group": "metallb.io", "scope": "Namespaced", "versions": versions_of,
        "names": { "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase() },
    });
    if versions.len() > 1 {
        let service = json!({ "namespace": NAMESPACE, "name": "metallb-webhook-service", "path": "/convert" });
        let webhook = json!({ "clientConfig": { "service": service }, "conversionReviewVersions": ["v1alpha1", "v1beta1", "v1"] });
        spec["conversion"] = json!({ "strategy": "Webhook", "webhook": webhook });
    }
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.metallb.io"), "annotations": { "controller-gen.kubebuilder.io/version": "v0.14.0" } },
        "spec": spec })
}

fn list(items: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// What 0.13 and later install; 0.15 has the kinds that report too.
fn definitions(reports: bool) -> String {
    let later = if reports { &LATER[..] } else { &[] };
    let all = KINDS.iter().chain(later).map(|kind| {
        let versions: &[_] =
            if kind.0 == "BGPPeer" { &[("v1beta1", false), ("v1beta2", true)] } else { &[("v1beta1", true)] };
        definition(*kind, versions)
    });
    list(&all.collect::<Vec<_>>())
}

fn object(version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": format!("metallb.io/{version}"), "kind": kind,
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": { "of": "metallb" } }, "spec": spec })
}

/// Stored while v1beta1 was the version that is stored.
fn old_peers() -> Vec<Value> {
    let peer = |number: u8| {
        json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": format!("192.0.2.{number}"), "peerPort": 179,
            "holdTime": "1m30s", "keepaliveTime": "0s", "routerID": "192.0.2.1",
            "nodeSelectors": [{ "matchExpressions": [{ "key": "rack", "operator": "In", "values": ["a"] }] }] })
    };
    (251..=253).map(|number| object("v1beta1", "BGPPeer", &format!("old-{number}"), &peer(number))).collect()
}

fn objects() -> Vec<Value> {
    let peer = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.254", "peerPort": 179, "vrf": "red",
        "routerID": "192.0.2.1", "passwordSecret": { "name": "tor", "namespace": NAMESPACE } });
    vec![
        object(
            "v1beta1",
            "IPAddressPool",
            "home",
            &json!({ "addresses": ["192.0.2.160-192.0.2.169"], "autoAssign": true,
            "avoidBuggyIPs": false, "serviceAllocation": { "priority": 50, "namespaces": ["default"] } }),
        ),
        object("v1beta1", "L2Advertisement", "lan", &json!({ "ipAddressPools": ["home"], "interfaces": ["eth0"] })),
        object(
            "v1beta1",
            "BGPAdvertisement",
            "wan",
            &json!({ "ipAddressPools": ["home"], "aggregationLength": 32,
            "aggregationLengthV6": 128, "localPref": 100, "communities": ["no-export"], "peers": ["new"] }),
        ),
        object("v1beta2", "BGPPeer", "new", &peer),
        object(
            "v1beta1",
            "Community",
            "names",
            &json!({ "communities": [{ "name": "no-export", "value": "65535:65281" }] }),
        ),
        object("v1beta1", "BFDProfile", "quick", &json!({ "receiveInterval": 50, "echoMode": false })),
    ]
}

/// Waits until every object is there, with all that it said.
fn all_there(cluster: &Cluster, objects: &[Value], version: Option<&str>) {
    eventually(SOON, "every object to be there as it was", || {
        for wanted in objects {
            let (kind, name) =
                (wanted["kind"].as_str().context("kind")?, wanted["metadata"]["name"].as_str().context("name")?);
            let what = version.map_or_else(|| kind.to_owned(), |version| format!("{kind}.{version}.metallb.io"));
            let is = cluster.get(&[&what, name, "--namespace", NAMESPACE])?;
            ensure!(is["metadata"]["labels"] == wanted["metadata"]["labels"], "{is:#}");
            for (field, value) in wanted["spec"].as_object().context("spec")? {
                ensure!(
                    is["spec"][field] == *value,
                    "{kind} {name}: {field} is {} instead of {value}",
                    is["spec"][field]
                );
            }
        }
        Ok(())
    })
    .unwrap();
}

fn stored(cluster: &Cluster) -> anyhow::Result<Value> {
    Ok(cluster.get(&["crd", "bgppeers.metallb.io"])?["status"]["storedVersions"].clone())
}

/// `kubectl apply -k manifests/`, as a user does it.
fn apply_ours(cluster: &Cluster) {
    let folder = manifests::folder();
    eventually(SOON, "everything of ours to be taken", || {
        cluster.kubectl(&["apply", "-k", &folder.to_string_lossy()])?;
        cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])
    })
    .unwrap();
}

/// Takes away what makes pods and what judges objects, which other scenarios do not want.
fn remove_workloads(cluster: &Cluster) {
    cluster
        .kubectl(&[
            "delete",
            "deployment/controller",
            "daemonset/speaker",
            "--ignore-not-found",
            "--namespace",
            NAMESPACE,
        ])
        .unwrap();
}

fn clear(cluster: &Cluster) {
    remove_workloads(cluster);
    let guard = ["delete", "validatingwebhookconfiguration", "metallb-webhook-configuration", "--ignore-not-found"];
    cluster.kubectl(&guard).unwrap();
    let names: Vec<String> = KINDS.iter().chain(&LATER).map(|(_, plural)| format!("{plural}.metallb.io")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    cluster.kubectl(&[&["delete", "crd", "--ignore-not-found"], &names[..]].concat()).unwrap();
}

fn what_metallb_stored_is_taken_over_and_given_back(cluster: &Cluster) {
    let installed = cluster.install().unwrap();
    clear(cluster);
    // An old MetalLB, with peers of its time; then a newer one.
    cluster.apply(&definition(("BGPPeer", "bgppeers"), &[("v1beta1", true)]).to_string()).unwrap();
    eventually(SOON, "old peers to be stored", || cluster.apply(&list(&old_peers()))).unwrap();
    cluster.apply(&definitions(false)).unwrap();
    eventually(SOON, "the other objects to be stored", || cluster.apply(&list(&objects()))).unwrap();
    assert_eq!(stored(cluster).unwrap(), json!(["v1beta1", "v1beta2"]));
    let old_version = |peers: &Value| peers["metadata"]["resourceVersion"].clone();

    apply_ours(cluster);
    let controller = installed.start_controller(cluster, 1, &[]).unwrap();
    controller.wait_ready().unwrap();
    all_there(cluster, &objects(), None);
    all_there(cluster, &old_peers(), Some("v1beta1"));
    all_there(cluster, &old_peers(), Some("v1beta2"));
    eventually(SOON, "the version in which peers are stored to be one", || {
        controller.check()?;
        let stored = stored(cluster)?;
        ensure!(stored == json!(["v1beta2"]), "{stored}; the log:\n{}", controller.log());
        Ok(())
    })
    .unwrap();
    let told = controller.log().lines().filter(|line| line.contains("every object is stored as v1beta2 now")).count();
    assert_eq!(told, 1, "{}", controller.log());
    all_there(cluster, &old_peers(), Some("v1beta1"));
    let settled = cluster.get(&["bgppeer", "old-251", "--namespace", NAMESPACE]).unwrap();
    drop(controller);

    // Back: definitions of any version of MetalLB, under which everything can still be read, without our webhook too.
    remove_workloads(cluster);
    let guard = ["delete", "validatingwebhookconfiguration", "metallb-webhook-configuration", "--ignore-not-found"];
    cluster.kubectl(&guard).unwrap();
    for reports in [false, true] {
        cluster.apply(&definitions(reports)).unwrap();
        all_there(cluster, &[objects(), old_peers()].concat(), None);
        assert_eq!(stored(cluster).unwrap(), json!(["v1beta2"]));
    }
    let peer = cluster.get(&["bgppeer", "old-251", "--namespace", NAMESPACE]).unwrap();
    assert_eq!(old_version(&peer), old_version(&settled), "nobody had to write it for that");
    assert_eq!(peer["metadata"]["annotations"].get("arpeggio.io/bgppeer-v1beta2"), None, "{peer:#}");
    // MetalLB writes its counters where our conditions were.
    let counters =
        json!({ "status": { "assignedIPv4": 1, "assignedIPv6": 0, "availableIPv4": 9, "availableIPv6": 0 } });
    let what = ["patch", "ipaddresspool", "home", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p"];
    cluster.kubectl(&[&what[..], &[&counters.to_string()]].concat()).unwrap();
    assert_eq!(cluster.get(&["ipaddresspool", "home", "-n", NAMESPACE]).unwrap()["status"], counters["status"]);
    // And here again.
    apply_ours(cluster);
    all_there(cluster, &objects(), None);
    clear(cluster);
    let _ = cluster.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]);
    cluster.install().unwrap();
}

fn probe(path: &str, port: &Value) -> Value {
    json!({ "httpGet": { "path": path, "port": port }, "initialDelaySeconds": 10, "periodSeconds": 10, "failureThreshold": 3 })
}

/// MetalLB's workloads; `frr`: with the containers of that mode.
fn workloads(frr: bool) -> String {
    let env = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "name": name, "value": "a" })).collect() };
    let object = |kind: &str, name: &str, spec: Value| {
        let labels = json!({ "app": "metallb", "component": name });
        let annotations =
            json!({ "prometheus.io/scrape": "true", "prometheus.io/port": "9120", "prometheus.io/scheme": "https" });
        json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
            "spec": { "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels, "annotations": annotations }, "spec": spec } } })
    };
    let ports =
        json!([{ "name": "metricshttps", "containerPort": 9120 }, { "name": "webhook-server", "containerPort": 9443 }]);
    let controller = json!({
        "serviceAccountName": "controller", "terminationGracePeriodSeconds": 0,
        "securityContext": { "runAsNonRoot": true, "runAsUser": 65534, "fsGroup": 65534 },
        "containers": [{ "name": "controller", "image": "metallb", "args": ["--port=9120", "--webhook-mode=enabled"],
            "env": env(&["METALLB_ML_SECRET_NAME", "METALLB_DEPLOYMENT"]), "ports": ports,
            "livenessProbe": probe("/healthz", &json!(17472)), "readinessProbe": probe("/readyz", &json!(17472)),
            "volumeMounts": [{ "name": "cert", "mountPath": "/tmp/k8s-webhook-server/serving-certs", "readOnly": true }] }],
        "volumes": [{ "name": "cert", "secret": { "secretName": "metallb-webhook-cert" } }],
    });
    let members = json!([{ "name": "metricshttps", "containerPort": 9120 },
        { "name": "memberlist-tcp", "containerPort": 7946 }, { "name": "memberlist-udp", "containerPort": 7946, "protocol": "UDP" }]);
    let mut speaker = json!({
        "serviceAccountName": "speaker", "terminationGracePeriodSeconds": 2, "hostNetwork": true,
        "tolerations": [{ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule" }],
        "containers": [{ "name": "speaker", "image": "metallb", "args": ["--port=9120"], "ports": members,
            "env": env(&["METALLB_NODE_NAME", "METALLB_ML_BIND_ADDR", "METALLB_ML_SECRET_KEY_PATH"]),
            "livenessProbe": probe("/healthz", &json!("metricshttps")), "readinessProbe": probe("/readyz", &json!("metricshttps")),
            "securityContext": { "capabilities": { "add": ["NET_RAW"], "drop": ["ALL"] }, "readOnlyRootFilesystem": true },
            "volumeMounts": [{ "name": "memberlist", "mountPath": "/etc/ml_secret_key" }, { "name": "metallb-excludel2", "mountPath": "/etc/metallb" }] }],
        "volumes": [{ "name": "memberlist", "secret": { "secretName": "memberlist" } },
            { "name": "metallb-excludel2", "configMap": { "name": "metallb-excludel2", "defaultMode": 256 } }],
    });
    if frr {
        speaker["shareProcessNamespace"] = json!(true);
        speaker["initContainers"] = json!([{ "name": "cp-frr-files", "image": "frr", "command": ["/bin/sh"] }]);
        for name in ["frr", "reloader", "frr-metrics"] {
            let sockets = json!([{ "name": "frr-sockets", "mountPath": "/var/run/frr" }]);
            let container = json!({ "name": name, "image": "frr", "volumeMounts": sockets,
                "securityContext": { "capabilities": { "add": ["SYS_ADMIN"] } } });
            speaker["containers"].as_array_mut().unwrap().push(container);
        }
        speaker["volumes"].as_array_mut().unwrap().push(json!({ "name": "frr-sockets", "emptyDir": {} }));
    }
    list(&[object("Deployment", "controller", controller), object("DaemonSet", "speaker", speaker)])
}

/// What both say of their pods.
fn specs(cluster: &Cluster) -> [Value; 2] {
    ["deployment/controller", "daemonset/speaker"]
        .map(|what| cluster.get(&[what, "--namespace", NAMESPACE]).unwrap()["spec"].clone())
}

/// The deletions in a section of `docs/migrate.md`, one after the other.
fn told(section: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(xtask::paths::root().join("docs/migrate.md")).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {section}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap_or_default();
    let commands = section.lines().filter_map(|line| line.strip_prefix("    kubectl delete "));
    commands.map(|line| ["delete"].into_iter().chain(line.split(' ')).map(str::to_owned).collect()).collect()
}

/// MetalLB's other objects: kind, name, labels; those of a chart have the label of its release.
const LEFT: [(&str, &str, &str); 11] = [
    ("clusterrole", "metallb-system:controller", ""),
    ("clusterrole", "metallb-system:speaker", ""),
    ("role", "pod-lister", ""),
    ("role", "controller", ""),
    ("secret", "memberlist", ""),
    ("secret", "webhook-server-cert", ""),
    ("service", "webhook-service", ""),
    ("validatingwebhookconfiguration", "validating-webhook-configuration", ""),
    ("clusterrole", "metallb:controller", "app.kubernetes.io/instance: metallb"),
    ("deployment", "metallb-controller", "app.kubernetes.io/instance: metallb"),
    ("secret", "sh.helm.release.v1.metallb.v1", "owner: helm, name: metallb"),
];

fn left((kind, name, labels): &(&str, &str, &str)) -> String {
    let (group, rest) = match *kind {
        "clusterrole" => ("rbac.authorization.k8s.io/v1\nkind: ClusterRole", "rules: []"),
        "role" => ("rbac.authorization.k8s.io/v1\nkind: Role", "rules: []"),
        "secret" => ("v1\nkind: Secret", "type: Opaque"),
        "service" => ("v1\nkind: Service", "spec: {ports: [{port: 443}]}"),
        "deployment" => (
            "apps/v1\nkind: Deployment",
            "spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}",
        ),
        _ => ("admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration", "webhooks: []"),
    };
    let namespaced = !["clusterrole", "validatingwebhookconfiguration"].contains(kind);
    let place = if namespaced { format!("namespace: {NAMESPACE}, ") } else { String::new() };
    format!("apiVersion: {group}\nmetadata: {{{place}name: '{name}', labels: {{{labels}}}}}\n{rest}\n")
}

fn what_the_migration_deletes_is_metallbs_and_nothing_else(cluster: &Cluster) {
    cluster.install().unwrap();
    clear(cluster);
    cluster.apply(&definitions(true)).unwrap();
    eventually(SOON, "objects to be stored", || cluster.apply(&list(&objects()[..1]))).unwrap();
    apply_ours(cluster);
    cluster.apply(&LEFT.iter().map(left).collect::<Vec<_>>().join("---\n")).unwrap();
    let run = |section: &str| {
        let commands = told(section);
        assert!(!commands.is_empty(), "{section}");
        for command in commands {
            cluster.kubectl(&command.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        }
    };
    run("From MetalLB");
    for (kind, name, _) in &LEFT {
        let found = cluster.kubectl(&["get", kind, name, "--namespace", NAMESPACE, "--ignore-not-found", "-o", "name"]);
        assert_eq!(found.unwrap(), "", "{kind} {name} is left");
    }
    all_there(cluster, &objects()[..1], None);
    for (kind, name) in
        [("clusterrole", "arpeggio-controller"), ("serviceaccount", "speaker"), ("service", "metallb-webhook-service")]
    {
        cluster.get(&[kind, name, "--namespace", NAMESPACE]).unwrap();
    }
    run("Back to MetalLB");
    all_there(cluster, &objects()[..1], None);
    clear(cluster);
    cluster.install().unwrap();
}

/// The pods, without the ports of containers: kubectl merges those by their number, and of two of one number and different
/// protocols it keeps one. In the network of the node they are but a note.
fn without_ports(spec: &Value) -> Value {
    let mut template = spec["template"].clone();
    for container in template["spec"]["containers"].as_array_mut().into_iter().flatten() {
        container["ports"].take();
    }
    template
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect()
}

fn nothing_of_metallb_runs_on_in_our_pods_nor_the_other_way_round(cluster: &Cluster) {
    cluster.install().unwrap();
    clear(cluster);
    apply_ours(cluster);
    let ours = specs(cluster);
    remove_workloads(cluster);
    for frr in [false, true] {
        cluster.apply(&workloads(frr)).unwrap();
        let theirs = specs(cluster);
        apply_ours(cluster);
        assert_eq!(specs(cluster), ours, "over MetalLB, frr: {frr}");
        cluster.apply(&workloads(frr)).unwrap();
        for (back, theirs) in specs(cluster).iter().zip(&theirs) {
            assert_eq!(without_ports(back), without_ports(theirs), "back to MetalLB, frr: {frr}");
        }
        remove_workloads(cluster);

        // Made without `kubectl apply`, nothing says what of it is MetalLB's: it has to be deleted first.
        cluster.create(&workloads(frr)).unwrap();
        apply_ours(cluster);
        let [controller, speaker] = specs(cluster);
        let containers = |spec: &Value| spec["template"]["spec"]["containers"].clone();
        assert!(names(&containers(&controller)[0]["env"]).contains(&"METALLB_DEPLOYMENT"));
        assert_eq!(containers(&controller)[0]["args"], ours[0]["template"]["spec"]["containers"][0]["args"]);
        assert_eq!(names(&containers(&speaker)).len(), if frr { 4 } else { 1 });
        remove_workloads(cluster);
        apply_ours(cluster);
        assert_eq!(specs(cluster), ours);
        remove_workloads(cluster);
    }
    clear(cluster);
    cluster.install().unwrap();
}
