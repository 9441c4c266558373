//! The side that gives back.

use std::{
    io::{self, Write},
    net::{SocketAddr, UdpSocket},
};

use anyhow::Context;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen: echoes leave with this address as their sender.
    #[arg(long, value_name = "ADDR:PORT")]
    on: SocketAddr,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(args.on).with_context(|| format!("cannot listen on {}", args.on))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{{\"ready\":true}}")?;
    out.flush()?;
    let mut packet = [0; 2048];
    loop {
        let (length, from) = match socket.recv_from(&mut packet) {
            Ok(received) => received,
            // What is told here is the fate of an earlier echo, for example that its client is gone.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => continue,
            Err(error) => return Err(error).context("cannot receive"),
        };
        // An echo that cannot leave, as with a link that is down, is lost: the sender counts it.
        let _ = socket.send_to(packet.get(..length).unwrap_or_default(), from);
    }
}
