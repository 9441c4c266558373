//! `cargo xtask cluster`: the lab's Kubernetes, for whoever wants to look at it or try something.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::{
    build, ebpf, image, kube,
    lab::{
        abandoned,
        cluster::{self, Cluster, Controller, Families, NAMESPACE, Options, Speaker},
        eventually, remove_abandoned,
    },
    paths, sh, ui,
};

/// How long a cluster may take to come up; building its programs comes before.
const UP: Duration = Duration::from_secs(300);
/// How long it may take to go.
const DOWN: Duration = Duration::from_secs(60);

/// `cargo xtask cluster`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Start a cluster; it runs in the background until `down`.
    Up(Up),
    /// End the cluster and remove everything that it made.
    Down,
    /// Print a kubeconfig of the administrator for use outside of the namespaces.
    Kubeconfig {
        /// One that works in the namespace of the client.
        #[arg(long)]
        client: bool,
    },
    /// Give every node the images of a docker or OCI archive; needs `up --kubelet`.
    Import {
        /// The archive.
        file: PathBuf,
    },
    /// Run kubectl as the administrator.
    Kubectl {
        /// Arguments of kubectl.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a command in the network of the client or of a node.
    On {
        /// `client`, `node-a`, `node-b`, …
        place: String,
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(clap::Args)]
struct Up {
    /// Number of nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=26))]
    nodes: u8,
    /// Real kubelets and containerd on every node.
    #[arg(long)]
    kubelet: bool,
    /// Image for the pods, an archive as `cargo xtask image` writes it [default: the development build, packed for this]
    #[arg(long, value_name = "FILE", requires = "kubelet", conflicts_with = "bare")]
    image: Option<PathBuf>,
    /// Without our controller and speakers.
    #[arg(long)]
    bare: bool,
    /// Families of addresses of services, pods and nodes; of both, which one comes first.
    #[arg(long, value_enum, default_value_t)]
    families: Families,
    /// A second segment, 203.0.113.0/24 and 2001:db8:1::/64, with `eth1` of every node and of the client.
    #[arg(long)]
    second_network: bool,
    /// Replicas of the controller.
    #[arg(long, value_name = "N", default_value_t = REPLICAS, value_parser = clap::value_parser!(u8).range(1..=9))]
    controller_replicas: u8,
    /// Stay in the foreground; Ctrl-C ends the cluster.
    #[arg(long)]
    foreground: bool,
}

/// What is known about the cluster that runs.
#[derive(Serialize, Deserialize)]
struct State {
    /// Process that keeps it.
    pid: u32,
    /// Of its lab.
    tag: String,
    kubeconfig: String,
    /// That of the client.
    client_kubeconfig: String,
    /// Of its lab.
    directory: PathBuf,
}

fn state_file() -> PathBuf {
    paths::target().join("cluster.json")
}

/// Runs the verb.
///
/// # Errors
/// If the cluster cannot be started, or there is none.
pub fn run(args: &Args) -> Result<()> {
    match &args.verb {
        Verb::Up(up) if up.foreground => foreground(up),
        Verb::Up(up) => background(up),
        Verb::Down => down(),
        Verb::Kubeconfig { client } => {
            let state = there()?;
            ui::say(if *client { state.client_kubeconfig } else { state.kubeconfig });
            Ok(())
        }
        Verb::Import { file } => import(file),
        Verb::Kubectl { arguments } => kubectl(arguments),
        Verb::On { place, command } => on(place, command),
    }
}

/// The cluster that runs, if one does.
fn running() -> Result<Option<State>> {
    let path = state_file();
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let state: State = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
    // The number alone could be another process by now.
    let line = fs::read_to_string(format!("/proc/{}/cmdline", state.pid)).unwrap_or_default();
    Ok(line.contains("cluster\0up").then_some(state))
}

fn there() -> Result<State> {
    running()?.context("no cluster runs; `cargo xtask cluster up` starts one")
}

/// Becomes kubectl; returns only if that fails.
fn kubectl(arguments: &[OsString]) -> Result<()> {
    let file = paths::target().join("cluster.kubeconfig");
    fs::write(&file, there()?.kubeconfig).with_context(|| format!("write {}", file.display()))?;
    let assets = kube::ensure(&[kube::Program::Kubectl])?;
    let mut command = Command::new(assets.path(kube::Program::Kubectl)?);
    command.arg("--kubeconfig").arg(file).args(arguments);
    without_proxy(&mut command);
    Err(command.exec()).with_context(|| sh::not_started(&command))
}

fn import(file: &Path) -> Result<()> {
    let nodes = cluster::import(&there()?.directory, file)?;
    ensure!(nodes > 0, "this cluster has no kubelets; start it with `cargo xtask cluster up --kubelet`");
    ui::say(format_args!("{nodes} nodes have the images of {}", file.display()));
    Ok(())
}

/// Everything is on this machine: a proxy could only be in the way.
fn without_proxy(command: &mut Command) {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name);
    }
}

/// Becomes the command, in the network of a place; returns only if that fails.
fn on(place: &str, command: &[OsString]) -> Result<()> {
    let namespace = Path::new("/run/netns").join(format!("{}-{place}", there()?.tag));
    ensure!(namespace.exists(), "there is no {place}: it is `client`, or a node such as `node-a`");
    let mut inside = Command::new("nsenter");
    inside.arg(format!("--net={}", namespace.display())).arg("--").args(command);
    without_proxy(&mut inside);
    Err(inside.exec()).with_context(|| sh::not_started(&inside))
}

fn options(up: &Up) -> Options {
    Options {
        nodes: up.nodes,
        kubelet: up.kubelet,
        families: up.families,
        second_network: up.second_network,
        client_manages: true,
        ..Options::default()
    }
}

/// Our programs in the cluster, as long as this is kept.
#[derive(Default)]
struct Ours {
    _controllers: Vec<Controller>,
    _speakers: Vec<Speaker>,
}

/// Replicas of the controller, as in `manifests/`.
const REPLICAS: u8 = 2;

impl Ours {
    /// Starts them: as pods where there are kubelets, as processes where there are none.
    fn start(cluster: &Cluster, image: Option<&Path>, replicas: u8) -> Result<Self> {
        if let Some(archive) = image {
            cluster.deploy(archive)?;
            if replicas != REPLICAS {
                let wanted = format!("--replicas={replicas}");
                cluster.kubectl(&["scale", "deployment/controller", "--namespace", NAMESPACE, &wanted])?;
                cluster.wait_rollout("deployment/controller")?;
            }
            return Ok(Self::default());
        }
        let installed = cluster.install()?;
        let controllers = (1..=replicas).map(|replica| installed.start_controller(cluster, replica, &[]));
        let controllers: Vec<Controller> = controllers.collect::<Result<_>>()?;
        let nodes = cluster.segment().nodes.iter();
        let speakers =
            nodes.map(|node| installed.start_speaker(cluster, &node.name, &[])).collect::<Result<Vec<_>>>()?;
        controllers.iter().try_for_each(Controller::wait_ready)?;
        speakers.iter().try_for_each(Speaker::wait_ready)?;
        Ok(Self { _controllers: controllers, _speakers: speakers })
    }
}

/// Compiles what the cluster starts, and packs it where pods are to run it.
fn prepare(up: &Up) -> Result<Option<PathBuf>> {
    ebpf::run(&ebpf::Args::default())?;
    if up.bare {
        return Ok(None);
    }
    if let Some(archive) = &up.image {
        return fs::canonicalize(archive).map(Some).with_context(|| format!("--image {}", archive.display()));
    }
    if up.kubelet {
        let wanted = image::Wanted::quick()?;
        image::build(&wanted)?;
        return Ok(Some(wanted.archive));
    }
    let step = ui::Step::begin("Building controller and agent");
    build::own_programs()?;
    step.done("built");
    Ok(None)
}

fn foreground(up: &Up) -> Result<()> {
    ensure!(running()?.is_none(), "a cluster runs already; `cargo xtask cluster down` ends it");
    let image = prepare(up)?;
    let step = ui::Step::begin("Starting a cluster");
    let cluster = Cluster::start(&options(up))?;
    step.done(format_args!("{} nodes, {} MiB", up.nodes, cluster.memory_kib()? / 1024));
    let _ours = if up.bare {
        Ours::default()
    } else {
        let step = ui::Step::begin("Starting controller and speakers");
        let ours = Ours::start(&cluster, image.as_deref(), up.controller_replicas)?;
        step.done("ready");
        ours
    };
    let kubeconfig = cluster.outside_kubeconfig();
    let lab = &cluster.segment().lab;
    let state = State {
        pid: std::process::id(),
        tag: lab.tag().to_owned(),
        kubeconfig,
        client_kubeconfig: cluster.client_kubeconfig(),
        directory: lab.directory().to_owned(),
    };
    let path = state_file();
    fs::write(&path, serde_json::to_string(&state)?).with_context(|| format!("write {}", path.display()))?;
    tour(&cluster);
    // A signal ends the process, and the cluster with it.
    loop {
        thread::park();
    }
}

fn tour(cluster: &Cluster) {
    let segment = cluster.segment();
    ui::heading("Look around");
    ui::say("   kubectl  cargo xtask cluster kubectl get nodes");
    for node in segment.nodes.iter().chain([&segment.client]) {
        ui::say(format_args!("   {:<8} cargo xtask cluster on {} bash", node.name, node.name));
    }
    ui::say(format_args!("   control  nsenter --net={} bash", cluster.control_plane().path().display()));
    ui::say(format_args!("   logs     {}", segment.lab.directory().display()));
    ui::say("   end      cargo xtask cluster down");
}

/// Starts the same verb as a process of its own and waits until its cluster is up.
fn background(up: &Up) -> Result<()> {
    ensure!(running()?.is_none(), "a cluster runs already; `cargo xtask cluster down` ends it");
    // Here, where its progress can be seen: it can take minutes, and is found ready afterwards.
    let image = prepare(up)?;
    let wanted = options(up);
    crate::setup::ensure(&wanted.purposes())?;
    kube::ensure(&wanted.programs())?;
    let log = paths::target().join("cluster.log");
    let file = fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    command.args(["cluster", "up", "--foreground", "--nodes", &up.nodes.to_string()]);
    command.args(["--families", up.families.name()]);
    command.args(["--controller-replicas", &up.controller_replicas.to_string()]);
    let flags = [(up.kubelet, "--kubelet"), (up.bare, "--bare"), (up.second_network, "--second-network")];
    command.args(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| flag));
    if let Some(archive) = image.filter(|_| up.image.is_some()) {
        command.arg("--image").arg(archive);
    }
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    // In a process group of its own, so that Ctrl-C here does not end it.
    let mut child = command.process_group(0).spawn().with_context(|| sh::not_started(&command))?;
    let printed = || fs::read_to_string(&log).unwrap_or_default();
    eventually(UP, "the cluster to be up", || {
        if let Some(status) = child.try_wait()? {
            return Ok(Err(anyhow::anyhow!("it ended ({status}):\n{}", printed())));
        }
        ensure!(printed().contains("cluster down"), "it printed:\n{}", printed());
        Ok(Ok(()))
    })??;
    ui::say(printed().trim_end());
    Ok(())
}

fn down() -> Result<()> {
    if let Some(state) = running()? {
        let pid = Pid::from_raw(i32::try_from(state.pid).context("process ids are positive 32-bit numbers")?);
        signal::kill(pid, Signal::SIGTERM).context("end the cluster")?;
        eventually(DOWN, "the cluster to end", || match running()? {
            None => Ok(()),
            Some(state) => bail!("process {} still runs", state.pid),
        })?;
        ui::say(format_args!("{} is gone", state.tag));
    } else if let Ok(text) = fs::read_to_string(state_file()) {
        // It was killed: what it made is still there.
        let state: State = serde_json::from_str(&text).context("read what is known about the cluster")?;
        if abandoned().contains(&state.tag) {
            remove_abandoned(&state.tag)?;
            ui::say(format_args!("removed what {} left", state.tag));
        }
    } else {
        ui::say("no cluster runs");
    }
    match fs::remove_file(state_file()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("remove the state file"),
        _ => Ok(()),
    }
}
