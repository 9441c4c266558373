//! Routers, their neighbours and their networks.

use std::collections::BTreeSet;

use super::{
    Command, Object,
    agree::{is_only_ours, is_our_network, our_neighbors},
};
use crate::{
    config::{Attribute, Carried, Config, Daemon, Family, Neighbor, Router, Vrf},
    marks,
};

/// Places where lines of a router belong.
struct Site<'a> {
    vrf: &'a Vrf,
    asn: u32,
}

impl Site<'_> {
    fn header(&self) -> String {
        let vrf = self.vrf.as_ref().map(|vrf| format!(" vrf {vrf}")).unwrap_or_default();
        format!("router bgp {}{vrf}", self.asn)
    }

    fn line(&self, line: String, object: Object) -> Command {
        Command { daemon: Daemon::Bgpd, context: vec![self.header()], line, object }
    }

    fn family_line(&self, family: Family, line: String, object: Object) -> Command {
        let context = vec![self.header(), family.header().to_owned()];
        Command { daemon: Daemon::Bgpd, context, line, object }
    }
}

/// In FRR's words, for people.
pub(super) fn router_name(vrf: &Vrf) -> String {
    vrf.as_ref().map_or_else(|| "the router".to_owned(), |vrf| format!("the router of VRF {vrf}"))
}

/// Name of the object behind one of our neighbours.
pub(super) fn peer_name(neighbor: &Neighbor) -> &str {
    let text = neighbor.attributes.get(&Attribute::Description).map(String::as_str).unwrap_or_default();
    text.strip_prefix("description ").and_then(|text| text.strip_prefix(marks::DESCRIPTION)).unwrap_or_default()
}

fn peer(neighbor: &Neighbor) -> Object {
    Object::Peer(peer_name(neighbor).to_owned())
}

/// What is no longer said to anybody: networks, neighbours, routers.
pub(super) fn withdrawn(wanted: &Config, observed: &Config) -> Vec<Command> {
    let mut commands = Vec::new();
    for (vrf, there) in observed.routers.iter().rev() {
        let site = Site { vrf, asn: there.asn };
        let router = wanted.routers.get(vrf);
        let kept = router.filter(|router| router.asn == there.asn);
        if kept.is_none() && is_only_ours(there) && (there.is_ours() || router.is_some()) {
            let object = Object::Router(vrf.clone());
            let line = format!("no {}", site.header());
            commands.push(Command { daemon: Daemon::Bgpd, context: Vec::new(), line, object });
            continue;
        }
        for (prefix, map) in &there.networks {
            let wanted = kept.is_some_and(|router| router.networks.contains_key(prefix));
            if is_our_network(map.as_deref()) && !wanted {
                let line = format!("no network {prefix}");
                commands.push(site.family_line(Family::of(prefix), line, Object::Route(*prefix)));
            }
        }
        for (key, neighbor) in our_neighbors(there) {
            if !kept.is_some_and(|router| router.neighbors.contains_key(key)) {
                commands.push(site.line(format!("no neighbor {key}"), peer(neighbor)));
            }
        }
    }
    commands
}

/// What is said anew or otherwise.
pub(super) fn added(wanted: &Config, observed: &Config) -> Vec<Command> {
    let mut commands = Vec::new();
    for (vrf, router) in &wanted.routers {
        let blank = Router::default();
        let there = observed.routers.get(vrf).filter(|there| there.asn == router.asn).unwrap_or(&blank);
        let site = Site { vrf, asn: router.asn };
        commands.extend(settings(&site, router, there));
        for (key, neighbor) in &router.neighbors {
            commands.extend(attributes(&site, key, neighbor, there.neighbors.get(key)));
        }
        for family in Family::ALL {
            for (key, neighbor) in &router.neighbors {
                commands.extend(carried(&site, family, (key, neighbor), there));
            }
            let networks = router.networks.iter().filter(|(prefix, _)| Family::of(prefix) == family);
            for (prefix, map) in networks.filter(|(prefix, map)| there.networks.get(prefix) != Some(map)) {
                let map = map.as_ref().map(|map| format!(" route-map {map}")).unwrap_or_default();
                let line = format!("network {prefix}{map}");
                commands.push(site.family_line(family, line, Object::Route(*prefix)));
            }
        }
    }
    commands
}

/// In a router that others use too only what is wanted is set; nothing is taken back there.
fn settings(site: &Site<'_>, router: &Router, there: &Router) -> Vec<Command> {
    let object = || Object::Router(site.vrf.clone());
    let set = router.settings.iter().filter(|(setting, text)| there.settings.get(setting) != Some(text));
    let gone = there.settings.keys().filter(|setting| there.is_ours() && !router.settings.contains_key(setting));
    let gone = gone.map(|setting| site.line(setting.negation().to_owned(), object()));
    gone.chain(set.map(|(_, text)| site.line(text.clone(), object()))).collect()
}

fn attributes(site: &Site<'_>, key: &str, neighbor: &Neighbor, there: Option<&Neighbor>) -> Vec<Command> {
    let blank = Neighbor::default();
    let there = there.unwrap_or(&blank);
    let gone = there.attributes.keys().rev().filter(|attribute| !neighbor.attributes.contains_key(attribute));
    // Without BFD there is no profile of it.
    let without_bfd = !neighbor.attributes.contains_key(&Attribute::Bfd);
    let gone = gone.filter(|attribute| !(without_bfd && **attribute == Attribute::BfdProfile));
    let gone = gone.filter_map(|attribute| attribute.negation());
    let gone = gone.map(|words| site.line(format!("no neighbor {key} {words}"), peer(neighbor)));
    let set = neighbor.attributes.iter().filter(|(attribute, text)| there.attributes.get(attribute) != Some(text));
    let set = set.map(|(_, text)| site.line(format!("neighbor {key} {text}"), peer(neighbor)));
    gone.chain(set).collect()
}

fn carried(site: &Site<'_>, family: Family, (key, neighbor): (&str, &Neighbor), there: &Router) -> Vec<Command> {
    let fresh = Carried { active: family == Family::V4 && there.ipv4_by_itself(), ..Carried::default() };
    // A router that is yet to be made is made without families that are carried by themselves.
    let made = there.asn == 0 || there.is_ours();
    let fresh = if made { Carried::default() } else { fresh };
    let before = match there.neighbors.get(key) {
        Some(there) => there.families.get(&family).cloned().unwrap_or_default(),
        None => fresh,
    };
    let nothing = Carried::default();
    let after = neighbor.families.get(&family).unwrap_or(&nothing);
    let mut lines = Vec::new();
    if before.active && !after.active {
        lines.push(format!("no neighbor {key} activate"));
    }
    for (direction, before, after) in [("in", &before.map_in, &after.map_in), ("out", &before.map_out, &after.map_out)]
    {
        match (before, after) {
            (before, Some(after)) if before.as_ref() != Some(after) => {
                lines.push(format!("neighbor {key} route-map {after} {direction}"));
            }
            (Some(before), None) => lines.push(format!("no neighbor {key} route-map {before} {direction}")),
            _ => {}
        }
    }
    if after.active && !before.active {
        lines.push(format!("neighbor {key} activate"));
    }
    lines.into_iter().map(|line| site.family_line(family, line, peer(neighbor))).collect()
}

/// The neighbours that are ours, with the names of their peers.
pub(super) fn peers(config: &Config) -> BTreeSet<(Vrf, String, String)> {
    let all = config.routers.iter().flat_map(|(vrf, router)| {
        router.neighbors.iter().map(move |(key, neighbor)| (vrf.clone(), key.clone(), peer_name(neighbor).to_owned()))
    });
    all.collect()
}
