//! containerd and a kubelet on a node of the lab.
//!
//! Both live in a mount namespace of the node, which hides the machine's `/run`, `/var/lib`, `/var/log` and bpffs behind
//! empty ones, and in a cgroup of the node.

pub(in crate::lab) mod cgroup;
mod files;
mod image;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use self::cgroup::Cgroup;
pub use self::image::PAUSE;
use super::{
    control::ControlPlane,
    credentials,
    daemon::{Daemon, tail},
};
use crate::{
    kube::{Assets, Program},
    lab::{Node, Segment, eventually},
    sh,
};

/// How long the programs of a node may take until they listen.
const START: Duration = Duration::from_secs(60);

/// What runs pods on a node.
pub(super) struct Runtime {
    // Whoever starts pods ends first, then who keeps them, then the pods themselves with the cgroup.
    pub(super) kubelet: Daemon,
    pub(super) containerd: Daemon,
    holder: Daemon,
    cgroup: Cgroup,
    socket: PathBuf,
}

impl Runtime {
    /// Starts containerd, gives it the image that every pod needs, and starts the kubelet.
    pub(super) fn start(segment: &Segment, plane: &ControlPlane, assets: &Assets, number: u8) -> Result<Self> {
        let node = &segment.nodes[usize::from(number) - 1];
        let directory = segment.lab.directory().join(format!("runtime-{}", node.name));
        for folder in ["cni", "leases", "opt", "pods", "tunables"] {
            fs::create_dir_all(directory.join(folder)).with_context(|| format!("create {folder} of {}", node.name))?;
        }
        let cgroup = Cgroup::new(format!("{}-{}", segment.lab.tag(), node.name))?;
        let socket = directory.join("containerd.sock");
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display())).map(|()| path)
        };
        write("cni/10-lab.conflist", files::network(&directory, &plane.families.pods_of(number)).to_string())?;
        let config = write("containerd.toml", files::containerd(&directory, &socket))?;
        let kubelet_config = write("kubelet.json", files::kubelet(&directory, &socket, &cgroup.path()).to_string())?;

        let logs = segment.lab.directory();
        let holder = hold(node, &directory, &cgroup, logs)?;
        let mut containerd = inside(&holder, &cgroup, "containerd")?;
        containerd.arg("--config").arg(&config);
        let containerd = Daemon::start(&format!("containerd-{}", node.name), &containerd, logs)?;
        wait_for(&socket, &containerd)?;
        import(&socket, &image::pause()?)?;

        let user = credentials::kubelet_user(&node.name);
        let kubeconfig = directory.join("kubelet.kubeconfig");
        credentials::kubeconfig(&kubeconfig, &plane.authority, &plane.families.api_url(), &credentials::token(&user))?;
        let mut kubelet = inside(&holder, &cgroup, assets.path(Program::Kubelet)?)?;
        kubelet.arg("--config").arg(&kubelet_config).arg("--kubeconfig").arg(&kubeconfig);
        kubelet.arg("--root-dir").arg(directory.join("kubelet")).args(["--hostname-override", &node.name]);
        let addresses: Vec<String> = plane.families.addresses(node).iter().map(ToString::to_string).collect();
        kubelet.arg(format!("--node-ip={}", addresses.join(",")));
        let kubelet = Daemon::start(&format!("kubelet-{}", node.name), &kubelet, logs)?;
        Ok(Self { kubelet, containerd, holder, cgroup, socket })
    }

    /// Gives the node the images of an archive, as if it had pulled them.
    pub(super) fn import(&self, archive: &Path) -> Result<()> {
        import(&self.socket, archive)
    }

    /// A command with the node's own file systems, for example to look at its bpffs.
    pub(super) fn command(&self, program: &str) -> Result<Command> {
        inside(&self.holder, &self.cgroup, program)
    }

    pub(super) fn daemons(&self) -> [&Daemon; 2] {
        [&self.containerd, &self.kubelet]
    }
}

/// Makes the node's mount namespace and keeps it; its children belong to the node's cgroup.
const HOLD: &str = r#"set -e
umask 022
echo $$ > "$1"
mount --make-rshared /
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /var/log
mkdir -p /run/netns /run/lock /var/lib/cni /var/lib/kubelet
cd "$2"
for file in $(find . -type f); do
    if [ -e "/proc/sys/$file" ]; then mount --bind "$file" "/proc/sys/$file"; fi
done
echo ready
exec sleep infinity"#;

fn hold(node: &Node, directory: &Path, cgroup: &Cgroup, logs: &Path) -> Result<Daemon> {
    let tunables = directory.join("tunables");
    for (name, value) in files::TUNABLES {
        let path = tunables.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&tunables)).context("create the folder of a variable")?;
        fs::write(&path, format!("{value}\n")).with_context(|| format!("write {}", path.display()))?;
    }
    let mut command = node.namespace.command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", HOLD, "sh"]);
    command.arg(cgroup.join_file()).arg(&tunables);
    let holder = Daemon::start(&format!("mounts-{}", node.name), &command, logs)?;
    eventually(START, "the mounts of a node", || {
        ensure!(holder.log().contains("ready"), "it printed:\n{}", holder.log());
        Ok(())
    })?;
    Ok(holder)
}

/// A command in the node's network, mounts and cgroup. Its umask is that of a service of systemd (`UMask=` in systemd.exec(5)),
/// whatever ours is: containerd makes the root directory of a container with it, and a pod that is not root has to get in.
fn inside(holder: &Daemon, cgroup: &Cgroup, program: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new("nsenter");
    let join = r#"umask 022; echo $$ > "$1" && shift && exec "$@""#;
    command.args(["--target", &holder.pid()?.to_string(), "--net", "--mount", "sh", "-c", join, "sh"]);
    command.arg(cgroup.join_file()).arg(program);
    Ok(command)
}

fn wait_for(socket: &Path, containerd: &Daemon) -> Result<()> {
    let answers = eventually(START, "containerd to answer", || {
        if let Err(error) = containerd.check() {
            return Ok(Err(error));
        }
        sh::run(ctr(socket, &["version"])).map(Ok)
    });
    answers.and_then(|inner| inner).with_context(|| format!("its log ends with:\n{}", tail(&containerd.log(), 20)))
}

fn import(socket: &Path, archive: &Path) -> Result<()> {
    sh::run(ctr(socket, &["--namespace", "k8s.io", "images", "import", &archive.to_string_lossy()]))
}

/// Gives every node of the lab with this directory the images of an archive. Returns how many nodes that are.
///
/// # Errors
/// If a containerd refuses the archive.
pub(in crate::lab) fn import_everywhere(lab: &Path, archive: &Path) -> Result<usize> {
    let entries = fs::read_dir(lab).with_context(|| format!("read {}", lab.display()))?;
    let sockets = entries.flatten().map(|entry| entry.path().join("containerd.sock"));
    let mut sockets: Vec<PathBuf> = sockets.filter(|socket| socket.exists()).collect();
    sockets.sort();
    sockets.iter().try_for_each(|socket| import(socket, archive))?;
    Ok(sockets.len())
}

fn ctr(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket).args(arguments);
    command
}
