//! What users do: `kubectl apply -k manifests/` with our image, on real kubelets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use xtask::{
    image::Wanted,
    lab::{
        Asker, clients,
        cluster::{Cluster, Endpoint, NAMESPACE, Requests, backend},
        eventually,
    },
    manifests, paths, sh,
};

use super::harness::Scenario;

/// Limit for things that take seconds, with room for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("the_manifests_make_pods_that_answer", the_manifests_make_pods_that_answer),
    ("pods_have_their_rights_and_no_others", pods_have_their_rights_and_no_others),
    ("the_walk_through_of_the_readme_works", the_walk_through_of_the_readme_works),
    ("a_new_image_loses_no_request", a_new_image_loses_no_request),
    ("a_restart_loses_no_request", a_restart_loses_no_request),
    ("without_the_manifests_nothing_of_them_is_left", without_the_manifests_nothing_of_them_is_left),
];

/// A pool, and an advertisement of it.
const POOL: &str = "apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: first, namespace: metallb-system}
spec: {addresses: [192.0.2.100-192.0.2.119, 2001:db8::100-2001:db8::11f]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: first, namespace: metallb-system}
spec: {ipAddressPools: [first]}
";

pub(crate) fn service(name: &str) -> String {
    format!(
        "{POOL}---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  ports: [{{port: 80, targetPort: {}}}]
",
        backend::PORT
    )
}

fn deploy(cluster: &Cluster) {
    cluster.deploy(&Wanted::quick().unwrap().archive).unwrap();
}

/// Makes the Service, with backends on every node, and waits for its addresses: IPv4 before IPv6.
pub(crate) fn with_service(cluster: &Cluster, name: &str) -> Vec<IpAddr> {
    cluster.apply(&service(name)).unwrap();
    let nodes: Vec<_> = cluster.segment().nodes.iter().map(|node| Endpoint::ready(&node.name)).collect();
    cluster.endpoints("default", name, &nodes).unwrap();
    let addresses = eventually(SOON, "the Service to have two addresses", || {
        let object = cluster.get(&["service", name])?;
        let ingress = object["status"]["loadBalancer"]["ingress"].as_array().cloned().unwrap_or_default();
        let addresses: Vec<IpAddr> = ingress.iter().filter_map(|one| one["ip"].as_str()?.parse().ok()).collect();
        ensure!(addresses.len() == 2, "the status is {}", object["status"]);
        Ok(addresses)
    });
    let mut addresses = addresses.unwrap();
    addresses.sort();
    for address in &addresses {
        eventually(SOON, "an answer", || cluster.curl(*address, 80)).unwrap();
    }
    addresses
}

/// Address → node that says it owns it.
fn owners(cluster: &Cluster) -> anyhow::Result<BTreeMap<IpAddr, String>> {
    let list = cluster.get(&["announcements"])?;
    let items = list["items"].as_array().context("no list")?;
    let owner = |item: &Value| {
        let node = item["status"]["owner"].as_str()?.to_owned();
        Some((item["spec"]["address"].as_str()?.parse().ok()?, node))
    };
    Ok(items.iter().filter_map(owner).collect())
}

pub(crate) fn owned(cluster: &Cluster, address: IpAddr) -> String {
    eventually(SOON, "somebody to say that it owns the address", || {
        owners(cluster)?.get(&address).cloned().with_context(|| format!("nobody owns {address}"))
    })
    .unwrap()
}

fn speaker_pods(cluster: &Cluster) -> Vec<Value> {
    let selector = "app.kubernetes.io/component=speaker";
    let pods = cluster.get(&["pods", "--namespace", NAMESPACE, "--selector", selector]).unwrap();
    pods["items"].as_array().unwrap().clone()
}

fn speaker(cluster: &Cluster, pod: &Value, arguments: &[&str]) -> String {
    let name = pod["metadata"]["name"].as_str().unwrap();
    let exec = ["exec", "--namespace", NAMESPACE, name, "--", "speaker"];
    cluster.kubectl(&[&exec[..], arguments].concat()).unwrap()
}

fn the_manifests_make_pods_that_answer(cluster: &Cluster) {
    deploy(cluster);
    let pods = speaker_pods(cluster);
    let nodes: BTreeSet<_> = pods.iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 3);

    let vips = with_service(cluster, "first");
    for vip in &vips {
        let owner = owned(cluster, *vip);
        clients::expect_only(&cluster.segment().client, *vip, &cluster.node(&owner).unwrap().mac).unwrap();
    }
    for pod in &pods {
        let status: Value = serde_json::from_str(&speaker(cluster, pod, &["status", "-o", "json"])).unwrap();
        let interfaces = status["interfaces"].as_array().unwrap();
        let mode = interfaces.iter().find(|one| one["name"] == "eth0").map(|one| one["attach"].clone());
        // A veth gets tcx; a raw socket would mean that the program could not be loaded.
        assert_eq!(mode, Some("tcx".into()), "{status:#}");
        // Four capabilities, a read-only root, the profiles of the runtime: nothing stands in the way.
        speaker(cluster, pod, &["check"]);

        let node = pod["spec"]["nodeName"].as_str().unwrap();
        let mut dump = cluster.on_node(node, "bpftool").unwrap();
        dump.args(["--json", "map", "dump", "pinned", "/sys/fs/bpf/arpeggio/v2/VIPS4"]);
        let entries: Value = serde_json::from_str(&sh::read(dump).unwrap()).unwrap();
        assert!(!entries.as_array().unwrap().is_empty(), "{node} has no entry");
    }
    cluster.delete(&service("first")).unwrap();
}

/// `kubectl auth can-i --list`, without what everybody may, right by right.
fn rights(cluster: &Cluster, account: &str, namespace: &str) -> BTreeSet<String> {
    let user = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
    let list = cluster.kubectl(&["auth", "can-i", "--list", "--no-headers", &user, "--namespace", namespace]).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let everybody = |line: &String| line.starts_with('[') || line.starts_with("selfsubject");
    list.lines().map(words).filter(|line| !everybody(line)).flat_map(|line| each(&line)).collect()
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).flat_map(each).collect()
}

/// Each right of `resource [paths] [names] [verbs]`, however rules divide or unite them: `verb resource name`.
fn each(line: &str) -> Vec<String> {
    let parts: Vec<&str> = line.split('[').map(|part| part.trim().trim_end_matches(']')).collect();
    let [resource, "", names, verbs] = parts[..] else { panic!("not a line of rights: {line}") };
    let names = if names.is_empty() { vec!["*"] } else { names.split(' ').collect() };
    verbs.split(' ').flat_map(|verb| names.iter().map(move |name| format!("{verb} {resource} {name}"))).collect()
}

const CONTROLLER_ANYWHERE: &str = "
    announcements.arpeggio.io [] [] [list watch create patch delete]
    announcements.arpeggio.io/status [] [] [patch]
    bgppeers.metallb.io [] [] [list update]
    customresourcedefinitions.apiextensions.k8s.io [] [bgppeers.metallb.io] [get patch]
    customresourcedefinitions.apiextensions.k8s.io/status [] [bgppeers.metallb.io] [patch]
    endpointslices.discovery.k8s.io [] [] [list watch]
    events [] [] [create]
    namespaces [] [] [list watch]
    nodes [] [] [list watch]
    services [] [] [list watch]
    services/status [] [] [patch]
    speakers.arpeggio.io [] [] [list watch]
    subjectaccessreviews.authorization.k8s.io [] [] [create]
    tokenreviews.authentication.k8s.io [] [] [create]
    validatingwebhookconfigurations.admissionregistration.k8s.io [] [metallb-webhook-configuration] [get patch]
";
const CONTROLLER_IN_ITS_NAMESPACE: &str = "
    ipaddresspools.metallb.io [] [] [list watch]
    ipaddresspools.metallb.io/status [] [] [patch]
    l2advertisements.metallb.io [] [] [list watch]
    l2advertisements.metallb.io/status [] [] [patch]
    servicel2statuses.metallb.io [] [] [list watch create delete]
    servicel2statuses.metallb.io/status [] [] [patch]
    configurationstates.metallb.io [] [] [list watch create patch delete]
    configurationstates.metallb.io/status [] [] [patch]
    servicebgpstatuses.metallb.io [] [] [list watch delete]
    bgpadvertisements.metallb.io [] [] [list watch]
    bgpadvertisements.metallb.io/status [] [] [patch]
    bgppeers.metallb.io [] [] [list watch]
    bgppeers.metallb.io/status [] [] [patch]
    communities.metallb.io [] [] [list watch]
    communities.metallb.io/status [] [] [patch]
    bfdprofiles.metallb.io [] [] [list watch]
    bfdprofiles.metallb.io/status [] [] [patch]
    leases.coordination.k8s.io [] [] [list watch create]
    leases.coordination.k8s.io [] [arpeggio-controller arpeggio-webhook] [get update]
    secrets [] [] [create get]
    secrets [] [arpeggio-succession-key metallb-webhook-cert] [get update]
";
const SPEAKER_ANYWHERE: &str = "
    announcements.arpeggio.io [] [] [list watch]
    announcements.arpeggio.io/status [] [] [patch]
    namespaces [] [kube-system] [get]
    nodes [] [] [list watch]
    speakers.arpeggio.io [] [] [list watch create]
    speakers.arpeggio.io/status [] [] [patch]
    subjectaccessreviews.authorization.k8s.io [] [] [create]
    tokenreviews.authentication.k8s.io [] [] [create]
";
const SPEAKER_IN_ITS_NAMESPACE: &str = "
    leases.coordination.k8s.io [] [] [create patch]
";

fn pods_have_their_rights_and_no_others(cluster: &Cluster) {
    deploy(cluster);
    let wanted = [
        ("controller", CONTROLLER_ANYWHERE, CONTROLLER_IN_ITS_NAMESPACE),
        ("speaker", SPEAKER_ANYWHERE, SPEAKER_IN_ITS_NAMESPACE),
    ];
    for (account, anywhere, inside) in wanted {
        assert_eq!(rights(cluster, account, "default"), lines(anywhere));
        assert_eq!(rights(cluster, account, NAMESPACE), lines(&format!("{anywhere}{inside}")));
    }
}

/// What changes while clients ask: nothing may be lost, neither requests for the address nor requests to the service.
fn loses_nothing(cluster: &Cluster, name: &str, change: impl FnOnce()) {
    deploy(cluster);
    let vips = with_service(cluster, name);
    let owners: Vec<String> = vips.iter().map(|vip| owned(cluster, *vip)).collect();
    let segment = cluster.segment();
    let asker = Asker::start(&segment.lab, &segment.client, &vips, 200).unwrap();
    let requests: Vec<Requests> =
        vips.iter().map(|vip| Requests::start(&segment.client.namespace, *vip, 80, 20).unwrap()).collect();
    let pods = |cluster| -> BTreeSet<String> {
        speaker_pods(cluster).iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
    };
    let before = pods(cluster);

    change();
    for part in ["deployment/controller", "daemonset/speaker"] {
        cluster.wait_rollout(part).unwrap();
    }

    assert!(before.is_disjoint(&pods(cluster)), "every speaker should be another one");
    for one in requests {
        one.stop().unwrap().expect_complete().unwrap();
    }
    let account = asker.stop().unwrap();
    assert_eq!((account.lost, account.doubled), (0, 0), "{account:?}");
    // Nobody noticed: ownership is where it was.
    for (vip, owner) in vips.iter().zip(owners) {
        assert_eq!(owned(cluster, *vip), owner);
    }
    cluster.delete(&service(name)).unwrap();
}

fn a_new_image_loses_no_request(cluster: &Cluster) {
    let next = Wanted::quick_next().unwrap();
    cluster.import(&next.archive).unwrap();
    let update = |image: &str| {
        for (part, container) in [("deployment/controller", "controller"), ("daemonset/speaker", "speaker")] {
            let image = format!("{container}={image}");
            cluster.kubectl(&["set", "image", "--namespace", NAMESPACE, part, &image]).unwrap();
        }
    };
    loses_nothing(cluster, "updated", || update(&next.tag));
    for pod in speaker_pods(cluster) {
        assert_eq!(pod["spec"]["containers"][0]["image"], next.tag.as_str());
    }
    update(&manifests::image().unwrap());
    cluster.wait_rollout("daemonset/speaker").unwrap();
}

fn a_restart_loses_no_request(cluster: &Cluster) {
    loses_nothing(cluster, "restarted", || {
        cluster.kubectl(&["rollout", "restart", "daemonset/speaker", "--namespace", NAMESPACE]).unwrap();
    });
}

/// A command of the README's walk-through, behind `cargo xtask cluster`.
struct Line {
    /// The variable of the shell that gets its output.
    variable: Option<String>,
    words: Vec<String>,
}

impl Line {
    /// `    cargo xtask cluster …`, or `    NAME=$(cargo xtask cluster …)`; other lines are prose.
    fn read(line: &str) -> Option<Self> {
        let line = line.strip_prefix("    ")?;
        let (variable, line) = match line.split_once("=$(") {
            Some((name, rest)) => (Some(name.to_owned()), rest.strip_suffix(')')?),
            None => (None, line),
        };
        let words = line.strip_prefix("cargo xtask cluster ")?.split_whitespace().map(str::to_owned).collect();
        Some(Self { variable, words })
    }

    /// With the values of variables, as the shell would have it.
    fn expanded(&self, values: &[(String, String)]) -> Vec<String> {
        let expand = |word: &String| {
            values.iter().fold(word.clone(), |word, (name, value)| word.replace(&format!("${name}"), value))
        };
        self.words.iter().map(expand).collect()
    }
}

/// The commands of the README's walk-through, between the start of the cluster and its end.
fn walk_through() -> Vec<Line> {
    let readme = std::fs::read_to_string(paths::root().join("README.md")).unwrap();
    let section = readme.split_once("### Walk through it").unwrap().1.split_once("\n## ").unwrap().0;
    let mut commands: Vec<Line> = section.lines().filter_map(Line::read).collect();
    assert_eq!(commands.remove(0).words[0], "up");
    assert_eq!(commands.pop().unwrap().words, ["down"]);
    commands
}

fn the_walk_through_of_the_readme_works(cluster: &Cluster) {
    deploy(cluster);
    let mut values: Vec<(String, String)> = Vec::new();
    for command in walk_through() {
        let words = command.expanded(&values);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // Word for word: each command works right after the one before. A person reads before the first, and an explanation may
        // come before the segment has answered.
        let patience = if words.contains(&"apply") || words.contains(&"exec") { SOON } else { Duration::ZERO };
        let run = || match words[..] {
            ["kubectl", "apply", "-f", file] => {
                cluster.kubectl(&["apply", "-f", &paths::root().join(file).to_string_lossy()])
            }
            ["kubectl", ..] => cluster.kubectl(&words[1..]),
            ["on", "client", program, ..] => {
                let mut command = cluster.segment().client.namespace.command(program);
                command.args(&words[3..]).env_remove("http_proxy");
                sh::read(command)
            }
            _ => panic!("the README says {words:?}"),
        };
        let output = eventually(patience, &words.join(" "), run).unwrap();
        if words.contains(&"curl") {
            assert!(output.contains("ok"), "not ready: {output}");
        }
        if words.contains(&"arpeggio.io/evacuate=true") {
            let owner = values.iter().find(|(name, _)| name == "OWNER").map(|(_, owner)| owner.clone());
            eventually(SOON, "another owner", || {
                let announcement = cluster.get(&["announcement", "192.0.2.100"])?;
                let now = announcement["status"]["owner"].as_str().map(str::to_owned);
                ensure!(now.is_some() && now != owner, "the owner is {now:?}");
                Ok(())
            })
            .unwrap();
        }
        values.extend(command.variable.map(|name| (name, output)));
    }
    assert_eq!(values.len(), 2, "owner and pod: {values:?}");
    cluster.kubectl(&["delete", "service", "web", "--namespace", NAMESPACE]).unwrap();
    let pool = manifests::folder().join("samples/pool-simple.yaml");
    cluster.kubectl(&["delete", "-f", &pool.to_string_lossy()]).unwrap();
}

fn without_the_manifests_nothing_of_them_is_left(cluster: &Cluster) {
    deploy(cluster);
    let vips = with_service(cluster, "last");
    let folder = manifests::folder();
    cluster.kubectl(&["delete", "-k", &folder.to_string_lossy(), "--timeout=120s"]).unwrap();
    // The kernels answer until their leases end.
    for vip in vips {
        eventually(SOON, "silence", || clients::expect_silence(&cluster.segment().client, vip)).unwrap();
    }
    for object in manifests::objects().unwrap() {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let found = cluster.kubectl(&["get", "--ignore-not-found", "--namespace", namespace, kind, name]).unwrap();
        assert_eq!(found, "", "{}", json!({"kind": kind, "name": name}));
    }
    cluster.kubectl(&["delete", "service", "last"]).unwrap();
}
