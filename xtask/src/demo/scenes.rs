//! The scenes of the demo, in order.

use std::{
    net::IpAddr,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::stage::{LEASE_SECONDS, Stage, show, vips};
use crate::{
    lab::{Asker, clients, eventually},
    ui,
};

/// Requests a second.
const RATE: u32 = 200;

/// Plays all scenes.
pub(super) fn play(stage: &mut Stage) -> Result<()> {
    introduce(stage)?;
    answers(stage)?;
    maps(stage)?;
    status(stage)?;
    crash(stage)?;
    lease_end(stage)?;
    restart(stage)
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
    explain("Each node runs the agent with the same file; the first candidate owns the addresses:");
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
    dump.args(["map", "dump", "pinned"]).arg(stage.speaker(0)?.pins().join("v1/VIPS4"));
    show("node-a", dump, "buckets").map(drop)
}

fn status(stage: &Stage) -> Result<()> {
    ui::heading("What the agents tell");
    show("node-a", stage.speaker(0)?.cli(&["status"]), "native")?;
    explain("node-b stands by: it drops requests, so that its own kernel cannot answer either:");
    show("node-b", stage.speaker(1)?.cli(&["status", "192.0.2.10"]), "192.0.2.10").map(drop)
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
         So a node whose agent is really gone does not hold addresses for ever."
    ));
    let step = ui::Step::begin("Waiting until the last answer");
    let start = Instant::now();
    for vip in vips() {
        let limit = Duration::from_secs(4 * LEASE_SECONDS);
        eventually(limit, "silence", || clients::expect_silence(&stage.segment.client, vip))?;
    }
    step.done(format_args!("silence after {:.0} more seconds", start.elapsed().as_secs_f64()));
    Ok(())
}

fn restart(stage: &mut Stage) -> Result<()> {
    ui::heading("The agent comes back");
    stage.start(0)?;
    let vip = vips()[0];
    let mac = stage.owner().mac.clone();
    answered_again(stage, vip, &mac)?;
    explain("It found its pins, put its own program in place of the old one, and renewed the lease.");
    Ok(())
}

fn answered_again(stage: &Stage, vip: IpAddr, mac: &str) -> Result<()> {
    eventually(Duration::from_secs(10), "an answer", || clients::expect_only(&stage.segment.client, vip, mac))?;
    let mut arping = stage.segment.client.namespace.command("arping");
    arping.args(["-I", "eth0", "-c", "1", "-w", "2", &vip.to_string()]);
    show("client", arping, mac).map(drop)
}
