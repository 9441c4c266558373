//! Packets from the client to an address that nodes hold, through the client's own neighbour table, and their echoes.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde::Deserialize;

use super::{Lab, Node, Running, asker::example, eventually};

/// How long the programs may take to start and to end; an echo may come up to a second after its packet.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where echoes come from.
const PORT: u16 = 4007;

/// Gives back what is sent to an address on a node that holds it. Killed when dropped.
pub struct Echo {
    _running: Running,
}

impl Echo {
    /// Starts it; the node must [hold](Node::hold) the address.
    ///
    /// # Errors
    /// If the program is not there or does not start.
    pub fn start(lab: &Lab, node: &Node, address: IpAddr) -> Result<Self> {
        let mut command = node.namespace.command(example("udp")?);
        command.args(["echo", "--on", &SocketAddr::from((address, PORT)).to_string()]);
        let running = Running::start(&mut command, &lab.free_path("echo", "log")?)?;
        wait_ready(&running, "the echo to listen")?;
        Ok(Self { _running: running })
    }
}

/// Packets to an address at a steady rate. Killed when dropped.
pub struct Packets {
    running: Running,
}

/// What is accounted for at the end.
#[derive(Clone, Debug, Deserialize)]
pub struct PacketsAccount {
    /// Packets sent.
    pub sent: u64,
    /// Packets whose echo came within the time.
    pub echoed: u64,
    /// Packets whose echo did not.
    pub lost: u64,
    /// Echoes the sender itself missed; with any, `lost` says too much.
    pub socket_drops: u64,
    /// The longest time without an echo, from the first packet that has none until then.
    pub longest_gap_ns: u64,
    /// Wall clock when the sending began, nanoseconds since 1970: times in the log count from there.
    pub began_unix_ns: u64,
}

impl Packets {
    /// Starts sending `rate` packets a second; returns when the first echo has come.
    ///
    /// # Errors
    /// If the program is not there, does not start, or no echo comes.
    pub fn start(lab: &Lab, from: &Node, address: IpAddr, rate: u32) -> Result<Self> {
        Self::start_with(lab, from, address, &["--rate", &rate.to_string()])
    }

    /// Starts sending with these further arguments of the program; returns when the first echo has come.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(lab: &Lab, from: &Node, address: IpAddr, arguments: &[&str]) -> Result<Self> {
        let mut command = from.namespace.command(example("udp")?);
        command.args(["send", "--ready-line", "--to", &SocketAddr::from((address, PORT)).to_string()]).args(arguments);
        let running = Running::start(&mut command, &lab.free_path("packets", "log")?)?;
        wait_ready(&running, "the first echo")?;
        Ok(Self { running })
    }

    /// Ends the sending, waits for the last echoes and returns the account.
    ///
    /// # Errors
    /// If it has ended before, or its account cannot be read.
    pub fn stop(self) -> Result<PacketsAccount> {
        self.running.signal(Signal::SIGTERM)?;
        self.running.wait(PATIENCE)?;
        parse(&self.running.output())
    }
}

fn wait_ready(running: &Running, what: &str) -> Result<()> {
    eventually(PATIENCE, what, || {
        let output = running.output();
        ensure!(output.contains("\"ready\":true"), "it printed:\n{output}");
        Ok(())
    })
}

fn parse(output: &str) -> Result<PacketsAccount> {
    let last = output.lines().last().unwrap_or_default();
    let account: PacketsAccount =
        serde_json::from_str(last).with_context(|| format!("read the account of the packets in:\n{output}"))?;
    ensure!(account.socket_drops == 0, "the sender missed echoes that came: its account is worth nothing: {last}");
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_account_unless_echoes_were_missed() {
        let line =
            r#"{"to":"192.0.2.10","sent":3,"echoed":2,"lost":1,"socket_drops":0,"longest_gap_ns":5,"began_unix_ns":7}"#;
        let account = parse(&format!("{{\"ready\":true}}\n{line}\n")).unwrap();
        assert_eq!((account.sent, account.echoed, account.lost, account.longest_gap_ns), (3, 2, 1, 5));
        assert!(parse(&line.replace("drops\":0", "drops\":1")).is_err());
        assert!(parse("").is_err());
    }
}
