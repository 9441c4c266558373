//! A real Kubernetes out of namespaces: etcd, API server and controllers in one, kube-proxy and a backend on every node of a
//! [`Segment`], a client on the segment. [`network`] draws it.
//!
//! Everything a scenario does goes through `&self`, so that several share one cluster one after the other. What a scenario
//! changes (objects, stopped programs, faults) it puts right again itself.

mod api;
pub mod audit;
pub mod backend;
mod control;
mod credentials;
mod daemon;
mod endpoints;
mod etcd;
mod families;
mod forward;
pub mod http;
mod install;
pub(in crate::lab) mod kubelet;
pub mod network;
mod nodes;
mod pods;
mod requests;
mod webhooks;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Command};

use anyhow::{Context as _, Result};

use self::{control::ControlPlane, forward::Forward, kubelet::Runtime, nodes::NodeDaemons};
pub use self::{
    daemon::Daemon,
    endpoints::Endpoint,
    families::Families,
    http::Answer,
    install::{Controller, Installed, NAMESPACE, Speaker},
    kubelet::PAUSE,
    requests::{Account, Requests},
    webhooks::Guarded,
};
use crate::{
    kube::{self, Program},
    lab::{Namespace, Node, Segment},
    setup::{self, Purpose},
    ui,
};

/// How a cluster is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes, at most 26.
    pub nodes: u8,
    /// Real kubelets and containers; without, nodes are objects that say Ready, and pods never run.
    pub kubelet: bool,
    /// Record every request to the API server, for [`Cluster::requests`].
    pub audit: bool,
    /// Further flags of the API server.
    pub api_server_flags: Vec<String>,
    /// The families of addresses.
    pub families: Families,
    /// A second segment with `eth1` of every node and of the client.
    pub second_network: bool,
    /// The client reaches the API server.
    pub client_manages: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            kubelet: false,
            audit: false,
            api_server_flags: Vec::new(),
            families: Families::default(),
            second_network: false,
            client_manages: false,
        }
    }
}

impl Options {
    /// The programs that such a cluster needs.
    #[must_use]
    pub fn programs(&self) -> Vec<Program> {
        let more: &[Program] = if self.kubelet { &[Program::Scheduler, Program::Kubelet] } else { &[] };
        [&Program::CLUSTER[..], more].concat()
    }

    /// What has to be installed for such a cluster.
    #[must_use]
    pub fn purposes(&self) -> Vec<Purpose> {
        let mut purposes = vec![Purpose::Lab, Purpose::Cluster];
        purposes.extend(self.kubelet.then_some(Purpose::Kubelet));
        purposes
    }
}

/// Gives every node of the cluster whose lab has this directory the images of a docker or OCI archive, also from another process. Returns how
/// many nodes that are: those with kubelets.
///
/// # Errors
/// If a containerd refuses the archive.
pub fn import(lab: &Path, archive: &Path) -> Result<usize> {
    kubelet::import_everywhere(lab, archive)
}

/// A running cluster. Dropping it ends every process and removes every namespace, mount and file.
pub struct Cluster {
    // Dropped in this order: clients before servers, processes before namespaces.
    forward: Forward,
    runtimes: BTreeMap<String, Runtime>,
    nodes: BTreeMap<String, NodeDaemons>,
    plane: ControlPlane,
    segment: Segment,
}

impl Cluster {
    /// Starts a cluster and waits until its API server is ready and its nodes are in it. Builds or installs what is missing.
    ///
    /// # Errors
    /// If something is missing and cannot be had, or does not start; the message holds the log of the culprit.
    pub fn start(options: &Options) -> Result<Self> {
        setup::ensure(&options.purposes())?;
        let assets = kube::ensure(&options.programs())?;
        let segment = Segment::new(options.nodes)?;
        if options.second_network {
            segment.second()?;
        }
        let namespace = network::control_plane(&segment)?;
        if options.client_manages {
            network::join_client(&segment, &namespace)?;
        }
        let plane = ControlPlane::start(&segment, namespace, &assets, options)?;
        let server = SocketAddr::from((network::API_SERVER, network::API_PORT));
        let forward = Forward::start(plane.namespace.path(), server)?;
        let (runtimes, nodes) = (BTreeMap::new(), BTreeMap::new());
        let mut cluster = Self { forward, runtimes, nodes, plane, segment };
        cluster.apply(&nodes::objects(&cluster.segment, options).to_string())?;
        for (number, node) in (1_u8..).zip(&cluster.segment.nodes) {
            let daemons = NodeDaemons::start(&cluster.segment, &cluster.plane, &assets, node)?;
            cluster.nodes.insert(node.name.clone(), daemons);
            if options.kubelet {
                let runtime = Runtime::start(&cluster.segment, &cluster.plane, &assets, number)?;
                cluster.runtimes.insert(node.name.clone(), runtime);
            }
        }
        if options.kubelet {
            cluster.wait_nodes_ready()?;
        }
        Ok(cluster)
    }

    /// Nodes, client, lab directory; and the faults of the network.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The node of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.segment.node(name)
    }

    /// Where API server and controllers run.
    #[must_use]
    pub fn control_plane(&self) -> &Namespace {
        &self.plane.namespace
    }

    /// Starts a program beside the API server, such as a replica of a controller. Its log is `NAME.log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run_in_control_plane(&self, name: &str, program: &Path, arguments: &[&str]) -> Result<Daemon> {
        self.run_in(&self.plane.namespace, name, program, arguments)
    }

    /// Starts a program on a node, such as a speaker. Its log is `NAME.log`.
    ///
    /// # Errors
    /// If there is no such node or the program cannot be started.
    pub fn run_on_node(&self, node: &str, name: &str, program: &Path, arguments: &[&str]) -> Result<Daemon> {
        self.run_in(&self.node(node)?.namespace, name, program, arguments)
    }

    fn run_in(&self, namespace: &Namespace, name: &str, program: &Path, arguments: &[&str]) -> Result<Daemon> {
        let mut command: Command = namespace.command(program);
        command.args(arguments);
        Daemon::start(name, &command, self.segment.lab.directory())
    }

    /// One HTTP request from the client.
    ///
    /// # Errors
    /// If no backend answers within two seconds.
    pub fn curl(&self, address: std::net::IpAddr, port: u16) -> Result<Answer> {
        http::get(&self.segment.client.namespace, address, port)
    }

    /// etcd: stop, freeze or restart it.
    #[must_use]
    pub fn etcd(&self) -> &Daemon {
        &self.plane.etcd
    }

    /// The API server: stop, freeze or restart it; see [`Cluster::wait_ready`].
    #[must_use]
    pub fn api_server(&self) -> &Daemon {
        &self.plane.api_server
    }

    /// The controllers of Kubernetes.
    #[must_use]
    pub fn controller_manager(&self) -> &Daemon {
        &self.plane.controller_manager
    }

    /// kube-proxy of a node.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn proxy(&self, node: &str) -> Result<&Daemon> {
        self.daemons_of(node).map(|daemons| &daemons.proxy)
    }

    /// The backend of a node.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn backend(&self, node: &str) -> Result<&Daemon> {
        self.daemons_of(node).map(|daemons| &daemons.backend)
    }

    /// Cuts a node off from the API server, or joins it again: the segment stays, connections stay open, nothing goes through.
    ///
    /// # Errors
    /// If there is no such node or a command fails.
    pub fn cut_off(&self, node: &str, cut: bool) -> Result<()> {
        let nodes = (1_u8..).zip(&self.segment.nodes);
        let number = nodes.into_iter().find(|(_, known)| known.name == node).map(|(number, _)| number);
        let number = number.with_context(|| format!("the cluster has no {node}"))?;
        network::cut(self.control_plane(), &network::port(number), cut)
    }

    fn daemons_of(&self, node: &str) -> Result<&NodeDaemons> {
        self.nodes.get(node).with_context(|| format!("the cluster has no {node}"))
    }

    /// Every program of the cluster itself.
    pub fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        let nodes = self.nodes.values().flat_map(|node| [&node.proxy, &node.backend]);
        self.plane.daemons().chain(nodes).chain(self.runtimes.values().flat_map(Runtime::daemons))
    }

    /// Resident memory of all of them, KiB.
    ///
    /// # Errors
    /// If one has ended.
    pub fn memory_kib(&self) -> Result<u64> {
        self.daemons().map(Daemon::memory_kib).sum()
    }

    /// The last lines of every log in the lab, for the message of a failure.
    #[must_use]
    pub fn log_tails(&self, lines: usize) -> String {
        let mut text = String::new();
        for directory in [self.segment.lab.directory(), &self.plane.directory] {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let mut logs: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_log(path)).collect();
            logs.sort();
            for log in logs {
                let bytes = std::fs::read(&log).unwrap_or_default();
                let name = log.file_stem().unwrap_or_default().to_string_lossy();
                text += &format!("--- {name}\n{}\n", daemon::tail(&String::from_utf8_lossy(&bytes), lines));
            }
        }
        text
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ui::warn(format_args!("the logs of the cluster end with:\n{}", self.log_tails(20)));
        }
    }
}
