//! Faults of a [`Segment`]: each is undone by [`Fault::heal`], or when it is dropped, after a panic and on Ctrl-C too.
//!
//! All of them happen at the bridge, as they do in life: nothing in the node is touched. Deafness and muteness are made of
//! the bridge's own port flags, which every kernel with a bridge has. What inspects frames needs nftables for bridges.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};
use serde_json::Value;

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

    /// What the node sends gets no further than its switch, which goes on learning its MAC from it: others' frames to the node
    /// arrive there and nowhere else. So it is with a hung kernel, or a fault between two switches.
    ///
    /// # Errors
    /// If a command fails.
    pub fn swallow(&self, node: &Node) -> Result<Fault> {
        let port = &node.port;
        // Learning comes before the filter.
        self.filter(&format!("swallow-{port}"), "forward", &[&format!("iifname {port} drop")])
    }

    /// Puts these nodes behind a leaf switch of their own, whose link to the rest suppresses neighbours, as the leaves of a
    /// VXLAN fabric do (`neigh_suppress`): ARP probes, gratuitous frames and replies that are flooded do not cross it, nor do
    /// unsolicited advertisements. Requests of clients and unicast do.
    ///
    /// # Errors
    /// If a command fails.
    pub fn behind_suppressing_leaf(&self, nodes: &[&Node]) -> Result<Fault> {
        let mut lines = vec![
            format!("ip link add {APART} type bridge"),
            format!("ip link set {APART} up"),
            "ip link add up0 type veth peer name up1".to_owned(),
            "ip link set up0 master br0 up".to_owned(),
            format!("ip link set up1 master {APART} up"),
            "bridge link set dev up0 neigh_suppress on".to_owned(),
            "bridge link set dev up1 neigh_suppress on".to_owned(),
        ];
        lines.extend(nodes.iter().map(|node| format!("ip link set {} master {APART}", node.port)));
        let mut repair: Vec<String> =
            nodes.iter().map(|node| format!("ip link set {} master br0", node.port)).collect();
        repair.extend(["ip link del up0".to_owned(), format!("ip link del {APART}")]);
        self.inflict(&lines, repair)
    }

    /// The switch inspects ARP as campus and data centre switches do: a sender without an address is dropped, and so is what
    /// comes from a port at more than 15 frames a second.
    ///
    /// # Errors
    /// If a command fails.
    pub fn inspect_arp(&self) -> Result<Fault> {
        let nameless = "ether type arp arp saddr ip 0.0.0.0 counter drop".to_owned();
        let limits = self.nodes.iter().map(|node| {
            format!("iifname {} ether type arp limit rate over 15/second burst 15 packets counter drop", node.port)
        });
        let rules: Vec<String> = std::iter::once(nameless).chain(limits).collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        self.filter("inspect", "prerouting", &rules)
    }

    /// Frames that the rules of one of these faults dropped so far, of all rules.
    ///
    /// # Errors
    /// If nftables cannot be asked.
    pub fn dropped_by(&self, table: &str) -> Result<u64> {
        let text = sh::read(line_in(self.switch.name(), &format!("nft -j list table bridge {table}")))?;
        let listing: Value = serde_json::from_str(&text).context("read what nft says")?;
        let rules = listing["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
        let words = rules.iter().filter_map(|rule| rule["rule"]["expr"].as_array()).flatten();
        Ok(words.filter_map(|word| word["counter"]["packets"].as_u64()).sum())
    }

    /// The switch floods nothing that comes from this node: only what it sends to one MAC arrives.
    ///
    /// # Errors
    /// If a command fails.
    pub fn unflood(&self, node: &Node) -> Result<Fault> {
        let rule = format!("iifname {} meta pkttype {{ broadcast, multicast }} drop", node.port);
        self.filter("unflood", "prerouting", &[&rule])
    }

    /// Rules of nftables at a hook of the bridge, in a table of their own.
    fn filter(&self, table: &str, hook: &str, rules: &[&str]) -> Result<Fault> {
        let mut lines = vec![
            format!("nft add table bridge {table}"),
            format!("nft add chain bridge {table} frames {{ type filter hook {hook} priority 0 ; policy accept ; }}"),
        ];
        lines.extend(rules.iter().map(|rule| format!("nft add rule bridge {table} frames {rule}")));
        self.inflict(&lines, vec![format!("nft delete table bridge {table}")])
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

/// `ip …` or `bridge …` about a namespace, or any other program in it.
fn line_in(namespace: &str, line: &str) -> Command {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut command = if matches!(program, "ip" | "bridge") {
        let mut command = Command::new(program);
        command.args(["-n", namespace]);
        command
    } else {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{namespace}")).args(["--", program]);
        command
    };
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_run_about_the_namespace() {
        let line = sh::display(&line_in("lab-switch", "bridge link set dev port1 locked on"));
        assert_eq!(line, "bridge -n lab-switch link set dev port1 locked on");
        let line = sh::display(&line_in("lab-switch", "nft delete table bridge inspect"));
        assert_eq!(line, "nsenter --net=/run/netns/lab-switch -- nft delete table bridge inspect");
    }

    #[test]
    fn a_segment_that_is_gone_needs_no_repair() {
        let lines = vec!["ip link set port1 up".to_owned()];
        Repair { switch: "no-such-namespace".to_owned(), lines }.run().unwrap();
    }
}
