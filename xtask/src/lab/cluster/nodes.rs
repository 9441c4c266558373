//! What runs on the nodes: kube-proxy and a backend; and their objects in the API.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Options, backend::PORT, control::ControlPlane, daemon::Daemon, families::Families};
use crate::{
    kube::{Assets, Program},
    lab::{Node, Segment},
    paths,
};

/// The daemons of one node.
pub(super) struct NodeDaemons {
    pub(super) proxy: Daemon,
    pub(super) backend: Daemon,
}

impl NodeDaemons {
    /// Starts them; the node's object exists.
    pub(super) fn start(segment: &Segment, plane: &ControlPlane, assets: &Assets, node: &Node) -> Result<Self> {
        let pods = plane.families.pod_ranges();
        let directory = segment.lab.directory();
        let backend = Daemon::start(&format!("backend-{}", node.name), &backend(node)?, directory)?;
        let proxy = proxy(node, assets.path(Program::Proxy)?, &plane.kubeconfig_of("kube-proxy"), &pods);
        let proxy = Daemon::start(&format!("kube-proxy-{}", node.name), &proxy, directory)?;
        Ok(Self { proxy, backend })
    }
}

fn backend(node: &Node) -> Result<Command> {
    let program = paths::profile().join("xtask");
    ensure!(program.exists(), "there is no {}; `cargo build -p xtask --bins` makes it", program.display());
    let mut command = node.namespace.command(program);
    command.args(["lab-backend", "--name", &node.name, "--port", &PORT.to_string()]);
    Ok(command)
}

/// kube-proxy reads the interfaces' sizes in sysfs, which shows those of the namespace that mounted it: it gets its own.
fn proxy(node: &Node, program: &Path, kubeconfig: &Path, pods: &str) -> Command {
    let mut command = node.namespace.command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.args([r#"mount -t sysfs sysfs /sys && exec "$@""#, "sh"]).arg(program).arg("--kubeconfig").arg(kubeconfig);
    command.args(["--hostname-override", &node.name, "--proxy-mode", "nftables", "--cluster-cidr", pods]);
    // Their variables belong to the machine, not to the namespace.
    command.args(["--conntrack-max-per-core", "0", "--conntrack-tcp-timeout-established", "0"]);
    command.args(["--conntrack-tcp-timeout-close-wait", "0"]);
    command
}

/// The nodes as their kubelets would register them; with real kubelets, what those find already there: the ranges of their
/// pods.
pub(super) fn objects(segment: &Segment, options: &Options) -> Value {
    let items: Vec<Value> = (1_u8..).zip(&segment.nodes).map(|(number, node)| object(node, number, options)).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn object(node: &Node, number: u8, options: &Options) -> Value {
    let pods = options.families.pods_of(number);
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"},
        },
        "spec": {"podCIDR": pods[0], "podCIDRs": pods},
    });
    if !options.kubelet {
        object["status"] = status(node, options.families);
    }
    object
}

fn status(node: &Node, families: Families) -> Value {
    let addresses = families.addresses(node);
    let mut all: Vec<Value> =
        addresses.iter().map(|address| json!({"type": "InternalIP", "address": address})).collect();
    all.push(json!({"type": "Hostname", "address": node.name}));
    let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason});
    json!({
        "addresses": all,
        "conditions": [
            condition("NetworkUnavailable", "False", "RouteCreated"),
            condition("Ready", "True", "KubeletReady"),
        ],
    })
}
