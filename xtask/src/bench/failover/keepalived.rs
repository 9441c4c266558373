//! Debian's keepalived: VRRPv3 by multicast, as its manual has it; sticky, as ours is, so that a node that returns does not
//! cause a second failover.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{
    cluster::{Cluster, family, node, signal_all},
    plan::ADDRESS,
};
use crate::lab::{Node, Running, Segment, eventually};

/// How long a daemon may take to start and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon on each node.
pub(super) struct Keepalived {
    daemons: Vec<Option<Running>>,
    interval: Duration,
}

impl Keepalived {
    /// Daemons that advertise at this interval, for a segment of so many nodes.
    pub(super) fn new(segment: &Segment, interval: Duration) -> Self {
        Self { daemons: segment.nodes.iter().map(|_| None).collect(), interval }
    }

    fn running(&self, node: usize) -> Result<&Running> {
        self.daemons.get(node).and_then(Option::as_ref).with_context(|| format!("no daemon runs on node {}", node + 1))
    }

    /// The daemon and its children, without the wrapper.
    fn processes(&self, node: usize) -> Result<Vec<u32>> {
        let family = family(self.running(node)?.pid())?;
        Ok(family.into_iter().skip(1).collect())
    }
}

impl Cluster for Keepalived {
    fn start(&mut self, segment: &Segment, position: usize) -> Result<()> {
        let node = node(segment, position)?;
        let folder = segment.lab.directory().join(&node.name);
        let config = write_config(&folder, node, position, self.interval)?;
        // An address that a killed daemon left: this is the somebody who acts. Without one this fails, as it should.
        let _ = node.namespace.ip(&format!("addr del {ADDRESS}/32 dev eth0"));
        // With its wrapper all processes of a daemon end, whatever state they are in.
        let mut command = node.namespace.command("unshare");
        command.args(["--pid", "--fork", "--kill-child", "keepalived", "--vrrp", "--dont-fork", "--log-console"]);
        command.arg("--use-file").arg(config);
        for (flag, name) in [("--pid", "parent.pid"), ("--vrrp_pid", "vrrp.pid")] {
            let file = folder.join(name);
            // What a killed daemon left names a process of a namespace that is gone: the next one would find itself in it.
            let _ = fs::remove_file(&file);
            command.arg(flag).arg(file);
        }
        let daemon = Running::start(&mut command, &segment.lab.free_path("keepalived", "log")?)?;
        eventually(PATIENCE, "keepalived to take part", || {
            ensure!(daemon.output().contains("Entering BACKUP STATE"), "it printed:\n{}", daemon.output());
            Ok(())
        })?;
        if let Some(place) = self.daemons.get_mut(position) {
            *place = Some(daemon);
        }
        Ok(())
    }

    fn stop(&mut self, _segment: &Segment, node: usize) -> Result<()> {
        let parent: Vec<u32> = self.processes(node)?.into_iter().take(1).collect();
        signal_all(&parent, Signal::SIGTERM)?;
        self.running(node)?.wait(PATIENCE)?;
        self.daemons[node] = None;
        Ok(())
    }

    fn kill(&mut self, _segment: &Segment, node: usize) -> Result<()> {
        let processes = self.processes(node)?;
        // Frozen first: the parent would ask the child to end in order, or start another.
        signal_all(&processes, Signal::SIGSTOP)?;
        signal_all(&processes, Signal::SIGKILL)?;
        self.running(node)?.wait(PATIENCE)?;
        self.daemons[node] = None;
        Ok(())
    }

    fn freeze(&mut self, _segment: &Segment, node: usize, frozen: bool) -> Result<()> {
        let signal = if frozen { Signal::SIGSTOP } else { Signal::SIGCONT };
        signal_all(&self.processes(node)?, signal)
    }

    fn evacuate(&mut self, _segment: &Segment, _node: usize, _evacuated: bool) -> Result<()> {
        anyhow::bail!("keepalived has nothing that moves an address away before it lets go of it")
    }
}

fn write_config(folder: &Path, node: &Node, position: usize, interval: Duration) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join("keepalived.conf");
    fs::write(&path, config(&node.name, position, interval)).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn config(name: &str, position: usize, interval: Duration) -> String {
    // The settings for gratuitous frames are the default ones.
    format!(
        "global_defs {{
    router_id {name}
}}
vrrp_instance bench {{
    version 3
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {seconds:.2}
    virtual_ipaddress {{
        {ADDRESS}/32 dev eth0
    }}
}}
",
        priority = 150_usize.saturating_sub(10 * position),
        seconds = interval.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_node_has_the_highest_priority() {
        let first = config("node-a", 0, Duration::from_millis(10));
        assert!(first.contains("router_id node-a") && first.contains("priority 150"), "{first}");
        assert!(first.contains("advert_int 0.01\n") && first.contains("192.0.2.10/32 dev eth0"), "{first}");
        let third = config("node-c", 2, Duration::from_secs(1));
        assert!(third.contains("priority 130") && third.contains("advert_int 1.00\n"), "{third}");
    }
}
