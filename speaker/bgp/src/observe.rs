//! Reads what a daemon's `show running-config` says. The order of its lines means nothing: it differs between versions.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::{
    config::{Attribute, Config, Entry, Family, Knob, Neighbor, Router, Setting},
    marks,
    render::{communities_line, large_communities_line},
};

/// FRR's names for communities, which it shows instead of their numbers.
const WELL_KNOWN: [(&str, (u16, u16)); 15] = [
    ("internet", (0, 0)),
    ("graceful-shutdown", (65_535, 0)),
    ("accept-own", (65_535, 1)),
    ("route-filter-translated-v4", (65_535, 2)),
    ("route-filter-v4", (65_535, 3)),
    ("route-filter-translated-v6", (65_535, 4)),
    ("route-filter-v6", (65_535, 5)),
    ("llgr-stale", (65_535, 6)),
    ("no-llgr", (65_535, 7)),
    ("accept-own-nexthop", (65_535, 8)),
    ("blackhole", (65_535, 666)),
    ("no-export", (65_535, 65_281)),
    ("no-advertise", (65_535, 65_282)),
    ("local-AS", (65_535, 65_283)),
    ("no-peer", (65_535, 65_284)),
];

/// Where in the text we are.
enum Place {
    Top,
    Router(Option<String>),
    Family(Option<String>, Family),
    /// A family that the speaker never has to do with.
    OtherFamily(Option<String>),
    Map(String, u16),
    Bfd,
    Profile(String),
    Other,
}

/// The version in the text: `8.4.4`, `10.3`.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("frr version "))?;
    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Adds what the running configuration of a daemon says. What nobody here knows is foreign, never an error.
pub fn read(text: &str, config: &mut Config) {
    let mut place = Place::Top;
    let (mut routers, mut switched_off) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let first_column = !line.starts_with(' ');
        place = match (words.as_slice(), place) {
            ([] | ["!", ..], place) => place,
            (["router", "bgp", asn, rest @ ..], _) if first_column => router(asn, rest, config),
            (["route-map", name, verdict, number], _) if first_column => map(name, verdict, number, config),
            (["bfd"], _) if first_column => Place::Bfd,
            (["exit" | "end"], _) if first_column => Place::Top,
            (["exit"], Place::Profile(_)) => Place::Bfd,
            (["exit-address-family"], Place::Family(vrf, _) | Place::OtherFamily(vrf)) => Place::Router(vrf),
            (["address-family", family @ ..], Place::Router(vrf) | Place::Family(vrf, _) | Place::OtherFamily(vrf)) => {
                match family {
                    ["ipv4", "unicast"] => Place::Family(vrf, Family::V4),
                    ["ipv6", "unicast"] => Place::Family(vrf, Family::V6),
                    _ => {
                        config.routers.entry(vrf.clone()).or_default().foreign = true;
                        Place::OtherFamily(vrf)
                    }
                }
            }
            (["profile", name], Place::Bfd | Place::Profile(_)) => {
                config.profiles.entry((*name).to_owned()).or_default();
                Place::Profile((*name).to_owned())
            }
            (words, Place::Router(vrf)) => {
                routers.insert(vrf.clone());
                router_line(words, config.routers.entry(vrf.clone()).or_default());
                Place::Router(vrf)
            }
            (words, Place::Family(vrf, family)) => {
                if let ["no", "neighbor", key, "activate"] = words {
                    switched_off.insert((vrf.clone(), family, (*key).to_owned()));
                }
                family_line(words, family, config.routers.entry(vrf.clone()).or_default());
                Place::Family(vrf, family)
            }
            (words, Place::Map(name, number)) => {
                let entries = config.maps.entry(name.clone()).or_default();
                entries.entry(number).or_default().lines.insert(map_line(words));
                Place::Map(name, number)
            }
            (words, Place::Profile(name)) => {
                if let Some((knob, value)) = Knob::of(&words.join(" ")).filter(|(knob, value)| *value != knob.default())
                {
                    config.profiles.entry(name.clone()).or_default().insert(knob, value);
                }
                Place::Profile(name)
            }
            (["bgp", "route-map", "delay-timer", seconds], place) if first_column => {
                config.delay_timer = seconds.parse().ok();
                place
            }
            (_, Place::Top) => Place::Top,
            (_, Place::Other) if first_column => Place::Top,
            (_, place) => place,
        };
    }
    // Of this text: another daemon's says nothing about routers.
    let read = config.routers.iter_mut().filter(|(vrf, router)| routers.contains(*vrf) && router.ipv4_by_itself());
    for (vrf, router) in read {
        // Where IPv4 is carried by itself, FRR shows only for which neighbours it is not.
        for (key, neighbor) in &mut router.neighbors {
            let carried = neighbor.attributes.contains_key(&Attribute::RemoteAs);
            if carried && !switched_off.contains(&(vrf.clone(), Family::V4, key.clone())) {
                neighbor.families.entry(Family::V4).or_default().active = true;
            }
        }
    }
}

fn router(asn: &str, rest: &[&str], config: &mut Config) -> Place {
    let (Ok(asn), Some(vrf)) = (asn.parse(), vrf(rest)) else { return Place::Other };
    config.routers.entry(vrf.clone()).or_default().asn = asn;
    Place::Router(vrf)
}

fn vrf(rest: &[&str]) -> Option<Option<String>> {
    match rest {
        [] => Some(None),
        ["vrf", name] => Some(Some((*name).to_owned())),
        _ => None,
    }
}

fn map(name: &str, verdict: &str, number: &str, config: &mut Config) -> Place {
    let Ok(number) = number.parse() else { return Place::Other };
    let entry = Entry { permit: verdict == "permit", lines: BTreeSet::new() };
    config.maps.entry(name.to_owned()).or_default().insert(number, entry);
    Place::Map(name.to_owned(), number)
}

fn router_line(words: &[&str], router: &mut Router) {
    let line = words.join(" ");
    match (Setting::of(&line), words) {
        (Some(setting), _) => {
            router.settings.insert(setting, line);
        }
        (None, ["neighbor", name, "peer-group"]) => {
            router.neighbors.remove(*name);
            router.foreign = true;
        }
        (None, ["neighbor", key, rest @ ..]) => {
            let neighbor = router.neighbors.entry((*key).to_owned()).or_default();
            match Attribute::of(rest) {
                Some((attribute, text)) => {
                    neighbor.attributes.insert(attribute, text);
                }
                None => neighbor.foreign = true,
            }
        }
        (None, _) => router.foreign = true,
    }
}

fn family_line(words: &[&str], family: Family, router: &mut Router) {
    let (negated, words) = match words {
        ["no", words @ ..] => (true, words),
        words => (false, words),
    };
    match words {
        ["network", prefix, rest @ ..] if !negated => {
            let Ok(prefix) = prefix.parse::<IpNet>() else { return };
            let map = match rest {
                ["route-map", name] => Some((*name).to_owned()),
                _ => None,
            };
            router.networks.insert(prefix.trunc(), map);
        }
        // The mark is nobody's session.
        ["neighbor", marks::PREFIX, "activate"] => {}
        ["neighbor", key, rest @ ..] => {
            let neighbor = router.neighbors.entry((*key).to_owned()).or_default();
            let carried = neighbor.families.entry(family).or_default();
            match rest {
                ["activate"] => carried.active = !negated,
                ["route-map", name, "in"] => carried.map_in = Some((*name).to_owned()),
                ["route-map", name, "out"] => carried.map_out = Some((*name).to_owned()),
                _ => neighbor.foreign = true,
            }
        }
        _ => router.foreign = true,
    }
}

/// A line of an entry, with communities in numbers and in order.
fn map_line(words: &[&str]) -> String {
    let line = || words.join(" ");
    match words {
        ["set", "community", communities @ ..] => {
            let numbers: Option<BTreeSet<_>> = communities.iter().map(|word| community(word)).collect();
            numbers.and_then(|numbers| communities_line(&numbers)).unwrap_or_else(line)
        }
        ["set", "large-community", communities @ ..] => {
            let numbers: Option<BTreeSet<_>> = communities.iter().map(|word| large_community(word)).collect();
            numbers.and_then(|numbers| large_communities_line(&numbers)).unwrap_or_else(line)
        }
        _ => line(),
    }
}

fn community(word: &str) -> Option<(u16, u16)> {
    let known: BTreeMap<&str, (u16, u16)> = WELL_KNOWN.into_iter().collect();
    known.get(word).copied().or_else(|| {
        let (one, two) = word.split_once(':')?;
        Some((one.parse().ok()?, two.parse().ok()?))
    })
}

fn large_community(word: &str) -> Option<(u32, u32, u32)> {
    let mut parts = word.split(':').map(str::parse);
    let community = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(community)
}

/// Whether a neighbour is ours: it has the mark, or one of our route-maps.
pub fn is_our_neighbor(neighbor: &Neighbor) -> bool {
    let described = neighbor.attributes.get(&Attribute::Description).is_some_and(|text| {
        text.strip_prefix("description ").is_some_and(|text| text.starts_with(marks::DESCRIPTION.trim_end()))
    });
    let maps = neighbor.families.values().flat_map(|carried| [&carried.map_in, &carried.map_out]).flatten();
    described || maps.into_iter().any(|map| marks::is_policy(map))
}
