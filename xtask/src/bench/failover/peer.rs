//! Any other set-up, driven by a script.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use super::{
    cluster::{Cluster, node, signal_all},
    plan::ADDRESS,
};
use crate::{
    lab::{Segment, undo::Undo},
    sh, ui,
};

/// What the script has to do, for `--help`.
pub(super) const CONTRACT: &str = "\
THE SCRIPT OF --peer
  It is called as `SCRIPT VERB N` with N = 1, 2, 3, inside the network namespace of node N, and returns when it is done:
    start N    put node N to work, for the first time or again, and leave its processes running
    stop N     end its processes in order
    kill N     end its processes at once, as a crash would; also called at the end
    freeze N   send SIGSTOP to its processes, and thaw N SIGCONT; for the fault `frozen` alone
  In its environment:
    BENCH_ADDRESS=192.0.2.10       the address to be kept alive on one node; each node has it on lo and does not answer ARP for it
    BENCH_INTERFACE=eth0           the interface of the node to the segment
    BENCH_NODE_ADDRESS=192.0.2.N   its own address there
    BENCH_NODE_ADDRESSES           those of all nodes, separated by blanks
    BENCH_DIRECTORY                a directory for files of node N, removed afterwards
  Only the network is another one in the namespace. Which node owns the address is asked by ARP.";

/// The script on each node.
pub(super) struct Peer {
    script: PathBuf,
    // Whatever the script left behind ends with its node.
    _undo: Vec<Undo>,
}

impl Peer {
    /// A set-up of this script, for the nodes of a segment.
    pub(super) fn new(segment: &Segment, script: PathBuf) -> Result<Self> {
        let undo = (0..segment.nodes.len()).map(|position| {
            let call = Call::new(&script, segment, position)?;
            let namespace = segment.nodes[position].namespace.name().to_owned();
            // The namespace's own processes, the echo for example, may have ended or not: the lab is about to go.
            Undo::new(move || {
                let _ = sh::attempt(&mut call.command("kill"));
                if let Err(error) = end_all(&namespace) {
                    ui::warn(format_args!("end what the script left: {error:#}"));
                }
            })
        });
        let undo = undo.collect::<Result<_>>()?;
        Ok(Self { script, _undo: undo })
    }

    fn call(&self, segment: &Segment, node: usize, verb: &str) -> Result<()> {
        let mut command = Call::new(&self.script, segment, node)?.command(verb);
        let output = sh::attempt(&mut command)?;
        if output.status.success() { Ok(()) } else { bail!(sh::report(&command, &output)) }
    }
}

impl Cluster for Peer {
    fn start(&mut self, segment: &Segment, node: usize) -> Result<()> {
        self.call(segment, node, "start")
    }

    fn stop(&mut self, segment: &Segment, node: usize) -> Result<()> {
        self.call(segment, node, "stop")
    }

    fn kill(&mut self, segment: &Segment, node: usize) -> Result<()> {
        self.call(segment, node, "kill")
    }

    fn freeze(&mut self, segment: &Segment, node: usize, frozen: bool) -> Result<()> {
        self.call(segment, node, if frozen { "freeze" } else { "thaw" })
    }

    fn evacuate(&mut self, _segment: &Segment, _node: usize, _evacuated: bool) -> Result<()> {
        bail!("a script has no verb for an evacuation")
    }
}

/// How the script is called about one node.
struct Call {
    script: PathBuf,
    namespace: PathBuf,
    number: String,
    environment: Vec<(&'static str, String)>,
}

impl Call {
    fn new(script: &Path, segment: &Segment, position: usize) -> Result<Self> {
        let node = node(segment, position)?;
        let directory = segment.lab.directory().join(&node.name);
        std::fs::create_dir_all(&directory)?;
        let addresses: Vec<String> = segment.nodes.iter().map(|node| node.ipv4.to_string()).collect();
        Ok(Self {
            script: std::path::absolute(script)?,
            namespace: node.namespace.path(),
            number: (position + 1).to_string(),
            environment: vec![
                ("BENCH_ADDRESS", ADDRESS.to_string()),
                ("BENCH_INTERFACE", "eth0".to_owned()),
                ("BENCH_NODE_ADDRESS", node.ipv4.to_string()),
                ("BENCH_NODE_ADDRESSES", addresses.join(" ")),
                ("BENCH_DIRECTORY", directory.to_string_lossy().into_owned()),
            ],
        })
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace.display())).arg("--").arg(&self.script);
        command.args([verb, &self.number]).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Ends every process of a namespace.
fn end_all(namespace: &str) -> Result<()> {
    let mut pids = Command::new("ip");
    pids.args(["netns", "pids", namespace]);
    let pids: Vec<u32> = sh::read(pids)?.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    signal_all(&pids, Signal::SIGKILL)
}
