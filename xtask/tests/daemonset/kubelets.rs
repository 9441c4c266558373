//! The lab's own promises about kubelets: nodes are real, pods run, and nothing of a node is shared with another.

use std::{collections::BTreeSet, time::Duration};

use anyhow::ensure;
use serde_json::{Value, json};
use xtask::{
    lab::{
        cluster::{Cluster, PAUSE},
        eventually,
    },
    sh,
};

use super::harness::Scenario;

/// Limit for things that take seconds, with room for a busy machine.
const SOON: Duration = Duration::from_secs(120);

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("kubelets_register_their_nodes", kubelets_register_their_nodes),
    ("a_daemonset_runs_on_every_node", a_daemonset_runs_on_every_node),
    ("pods_have_addresses_of_their_node", pods_have_addresses_of_their_node),
    ("a_killed_kubelet_leaves_its_pods_running", a_killed_kubelet_leaves_its_pods_running),
    ("every_node_has_its_own_bpffs", every_node_has_its_own_bpffs),
];

fn kubelets_register_their_nodes(cluster: &Cluster) {
    let nodes = cluster.get(&["nodes"]).unwrap();
    let nodes = nodes["items"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    for (object, node) in nodes.iter().zip(&cluster.segment().nodes) {
        let info = &object["status"]["nodeInfo"];
        assert!(info["containerRuntimeVersion"].as_str().unwrap().starts_with("containerd://"), "{info}");
        let addresses = object["status"]["addresses"].as_array().unwrap();
        let internal: BTreeSet<&str> = addresses
            .iter()
            .filter(|address| address["type"] == "InternalIP")
            .map(|address| address["address"].as_str().unwrap())
            .collect();
        assert_eq!(internal, BTreeSet::from([node.ipv4.to_string().as_str(), node.ipv6.to_string().as_str()]));
    }
}

/// A DaemonSet as network agents are: in the node's network, with a few capabilities and a read-only root.
fn agent(name: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      tolerations: [{{operator: Exists}}]
      containers:
        - name: agent
          image: {PAUSE}
          imagePullPolicy: Never
          securityContext:
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities: {{drop: [ALL], add: [BPF, NET_ADMIN, PERFMON, NET_RAW]}}
          volumeMounts: [{{name: bpffs, mountPath: /sys/fs/bpf}}]
      volumes:
        - name: bpffs
          hostPath: {{path: /sys/fs/bpf, type: Directory}}
"
    )
}

/// The pods with a label, once they are as many and all run.
fn running(cluster: &Cluster, app: &str, count: usize) -> Vec<Value> {
    let pods = eventually(SOON, &format!("{count} pods of {app} to run"), || {
        let pods = cluster.get(&["pods", "-l", &format!("app={app}")])?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let ready = |pod: &&Value| pod["status"]["containerStatuses"][0]["ready"] == true && gone(pod).is_none();
        ensure!(pods.len() == count && pods.iter().filter(ready).count() == count, "{}", summary(&pods));
        Ok(pods)
    });
    pods.unwrap_or_else(|error| {
        let events = cluster.kubectl(&["get", "events", "--sort-by=.lastTimestamp"]).unwrap_or_default();
        panic!("{error:#}\n{events}")
    })
}

fn gone(pod: &Value) -> Option<&str> {
    pod["metadata"]["deletionTimestamp"].as_str()
}

fn summary(pods: &[Value]) -> String {
    pods.iter()
        .map(|pod| format!("{}: {}\n", pod["metadata"]["name"], pod["status"]["containerStatuses"][0]["state"]))
        .collect()
}

fn a_daemonset_runs_on_every_node(cluster: &Cluster) {
    cluster.apply(&agent("agent")).unwrap();
    let pods = running(cluster, "agent", 3);
    for pod in &pods {
        let node = cluster.node(pod["spec"]["nodeName"].as_str().unwrap()).unwrap();
        assert_eq!(pod["status"]["hostIP"], node.ipv4.to_string());
        assert_eq!(pod["status"]["podIP"], node.ipv4.to_string());
    }
    let nodes: BTreeSet<_> = pods.iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 3);
    // The API server reaches the kubelets: there are logs, although this program writes none.
    assert_eq!(cluster.kubectl(&["logs", "daemonset/agent", "--all-pods"]).unwrap(), "");

    cluster.kubectl(&["rollout", "restart", "daemonset/agent"]).unwrap();
    cluster.kubectl(&["rollout", "status", "daemonset/agent", "--timeout=120s"]).unwrap();
    let names =
        |pods: &[Value]| -> BTreeSet<String> { pods.iter().map(|pod| pod["metadata"]["name"].to_string()).collect() };
    assert!(names(&pods).is_disjoint(&names(&running(cluster, "agent", 3))));
    cluster.kubectl(&["delete", "daemonset", "agent", "--cascade=foreground"]).unwrap();
}

/// Pods with networks of their own.
const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: 'local/pause:1', imagePullPolicy: Never}]
";

fn pods_have_addresses_of_their_node(cluster: &Cluster) {
    cluster.apply(WEB).unwrap();
    for pod in running(cluster, "web", 2) {
        let name = pod["spec"]["nodeName"].as_str().unwrap();
        let number = 1 + cluster.segment().nodes.iter().position(|node| node.name == name).unwrap();
        let addresses: Vec<&str> =
            pod["status"]["podIPs"].as_array().unwrap().iter().map(|ip| ip["ip"].as_str().unwrap()).collect();
        assert!(addresses[0].starts_with(&format!("10.244.{number}.")), "{addresses:?} on {name}");
        assert!(addresses[1].starts_with(&format!("fd00:244:0:{number:x}:")), "{addresses:?} on {name}");
        // From the control plane, as a webhook is called; and from another node.
        let other = cluster.segment().nodes.iter().find(|node| node.name != name).unwrap();
        for from in [cluster.control_plane(), &other.namespace] {
            for address in &addresses {
                let mut ping = from.command("ping");
                ping.args(["-n", "-c", "1", "-W", "5", address]);
                eventually(SOON, "the pod to answer", || sh::run(copy(&ping))).unwrap();
            }
        }
    }
    cluster.kubectl(&["delete", "deployment", "web", "--cascade=foreground"]).unwrap();
}

/// The same command once more.
fn copy(command: &std::process::Command) -> std::process::Command {
    let mut copy = std::process::Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

fn a_killed_kubelet_leaves_its_pods_running(cluster: &Cluster) {
    cluster.apply(&agent("stays")).unwrap();
    let started = |pods: &[Value]| -> BTreeSet<String> {
        pods.iter().map(|pod| pod["status"]["containerStatuses"][0]["containerID"].to_string()).collect()
    };
    let before = started(&running(cluster, "stays", 3));
    let kubelet = cluster.kubelet("node-b").unwrap();
    kubelet.kill().unwrap();
    kubelet.restart().unwrap();
    // A kubelet that starts a new pod has looked after those that it found.
    let pinned = format!("--overrides={}", json!({"spec": {"nodeName": "node-b", "terminationGracePeriodSeconds": 1}}));
    let image = format!("--image={PAUSE}");
    cluster.kubectl(&["run", "later", &image, "--image-pull-policy=Never", "--labels=app=later", &pinned]).unwrap();
    running(cluster, "later", 1);
    assert_eq!(started(&running(cluster, "stays", 3)), before);
    cluster.kubectl(&["delete", "pod/later", "daemonset/stays", "--cascade=foreground"]).unwrap();
}

fn every_node_has_its_own_bpffs(cluster: &Cluster) {
    let list = |node: &str, what: &str| {
        let mut command = cluster.on_node(node, what).unwrap();
        command.arg("/sys/fs/bpf/only-here");
        sh::run(command)
    };
    list("node-a", "mkdir").unwrap();
    list("node-a", "ls").unwrap();
    assert!(list("node-b", "ls").is_err());
    assert!(!std::path::Path::new("/sys/fs/bpf/only-here").exists());
}
