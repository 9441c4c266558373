//! The segment with three agents, a client and an attacker, and one measurement on it.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    Plan,
    report::{Kind, Line},
};
use crate::{
    bench::cpu,
    lab::{Account, Asker, Node, Running, Segment, SpeakerOptions, SpeakerProcess, clients, eventually, static_config},
    paths, sh, ui,
};

/// Nodes with an agent; one more machine attacks.
const AGENTS: usize = 3;
/// First of the other addresses.
const OTHERS: Ipv4Addr = Ipv4Addr::new(192, 0, 100, 0);
/// Requests a second, both families together.
const RATE: &str = "200";
/// How long an answer may take before its request counts as lost.
const ANSWER: &str = "500ms";
/// How long a fault lasts, and how long everything may take to be as before.
const FAULT: Duration = Duration::from_secs(2);
const SETTLING: Duration = Duration::from_secs(60);

/// Agents at work.
pub(super) struct Bed {
    // Before the segment: agents end before their namespaces go.
    speakers: Vec<SpeakerProcess>,
    segment: Segment,
}

/// An attack under way.
struct Attack(Option<Running>);

/// What the attacker prints in the end.
#[derive(Deserialize)]
struct Sent {
    sent: u64,
    seconds: f64,
}

/// What was used and sent up to some moment.
struct Reading {
    at: Instant,
    /// Processor time of each agent.
    agents_ns: Vec<u64>,
    softirq_ns: u64,
    /// Frames that each node has sent.
    sent: Vec<u64>,
}

impl Bed {
    /// Puts the nodes to work and waits until one of them answers and the others stand by.
    pub(super) fn make(plan: &Plan) -> Result<Self> {
        let step = ui::Step::begin("three nodes, a client and an attacker");
        let segment = Segment::new(u8::try_from(AGENTS + 1)?)?;
        let agents = segment.nodes.get(..AGENTS).context("nodes with agents")?;
        let names: Vec<&str> = agents.iter().map(|node| node.name.as_str()).collect();
        let others = (0..plan.loaded).map(|n| Ipv4Addr::from_bits(OTHERS.to_bits() + n).into());
        let addresses: Vec<IpAddr> = targets().into_iter().chain(others).collect();
        let config = static_config(&addresses, &names, "native");
        let options = SpeakerOptions { program: Some(plan.speaker.clone()), ..SpeakerOptions::default() };
        let speakers = agents
            .iter()
            .map(|node| SpeakerProcess::start(&segment.lab, node, &config, &options))
            .collect::<Result<Vec<_>>>()?;
        // The client is asked about, not attacked: what is flooded would only fill its own queue.
        let port = &segment.client.port;
        let mut quiet = segment.switch.command("bridge");
        quiet.args(["link", "set", "dev", port, "bcast_flood", "off", "mcast_flood", "off"]);
        sh::run(quiet)?;
        let bed = Self { speakers, segment };
        bed.settle()?;
        step.done(format_args!("{} addresses", addresses.len()));
        Ok(bed)
    }

    /// One kind of attack, twice: while everything is well, and while the owner is cut off.
    pub(super) fn measure(&mut self, plan: &Plan, kind: Kind) -> Result<Line> {
        let step = ui::Step::begin(format!("{kind}, {} frames/s", plan.rate));
        self.settle()?;
        let owner = self.owner()?;
        let seconds = Duration::from_secs(plan.seconds.into());

        let attack = self.attack(plan, kind, seconds + FAULT)?;
        let (asker, before) = (self.ask()?, self.read()?);
        thread::sleep(seconds);
        let after = self.read()?;
        let account = asker.stop()?;
        let frames = attack.stop(seconds + SETTLING)?;

        step.note("the owner is cut off");
        let attack = self.attack(plan, kind, 3 * FAULT)?;
        let gap = self.failover(owner)?;
        attack.stop(3 * FAULT + SETTLING)?;

        let share = |ns: u64| ns as f64 * 100.0 / (after.at - before.at).as_nanos().max(1) as f64;
        let rates = differences(&before.sent, &after.sent);
        let cpu: Vec<f64> = differences(&before.agents_ns, &after.agents_ns).map(share).collect();
        let standbys = cpu.iter().enumerate().filter(|(index, _)| *index != owner).map(|(_, share)| *share);
        let line = Line {
            kind,
            frames,
            owner_cpu: cpu.get(owner).copied().context("the owner has an agent")?,
            standby_cpu: standbys.fold(0.0, f64::max),
            softirq_cpu: share(after.softirq_ns - before.softirq_ns),
            sent: rates.max().unwrap_or_default() as f64 / (after.at - before.at).as_secs_f64(),
            requests: account.sent,
            lost: account.lost,
            gap_ms: gap.longest_gap_ns as f64 / 1e6,
            memory_mib: cpu::resident_mib(self.speakers.get(owner).context("the owner has an agent")?.pid())?,
        };
        step.done(format_args!("{} of {} requests lost, gap {:.0} ms", line.lost, line.requests, line.gap_ms));
        Ok(line)
    }

    /// What a client sees while the owner is cut off and comes back.
    fn failover(&self, owner: usize) -> Result<Account> {
        let asker = self.ask()?;
        let cut = self.segment.cut(self.node(owner)?)?;
        thread::sleep(FAULT);
        let account = asker.stop()?;
        cut.heal()?;
        Ok(account)
    }

    fn node(&self, index: usize) -> Result<&Node> {
        self.segment.nodes.get(index).context("there is such a node")
    }

    /// The position of the node that answers for both addresses.
    fn owner(&self) -> Result<usize> {
        let answers = |target| clients::ask(&self.segment.client, target);
        let [four, six] = targets().map(answers);
        let (four, six) = (four?, six?);
        let owner = self.segment.nodes.iter().take(AGENTS).position(|node| node.mac == four);
        ensure!(four == six, "{four} and {six} own one address each");
        owner.with_context(|| format!("{four} answers, which is no node's"))
    }

    /// Waits until one answers and every agent says who owns what, so that the next measurement begins like the first.
    fn settle(&self) -> Result<()> {
        eventually(SETTLING, "one owner and standbys", || {
            let owner = self.owner()?;
            for (index, speaker) in self.speakers.iter().enumerate() {
                let status = speaker.status()?;
                let wanted = if index == owner { "owner" } else { "standby" };
                let standings = status["addresses"].as_array().into_iter().flatten();
                let other = standings.filter(|entry| entry["ownership"]["standing"] != wanted).count();
                ensure!(other == 0, "{other} addresses are not {wanted} at node {index}");
            }
            Ok(())
        })
    }

    fn ask(&self) -> Result<Asker> {
        let (lab, client) = (&self.segment.lab, &self.segment.client);
        Asker::start_with(lab, client, &targets(), &["--rate", RATE, "--timeout", ANSWER])
    }

    fn attack(&self, plan: &Plan, kind: Kind, time: Duration) -> Result<Attack> {
        let Some(argument) = kind.argument() else { return Ok(Attack(None)) };
        let attacker = self.node(AGENTS)?;
        let mut command: Command = attacker.namespace.command(paths::example("attacker"));
        command.args(["--interface", "eth0", "--mac", &attacker.mac, "--kind", argument, "--ready-line"]);
        command.args(["--rate", &plan.rate.to_string(), "--duration", &format!("{}ms", time.as_millis())]);
        for target in targets() {
            command.args(["--address", &target.to_string()]);
        }
        let running = Running::start(&mut command, &self.segment.lab.free_path("attacker", "log")?)?;
        eventually(SETTLING, "the first forged frame", || {
            ensure!(running.output().contains("\"ready\":true"), "it printed:\n{}", running.output());
            Ok(())
        })?;
        Ok(Attack(Some(running)))
    }

    #[expect(clippy::disallowed_methods, reason = "shares of time are measured")]
    fn read(&self) -> Result<Reading> {
        let agents = self.speakers.iter().map(|speaker| cpu::process_ns(speaker.pid()));
        let sent = self.segment.nodes.iter().take(AGENTS).map(sent);
        Ok(Reading {
            at: Instant::now(),
            agents_ns: agents.collect::<Result<_>>()?,
            softirq_ns: cpu::softirq_ns()?,
            sent: sent.collect::<Result<_>>()?,
        })
    }
}

impl Attack {
    /// Waits for its end; frames a second.
    fn stop(self, patience: Duration) -> Result<f64> {
        let Some(running) = self.0 else { return Ok(0.0) };
        running.wait(patience)?;
        let output = running.output();
        let last = output.lines().last().unwrap_or_default();
        let sent: Sent =
            serde_json::from_str(last).with_context(|| format!("read the attacker's account in:\n{output}"))?;
        Ok(sent.sent as f64 / sent.seconds)
    }
}

/// The addresses that are asked for and attacked.
fn targets() -> [IpAddr; 2] {
    [IpAddr::from([192, 0, 2, 10]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10])]
}

fn differences<'a>(before: &'a [u64], after: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    before.iter().zip(after).map(|(before, after)| after.saturating_sub(*before))
}

/// Frames that a node has sent: those of its program come back through the interface as well, and count there.
fn sent(node: &Node) -> Result<u64> {
    let text = node.namespace.ip("-json -statistics link show dev eth0")?;
    let links: serde_json::Value = serde_json::from_str(&text)?;
    links[0]["stats64"]["tx"]["packets"].as_u64().with_context(|| format!("eth0 has no counters: {text}"))
}
