//! Real clients of the segment: `arping`, `ndisc6` and the kernel's own resolver behind `ping`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::Command,
};

use anyhow::{Result, bail, ensure};

use super::Node;
use crate::sh;

/// Interface through which every node asks.
const INTERFACE: &str = "eth0";

/// Asks once, by broadcast or solicited-node multicast, and returns the MAC of the first answer.
///
/// # Errors
/// If nobody answers within a second.
pub fn ask(from: &Node, address: IpAddr) -> Result<String> {
    let found = match address {
        IpAddr::V4(address) => arping(from, address, &["-c", "1", "-w", "1"])?,
        IpAddr::V6(address) => ndisc6(from, address, &["-1", "-r", "1", "-w", "1000"])?,
    };
    found.into_iter().next().ok_or_else(|| anyhow::anyhow!("nobody answered {} for {address}", from.name))
}

/// Asks and listens for a whole second: the MACs of all who answered.
///
/// # Errors
/// If the client program fails; silence is an empty set, not an error.
pub fn who_has(from: &Node, address: IpAddr) -> Result<BTreeSet<String>> {
    match address {
        // With a deadline, `-c` counts answers: more than can come in a second.
        IpAddr::V4(address) => arping(from, address, &["-b", "-c", "1000", "-w", "1"]),
        IpAddr::V6(address) => ndisc6(from, address, &["-m", "-r", "1", "-w", "1000"]),
    }
}

/// Checks that exactly this MAC answers.
///
/// # Errors
/// If nobody, somebody else or several do.
pub fn expect_only(from: &Node, address: IpAddr, mac: &str) -> Result<()> {
    let answered = who_has(from, address)?;
    ensure!(answered.iter().eq([mac]), "{address} should be answered by {mac} alone, was by {answered:?}");
    Ok(())
}

/// Checks that nobody answers.
///
/// # Errors
/// If somebody does.
pub fn expect_silence(from: &Node, address: IpAddr) -> Result<()> {
    let answered = who_has(from, address)?;
    ensure!(answered.is_empty(), "{address} should not be answered, was by {answered:?}");
    Ok(())
}

/// Sends one echo request; the kernel resolves the address by itself. Returns the MAC it then holds for it.
///
/// # Errors
/// If no echo comes back or the kernel has no neighbour entry.
pub fn ping(from: &Node, address: IpAddr) -> Result<String> {
    let mut ping = from.namespace.command("ping");
    ping.args(["-n", "-c", "1", "-W", "2"]).arg(address.to_string());
    sh::run(ping)?;
    neighbour(from, address)
}

/// The MAC the kernel of a node holds for an address.
///
/// # Errors
/// If it holds none.
pub fn neighbour(from: &Node, address: IpAddr) -> Result<String> {
    let text = from.namespace.ip(&format!("-json neigh show {address} dev {INTERFACE}"))?;
    let entries: serde_json::Value = serde_json::from_str(&text)?;
    match entries[0]["lladdr"].as_str() {
        Some(mac) => Ok(mac.to_lowercase()),
        None => bail!("{} has no neighbour entry for {address}: {text}", from.name),
    }
}

fn arping(from: &Node, address: Ipv4Addr, options: &[&str]) -> Result<BTreeSet<String>> {
    let mut command = from.namespace.command("arping");
    command.args(["-I", INTERFACE]).args(options).arg(address.to_string());
    // Lines like "Unicast reply from 192.0.2.10 [02:00:00:00:00:01]  0.63ms".
    macs(command, |line| Some(line.split_once('[')?.1.split_once(']')?.0))
}

fn ndisc6(from: &Node, address: Ipv6Addr, options: &[&str]) -> Result<BTreeSet<String>> {
    let mut command = from.namespace.command("ndisc6");
    // Quiet output is one MAC a line.
    command.args(["-q", "-n"]).args(options).arg(address.to_string()).arg(INTERFACE);
    macs(command, |line| Some(line.trim()))
}

fn macs(mut command: Command, pick: impl Fn(&str) -> Option<&str>) -> Result<BTreeSet<String>> {
    let output = sh::attempt(&mut command)?;
    // Both clients exit with 1 or 2 when nobody answered and also when they could not ask; only the latter complains.
    let complained = !output.stderr.is_empty() && !output.status.success();
    ensure!(!complained, sh::report(&command, &output));
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(printed.lines().filter_map(pick).map(|mac| mac.trim().to_lowercase()).filter(|mac| is_mac(mac)).collect())
}

fn is_mac(text: &str) -> bool {
    text.len() == 17 && text.split(':').count() == 6
}
