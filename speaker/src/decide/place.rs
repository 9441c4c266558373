//! Every address on every interface: answered where it is ours to announce, suppressed everywhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use arpeggio_common::{
    abi::{Action, Flags},
    model::{Announcement, InterfaceName, NodeId, NodeName},
    wire::solicited_node_group,
};
use arpeggio_succession::{Order, Orders, Place};

use super::{Desired, DesiredInterface, DesiredVip, Surroundings, held::Held};
use crate::world::{AttachPolicy, Config, Eligible, Link, ProxyArp, World, eligible};

/// What should be, and the reasons for what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What should be.
    pub desired: Desired,
    /// Why an interface is not used, by index.
    pub ineligible: BTreeMap<u32, String>,
    /// Addresses that are ours and that no interface can carry, and why.
    pub unplaced: BTreeMap<IpAddr, String>,
    /// Announced addresses that some machine holds as an interface address, and why they are not announced: whether or not
    /// this node is a candidate, no entry is made for them.
    pub held: BTreeMap<IpAddr, String>,
    /// What this node may have, and in which order: who has it is found out on the wire.
    pub orders: Arc<Orders>,
}

/// What becomes of the addresses. Maps are made of it at once: what is put into one in order, one by one, leaves its nodes half
/// empty.
struct Placed<'w> {
    /// This node's.
    cluster: &'w str,
    /// Ports that stand by, and who answers for their segment.
    segments: &'w BTreeMap<u32, u32>,
    vips: Vec<(Place, DesiredVip)>,
    orders: Vec<(Place, Order)>,
    standing_by: BTreeMap<Place, u32>,
    groups: Vec<(u32, Ipv6Addr)>,
    /// Thousands of addresses have the same candidates.
    candidates: BTreeMap<&'w [NodeName], Arc<[NodeId]>>,
}

/// Decides for a whole world. `default_policy` is how the program is attached where the configuration says nothing.
///
/// Every address is suppressed on every eligible interface: kube-proxy in IPVS mode puts it on a device of every node, and a
/// kernel answers on one interface for the addresses of all. Where this node may own an address, the succession turns the
/// entry when it does. An address that a machine holds as an interface address is left alone: suppressing it would take the
/// machine off the network, and claiming it would take its traffic.
pub fn decide(world: &World, surroundings: &Surroundings, default_policy: AttachPolicy) -> Decision {
    let config = &world.config;
    let mut decision = Decision::default();
    decision.desired.generation = world.generation;
    let mut usable = Vec::new();
    let below_vlans = world.links.below_vlans();
    for link in world.links.0.values() {
        let carries_vlans = below_vlans.contains(&link.index);
        match (eligible(link, &world.exclude), interface(link, carries_vlans, config, default_policy)) {
            (Ok(eligible), Some(interface)) => {
                usable.push((link.index, eligible));
                decision.desired.interfaces.insert(link.index, interface);
            }
            (Ok(_), None) => {}
            (Err(reason), _) => {
                decision.ineligible.insert(link.index, reason.to_string());
            }
        }
    }
    let mut placed = Placed::new(&config.cluster, &surroundings.standing_by);
    let held = Held::new(&world.links, surroundings);
    for announcement in config.announcements.values() {
        let is_candidate = announcement.candidates().contains(&config.node);
        if let Some(holder) = held.by(announcement.address()) {
            let reason = format!("{} is {holder}: not announced", announcement.address());
            if is_candidate {
                decision.unplaced.insert(announcement.address(), reason.clone());
            }
            decision.held.insert(announcement.address(), reason);
            continue;
        }
        let has_place = placed.place(announcement, is_candidate, &usable, &decision.desired.interfaces);
        if is_candidate && !has_place {
            decision.unplaced.insert(announcement.address(), why_unplaced(announcement, &usable, &decision.desired));
        }
    }
    decision.orders = Arc::new(Orders {
        usable: decision.desired.interfaces.iter().map(|(index, interface)| (*index, interface.carrier)).collect(),
        places: placed.orders.into_iter().collect(),
        standing_by: placed.standing_by,
        pace: config.succession.pace,
        evacuate: config.succession.evacuate,
        own_macs: world.links.0.iter().filter_map(|(index, link)| Some((*index, link.mac?))).collect(),
        authenticated: config.succession.keys.refuses_unauthenticated(),
        proxies: match config.succession.proxy_arp {
            ProxyArp::Announce => surroundings.proxies.clone(),
            ProxyArp::Respect => BTreeSet::new(),
        },
    });
    decision.desired.vips = placed.vips.into_iter().collect();
    decision.desired.groups = placed.groups.into_iter().collect();
    decision
}

fn interface(
    link: &Link,
    carries_vlans: bool,
    config: &Config,
    default_policy: AttachPolicy,
) -> Option<DesiredInterface> {
    let named = InterfaceName::try_from(link.name.as_str()).ok().and_then(|name| config.policies.get(&name));
    Some(DesiredInterface {
        name: link.name.clone(),
        mac: link.mac?,
        kind: link.kind.clone(),
        carries_vlans,
        carrier: link.carrier,
        policy: named.copied().unwrap_or(default_policy),
    })
}

impl<'w> Placed<'w> {
    const fn new(cluster: &'w str, segments: &'w BTreeMap<u32, u32>) -> Self {
        Self {
            cluster,
            segments,
            vips: Vec::new(),
            orders: Vec::new(),
            standing_by: BTreeMap::new(),
            groups: Vec::new(),
            candidates: BTreeMap::new(),
        }
    }

    /// Puts one address on every usable interface; tells whether it can be owned on any.
    fn place(
        &mut self,
        announcement: &'w Announcement,
        is_candidate: bool,
        usable: &[(u32, Eligible)],
        interfaces: &BTreeMap<u32, DesiredInterface>,
    ) -> bool {
        let address = announcement.address();
        let ids = || announcement.candidates().iter().map(|name| NodeId::of(self.cluster, name)).collect();
        let candidates = self.candidates.entry(announcement.candidates()).or_insert_with(ids);
        let covers = |(index, eligible): &&(u32, Eligible)| {
            let interface = interfaces.get(index);
            interface.is_some_and(|interface| announcement.covers(&interface.name) && carries(*eligible, address))
        };
        if !self.segments.is_empty() {
            let covered: Vec<u32> = usable.iter().filter(covers).map(|(index, _)| *index).collect();
            let standing_by = standing_by(&covered, self.segments);
            self.standing_by.extend(standing_by.into_iter().map(|(port, other)| ((port, address), other)));
        }
        let mut placed = false;
        for (index, eligible) in usable {
            let Some(interface) = interfaces.get(index) else { continue };
            let is_covered = covers(&&(*index, *eligible));
            let may_own = is_candidate && is_covered;
            let vip = DesiredVip {
                mac: interface.mac,
                action: Action::Suppress,
                flags: Flags::NONE,
                buckets: 0,
                may_own,
                generation: announcement.generation(),
            };
            self.vips.push(((*index, address), vip));
            if !is_covered {
                continue;
            }
            // Of others as well: a node that was taken out of an order hands over before it lets go.
            let (generation, mode) = (announcement.generation(), announcement.mode());
            let order = Order { generation, candidates: Arc::clone(candidates), mode };
            self.orders.push(((*index, address), order));
            if !is_candidate {
                continue;
            }
            // Of all candidates: who takes over must not have to wait until switches have learned a group.
            if let IpAddr::V6(v6) = address {
                self.groups.push((*index, Ipv6Addr::from(solicited_node_group(v6.octets()))));
            }
            placed = true;
        }
        placed
    }
}

/// Of the ports that may answer for an address one of each segment does, the others suppress what this node's kernel would say
/// there: who answers for the whole segment if it is one of them, else the lowest. Tells who stands by for whom.
fn standing_by(covered: &[u32], segments: &BTreeMap<u32, u32>) -> BTreeMap<u32, u32> {
    let segment = |port: u32| segments.get(&port).copied().unwrap_or(port);
    let mut answering = BTreeMap::new();
    for port in covered.iter().copied() {
        let chosen = answering.entry(segment(port)).or_insert(port);
        if port == segment(port) {
            *chosen = port;
        }
    }
    let others = covered.iter().filter_map(|port| Some((*port, *answering.get(&segment(*port))?)));
    others.filter(|(port, chosen)| port != chosen).collect()
}

const fn carries(eligible: Eligible, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => eligible.arp,
        IpAddr::V6(_) => eligible.ndp,
    }
}

fn why_unplaced(announcement: &Announcement, usable: &[(u32, Eligible)], desired: &Desired) -> String {
    let covered: Vec<_> = usable
        .iter()
        .filter_map(|(index, _)| desired.interfaces.get(index))
        .filter(|interface| announcement.covers(&interface.name))
        .map(|interface| interface.name.as_str())
        .collect();
    if !covered.is_empty() {
        let lacks = match announcement.address() {
            IpAddr::V4(_) => "broadcasts",
            IpAddr::V6(_) => "has an IPv6 link-local address",
        };
        return format!("none of its interfaces ({}) {lacks}", covered.join(", "));
    }
    if announcement.interfaces().is_empty() {
        return "this node has no eligible interface".to_owned();
    }
    let names: Vec<_> = announcement.interfaces().iter().map(InterfaceName::as_str).collect();
    format!("none of the interfaces it is limited to ({}) is there and eligible", names.join(", "))
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
