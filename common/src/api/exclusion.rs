//! The rules between the objects of BGP: which of them exclude each other, and what an advertisement may say of the pools and to
//! the peers that there are.

use std::{collections::BTreeMap, net::IpAddr};

use super::contend::Conflict;
use crate::model::{Aliases, BgpAdvertisement, Labels, MOST_COMMUNITIES, ObjectName, Peer, Pool, Remote};

/// The nodes of the cluster and their labels; `None`: not known, so that any two selections may meet.
pub(super) type Nodes<'a> = Option<&'a BTreeMap<String, Labels>>;

/// Whether a node is in both selections.
fn meet(nodes: Nodes<'_>, one: impl Fn(&Labels) -> bool, other: impl Fn(&Labels) -> bool) -> bool {
    match nodes {
        Some(nodes) if !nodes.is_empty() => nodes.values().any(|labels| one(labels) && other(labels)),
        _ => true,
    }
}

/// What keeps two peers from being on one node (MetalLB behaviour 40): one router identifies itself in one way, has one number in
/// each VRF, and one session with each neighbour, whatever the port.
pub(super) fn peers(peer: &Peer, held: &Peer, holder: &ObjectName, nodes: Nodes<'_>) -> Vec<Conflict> {
    if !meet(nodes, |labels| peer.covers_node(labels), |labels| held.covers_node(labels)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let shown = |id: &Option<std::net::Ipv4Addr>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    if peer.router_id != held.router_id {
        found.push(Conflict {
            field: "spec.routerID",
            value: peer.router_id.map(|id| id.to_string()).unwrap_or_default(),
            rule: format!("differs from {} of {holder}, which is for some of the same nodes", shown(&held.router_id)),
            remedy: "give all peers of a node the same routerID, or select different nodes".to_owned(),
        });
    }
    if peer.vrf != held.vrf {
        return found;
    }
    if peer.remote == held.remote {
        let field = if matches!(peer.remote, Remote::Address(_)) { "spec.peerAddress" } else { "spec.interface" };
        found.push(Conflict {
            field,
            value: match &peer.remote {
                Remote::Address(address) => address.to_string(),
                Remote::Interface(interface) => interface.to_string(),
            },
            rule: format!("already exists: it is that of {holder} too, which is for some of the same nodes"),
            remedy: "keep one of the two, or select different nodes or VRFs; another port makes no difference"
                .to_owned(),
        });
    }
    if peer.my_asn != held.my_asn {
        found.push(Conflict {
            field: "spec.myASN",
            value: peer.my_asn.to_string(),
            rule: format!("differs from {} of {holder}, which is for some of the same nodes", held.my_asn),
            remedy: "give all peers of a node and VRF the same myASN (localASN shows one peer another number), or select different nodes"
                .to_owned(),
        });
    }
    found
}

/// Names that both define (MetalLB behaviour 3.2).
pub(super) fn aliases(aliases: &Aliases, held: &Aliases, holder: &ObjectName) -> Vec<Conflict> {
    let both = aliases.values.keys().filter(|name| held.values.contains_key(*name));
    both.map(|name| Conflict {
        field: "spec.communities",
        value: name.clone(),
        rule: format!("is defined by {holder} too (duplicate definition of community)"),
        remedy: "define each name once".to_owned(),
    })
    .collect()
}

/// Whether the same route would have two local preferences (MetalLB behaviour 38). With serviceSelectors that depends on the
/// Services, and is decided for each of them.
pub(super) fn preferences(
    one: &BgpAdvertisement,
    held: &BgpAdvertisement,
    holder: &ObjectName,
    pools: &BTreeMap<String, Pool>,
    nodes: Nodes<'_>,
) -> Vec<Conflict> {
    let selective = !one.service_selectors.is_empty() || !held.service_selectors.is_empty();
    if one.local_pref == held.local_pref
        || selective
        || !one.shares_peers(held)
        || !meet(nodes, |labels| one.covers_node(labels), |labels| held.covers_node(labels))
    {
        return Vec::new();
    }
    let same_route = |pool: &Pool| {
        let (v4, v6) = families(pool);
        (v4 && one.aggregation_v4 == held.aggregation_v4) || (v6 && one.aggregation_v6 == held.aggregation_v6)
    };
    let shared = pools.values().find(|pool| one.covers_pool(pool) && held.covers_pool(pool) && same_route(pool));
    let Some(pool) = shared else { return Vec::new() };
    vec![Conflict {
        field: "spec.localPref",
        value: one.local_pref.to_string(),
        rule: format!(
            "differs from {} of {holder} for the same routes of IPAddressPool {} to the same peers (invalid local preference {}: \
             local preference {} was already set for the same type of BGP update)",
            held.local_pref, pool.name, one.local_pref, held.local_pref
        ),
        remedy: "make them equal, or give the two different pools, peers, nodes or aggregation lengths".to_owned(),
    }]
}

/// Whether the pool has addresses of IPv4, and of IPv6.
fn families(pool: &Pool) -> (bool, bool) {
    let has = |wanted: fn(&IpAddr) -> bool| pool.ranges.iter().any(|range| wanted(&range.first()));
    (has(IpAddr::is_ipv4), has(IpAddr::is_ipv6))
}

/// What an advertisement may not say of the pools in force: networks wider than theirs would draw traffic for addresses that are
/// somebody else's (MetalLB behaviour 37). Nor may addresses of IPv6 go to peers with BFD's echo mode, which is for IPv4 (3.2), nor
/// a route carry more communities than fit (5.2).
pub(super) fn reach(
    advertisement: &BgpAdvertisement,
    pools: &BTreeMap<String, Pool>,
    peers: &BTreeMap<String, Peer>,
) -> Vec<Conflict> {
    let mut found = Vec::new();
    let communities = advertisement.communities.len();
    if communities > MOST_COMMUNITIES {
        found.push(Conflict {
            field: "spec.communities",
            value: communities.to_string(),
            rule: format!("are too many (max supported communities is {MOST_COMMUNITIES}, got {communities})"),
            remedy: format!("give a route at most {MOST_COMMUNITIES} communities, large ones and names included"),
        });
    }
    let echo = peers
        .values()
        .find(|peer| advertisement.covers_peer(&peer.name) && peer.bfd.as_ref().is_some_and(|profile| profile.echo));
    for pool in pools.values().filter(|pool| advertisement.covers_pool(pool)) {
        for range in &pool.ranges {
            let (field, length) = if range.first().is_ipv4() {
                ("spec.aggregationLength", advertisement.aggregation_v4)
            } else {
                ("spec.aggregationLengthV6", advertisement.aggregation_v6)
            };
            let widest = range.widest();
            if length < widest {
                found.push(Conflict {
                    field,
                    value: length.to_string(),
                    // The second half is how MetalLB says it.
                    rule: format!(
                        "announces more than {range} of IPAddressPool {} (invalid aggregation length {length}: prefix {widest} \
                         in this pool is more specific than the aggregation length for addresses {range})",
                        pool.name
                    ),
                    remedy: format!("use {widest} or more, or leave the pool out"),
                });
            }
        }
        if let Some(peer) = echo.filter(|_| families(pool).1) {
            found.push(Conflict {
                field: "spec.ipAddressPools",
                value: pool.name.clone(),
                rule: format!(
                    "has IPv6 addresses, but BGPPeer {} is watched by BFD with echoMode, which is for IPv4",
                    peer.name
                ),
                remedy: "leave out the pool or the peer, or use a BFDProfile without echoMode".to_owned(),
            });
        }
    }
    found
}
