//! What the demo plays on: a segment, three agents, and commands that are shown with their output.

use std::{
    net::IpAddr,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    lab::{Node, Segment, SpeakerOptions, SpeakerProcess, static_config},
    sh, ui,
};

/// How long the kernel answers without an agent: short, so that the demo is.
pub(super) const LEASE_SECONDS: u64 = 5;

/// The segment and its agents.
pub(super) struct Stage {
    // Before the segment: agents end before their namespaces go.
    speakers: Vec<Option<SpeakerProcess>>,
    pub(super) segment: Segment,
}

impl Stage {
    /// Builds the segment; no agent runs yet.
    pub(super) fn new() -> Result<Self> {
        let step = ui::Step::begin("Making three nodes, a bridge and a client");
        let segment = Segment::new(3)?;
        for node in &segment.nodes {
            // As on a real node, every kernel could deliver traffic for the addresses.
            vips().into_iter().try_for_each(|vip| node.hold(vip))?;
        }
        step.done("made");
        Ok(Self { speakers: segment.nodes.iter().map(|_| None).collect(), segment })
    }

    /// The node that comes first among the candidates.
    pub(super) fn owner(&self) -> &Node {
        &self.segment.nodes[0]
    }

    /// The configuration of every node.
    pub(super) fn config(&self) -> String {
        let names: Vec<&str> = self.segment.nodes.iter().map(|node| node.name.as_str()).collect();
        static_config(&vips(), &names, "native")
    }

    /// Starts the agent of a node.
    pub(super) fn start(&mut self, index: usize) -> Result<()> {
        let node = self.segment.nodes.get(index).with_context(|| format!("there is no node {index}"))?;
        let lease = format!("{LEASE_SECONDS}s");
        let options = SpeakerOptions::flags(&["--lease", &lease, "--lease-renew", "500ms"]);
        let speaker = SpeakerProcess::start(&self.segment.lab, node, &self.config(), &options)?;
        if let Some(place) = self.speakers.get_mut(index) {
            *place = Some(speaker);
        }
        Ok(())
    }

    /// The running agent of a node.
    pub(super) fn speaker(&self, index: usize) -> Result<&SpeakerProcess> {
        self.speakers.get(index).and_then(Option::as_ref).with_context(|| format!("no agent runs on node {index}"))
    }

    /// Takes the agent of a node, to end it.
    pub(super) fn take(&mut self, index: usize) -> Result<SpeakerProcess> {
        self.speakers.get_mut(index).and_then(Option::take).with_context(|| format!("no agent runs on node {index}"))
    }

    /// Says how to look around in what is kept.
    pub(super) fn tour(&self) {
        ui::heading("Kept: look around");
        for node in self.segment.nodes.iter().chain([&self.segment.client]) {
            ui::say(format_args!("   {:<8} nsenter --net={} bash", node.name, node.namespace.path().display()));
        }
        for speaker in self.speakers.iter().flatten() {
            ui::say(format_args!("   status   {}", sh::display(&speaker.cli(&["status"]))));
        }
        ui::say(format_args!("   pins     {}", self.segment.lab.bpffs().display()));
        ui::say("   remove   cargo xtask demo --clean");
    }
}

/// The addresses that are announced.
pub(super) fn vips() -> [IpAddr; 2] {
    [IpAddr::from([192, 0, 2, 10]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10])]
}

/// Shows a command of a node and what it prints; `wanted` must be part of it.
pub(super) fn show(place: &str, mut command: Command, wanted: &str) -> Result<String> {
    let line = sh::display(&command);
    // The command inside is what matters; how the namespace is entered is said once.
    let typed = line.split_once(" -- ").map_or(line.as_str(), |(_, inside)| inside);
    ui::say(format_args!("   {place}$ {}", short(typed)));
    let (printed, output) = print_output(&mut command)?;
    ensure!(
        printed.to_lowercase().contains(&wanted.to_lowercase()),
        "the output should contain {wanted}: {}",
        sh::report(&command, &output)
    );
    Ok(printed)
}

/// Runs a command and shows what it prints, which comes back beside everything else it left.
pub(super) fn print_output(command: &mut Command) -> Result<(String, Output)> {
    let output = sh::attempt(command)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in printed.lines().filter(|line| !line.trim().is_empty()) {
        ui::say(format_args!("     {line}"));
    }
    Ok((printed, output))
}

/// The command without the folder of its program.
fn short(line: &str) -> &str {
    let program = line.split(' ').next().unwrap_or(line);
    let name = program.rsplit('/').next().unwrap_or(program);
    &line[program.len() - name.len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_a_program_is_shown() {
        assert_eq!(short("/target/debug/speaker status --run-dir /tmp/x"), "speaker status --run-dir /tmp/x");
        assert_eq!(short("arping 192.0.2.10"), "arping 192.0.2.10");
    }

    #[test]
    fn output_without_what_it_should_hold_is_an_error() {
        let echo = |text: &str| {
            let mut command = Command::new("echo");
            command.arg(text);
            command
        };
        assert_eq!(show("node-a", echo("02:00:00:00:00:0A"), "02:00:00:00:00:0a").unwrap(), "02:00:00:00:00:0A\n");
        assert!(show("node-a", echo("silence"), "02:00:00:00:00:0a").is_err());
    }
}
