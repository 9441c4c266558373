//! Packets to an address and their echoes, as an application sees them: through the kernel's own neighbour table.
//!
//! `udp echo` gives back every packet. `udp send` sends numbered packets on an absolute schedule and accounts for every one:
//! a packet is lost when its echo did not *arrive* within the timeout. Arrival is stamped by the kernel and the deadline
//! counts from the sending, so a late sender never counts its own lateness; what it could not send in time it sends as soon
//! as it can. Both stamps are of the wall clock, the kernel's only clock for packets: nobody may set it meanwhile.

mod book;
mod echo;
#[path = "../asker/gaps.rs"]
mod gaps;
mod send;

use clap::Parser;

/// Sends packets, or gives them back.
#[derive(Debug, Parser)]
#[command(name = "udp")]
enum Args {
    /// Give back every packet until killed; prints {"ready":true} when it can.
    Echo(echo::Args),
    /// Send packets at a steady rate and print one line of JSON about the echoes.
    Send(send::Args),
}

fn main() -> anyhow::Result<()> {
    match Args::parse() {
        Args::Echo(args) => echo::run(&args),
        Args::Send(args) => send::run(args),
    }
}
