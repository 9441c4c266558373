//! The scenes of the demo, in order.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::stage::{LEASE_SECONDS, Stage, show, vips};
use crate::{
    lab::{Asker, LAYOUT_DIRECTORY, clients, eventually},
    ui,
};

/// Requests a second.
const RATE: u32 = 200;
/// Limit for things that take milliseconds, with room for a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Plays all scenes.
pub(super) fn play(stage: &mut Stage) -> Result<()> {
    introduce(stage)?;
    answers(stage)?;
    maps(stage)?;
    status(stage)?;
    crash(stage)?;
    lease_end(stage)?;
    returned(stage)?;
    power_loss(stage)?;
    evacuation(stage)?;
    explanation(stage)
}

fn explain(text: &str) {
    text.lines().for_each(|line| ui::say(format_args!("   {}", line.trim())));
}

fn introduce(stage: &mut Stage) -> Result<()> {
    ui::heading("The stage");
    explain(
        "A bridge, three nodes and a client, each in a network namespace, joined by veth pairs. All three nodes hold the
         service addresses 192.0.2.10 and 2001:db8::10 on their loopback, so none of their kernels answers for them.",
    );
    for node in &stage.segment.nodes {
        ui::say(format_args!("     {:<7} {}  {}", node.name, node.mac, node.ipv4));
    }
    ui::say(format_args!("     {:<7} {}  {}", "client", stage.segment.client.mac, stage.segment.client.ipv4));
    explain("Each node runs the agent with the same file; the candidates are the order of succession:");
    stage.config().lines().for_each(|line| ui::say(format_args!("     {line}")));
    let silent = ui::Step::begin("Before the agents start");
    vips().into_iter().try_for_each(|vip| clients::expect_silence(&stage.segment.client, vip))?;
    silent.done("nobody answers");
    let step = ui::Step::begin("Starting three agents");
    (0..stage.segment.nodes.len()).try_for_each(|index| stage.start(index))?;
    step.done("native XDP is attached on every node");
    for index in 0..stage.segment.nodes.len() {
        let status = stage.speaker(index)?.status()?;
        let attach = &status["interfaces"];
        let native = attach.as_array().is_some_and(|all| all.iter().any(|one| one["attach"] == "native"));
        ensure!(native, "node {index} should have native XDP: {attach:#}");
    }
    Ok(())
}

fn answers(stage: &Stage) -> Result<()> {
    ui::heading("A client asks who has the addresses");
    explain("The answers come from the XDP program of node-a; its network stack never sees the requests:");
    let client = &stage.segment.client;
    let mac = &stage.owner().mac;
    let mut arping = client.namespace.command("arping");
    arping.args(["-I", "eth0", "-c", "2", "-w", "3", "192.0.2.10"]);
    show("client", arping, mac)?;
    let mut ndisc6 = client.namespace.command("ndisc6");
    ndisc6.args(["-n", "2001:db8::10", "eth0"]);
    show("client", ndisc6, mac)?;
    for vip in vips() {
        clients::expect_only(client, vip, mac)?;
        ensure!(clients::ping(client, vip)? == *mac, "the client's kernel should hold {mac} for {vip}");
    }
    explain("Nobody else answers, and a ping finds its way to node-a.");
    Ok(())
}

fn maps(stage: &Stage) -> Result<()> {
    ui::heading("The truth is in the maps");
    explain("What the kernel answers is pinned on a bpffs and readable by anyone with bpftool (action 1: answer):");
    let mut dump = Command::new("bpftool");
    dump.args(["map", "dump", "pinned"]).arg(stage.speaker(0)?.pins().join(LAYOUT_DIRECTORY).join("VIPS4"));
    show("node-a", dump, "buckets").map(drop)
}

fn status(stage: &Stage) -> Result<()> {
    ui::heading("What the agents tell");
    show("node-a", stage.speaker(0)?.cli(&["status"]), "native")?;
    explain("node-b stands by: it watches node-a, and drops requests, so that its own kernel cannot answer either:");
    show("node-b", stage.speaker(1)?.cli(&["status", "192.0.2.10"]), "standby").map(drop)
}

fn crash(stage: &mut Stage) -> Result<()> {
    ui::heading("kill -9 while a client asks 200 times a second");
    let asker = Asker::start(&stage.segment.lab, &stage.segment.client, &vips(), RATE)?;
    let speaker = stage.take(0)?;
    ui::say(format_args!("   node-a$ kill -9 {}", speaker.pid()));
    speaker.kill()?;
    // Asked by a second client meanwhile: the two seconds are spent on four hundred further requests.
    let meanwhile = Asker::ask(&stage.segment.lab, &stage.segment.nodes[2], &vips(), RATE, 2 * RATE)?;
    let account = asker.stop()?;
    for account in [&account, &meanwhile] {
        account.expect_complete(&stage.owner().mac)?;
    }
    ui::say(format_args!(
        "     asked {}, answered {}, lost {}",
        account.sent + meanwhile.sent,
        account.answered + meanwhile.answered,
        account.lost + meanwhile.lost
    ));
    explain("The agent is dead, its program and maps are pinned: the kernel goes on answering.");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "shows how long it took")]
fn lease_end(stage: &Stage) -> Result<()> {
    ui::heading("The lease ends");
    explain(&format!(
        "An agent renews its lease twice a second; without the agent the program may answer for {LEASE_SECONDS} s more.
         Until then the other nodes find node-a alive, for so do its clients; then node-b takes over."
    ));
    let step = ui::Step::begin("Waiting for the next node");
    let start = Instant::now();
    let limit = Duration::from_secs(4 * LEASE_SECONDS);
    owned_by(stage, 1, limit)?;
    step.done(format_args!("node-b answers after {:.0} more seconds", start.elapsed().as_secs_f64()));
    history(stage, 1)
}

fn returned(stage: &mut Stage) -> Result<()> {
    ui::heading("The agent comes back");
    stage.start(0)?;
    explain("It finds another owner and stands by: ownership is sticky.");
    show("node-a", stage.speaker(0)?.cli(&["status", "192.0.2.10"]), "standby")?;
    owned_by(stage, 1, SOON)
}

fn power_loss(stage: &Stage) -> Result<()> {
    ui::heading("The owner's link is cut while a client asks 500 times a second");
    let asker = Asker::start(&stage.segment.lab, &stage.segment.client, &vips(), 500)?;
    let cut = stage.segment.cut(&stage.segment.nodes[1])?;
    owned_by(stage, 0, SOON)?;
    let account = asker.stop()?;
    ensure!(account.doubled == 0, "never should two nodes answer: {account:?}");
    ui::say(format_args!(
        "     asked {}, unanswered {}, answered by two {}; the gap was {} ms",
        account.sent,
        account.lost,
        account.doubled,
        account.longest_gap_ns / 1_000_000
    ));
    history(stage, 0)?;
    cut.heal()?;
    explain("At the default pace of 50 ms × 3 the next node claims within 160 ms; `--failover fastest` makes it 33.");
    standing(stage, 1, "standby")
}

fn evacuation(stage: &Stage) -> Result<()> {
    ui::heading("The owner is evacuated");
    let asker = Asker::start(&stage.segment.lab, &stage.segment.client, &vips(), 500)?;
    show("node-a", stage.speaker(0)?.cli(&["evacuate", "--wait"]), "owns no address")?;
    owned_by(stage, 1, SOON)?;
    let account = asker.stop()?;
    ensure!(account.lost == 0, "an evacuation should lose nothing: {account:?}");
    ui::say(format_args!("     asked {}, answered {}, lost {}", account.sent, account.answered, account.lost));
    show("node-a", stage.speaker(0)?.cli(&["evacuate", "--undo"]), "takes part").map(drop)
}

fn explanation(stage: &Stage) -> Result<()> {
    ui::heading("Why does it answer?");
    explain("Every agent can say of every address who has it and why, by its own view and by the wire's:");
    show("node-c", stage.speaker(2)?.cli(&["explain", "192.0.2.10"]), "node-b").map(drop)
}

/// Waits until this node alone answers for both addresses.
fn owned_by(stage: &Stage, index: usize, limit: Duration) -> Result<()> {
    let mac = &stage.segment.nodes[index].mac;
    let alone = |vip| eventually(limit, "one owner", || clients::expect_only(&stage.segment.client, vip, mac));
    vips().into_iter().try_for_each(alone)
}

/// Waits until a node says that it stands so for the first address.
fn standing(stage: &Stage, index: usize, wanted: &str) -> Result<()> {
    let speaker = stage.speaker(index)?;
    eventually(SOON, wanted, || {
        let status = speaker.status()?;
        ensure!(status["addresses"][0]["ownership"]["standing"] == wanted, "the status is {status:#}");
        Ok(())
    })
}

/// What the agent logged last about taking the first address over.
fn history(stage: &Stage, index: usize) -> Result<()> {
    let log = stage.speaker(index)?.log();
    let vip = vips()[0].to_string();
    let line = log.lines().rev().find(|line| line.contains(&vip) && line.contains("gap"));
    ui::say(format_args!("     {}", line.unwrap_or("(nothing was logged)").trim()));
    ensure!(line.is_some(), "the agent should log the change of hands with its gap:\n{log}");
    Ok(())
}
