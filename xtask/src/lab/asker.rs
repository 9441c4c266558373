//! A client that asks for addresses at a steady rate and accounts for every single request.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde::Deserialize;

use super::{Lab, Node, Running, eventually};
use crate::paths;

/// How long the asker may take to start and to end; an answer may come up to a second after its request.
const PATIENCE: Duration = Duration::from_secs(60);

/// The speaker crate's example program `asker`, running in a namespace. Killed when dropped.
pub struct Asker {
    running: Running,
}

/// What the asker accounts for at its end; it tells more than is read here.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// Requests sent.
    pub sent: u64,
    /// Requests whose answer came within a second.
    pub answered: u64,
    /// Requests whose answer did not.
    pub lost: u64,
    /// Second answers to the same request.
    pub duplicates: u64,
    /// Requests that two different MACs answered.
    pub doubled: u64,
    /// The longest time in which every request was answered by two.
    pub longest_double_ns: u64,
    /// These times; only the first thousand are listed.
    pub doubles: Vec<Double>,
    /// Answers the asker itself missed; with any, `lost` says too much.
    pub socket_drops: u64,
    /// MAC → number of answers.
    pub answerers: BTreeMap<String, u64>,
    /// The longest time without an answer.
    pub longest_gap_ns: u64,
    /// Wall clock when the asking began, nanoseconds since 1970: times in the log count from there.
    pub began_unix_ns: u64,
}

/// A time in which two nodes answered every request for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Double {
    /// Nanoseconds from the beginning.
    pub from_ns: u64,
    /// From the first request to the last second answer.
    pub length_ns: u64,
}

impl Asker {
    /// Starts asking for these addresses in turn, `rate` times a second in all; returns when the first request was sent.
    ///
    /// # Errors
    /// If the program is not there or does not start.
    pub fn start(lab: &Lab, from: &Node, addresses: &[IpAddr], rate: u32) -> Result<Self> {
        Self::start_with(lab, from, addresses, &["--rate", &rate.to_string()])
    }

    /// Starts asking with these further arguments of the program; returns when the first request was sent.
    ///
    /// # Errors
    /// If the program is not there or does not start.
    pub fn start_with(lab: &Lab, from: &Node, addresses: &[IpAddr], arguments: &[&str]) -> Result<Self> {
        // Only a signal ends it earlier.
        Self::launch(lab, from, addresses, &[arguments, &["--duration", "1h"]].concat())
    }

    /// Asks `count` times, `rate` times a second, and returns the account. In the name of other clients than [`Self::start`]: it
    /// may ask beside one of those, and each counts its own answers.
    ///
    /// # Errors
    /// If the program is not there, does not start, or its account cannot be read.
    pub fn ask(lab: &Lab, from: &Node, addresses: &[IpAddr], rate: u32, count: u32) -> Result<Account> {
        let (rate_text, count_text) = (rate.to_string(), count.to_string());
        let sources = ["--source", "198.19.0.1", "--source", "2001:2::1:0:1"];
        let counts = ["--rate", &rate_text, "--count", &count_text];
        let asker = Self::launch(lab, from, addresses, &[counts, sources].concat())?;
        asker.running.wait(PATIENCE + Duration::from_secs(u64::from(count / rate.max(1))))?;
        parse(&asker.running.output())
    }

    fn launch(lab: &Lab, from: &Node, addresses: &[IpAddr], arguments: &[&str]) -> Result<Self> {
        let mut command = from.namespace.command(example("asker")?);
        command.args(["--interface", "eth0", "--ready-line"]).args(arguments);
        for address in addresses {
            command.args(["--address", &address.to_string()]);
        }
        let asker = Self { running: Running::start(&mut command, &lab.free_path("asker", "log")?)? };
        eventually(PATIENCE, "the asker's first request", || {
            let output = asker.running.output();
            ensure!(output.contains("\"ready\":true"), "it printed:\n{output}");
            Ok(())
        })?;
        Ok(asker)
    }

    /// Ends the asking, waits for the last answers and returns the account.
    ///
    /// # Errors
    /// If it has ended before, or its account cannot be read.
    pub fn stop(self) -> Result<Account> {
        self.running.signal(Signal::SIGTERM)?;
        self.running.wait(PATIENCE)?;
        parse(&self.running.output())
    }
}

/// An example program of the speaker's crate.
pub(super) fn example(name: &str) -> Result<PathBuf> {
    let program = paths::example(name);
    ensure!(
        program.exists(),
        "there is no {}; `cargo build -p arpeggio-speaker --examples` makes it",
        program.display()
    );
    Ok(program)
}

fn parse(output: &str) -> Result<Account> {
    let last = output.lines().last().unwrap_or_default();
    let account: Account =
        serde_json::from_str(last).with_context(|| format!("read the asker's account in:\n{output}"))?;
    ensure!(account.socket_drops == 0, "the asker missed answers that came: its account is worth nothing: {last}");
    Ok(account)
}

impl Account {
    /// Checks that every request was answered, once, and by this MAC.
    ///
    /// # Errors
    /// If not, or if nothing was asked.
    pub fn expect_complete(&self, mac: &str) -> Result<()> {
        let one_answerer = self.answerers.keys().map(|key| key.to_lowercase()).eq([mac]);
        ensure!(
            self.sent > 0 && self.lost == 0 && self.duplicates == 0 && self.answered == self.sent && one_answerer,
            "every request should be answered once and by {mac}: {self:?}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"sent":2,"answered":2,"lost":0,"duplicates":0,"doubled":0,"longest_double_ns":0,"doubles":[{"from_ns":1,"length_ns":2,"requests":1}],"began_unix_ns":9,"socket_drops":0,"late":0,
        "answerers":{"02:00:00:00:00:01":2},"longest_gap_ns":7,"interface":"eth0"}"#;

    #[test]
    fn the_last_line_is_the_account() {
        let account = parse(&format!("{{\"ready\":true}}\n{}\n", LINE.replace('\n', ""))).unwrap();
        account.expect_complete("02:00:00:00:00:01").unwrap();
        assert!(account.expect_complete("02:00:00:00:00:02").is_err());
        assert!(parse("{\"ready\":true}\n").is_err());
    }

    #[test]
    fn an_account_with_gaps_is_refused() {
        for (from, to) in [("lost\":0", "lost\":1"), ("duplicates\":0", "duplicates\":1"), ("sent\":2", "sent\":3")] {
            let account = parse(&LINE.replace('\n', "").replace(from, to)).unwrap();
            assert!(account.expect_complete("02:00:00:00:00:01").is_err(), "{account:?}");
        }
        assert!(parse(&LINE.replace('\n', "").replace("drops\":0", "drops\":4")).is_err());
    }
}
