//! What is wanted, as FRR's configuration.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::model::{BGP_PORT, BfdProfile, Community, InterfaceName, Peer, Remote, RemoteAs};
use ipnet::IpNet;

use crate::{
    config::{Attribute, Carried, Config, Entry, Family, Knob, Neighbor, Profile, Router, Setting},
    desired::{Attributes, Desired, MOST_COMMUNITIES, Neighbor as Session, Router as Wanted},
    marks,
};

/// Tags by class. FRR compares tags as numbers; so they are given out where they are free.
pub type Tags = BTreeMap<u64, u16>;

/// The sequence number of the only entry of maps with one.
const ONLY: u16 = 10;
/// Behind everything that somebody adds.
const LAST: u16 = u16::MAX;
/// Seconds; 0 would be never.
const DELAY: u32 = 1;

/// The tags of the classes: those that FRR has stay, and none is given away that FRR still has.
///
/// So no entry of a route-map ever changes its meaning while prefixes have its tag. Classes beyond 65,534 get none.
pub fn tags(desired: &Desired, observed: &Config) -> Tags {
    let mut taken: BTreeSet<u16> = observed.maps.values().flat_map(BTreeMap::values).filter_map(tag).collect();
    let mut tags = Tags::new();
    let mut kept = BTreeSet::new();
    for (name, entries) in &observed.maps {
        let class = marks::class_of(name).filter(|class| desired.classes.contains_key(class));
        if let (Some(class), Some(tag)) = (class, entries.get(&ONLY).and_then(tag)) {
            // Two classes with one tag are somebody else's doing: the second gets another.
            if kept.insert(tag) {
                tags.insert(class, tag);
            }
        }
    }
    taken.extend(&kept);
    let mut free = (1..LAST).filter(|tag| !taken.contains(tag));
    for class in desired.classes.keys() {
        if !tags.contains_key(class)
            && let Some(tag) = free.next()
        {
            tags.insert(*class, tag);
        }
    }
    tags
}

fn tag(entry: &Entry) -> Option<u16> {
    entry.lines.iter().find_map(|line| {
        let number = line.strip_prefix("set tag ").or_else(|| line.strip_prefix("match tag "))?;
        number.parse().ok()
    })
}

/// The configuration that the speaker wants, with the tags of [`tags`].
pub fn render(desired: &Desired, tags: &Tags) -> Config {
    let mut config = Config::default();
    if !desired.routers.is_empty() {
        config.delay_timer = Some(DELAY);
    }
    for (class, tag) in tags {
        let lines = BTreeSet::from([format!("set tag {tag}")]);
        config.maps.insert(marks::tag_map(*class), BTreeMap::from([(ONLY, Entry { permit: true, lines })]));
    }
    for (vrf, router) in &desired.routers {
        let vrf = vrf.as_ref().map(InterfaceName::to_string);
        for (remote, session) in &router.neighbors {
            let key = key(remote);
            let deny = BTreeMap::from([(LAST, Entry::default())]);
            config.maps.insert(marks::in_map(&key, vrf.as_deref()), deny.clone());
            let mut policy = policy(desired, router, session, tags);
            policy.extend(deny);
            config.maps.insert(marks::out_map(&key, vrf.as_deref()), policy);
        }
        let rendered = render_router(desired, router, vrf.as_deref(), tags);
        config.routers.insert(vrf, rendered);
    }
    for profile in desired.profiles.values() {
        config.profiles.insert(marks::profile(&profile.name), render_profile(profile));
    }
    config
}

/// How FRR names a neighbour.
pub fn key(remote: &Remote) -> String {
    match remote {
        Remote::Address(address) => address.to_string(),
        Remote::Interface(interface) => interface.to_string(),
    }
}

/// An entry for each class that the peer gets.
fn policy(desired: &Desired, router: &Wanted, session: &Session, tags: &Tags) -> BTreeMap<u16, Entry> {
    let used: BTreeSet<u64> = router.networks.values().copied().collect();
    let entries = used.iter().filter_map(|class| {
        let tag = tags.get(class)?;
        let attributes = desired.classes.get(class)?.attributes(&session.peer.name)?;
        let possible = attributes.communities.len() <= MOST_COMMUNITIES;
        possible.then(|| (*tag, Entry { permit: true, lines: attribute_lines(*tag, &attributes) }))
    });
    entries.collect()
}

fn attribute_lines(tag: u16, attributes: &Attributes) -> BTreeSet<String> {
    let mut lines = BTreeSet::from([format!("match tag {tag}")]);
    let (mut standard, mut large) = (BTreeSet::new(), BTreeSet::new());
    for community in &attributes.communities {
        match community {
            Community::Standard(one, two) => standard.insert((*one, *two)),
            Community::Large(one, two, three) => large.insert((*one, *two, *three)),
        };
    }
    lines.extend(communities_line(&standard));
    lines.extend(large_communities_line(&large));
    if attributes.local_pref != 0 {
        lines.insert(format!("set local-preference {}", attributes.local_pref));
    }
    lines
}

/// The line that sets these communities, in numbers.
pub(crate) fn communities_line(communities: &BTreeSet<(u16, u16)>) -> Option<String> {
    let words: String = communities.iter().map(|(one, two)| format!(" {one}:{two}")).collect();
    (!words.is_empty()).then(|| format!("set community{words}"))
}

/// The line that sets these large communities.
pub(crate) fn large_communities_line(communities: &BTreeSet<(u32, u32, u32)>) -> Option<String> {
    let words: String = communities.iter().map(|(one, two, three)| format!(" {one}:{two}:{three}")).collect();
    (!words.is_empty()).then(|| format!("set large-community{words}"))
}

fn render_router(desired: &Desired, router: &Wanted, vrf: Option<&str>, tags: &Tags) -> Router {
    let mut settings = BTreeMap::from([
        (Setting::Mark, "neighbor arpeggio peer-group".to_owned()),
        (Setting::NoDefaultIpv4, "no bgp default ipv4-unicast".to_owned()),
        (Setting::NoImportCheck, "no bgp network import-check".to_owned()),
        (Setting::Coalesce, "coalesce-time 10".to_owned()),
        (Setting::PreserveForwarding, "bgp graceful-restart preserve-fw-state".to_owned()),
    ]);
    if let Some(id) = router.router_id {
        settings.insert(Setting::RouterId, format!("bgp router-id {id}"));
    }
    let neighbors = router.neighbors.iter().map(|(remote, session)| {
        let attributes = attributes(session, desired.closing.as_deref());
        let key = key(remote);
        let families = Family::ALL.into_iter().filter(|family| session.carries(&any_of(*family))).map(|family| {
            let (map_in, map_out) = (marks::in_map(&key, vrf), marks::out_map(&key, vrf));
            (family, Carried { active: true, map_in: Some(map_in), map_out: Some(map_out) })
        });
        (key.clone(), Neighbor { attributes, families: families.collect(), foreign: false })
    });
    let networks = router.networks.iter().filter(|(_, class)| tags.contains_key(class));
    let networks = networks.map(|(prefix, class)| (*prefix, Some(marks::tag_map(*class)))).collect();
    Router { asn: router.asn, settings, neighbors: neighbors.collect(), networks, foreign: false }
}

fn any_of(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::V4(ipnet::Ipv4Net::default()),
        Family::V6 => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

fn attributes(session: &Session, closing: Option<&str>) -> BTreeMap<Attribute, String> {
    let Peer { name, remote_as, remote, port, .. } = &session.peer;
    let peer = &session.peer;
    let number = match remote_as {
        RemoteAs::Number(number) => number.to_string(),
        RemoteAs::Internal => "internal".to_owned(),
        RemoteAs::External => "external".to_owned(),
    };
    let unnumbered = matches!(remote, Remote::Interface(_));
    let one_hop_v6 = matches!(remote, Remote::Address(address) if address.is_ipv6()) && !peer.multi_hop;
    let external = !session.is_internal();
    let texts = [
        (
            Attribute::RemoteAs,
            Some(if unnumbered { format!("interface remote-as {number}") } else { format!("remote-as {number}") }),
        ),
        (Attribute::Description, Some(format!("description {}{}", marks::DESCRIPTION, one_line(name)))),
        (Attribute::LocalAs, peer.local_asn.map(|asn| format!("local-as {asn} no-prepend replace-as"))),
        (Attribute::Port, (*port != BGP_PORT).then(|| format!("port {port}"))),
        (Attribute::Password, session.password.as_ref().map(|password| format!("password {password}"))),
        (Attribute::Multihop, (peer.multi_hop && external && !unnumbered).then(|| "ebgp-multihop".to_owned())),
        // As MetalLB does: peers need not be in a subnet of the interface.
        (Attribute::NoConnectedCheck, (one_hop_v6 && external).then(|| "disable-connected-check".to_owned())),
        (Attribute::Source, peer.source.map(|source| format!("update-source {source}"))),
        (Attribute::GracefulRestart, peer.graceful_restart.then(|| "graceful-restart".to_owned())),
        (Attribute::Timers, peer.timers.map(|timers| format!("timers {} {}", timers.keepalive, timers.hold))),
        (Attribute::Connect, peer.connect.map(|seconds| format!("timers connect {seconds}"))),
        (Attribute::Shutdown, closing.map(|text| format!("shutdown message {text}"))),
        (Attribute::Bfd, peer.bfd.as_ref().map(|_| "bfd".to_owned())),
        (Attribute::BfdProfile, peer.bfd.as_ref().map(|bfd| format!("bfd profile {}", marks::profile(&bfd.name)))),
    ];
    texts.into_iter().filter_map(|(attribute, text)| Some((attribute, text?))).collect()
}

/// FRR separates words by single blanks.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn render_profile(profile: &BfdProfile) -> Profile {
    let values = [
        (Knob::Receive, profile.receive_interval.map(u32::from)),
        (Knob::Transmit, profile.transmit_interval.map(u32::from)),
        (Knob::Multiplier, profile.detect_multiplier.map(u32::from)),
        (Knob::EchoReceive, profile.echo_interval.map(u32::from)),
        (Knob::EchoTransmit, profile.echo_interval.map(u32::from)),
        (Knob::MinimumTtl, profile.minimum_ttl.map(u32::from)),
        (Knob::Passive, Some(u32::from(profile.passive))),
        (Knob::Echo, Some(u32::from(profile.echo))),
    ];
    values
        .into_iter()
        .filter_map(|(knob, value)| Some((knob, value?)))
        .filter(|(knob, value)| *value != knob.default())
        .collect()
}
