//! Sends what somebody would send who wants addresses to be silent or agents to be busy: for `cargo xtask bench attack`.
//!
//! It sends at a steady rate, for a time that has to be given, on one interface, about addresses that have to be named, and
//! prints one line of JSON about what it sent.

mod frames;

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use arpeggio_common::wire::Mac;
use arpeggio_speaker::frames::{FrameSocket, SendError};
use clap::Parser;
use serde::Serialize;

use crate::frames::{Kind, frames};

/// Longest time of an attack.
const LONGEST: Duration = Duration::from_secs(120);
/// Most frames a second.
const MOST: u32 = 1_000_000;
/// Between two bursts.
const BURST: Duration = Duration::from_micros(500);

/// Sends forged frames at a steady rate.
#[derive(Debug, Parser)]
#[command(name = "attacker")]
struct Args {
    /// The interface to send on.
    #[arg(long, short)]
    interface: String,
    /// Its MAC, which the switch learns.
    #[arg(long)]
    mac: Mac,
    /// What to send.
    #[arg(long, value_enum)]
    kind: Kind,
    /// An address that is attacked; may be repeated. They have their turns.
    #[arg(long = "address", short, required = true, value_name = "ADDR")]
    addresses: Vec<IpAddr>,
    /// Frames a second.
    #[arg(long, value_name = "N")]
    rate: u32,
    /// How long, like 5s; two minutes at most.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Print a line of JSON, {"ready":true}, when the first frame was sent.
    #[arg(long)]
    ready_line: bool,
}

/// What was sent.
#[derive(Serialize)]
struct Summary {
    sent: u64,
    /// Frames that the interface had no room for.
    failed: u64,
    seconds: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(args.duration <= LONGEST && args.rate <= MOST, "at most {LONGEST:?} and {MOST} frames a second");
    let ifindex = nix::net::if_::if_nametoindex(args.interface.as_str())
        .with_context(|| format!("there is no interface {} in this network namespace", args.interface))?;
    let frames = frames(args.kind, args.mac, &args.addresses);
    ensure!(!frames.is_empty(), "{:?} is about addresses of another family than those given", args.kind);
    let summary = send(&args, ifindex, &frames)?;
    print(&serde_json::to_string(&summary)?);
    Ok(())
}

/// Sends the frames in turn until the time is over. What is late is sent at once, what could not be sent is not repeated.
#[expect(clippy::disallowed_methods, reason = "it keeps a rate")]
fn send(args: &Args, ifindex: u32, frames: &[Vec<u8>]) -> anyhow::Result<Summary> {
    let socket = FrameSocket::open()?;
    let began = Instant::now();
    let (mut sent, mut failed) = (0, 0);
    let mut next = frames.iter().cycle();
    while began.elapsed() < args.duration {
        let due = began.elapsed().as_nanos() * u128::from(args.rate) / 1_000_000_000;
        while u128::from(sent + failed) < due && began.elapsed() < args.duration {
            let Some(frame) = next.next() else { break };
            match socket.send(ifindex, frame) {
                Ok(()) => sent += 1,
                Err(SendError::Full { .. }) => failed += 1,
                Err(error) => return Err(error.into()),
            }
            if args.ready_line && sent == 1 {
                print("{\"ready\":true}");
            }
        }
        thread::sleep(BURST);
    }
    Ok(Summary { sent, failed, seconds: began.elapsed().as_secs_f64() })
}

#[expect(clippy::print_stdout, reason = "the result")]
fn print(line: &str) {
    println!("{line}");
}
