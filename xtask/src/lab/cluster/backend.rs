//! `cargo xtask lab-backend`: the HTTP server behind the services of a lab's cluster.
//!
//! It answers every request with one line: the node's name and the address the connection came from. So a client sees both
//! where its request arrived and whether its own address was kept.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::ui;

/// Port on every node.
pub const PORT: u16 = 8080;
/// How long a client may take with its request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest head of a request that is read, lines.
const HEAD_LINES: usize = 100;

/// `cargo xtask lab-backend`.
#[derive(clap::Args)]
pub struct Args {
    /// What it calls itself.
    #[arg(long)]
    name: String,
    /// Port to listen on, IPv4 and IPv6.
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

/// Runs the verb: serves until it is killed.
///
/// # Errors
/// If the port cannot be had.
pub fn run(args: &Args) -> Result<()> {
    // An IPv6 socket takes IPv4 connections as well.
    let listener = TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, args.port)))
        .with_context(|| format!("listen on port {}", args.port))?;
    ui::say(format_args!("{} listens on port {}", args.name, args.port));
    serve(&listener, &args.name)
}

fn serve(listener: &TcpListener, name: &str) -> Result<()> {
    loop {
        let (stream, peer) = listener.accept().context("accept a connection")?;
        let name = name.to_owned();
        // A client that goes away concerns nobody else.
        thread::Builder::new()
            .spawn(move || answer(&stream, peer, &name))
            .context("start a thread for a connection")?;
    }
}

fn answer(stream: &TcpStream, peer: SocketAddr, name: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut line = String::new();
    for _ in 0..HEAD_LINES {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.trim_end().is_empty() {
            break;
        }
        if request.is_empty() {
            request.clone_from(&line);
        }
    }
    let mut writer = stream;
    writer.write_all(response(name, peer.ip()).as_bytes())?;
    writer.flush()
}

fn response(name: &str, client: IpAddr) -> String {
    let body = format!("{name} {}\n", client.to_canonical());
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn it_tells_its_name_and_the_clients_address() {
        let listener = TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || serve(&listener, "node-a"));
        let answer = ask(SocketAddr::from(([127, 0, 0, 1], port)));
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nnode-a 127.0.0.1\n"),
            "{answer}"
        );
        // A client that hangs up does not end it.
        drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
        assert!(ask(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).ends_with("node-a ::1\n"));
    }
}
