//! Nodes with real kubelets: images, pods, and a look at a node from within.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{Cluster, Daemon, NAMESPACE, kubelet::Runtime};
use crate::{lab::eventually, manifests};

/// How long nodes may take until they are ready; 5 s are usual.
const READY: Duration = Duration::from_secs(120);

impl Cluster {
    /// Gives every node the images of a docker or OCI archive, as if it had pulled them. Pods that use them say
    /// `imagePullPolicy: Never` or `IfNotPresent`.
    ///
    /// # Errors
    /// If there are no kubelets, or containerd refuses the archive.
    pub fn import(&self, archive: &Path) -> Result<()> {
        ensure!(!self.runtimes.is_empty(), "this cluster has no kubelets: set Options::kubelet");
        self.runtimes.values().try_for_each(|runtime| runtime.import(archive))
    }

    /// Does what a user does on a cluster without internet: gives the nodes our image, then `kubectl apply -k manifests/`.
    /// Waits until controller and speakers are ready, and changes of the configuration are judged.
    ///
    /// # Errors
    /// If a manifest is refused, or a pod is not ready within two minutes; the message says what its pods wait for.
    pub fn deploy(&self, image: &Path) -> Result<()> {
        self.import(image)?;
        self.kubectl(&["apply", "-k", &manifests::folder().to_string_lossy()])?;
        self.wait_rollout("deployment/controller")?;
        self.wait_rollout("daemonset/speaker")?;
        self.wait_judged()
    }

    /// Waits until every pod of ours is of the newest revision and ready.
    ///
    /// # Errors
    /// If one is not within two minutes; the message says what its pods wait for.
    pub fn wait_rollout(&self, what: &str) -> Result<()> {
        let place = ["--namespace", NAMESPACE];
        let timeout = format!("--timeout={}s", READY.as_secs());
        self.kubectl(&[&["rollout", "status", what, &timeout], &place[..]].concat()).map(drop).with_context(|| {
            let ask = |arguments: &[&str]| self.kubectl(arguments).unwrap_or_default();
            let pods = ask(&[&["get", "pods", "--output", "wide"], &place[..]].concat());
            let events = ask(&[&["get", "events", "--sort-by", ".lastTimestamp"], &place[..]].concat());
            let logs = ask(&[&["logs", what, "--all-pods", "--tail", "20"], &place[..]].concat());
            format!("{what} does not get ready\n{pods}\n{events}\n{logs}")
        })
    }

    /// Waits until every node is ready.
    ///
    /// # Errors
    /// If one is not in time; the message holds what it says about itself.
    pub fn wait_nodes_ready(&self) -> Result<()> {
        let jsonpath = r#"jsonpath={range .items[*]}{.metadata.name}: {.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}{"\n"}{end}"#;
        eventually(READY, "every node to be ready", || {
            let text = self.kubectl(&["get", "nodes", "-o", jsonpath])?;
            let ready = text.lines().filter(|line| line.contains(": True")).count();
            ensure!(ready == self.segment.nodes.len(), "the nodes say:\n{text}");
            Ok(())
        })
    }

    /// A command with the node's own network and file systems, such as its bpffs on `/sys/fs/bpf`; the network alone is
    /// [`Node::namespace`](crate::lab::Node::namespace).
    ///
    /// # Errors
    /// If there is no such node, or it has no kubelet.
    pub fn on_node(&self, node: &str, program: &str) -> Result<Command> {
        self.runtime(node)?.command(program)
    }

    /// The kubelet of a node.
    ///
    /// # Errors
    /// If there is no such node, or it has no kubelet.
    pub fn kubelet(&self, node: &str) -> Result<&Daemon> {
        self.runtime(node).map(|runtime| &runtime.kubelet)
    }

    /// containerd of a node.
    ///
    /// # Errors
    /// If there is no such node, or it has no kubelet.
    pub fn containerd(&self, node: &str) -> Result<&Daemon> {
        self.runtime(node).map(|runtime| &runtime.containerd)
    }

    fn runtime(&self, node: &str) -> Result<&Runtime> {
        self.runtimes.get(node).with_context(|| {
            format!("no kubelet runs on {node}: there is no such node, or Options::kubelet is not set")
        })
    }
}
