//! A network namespace that is deleted with its guard.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use super::undo::Undo;
use crate::{paths, sh, ui};

/// Variables of IPv4 that a new namespace takes over from the machine (`net.core.devconf_inherit_init_net`), of which some
/// distributions and container runtimes set a few. A lab begins with what the kernel has by itself.
const INHERITED: [&str; 7] =
    ["arp_accept", "arp_announce", "arp_filter", "arp_ignore", "arp_notify", "proxy_arp", "rp_filter"];

/// A named network namespace.
pub struct Namespace {
    name: String,
    _undo: Undo,
}

impl Namespace {
    /// Makes the namespace and brings its loopback interface up.
    ///
    /// # Errors
    /// If `ip` fails, for example without root.
    pub fn new(name: String) -> Result<Self> {
        sh::run(ip(["netns", "add", name.as_str()]))?;
        let undo = Undo::new({
            let name = name.clone();
            move || {
                if let Err(error) = sh::run(ip(["netns", "del", name.as_str()])) {
                    ui::warn(error);
                }
            }
        })?;
        let namespace = Self { name, _undo: undo };
        let mut sysctl = namespace.command("sysctl");
        sysctl.args(["-qw", "net.ipv4.ip_forward=0"]);
        for variable in INHERITED {
            sysctl.args(["all", "default"].map(|scope| format!("net.ipv4.conf.{scope}.{variable}=0")));
        }
        sh::run(sysctl)?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Its name, as `ip netns list` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that names it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// A command that will run inside. Only the network is another one: file systems are the machine's own
    /// (`ip netns exec` would hide every bpffs).
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// `ip -n NAME …`; the arguments are separated by blanks.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        sh::read(ip(["-n", self.name.as_str()].into_iter().chain(arguments.split_whitespace())))
    }

    /// Sets a variable of the namespace's own network stack, for example `net.ipv4.conf.all.arp_ignore`.
    ///
    /// # Errors
    /// If the kernel has no such variable or refuses the value.
    pub fn sysctl(&self, variable: &str, value: &str) -> Result<()> {
        let mut command = self.command("sysctl");
        command.args(["-qw", &format!("{variable}={value}")]);
        sh::run(command)
    }

    /// Lets frames that an XDP program on the other end of this veth sends back (`XDP_TX`) come in: attaches a program that
    /// passes everything. The kernel hands such frames over only to an end with a program of its own (`veth_xdp_flush`);
    /// without one they count as sent and are never received. GRO alone (`ethtool -K … gro on`) is not enough.
    ///
    /// # Errors
    /// If the program is not built or cannot be attached.
    pub fn accept_xdp_tx(&self, interface: &str) -> Result<()> {
        self.attach_yardstick(interface, "empty")
    }

    /// Attaches a program of the yardstick to an interface, native XDP.
    ///
    /// `ip` mounts a bpffs on `/sys/fs/bpf` where there is none, and makes folders in it. It gets mounts of its own, so
    /// that the machine is left as it was.
    ///
    /// # Errors
    /// If the program is not built or cannot be attached.
    pub fn attach_yardstick(&self, interface: &str, program: &str) -> Result<()> {
        let object = paths::bpf_object("yardstick");
        anyhow::ensure!(object.exists(), "{} is missing; run cargo xtask build-ebpf", object.display());
        let mut command = Command::new("unshare");
        command.args(["--mount", "ip", "-n", &self.name, "link", "set", "dev", interface, "xdpdrv", "obj"]);
        command.arg(object).args(["program", program]);
        sh::run(command)
    }

    /// The MAC of an interface inside, in lower case.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn mac(&self, interface: &str) -> Result<String> {
        let text = self.ip(&format!("-json link show dev {interface}"))?;
        let links: serde_json::Value = serde_json::from_str(&text)?;
        links[0]["address"]
            .as_str()
            .map(str::to_lowercase)
            .ok_or_else(|| anyhow::anyhow!("{interface} has no MAC: {text}"))
    }
}

fn ip<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("ip");
    command.args(arguments);
    command
}
