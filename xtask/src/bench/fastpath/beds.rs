//! A segment for each contender: who answers on it, and how.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{plan::Plan, report::Family};
use crate::{
    lab::{Node, Running, Segment, SpeakerOptions, SpeakerProcess, eventually, static_config},
    sh, ui,
};

/// First of the other addresses that the agents announce.
const OTHERS: Ipv4Addr = Ipv4Addr::new(10, 100, 0, 0);
/// How long the announcements of all addresses may take.
const SETTLING: Duration = Duration::from_secs(60);

/// Somebody who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// The kernel: the address is on the interface.
    Kernel,
    /// A program that makes an answer of every request: the floor.
    Rewrite,
    /// Our agent, attached in this way.
    Ours(&'static str),
    /// Whatever was given.
    Foreign(String),
}

impl Contender {
    /// As it stands in tables.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Kernel => "kernel".to_owned(),
            Self::Rewrite => "rewrite in XDP".to_owned(),
            Self::Ours(attach) => format!("ours, {attach}"),
            Self::Foreign(_) => "--responder".to_owned(),
        }
    }

    /// What it is asked with.
    pub(super) fn families(&self) -> &'static [Family] {
        match self {
            Self::Kernel | Self::Ours("native" | "tcx") => &[Family::Arp, Family::Ns],
            Self::Rewrite | Self::Ours(_) | Self::Foreign(_) => &[Family::Arp],
        }
    }

    /// Answers leave by XDP_TX, which a veth's other end only takes with a program of its own.
    fn sends_from_xdp(&self) -> bool {
        matches!(self, Self::Rewrite | Self::Ours("native"))
    }
}

/// The address that is asked for.
pub(super) fn target(family: Family) -> IpAddr {
    match family {
        Family::Arp => IpAddr::from([192, 0, 2, 10]),
        Family::Ns => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10]),
    }
}

/// A segment and who answers on it.
pub(super) struct Bed {
    pub(super) contender: Contender,
    // Before the segment: processes end before their namespaces go.
    agent: Option<Agent>,
    pub(super) segment: Segment,
}

/// The process that answers, or that keeps the answering program in force.
enum Agent {
    Ours(SpeakerProcess),
    Foreign(Running),
}

impl Bed {
    /// A bed for every contender.
    pub(super) fn all(plan: &Plan, responder: Option<&str>) -> Result<Vec<Self>> {
        let mut contenders = vec![Contender::Rewrite, Contender::Kernel];
        contenders.extend(["native", "tcx", "generic", "user"].map(Contender::Ours));
        contenders.extend(responder.map(|command| Contender::Foreign(command.to_owned())));
        let step = ui::Step::begin("making a segment for each way of answering");
        let mut beds = Vec::new();
        for contender in contenders {
            step.note(contender.name());
            beds.push(Self::make(plan, contender)?);
        }
        step.note("waiting for the announcements to end");
        beds.iter().try_for_each(Self::settle)?;
        step.done(format_args!("{} segments", beds.len()));
        Ok(beds)
    }

    fn make(plan: &Plan, contender: Contender) -> Result<Self> {
        let segment = Segment::new(1)?;
        let mut bed = Self { contender, agent: None, segment };
        bed.bare_port(&bed.segment.client)?;
        if !bed.contender.sends_from_xdp() {
            bed.bare_port(bed.node())?;
        }
        let namespace = &bed.node().namespace;
        bed.agent = match &bed.contender {
            Contender::Kernel => {
                namespace.ip(&format!("addr add {}/32 dev eth0", target(Family::Arp)))?;
                namespace.ip(&format!("addr add {}/64 dev eth0 nodad", target(Family::Ns)))?;
                None
            }
            Contender::Rewrite => {
                namespace.attach_yardstick("eth0", "rewrite")?;
                None
            }
            Contender::Ours(attach) => Some(Agent::Ours(bed.start_ours(plan, attach)?)),
            Contender::Foreign(command) => Some(Agent::Foreign(bed.start_foreign(command)?)),
        };
        Ok(bed)
    }

    /// The node that answers.
    pub(super) fn node(&self) -> &Node {
        &self.segment.nodes[0]
    }

    /// Process id of the answering process, if one answers.
    pub(super) fn agent(&self) -> Option<u32> {
        self.agent.as_ref().map(|agent| match agent {
            Agent::Ours(speaker) => speaker.pid(),
            Agent::Foreign(running) => running.pid(),
        })
    }

    /// Takes the lab's program from the bridge's end of a cable: it is there for `XDP_TX` alone and makes frames slower.
    pub(super) fn bare_port(&self, node: &Node) -> Result<()> {
        self.segment.switch.ip(&format!("link set dev {} xdpdrv off", node.port)).map(drop)
    }

    fn start_ours(&self, plan: &Plan, attach: &str) -> Result<SpeakerProcess> {
        let others = (0..plan.loaded).map(|n| Ipv4Addr::from_bits(OTHERS.to_bits() + n).into());
        let addresses: Vec<IpAddr> = [Family::Arp, Family::Ns].map(target).into_iter().chain(others).collect();
        let config = static_config(&addresses, &["node-a"], attach);
        let options = SpeakerOptions { program: Some(plan.speaker()), ..SpeakerOptions::default() };
        let speaker = SpeakerProcess::start(&self.segment.lab, self.node(), &config, &options)?;
        let status = speaker.status()?;
        let mode = status["interfaces"].as_array().into_iter().flatten().find(|link| link["name"] == "eth0");
        ensure!(mode.is_some_and(|link| link["attach"] == attach), "not attached as {attach}: {mode:?}");
        Ok(speaker)
    }

    fn start_foreign(&self, given: &str) -> Result<Running> {
        let mut command = self.node().namespace.command("sh");
        // The shell becomes the responder, so that the process id is the responder's.
        command.args(["-c", &format!("exec {given} \"$@\""), "responder", "eth0", &target(Family::Arp).to_string()]);
        Running::start(&mut command, &self.segment.lab.directory().join("responder.log"))
    }

    /// Waits until the node sends nothing by itself: an agent announces every address several times.
    fn settle(&self) -> Result<()> {
        eventually(SETTLING, "the announcements to end", || {
            let before = self.packets("tx")?;
            std::thread::sleep(Duration::from_millis(1200));
            let sent = self.packets("tx")? - before;
            ensure!(sent < 10, "{} sent {sent} frames within a second", self.contender.name());
            Ok(())
        })
    }

    /// Frames that the node's interface has received (`rx`) or sent (`tx`).
    pub(super) fn packets(&self, direction: &str) -> Result<u64> {
        let mut command: Command = self.node().namespace.command("ip");
        command.args(["-json", "-statistics", "link", "show", "dev", "eth0"]);
        let text = sh::read(command)?;
        let links: serde_json::Value = serde_json::from_str(&text)?;
        links[0]["stats64"][direction]["packets"].as_u64().with_context(|| format!("eth0 has no counters: {text}"))
    }
}
