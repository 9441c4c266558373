//! Faults of a [`Segment`]: each is undone by [`Fault::heal`], or when it is dropped, after a panic and on Ctrl-C too.
//!
//! All of them happen at the bridge, as they do in life: nothing in the node is touched. Deafness and muteness are made of
//! the bridge's own port flags, which every kernel with a bridge has; filters are not.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{Node, Segment, undo::Undo};
use crate::{sh, ui};

/// The bridge beside `br0`, for those who are parted from the rest.
const APART: &str = "br1";

/// What is wrong with the segment until this is healed or dropped.
#[must_use = "a fault that is dropped is healed"]
pub struct Fault {
    repair: Repair,
    undo: Undo,
}

/// The command lines that end a fault, in the namespace of the bridge.
#[derive(Clone)]
struct Repair {
    switch: String,
    lines: Vec<String>,
}

impl Fault {
    /// Ends the fault.
    ///
    /// # Errors
    /// If a command fails; the others were run.
    pub fn heal(self) -> Result<()> {
        let healed = self.repair.run();
        self.undo.cancel();
        healed
    }
}

impl Repair {
    fn run(&self) -> Result<()> {
        // A segment that is gone has nothing to be healed.
        if !Path::new("/run/netns").join(&self.switch).exists() {
            return Ok(());
        }
        // Whatever fails, the rest is still worth doing.
        let results: Vec<Result<()>> = self.lines.iter().map(|line| sh::run(line_in(&self.switch, line))).collect();
        results.into_iter().collect()
    }
}

impl Segment {
    /// Cuts a node's link: nothing goes in or out, and the node sees its carrier go, as when a cable is pulled. To everybody
    /// else the node has lost power.
    ///
    /// # Errors
    /// If a command fails.
    pub fn cut(&self, node: &Node) -> Result<Fault> {
        let port = &node.port;
        self.inflict(&[format!("ip link set {port} down")], vec![format!("ip link set {port} up")])
    }

    /// Cuts a node off behind its switch: nothing goes in or out, and the node keeps its carrier.
    ///
    /// # Errors
    /// If a command fails.
    pub fn isolate(&self, node: &Node) -> Result<Fault> {
        let port = &node.port;
        self.inflict(&[format!("ip link set {port} nomaster")], vec![format!("ip link set {port} master br0")])
    }

    /// Nothing reaches the node any more, neither broadcast nor what is sent to its MAC; what it sends goes out.
    ///
    /// # Errors
    /// If a command fails.
    pub fn deafen(&self, node: &Node) -> Result<Fault> {
        let port = &node.port;
        // Without an entry for its MAC, a frame to it is a flooded one; and nothing is flooded to this port.
        self.inflict(
            &[
                format!("bridge link set dev {port} learning off flood off mcast_flood off bcast_flood off"),
                format!("ip link set {port} type bridge_slave fdb_flush"),
            ],
            vec![format!("bridge link set dev {port} learning on flood on mcast_flood on bcast_flood on")],
        )
    }

    /// Nothing that the node sends gets any further; what is sent to it arrives.
    ///
    /// # Errors
    /// If a command fails.
    pub fn mute(&self, node: &Node) -> Result<Fault> {
        let port = &node.port;
        // A locked port takes frames of known stations only, and its station is forgotten.
        self.inflict(
            &[
                format!("bridge link set dev {port} learning off locked on"),
                format!("ip link set {port} type bridge_slave fdb_flush"),
            ],
            vec![format!("bridge link set dev {port} learning on locked off")],
        )
    }

    /// Parts the segment in two: those named here stay together, apart from all others. Every carrier stays.
    ///
    /// # Errors
    /// If a command fails.
    pub fn part(&self, apart: &[&Node]) -> Result<Fault> {
        let mut lines = vec![format!("ip link add {APART} type bridge"), format!("ip link set {APART} up")];
        lines.extend(apart.iter().map(|node| format!("ip link set {} master {APART}", node.port)));
        let mut repair: Vec<String> =
            apart.iter().map(|node| format!("ip link set {} master br0", node.port)).collect();
        repair.push(format!("ip link del {APART}"));
        self.inflict(&lines, repair)
    }

    fn inflict(&self, lines: &[String], repair: Vec<String>) -> Result<Fault> {
        let repair = Repair { switch: self.switch.name().to_owned(), lines: repair };
        // Registered first: what is half done when a command fails is undone as well.
        let undo = Undo::new({
            let repair = repair.clone();
            move || {
                if let Err(error) = repair.run() {
                    ui::warn(format_args!("heal a fault of the segment: {error:#}"));
                }
            }
        })?;
        lines.iter().try_for_each(|line| sh::run(line_in(self.switch.name(), line)))?;
        Ok(Fault { repair, undo })
    }
}

/// `ip …` or `bridge …` about a namespace.
fn line_in(namespace: &str, line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(["-n", namespace]).args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_run_about_the_namespace() {
        let line = sh::display(&line_in("lab-switch", "bridge link set dev port1 locked on"));
        assert_eq!(line, "bridge -n lab-switch link set dev port1 locked on");
    }

    #[test]
    fn a_segment_that_is_gone_needs_no_repair() {
        let lines = vec!["ip link set port1 up".to_owned()];
        Repair { switch: "no-such-namespace".to_owned(), lines }.run().unwrap();
    }
}
