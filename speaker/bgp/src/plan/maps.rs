//! Route-maps: one for each class of prefixes and two for each neighbour.

use std::collections::BTreeMap;

use super::{Command, Object, routers::peers};
use crate::{
    config::{Config, Daemon, Entry},
    marks,
};

/// What the maps of a configuration are for.
fn owners(config: &Config) -> BTreeMap<String, Object> {
    let mut owners = BTreeMap::new();
    for (vrf, key, peer) in peers(config) {
        owners.insert(marks::in_map(&key, vrf.as_deref()), Object::Peer(peer.clone()));
        owners.insert(marks::out_map(&key, vrf.as_deref()), Object::Peer(peer));
    }
    for (prefix, map) in config.routers.values().flat_map(|router| &router.networks) {
        if let Some(map) = map {
            owners.entry(map.clone()).or_insert(Object::Route(*prefix));
        }
    }
    owners
}

/// Entries that are missing or say something else.
pub(super) fn added(wanted: &Config, observed: &Config) -> Vec<Command> {
    let owners = owners(wanted);
    let mut commands = Vec::new();
    for (name, entries) in &wanted.maps {
        let object = owners.get(name).cloned().unwrap_or_else(|| Object::Map(name.clone()));
        for (number, entry) in entries {
            let there = observed.maps.get(name).and_then(|entries| entries.get(number));
            commands.extend(changed((name, *number), entry, there, &object));
        }
    }
    commands
}

fn changed(at: (&str, u16), entry: &Entry, there: Option<&Entry>, object: &Object) -> Vec<Command> {
    let (name, number) = at;
    let verdict = |entry: &Entry| if entry.permit { "permit" } else { "deny" };
    let header = format!("route-map {name} {} {number}", verdict(entry));
    let top = |line| Command { daemon: Daemon::Bgpd, context: Vec::new(), line, object: object.clone() };
    let inside = |line| Command { daemon: Daemon::Bgpd, context: vec![header.clone()], line, object: object.clone() };
    let mut commands = Vec::new();
    let other = there.filter(|there| there.permit != entry.permit);
    if let Some(other) = other {
        commands.push(top(format!("no route-map {name} {} {number}", verdict(other))));
    }
    let there = there.filter(|there| there.permit == entry.permit);
    if there.is_none() && entry.lines.is_empty() {
        commands.push(top(header.clone()));
    }
    let before = there.cloned().unwrap_or_default().lines;
    let kinds = |line: &String| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    let replaced = |line: &&String| entry.lines.iter().any(|other| kinds(other) == kinds(line));
    commands.extend(
        before.difference(&entry.lines).filter(|line| !replaced(line)).map(|line| inside(format!("no {line}"))),
    );
    commands.extend(entry.lines.difference(&before).cloned().map(inside));
    commands
}

/// Entries and maps of ours that nobody wants.
pub(super) fn removed(wanted: &Config, observed: &Config) -> Vec<Command> {
    let mut commands = Vec::new();
    for (name, entries) in observed.maps.iter().filter(|(name, _)| marks::is_our_map(name)) {
        let kept = wanted.maps.get(name);
        let all_ours = entries.iter().all(|(number, entry)| is_our_entry(name, *number, entry));
        let line =
            |line| Command { daemon: Daemon::Bgpd, context: Vec::new(), line, object: Object::Map(name.clone()) };
        if kept.is_none() && all_ours {
            commands.push(line(format!("no route-map {name}")));
            continue;
        }
        for (number, entry) in entries {
            let wanted = kept.is_some_and(|kept| kept.contains_key(number));
            if !wanted && is_our_entry(name, *number, entry) {
                let verdict = if entry.permit { "permit" } else { "deny" };
                commands.push(line(format!("no route-map {name} {verdict} {number}")));
            }
        }
    }
    commands
}

/// Others may add entries to the maps of neighbours. Ours match the tag that is their number; an entry without lines, which
/// lets everything through, is one that was not finished.
fn is_our_entry(map: &str, number: u16, entry: &Entry) -> bool {
    !marks::is_policy(map)
        || number == u16::MAX
        || entry.lines.contains(&format!("match tag {number}"))
        || (entry.permit && entry.lines.is_empty() && !map.starts_with(&format!("{}-in-", marks::PREFIX)))
}
