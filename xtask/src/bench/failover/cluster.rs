//! What is done to the nodes of a contender, whatever it is made of.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::lab::{Node, Segment};

/// A contender at work on a segment. Nodes are told by their position in it.
pub(super) trait Cluster {
    /// Puts a node to work, for the first time or again.
    fn start(&mut self, segment: &Segment, node: usize) -> Result<()>;

    /// Ends its agent or daemon in order.
    fn stop(&mut self, segment: &Segment, node: usize) -> Result<()>;

    /// Ends it as a crash would.
    fn kill(&mut self, segment: &Segment, node: usize) -> Result<()>;

    /// Lets it run no more, or run on.
    fn freeze(&mut self, segment: &Segment, node: usize, frozen: bool) -> Result<()>;

    /// Takes everything from a node, or lets it have something again.
    fn evacuate(&mut self, segment: &Segment, node: usize, evacuated: bool) -> Result<()>;
}

/// The node at a position.
pub(super) fn node(segment: &Segment, position: usize) -> Result<&Node> {
    segment.nodes.get(position).with_context(|| format!("the segment has no node {}", position + 1))
}

/// A process and all that descend from it, itself first.
pub(super) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir("/proc").context("list processes")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")) else { continue };
        pairs.extend(parent(&stat).map(|parent| (pid, parent)));
    }
    Ok(descendants(pid, &pairs))
}

/// The parent in `/proc/PID/stat`: the second field behind the name, which may contain anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn descendants(pid: u32, pairs: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![pid];
    let mut looked = 0;
    while let Some(parent) = found.get(looked).copied() {
        looked += 1;
        found.extend(pairs.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
    }
    found
}

/// Sends a signal to processes of ours; those that have ended are past it.
pub(super) fn signal_all(pids: &[u32], signal: Signal) -> Result<()> {
    for pid in pids {
        let target = Pid::from_raw(i32::try_from(*pid).context("process ids are positive 32-bit numbers")?);
        match signal::kill(target, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(errno).with_context(|| format!("send {signal} to process {pid}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_behind_any_name() {
        assert_eq!(parent("12 (a) b (c) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent("nonsense"), None);
    }

    #[test]
    fn a_family_has_all_generations() {
        let pairs = [(10, 1), (11, 10), (12, 10), (13, 12), (20, 1)];
        assert_eq!(descendants(10, &pairs), [10, 11, 12, 13]);
        assert_eq!(descendants(13, &pairs), [13]);
    }

    #[test]
    fn the_children_of_a_process_are_found() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let found = family(std::process::id()).unwrap();
        signal_all(&[child.id()], Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()), "{found:?}");
        assert!(!family(std::process::id()).unwrap().contains(&child.id()));
    }
}
