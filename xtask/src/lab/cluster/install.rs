//! Our controller and speakers in the cluster: as processes, with the rights and the exclude file of `manifests/`.

use std::{
    fs,
    net::IpAddr,
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Cluster, Daemon, http, network, webhooks::Endpoint};
use crate::{
    lab::{Namespace, eventually, read_status},
    manifests, paths, sh, ui,
};

/// Where everything is, as in MetalLB.
pub const NAMESPACE: &str = "metallb-system";
/// Port of the probes.
const PROBES: u16 = 17472;
/// Where both programs show their metrics in their network namespaces, to whoever asks.
const METRICS: &str = "127.0.0.1:7472";
/// How long a program may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// What [`Cluster::install`] has prepared.
pub struct Installed {
    programs: PathBuf,
    controller: PathBuf,
    speaker: PathBuf,
    excludes: PathBuf,
}

impl Cluster {
    /// Applies what the base of `manifests/` consists of (namespace, CRDs, RBAC, exclude file, Service and Secret of the webhooks)
    /// except what makes pods, and gets tokens for the two service accounts. The API server can ask the webhooks of a controller from
    /// [`Controller::wait_ready`] on, for conversions; it asks whether a change may be made only between [`Cluster::guard`] and its end.
    ///
    /// # Errors
    /// If a manifest is missing or refused.
    pub fn install(&self) -> Result<Installed> {
        let objects: Vec<Value> = manifests::objects()?.into_iter().filter_map(prepared).collect();
        let crds = objects.iter().any(|object| object["kind"] == "CustomResourceDefinition");
        let file = self.segment().lab.directory().join("manifests.json");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        fs::write(&file, list.to_string()).with_context(|| format!("write {}", file.display()))?;
        // The server merges: descriptions of large resources do not fit into the annotation that the client would write.
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file.to_string_lossy()])?;
        // A scenario may have applied all of the base.
        let policies = "validatingadmissionpolicies,validatingadmissionpolicybindings";
        self.kubectl(&["delete", policies, "arpeggio-speaker", "--ignore-not-found"])?;
        if crds {
            self.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])?;
        }
        let excludes = self.segment().lab.directory().join("excludel2.yaml");
        let map = self.get(&["configmap", "metallb-excludel2", "--namespace", NAMESPACE])?;
        let text = map["data"]["excludel2.yaml"].as_str().context("the exclude file has no excludel2.yaml in it")?;
        fs::write(&excludes, text).with_context(|| format!("write {}", excludes.display()))?;
        Ok(Installed {
            programs: paths::profile(),
            controller: self.service_account(NAMESPACE, "controller")?,
            speaker: self.service_account(NAMESPACE, "speaker")?,
            excludes,
        })
    }
}

/// The object as it is for programs that are processes; `None`: it is for pods, or for [`Cluster::guard`].
fn prepared(mut object: Value) -> Option<Value> {
    // A process has a token that names no node: the policies are for pods too.
    let left_out = [
        "Deployment",
        "DaemonSet",
        "PodDisruptionBudget",
        "ValidatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    if left_out.iter().any(|kind| object["kind"] == *kind) {
        return None;
    }
    // Its endpoints are written here: there are no pods to select.
    if object["kind"] == "Service"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("selector");
    }
    Some(object)
}

impl Installed {
    /// Starts the programs of this folder instead of those that were built beside this one.
    #[must_use]
    pub fn with_programs(self, folder: PathBuf) -> Self {
        Self { programs: folder, ..self }
    }

    /// Starts a replica of the controller in a namespace of its own in the management network, so that it can be cut off.
    /// Replicas are counted from 1. Returns at once: see [`Controller::wait_ready`].
    ///
    /// # Errors
    /// If the program is not built or cannot be started.
    pub fn start_controller(&self, cluster: &Cluster, replica: u8, arguments: &[&str]) -> Result<Controller> {
        let program = built(&self.programs.join("controller"), "arpeggio-controller")?;
        let port = format!("controller{replica}");
        let lab = &cluster.segment().lab;
        let namespace = Namespace::new(format!("{}-{port}", lab.tag()))?;
        network::join(cluster.control_plane(), &namespace, &port, network::CONTROLLERS + replica)?;
        let mut command = namespace.command(program);
        let name = format!("controller-{replica}");
        // Replicas on one machine have one host name; the lease has to tell them apart.
        command.arg("--kubeconfig").arg(&self.controller).args(["--namespace", NAMESPACE, "--pod-name", &name]);
        command.args(["--metrics-http", METRICS]);
        command.args(arguments);
        let daemon = Daemon::start(&name, &command, lab.directory())?;
        let endpoint = Endpoint::new(cluster, replica);
        Ok(Controller { daemon, namespace, port, endpoint })
    }

    /// Starts the speaker of a node. Pins and run directory are the node's, so that a second start finds those of the first.
    /// Returns at once: see [`Speaker::wait_ready`].
    ///
    /// # Errors
    /// If the program is not built or cannot be started.
    pub fn start_speaker(&self, cluster: &Cluster, node: &str, arguments: &[&str]) -> Result<Speaker> {
        let program = built(&self.programs.join("speaker"), "arpeggio-speaker")?;
        let (lab, namespace) = (&cluster.segment().lab, &cluster.node(node)?.namespace);
        let run = lab.directory().join(format!("speaker-{node}"));
        fs::create_dir_all(&run).with_context(|| format!("create {}", run.display()))?;
        let pins = lab.bpffs().join(node);
        let mut command = namespace.command(&program);
        command.arg("run").arg("--kubeconfig").arg(&self.speaker).args(["--node-name", node, "--namespace", NAMESPACE]);
        command.arg("--pin-dir").arg(&pins).arg("--run-dir").arg(&run);
        if !arguments.contains(&"--exclude-interfaces") {
            command.arg("--exclude-interfaces").arg(&self.excludes);
        }
        // This machine's own FRR, if it has one, is none of the node's.
        command.env("ARPEGGIO_FRR_SOCKET_DIR", run.join("frr"));
        command.args(arguments);
        let daemon = Daemon::start(&format!("speaker-{node}"), &command, lab.directory())?;
        Ok(Speaker { daemon, program, pins, run, namespace: namespace.path() })
    }
}

fn built(program: &Path, package: &str) -> Result<PathBuf> {
    ensure!(program.exists(), "there is no {}; `cargo build -p {package}` makes it", program.display());
    Ok(program.to_owned())
}

/// A replica of the controller. Killed when dropped, with its namespace.
pub struct Controller {
    daemon: Daemon,
    namespace: Namespace,
    port: String,
    endpoint: Endpoint,
}

impl Controller {
    /// Waits until its probe says that it is ready, and makes it an endpoint of the webhooks, as a kubelet would.
    ///
    /// # Errors
    /// If it ends or is not in time; the message holds its log.
    pub fn wait_ready(&self) -> Result<()> {
        wait_ready(&self.daemon, &self.namespace.path())?;
        self.endpoint.add()
    }

    /// Asks it to end, and waits until it is gone; before, it ceases to be an endpoint, as a pod does that is deleted.
    ///
    /// # Errors
    /// If it has ended before, or does not end.
    pub fn terminate(&self) -> Result<()> {
        self.endpoint.remove()?;
        self.daemon.terminate()
    }

    /// Ends it as a crash would. It stays an endpoint until it is dropped or ready again: nobody notices at once.
    ///
    /// # Errors
    /// If it has ended before.
    pub fn kill(&self) -> Result<()> {
        self.daemon.kill()
    }

    /// Its metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn metrics(&self) -> Result<String> {
        let mut curl = self.namespace.command("curl");
        curl.args(["--disable", "--noproxy", "*", "--silent", "--max-time", "2", &format!("http://{METRICS}/metrics")]);
        sh::read(curl)
    }

    /// Where it runs: its metrics are at 127.0.0.1:7472 there.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Cuts it off from the API server, or joins it again: connections stay open, nothing goes through.
    ///
    /// # Errors
    /// If a command fails.
    pub fn cut_off(&self, cluster: &Cluster, cut: bool) -> Result<()> {
        network::cut(cluster.control_plane(), &self.port, cut)
    }
}

/// The speaker of a node. Killed when dropped; its pins stay, as they do in life.
pub struct Speaker {
    daemon: Daemon,
    program: PathBuf,
    pins: PathBuf,
    run: PathBuf,
    namespace: PathBuf,
}

impl Speaker {
    /// Waits until its probe says that it is ready.
    ///
    /// # Errors
    /// If it ends or is not in time; the message holds its log.
    pub fn wait_ready(&self) -> Result<()> {
        wait_ready(&self.daemon, &self.namespace)
    }

    /// Where it pins: its maps and links are below, in [`LAYOUT_DIRECTORY`](crate::lab::LAYOUT_DIRECTORY).
    #[must_use]
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// A subcommand of the speaker about this speaker, for example `["explain", "192.0.2.100"]`.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = enter(&self.namespace, &self.program);
        command.args(arguments).arg("--pin-dir").arg(&self.pins).arg("--run-dir").arg(&self.run);
        command
    }

    /// `speaker status` as JSON, whatever problems it tells.
    ///
    /// # Errors
    /// If the agent does not answer, or its lease is over.
    pub fn status(&self) -> Result<Value> {
        read_status(self.cli(&["status", "-o", "json"]))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Err(error) = self.endpoint.remove() {
            ui::warn(format_args!("remove the endpoint of {}: {error:#}", self.port));
        }
        // The kernel takes a namespace apart some time after it is gone, and its link with it: the next replica of this number
        // would find the name of the port taken.
        if let Err(error) = self.namespace.ip(&format!("link del {}", network::MANAGEMENT)) {
            ui::warn(format_args!("remove the link of {}: {error:#}", self.port));
        }
    }
}

impl Deref for Controller {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Deref for Speaker {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

pub(super) fn enter(namespace: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", namespace.display())).arg("--").arg(program);
    command
}

fn wait_ready(daemon: &Daemon, namespace: &Path) -> Result<()> {
    let url = format!("{}readyz", http::url(IpAddr::from([127, 0, 0, 1]), PROBES));
    let ready = eventually(READY, &format!("{} to be ready", daemon.name()), || {
        // One that has ended will never be ready: the outer result stops the waiting at once.
        if let Err(error) = daemon.check() {
            return Ok(Err(error));
        }
        let mut probe = enter(namespace, "curl");
        probe.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--fail", "--max-time", "2", &url]);
        sh::run(probe).map(Ok)
    });
    match ready {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) | Err(error) => bail!("{error:#}; its log:\n{}", daemon.log()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_pods_is_left_out() {
        let kinds: Vec<Value> = manifests::objects().unwrap().into_iter().filter_map(prepared).collect();
        let has = |kind: &str| kinds.iter().any(|object| object["kind"] == kind);
        assert!(has("Namespace") && has("ServiceAccount") && has("ClusterRole") && has("ConfigMap"));
        assert!(!has("Deployment") && !has("DaemonSet") && !has("ValidatingWebhookConfiguration"));
        assert!(kinds.iter().all(|object| object["spec"]["selector"].is_null()));
    }
}
