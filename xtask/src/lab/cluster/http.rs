//! Real HTTP requests, with curl.

use std::{
    net::{IpAddr, SocketAddr},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{lab::Namespace, sh};

/// What a backend answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// Name of the node whose backend it was.
    pub node: String,
    /// The address that the backend saw.
    pub client: IpAddr,
}

/// One request for `/` from a namespace, each on a connection of its own, with two seconds for everything.
///
/// # Errors
/// If no backend answers in time.
pub fn get(from: &Namespace, address: IpAddr, port: u16) -> Result<Answer> {
    let mut command = from.command("curl");
    // Only what is written here: no file of the user, no proxy.
    command.args(["--disable", "--noproxy", "*", "--globoff", "--silent", "--show-error", "--fail", "--max-time", "2"]);
    command.arg(url(address, port));
    clean(&mut command);
    parse(&sh::read(command)?)
}

/// The URL of an address and a port.
#[must_use]
pub fn url(address: IpAddr, port: u16) -> String {
    format!("http://{}/", SocketAddr::new(address, port))
}

fn clean(command: &mut Command) {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
}

pub(super) fn parse(text: &str) -> Result<Answer> {
    let mut words = text.split_whitespace();
    let answer = words
        .next()
        .zip(words.next())
        .and_then(|(node, client)| Some(Answer { node: node.to_owned(), client: client.parse().ok()? }));
    answer.with_context(|| format!("a backend answers with a name and an address, this was {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = parse("node-a 2001:db8::c8\n").unwrap();
        assert_eq!((answer.node.as_str(), answer.client), ("node-a", "2001:db8::c8".parse().unwrap()));
        assert!(parse("<html>").is_err() && parse("node-a somewhere").is_err());
    }

    #[test]
    fn addresses_of_both_families_make_urls() {
        assert_eq!(url("192.0.2.7".parse().unwrap(), 80), "http://192.0.2.7:80/");
        assert_eq!(url("2001:db8::7".parse().unwrap(), 80), "http://[2001:db8::7]:80/");
    }
}
