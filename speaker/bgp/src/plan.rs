//! What has to be said to FRR so that what is there becomes what is wanted: ordered commands, and nothing else.
//!
//! What points at something comes after it, and goes before it. A session is reset only where FRR cannot do otherwise.

mod agree;
mod maps;
mod routers;

use std::{collections::BTreeSet, fmt};

use ipnet::IpNet;

pub use self::agree::Conflict;
use crate::config::{Config, Daemon, Knob, Vrf};

/// What a command is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The peer of this name.
    Peer(String),
    /// A route.
    Route(IpNet),
    /// The BFD profile of this name in FRR.
    Profile(String),
    /// The router of this VRF.
    Router(Vrf),
    /// A route-map that nothing uses any more.
    Map(String),
    /// All of it.
    Everything,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(name) => write!(f, "peer {name}"),
            Self::Route(prefix) => write!(f, "route {prefix}"),
            Self::Profile(name) => write!(f, "BFD profile {name}"),
            Self::Router(None) => f.write_str("router"),
            Self::Router(Some(vrf)) => write!(f, "router of VRF {vrf}"),
            Self::Map(name) => write!(f, "route-map {name}"),
            Self::Everything => f.write_str("configuration"),
        }
    }
}

/// A line for a daemon.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Command {
    /// Which daemon.
    pub daemon: Daemon,
    /// The lines that lead to the place for it.
    pub context: Vec<String>,
    /// The line.
    pub line: String,
    /// What it is about.
    pub object: Object,
}

impl Command {
    /// The line without a password in it.
    pub fn shown(&self) -> String {
        match self.line.split_once(" password ") {
            Some((before, _)) if before.starts_with("neighbor ") => format!("{before} password …"),
            _ => self.line.clone(),
        }
    }
}

/// Passwords are not to get into logs.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?} ({})", self.daemon, self.context, self.shown(), self.object)
    }
}

/// The commands, and what they leave as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub commands: Vec<Command>,
    /// What foreign configuration stands in the way of.
    pub conflicts: Vec<Conflict>,
    /// Peers by name whose BFD is added once their session is up, since it would flap otherwise.
    pub awaiting: BTreeSet<String>,
}

/// The difference. `up` holds the neighbours with an established session.
pub fn plan(wanted: &Config, observed: &Config, up: &BTreeSet<(Vrf, String)>) -> Plan {
    let agree::Agreed { wanted, conflicts, awaiting } = agree::agree(wanted, observed, up);
    let mut commands = Vec::new();
    commands.extend(profiles(&wanted, observed));
    commands.extend(delay_timer(&wanted, observed));
    commands.extend(routers::withdrawn(&wanted, observed));
    commands.extend(maps::added(&wanted, observed));
    commands.extend(routers::added(&wanted, observed));
    commands.extend(maps::removed(&wanted, observed));
    commands.extend(profiles_removed(&wanted, observed));
    Plan { commands, conflicts, awaiting }
}

/// The commands as a text that `vtysh -f` or a daemon's `-f` takes.
pub fn script(commands: &[Command]) -> String {
    let mut text = String::new();
    let mut lines = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    for group in commands.chunk_by(|one, two| (one.daemon, &one.context) == (two.daemon, &two.context)) {
        let context = group.first().map(|command| command.context.as_slice()).unwrap_or_default();
        for (depth, line) in context.iter().enumerate() {
            lines(&format!("{}{line}", " ".repeat(depth)));
        }
        for command in group {
            let indent = " ".repeat(context.len());
            lines(&format!("{indent}{}", command.line));
            if ["route-map ", "profile "].iter().any(|header| command.line.starts_with(header)) {
                lines(&format!("{indent}exit"));
            }
        }
        for depth in (0..context.len()).rev() {
            let exit = if context.get(depth).is_some_and(|line| line.starts_with("address-family")) {
                "exit-address-family"
            } else {
                "exit"
            };
            lines(&format!("{}{exit}", " ".repeat(depth)));
        }
    }
    text
}

fn top(daemon: Daemon, line: String, object: Object) -> Command {
    Command { daemon, context: Vec::new(), line, object }
}

fn profiles(wanted: &Config, observed: &Config) -> Vec<Command> {
    let mut commands = Vec::new();
    let context = vec!["bfd".to_owned()];
    for (name, profile) in &wanted.profiles {
        let there = observed.profiles.get(name);
        let object = Object::Profile(name.clone());
        if there.is_none() {
            let (context, line) = (context.clone(), format!("profile {name}"));
            commands.push(Command { daemon: Daemon::Bfdd, context, line, object: object.clone() });
        }
        for knob in Knob::ALL {
            let value = profile.get(&knob).copied().unwrap_or_else(|| knob.default());
            if there.and_then(|there| there.get(&knob)).copied().unwrap_or_else(|| knob.default()) != value {
                let context = vec!["bfd".to_owned(), format!("profile {name}")];
                let line = knob.line(value);
                commands.push(Command { daemon: Daemon::Bfdd, context, line, object: object.clone() });
            }
        }
    }
    commands
}

fn profiles_removed(wanted: &Config, observed: &Config) -> Vec<Command> {
    let gone = observed
        .profiles
        .keys()
        .filter(|name| crate::marks::is_our_profile(name) && !wanted.profiles.contains_key(*name));
    gone.map(|name| Command {
        daemon: Daemon::Bfdd,
        context: vec!["bfd".to_owned()],
        line: format!("no profile {name}"),
        object: Object::Profile(name.clone()),
    })
    .collect()
}

/// Set where nobody else has set it. It stays: whose it is cannot be seen later.
fn delay_timer(wanted: &Config, observed: &Config) -> Option<Command> {
    let seconds = wanted.delay_timer.filter(|_| observed.delay_timer.is_none())?;
    Some(top(Daemon::Bgpd, format!("bgp route-map delay-timer {seconds}"), Object::Everything))
}

/// What zebra before version 10 has to be told, so that peers behind a default route are reached.
pub fn next_hops(running: &str) -> Vec<Command> {
    let there: BTreeSet<&str> = running.lines().map(str::trim).collect();
    let wanted = ["ip nht resolve-via-default", "ipv6 nht resolve-via-default"];
    let missing = wanted.into_iter().filter(|line| !there.contains(line));
    missing.map(|line| top(Daemon::Zebra, line.to_owned(), Object::Everything)).collect()
}
