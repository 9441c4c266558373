//! The control plane: etcd, the API server and the controllers of Kubernetes itself, in a namespace of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    Options, credentials,
    daemon::{Daemon, tail},
    families::Families,
    network::API_PORT,
};
use crate::{
    kube::{Assets, Program},
    lab::{Namespace, Segment, eventually, undo::Undo},
    sh, ui,
};

/// How long the API server may take to be ready; 6 s are usual.
const READY: Duration = Duration::from_secs(120);
/// Where the API server finds etcd, inside the namespace.
pub(super) const ETCD: &str = "http://127.0.0.1:2379";

/// The running control plane.
pub(super) struct ControlPlane {
    // Clients end before their servers.
    pub(super) scheduler: Option<Daemon>,
    pub(super) controller_manager: Daemon,
    pub(super) api_server: Daemon,
    pub(super) etcd: Daemon,
    /// Certificate by which clients know the API server.
    pub(super) authority: PathBuf,
    /// Kubeconfig of the administrator.
    pub(super) admin: PathBuf,
    pub(super) kubectl: PathBuf,
    pub(super) families: Families,
    /// What the API server was asked, if that is recorded.
    pub(super) audit: Option<PathBuf>,
    // The processes are gone before their namespace and their file system.
    pub(super) namespace: Namespace,
    pub(super) directory: PathBuf,
    _memory: Undo,
}

/// What the programs of the control plane are started with.
struct Files {
    directory: PathBuf,
    certificates: PathBuf,
    key: PathBuf,
    tokens: PathBuf,
    audit: Option<(PathBuf, PathBuf)>,
}

impl ControlPlane {
    /// Starts it and waits until the API server is ready.
    pub(super) fn start(segment: &Segment, namespace: Namespace, assets: &Assets, options: &Options) -> Result<Self> {
        let directory = segment.lab.directory().join("control-plane");
        fs::create_dir(&directory).context("create the directory of the control plane")?;
        let (data, memory) = memory(segment, &directory)?;
        let names: Vec<&str> = segment.nodes.iter().map(|node| node.name.as_str()).collect();
        let files = Files {
            key: credentials::signing_key(&directory)?,
            tokens: credentials::token_file(&directory, &names)?,
            certificates: directory.join("certificates"),
            audit: if options.audit { Some(audit(&directory)?) } else { None },
            directory: directory.clone(),
        };
        let etcd = Daemon::start("etcd", &etcd(&namespace, assets, &data)?, &directory)?;
        let api_server =
            Daemon::start("kube-apiserver", &api_server(&namespace, assets, &files, options)?, &directory)?;

        let authority = files.certificates.join("apiserver.crt");
        let url = options.families.api_url();
        for user in credentials::ADMINS {
            let file = kubeconfig_of(&directory, user);
            credentials::kubeconfig(&file, &authority, &url, &credentials::token(user))?;
        }
        let kubectl = assets.path(Program::Kubectl)?.clone();
        let admin = kubeconfig_of(&directory, "admin");
        wait_ready(&namespace, &kubectl, &admin, &api_server)?;

        let manager = controller_manager(&namespace, assets, &files, options)?;
        let controller_manager = Daemon::start("kube-controller-manager", &manager, &directory)?;
        let scheduler = if options.kubelet {
            let mut command = namespace.command(assets.path(Program::Scheduler)?);
            command.arg("--kubeconfig").arg(kubeconfig_of(&directory, "kube-scheduler")).arg("--leader-elect=false");
            Some(Daemon::start("kube-scheduler", &command, &directory)?)
        } else {
            None
        };
        let audit = files.audit.map(|(_, log)| log);
        let plane = Self {
            scheduler,
            controller_manager,
            api_server,
            etcd,
            authority,
            admin,
            kubectl,
            families: options.families,
            audit,
            namespace,
            directory,
            _memory: memory,
        };
        Ok(plane)
    }

    /// Waits until the API server answers that it is ready.
    pub(super) fn wait_ready(&self) -> Result<()> {
        wait_ready(&self.namespace, &self.kubectl, &self.admin, &self.api_server)
    }

    pub(super) fn kubeconfig_of(&self, user: &str) -> PathBuf {
        kubeconfig_of(&self.directory, user)
    }

    pub(super) fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        [&self.etcd, &self.api_server, &self.controller_manager].into_iter().chain(&self.scheduler)
    }
}

fn kubeconfig_of(directory: &Path, user: &str) -> PathBuf {
    directory.join(format!("{user}.kubeconfig"))
}

/// A file system in memory for etcd: on a disk every write waits for it, and the disk would be what is measured.
fn memory(segment: &Segment, directory: &Path) -> Result<(PathBuf, Undo)> {
    let data = directory.join("etcd");
    fs::create_dir(&data).context("create the data directory of etcd")?;
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "mode=700", segment.lab.tag()]).arg(&data);
    sh::run(mount)?;
    let mounted = data.clone();
    let undo = Undo::new(move || {
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(&mounted);
        if let Err(error) = sh::run(umount) {
            ui::warn(error);
        }
    })?;
    Ok((data, undo))
}

/// A policy that records who asked for what, without bodies, once answered or once a watch has begun.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  - level: None
    nonResourceURLs: [/healthz*, /readyz*, /livez*]
  - level: Metadata
";

fn audit(directory: &Path) -> Result<(PathBuf, PathBuf)> {
    let policy = directory.join("audit-policy.yaml");
    fs::write(&policy, AUDIT_POLICY).context("write the audit policy")?;
    Ok((policy, directory.join("audit.json")))
}

fn etcd(namespace: &Namespace, assets: &Assets, data: &Path) -> Result<Command> {
    let peers = "http://127.0.0.1:2380";
    let mut command = namespace.command(assets.path(Program::Etcd)?);
    command.arg("--data-dir").arg(data);
    command.args(["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD]);
    command.args(["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers]);
    command.args(["--initial-cluster", &format!("default={peers}"), "--log-level", "warn"]);
    Ok(command)
}

fn api_server(namespace: &Namespace, assets: &Assets, files: &Files, options: &Options) -> Result<Command> {
    let mut command = namespace.command(assets.path(Program::Apiserver)?);
    command.arg(format!("--etcd-servers={ETCD}")).arg(format!("--secure-port={API_PORT}"));
    command.args(["--bind-address=::".to_owned(), format!("--advertise-address={}", options.families.api_server())]);
    command.arg("--cert-dir").arg(&files.certificates);
    command.arg("--service-account-key-file").arg(&files.key);
    command.arg("--service-account-signing-key-file").arg(&files.key);
    command.arg("--service-account-issuer=https://kubernetes.default.svc");
    command.arg("--token-auth-file").arg(&files.tokens);
    command.args(["--authorization-mode=Node,RBAC", "--allow-privileged=true"]);
    command.arg(format!("--service-cluster-ip-range={}", options.families.service_ranges()));
    // No kube-proxy runs beside it: it looks up the endpoints of webhooks itself.
    command.arg("--enable-aggregator-routing=true");
    if options.kubelet {
        command.arg("--enable-admission-plugins=NodeRestriction");
        // kubectl logs and exec: no name service knows the nodes.
        command.arg("--kubelet-preferred-address-types=InternalIP");
    } else {
        // Nobody would ever take the taint away again: the controller that does so judges by heartbeats of kubelets.
        command.arg("--disable-admission-plugins=TaintNodesByCondition");
    }
    if let Some((policy, log)) = &files.audit {
        command.arg("--audit-policy-file").arg(policy).arg("--audit-log-path").arg(log);
        // One file: a reader need not follow rotations.
        command.arg("--audit-log-maxsize=4096");
    }
    command.args(&options.api_server_flags);
    Ok(command)
}

fn controller_manager(namespace: &Namespace, assets: &Assets, files: &Files, options: &Options) -> Result<Command> {
    let mut command = namespace.command(assets.path(Program::ControllerManager)?);
    command.arg("--kubeconfig").arg(kubeconfig_of(&files.directory, "kube-controller-manager"));
    command.arg("--service-account-private-key-file").arg(&files.key);
    command.arg("--root-ca-file").arg(files.certificates.join("apiserver.crt"));
    command.arg("--leader-elect=false").arg(format!("--cluster-cidr={}", options.families.pod_ranges()));
    if !options.kubelet {
        // It would take the nodes for dead: no kubelet renews their leases.
        command.arg("--controllers=*,-node-lifecycle-controller");
    }
    Ok(command)
}

fn wait_ready(namespace: &Namespace, kubectl: &Path, admin: &Path, server: &Daemon) -> Result<()> {
    let ready = eventually(READY, "the API server to be ready", || {
        // A server that has ended will never be ready: the outer result stops the waiting at once.
        if let Err(error) = server.check() {
            return Ok(Err(error));
        }
        ensure!(namespace_listens(namespace), "it does not listen yet");
        let mut command = namespace.command(kubectl);
        command.arg("--kubeconfig").arg(admin).args(["get", "--raw", "/readyz"]);
        sh::run(command).map(Ok)
    });
    ready
        .and_then(|inner| inner)
        .with_context(|| format!("the API server's log ends with:\n{}", tail(&server.log(), 20)))
}

/// Whether somebody listens at the API server's port: asking so costs nothing, a kubectl a tenth of a second of a processor.
fn namespace_listens(namespace: &Namespace) -> bool {
    let mut command = namespace.command("ss");
    command.args(["-Hltn", &format!("sport = :{API_PORT}")]);
    sh::read(command).is_ok_and(|listeners| !listeners.is_empty())
}
