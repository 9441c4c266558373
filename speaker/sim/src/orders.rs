//! What orders cost: the figures for fleets of several sizes, by the formulas of the succession.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use arpeggio_common::model::{Balance, Eligible, NodeId, Wish, orders};
use arpeggio_succession::Pace;
use comfy_table::{Table, presets};

/// Standbys before this one beat at the full rate.
const FULL_RATE: usize = 2;

type Orders = BTreeMap<IpAddr, Vec<NodeId>>;
type Owners = BTreeMap<IpAddr, NodeId>;

/// The figures of one fleet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Nodes.
    pub nodes: usize,
    /// Most addresses of one node, and the average.
    pub owned: (usize, f64),
    /// Most distinct first standbys of one owner, and most distinct standbys of any rank.
    pub standbys: (usize, usize),
    /// Most heartbeats a second that one node sends, and that one receives.
    pub heartbeats: (f64, f64),
    /// Addresses that move when a node goes, and most that a node owns then.
    pub gone: (usize, usize),
    /// Addresses that move when it comes back: to sticky owners, and evened out.
    pub back: (usize, usize),
}

/// Hands out so many addresses to so many nodes.
#[must_use]
pub fn figures(nodes: usize, addresses: u32, pace: Pace) -> Figures {
    let fleet: Vec<Eligible> = (1..=nodes as u64)
        .filter_map(|number| NodeId::from_number(number.wrapping_mul(0x2545_f491_4f6c_dd1d)))
        .map(|node| Eligible { node, weight: 1 })
        .collect();
    let first = hand_out(&fleet, addresses, &Owners::new(), Balance::Even);
    let gone = fleet[0].node;
    // The first standby takes over; what the controller says later agrees.
    let taken: Owners = first
        .iter()
        .filter_map(|(address, order)| Some((*address, *order.iter().find(|node| **node != gone)?)))
        .collect();
    let without = hand_out(&fleet[1..], addresses, &taken, Balance::Sticky);
    let back = |balance| moved(&owners(&without), &hand_out(&fleet, addresses, &owners(&without), balance));
    Figures {
        nodes,
        owned: (most(&first), f64::from(addresses) / nodes as f64),
        standbys: (distinct(&first, 1), distinct(&first, usize::MAX)),
        heartbeats: heartbeats(&first, pace),
        gone: (moved(&owners(&first), &without), most(&without)),
        back: (back(Balance::Sticky), back(Balance::Even)),
    }
}

fn hand_out(fleet: &[Eligible], addresses: u32, owned: &Owners, balance: Balance) -> Orders {
    let address = |number| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
    let wish = |number| Wish { address: address(number), eligible: fleet, owner: owned.get(&address(number)).copied() };
    orders(&(0..addresses).map(wish).collect::<Vec<_>>(), balance)
}

fn owners(orders: &Orders) -> Owners {
    orders.iter().filter_map(|(address, order)| Some((*address, *order.first()?))).collect()
}

fn moved(before: &Owners, after: &Orders) -> usize {
    after.iter().filter(|(address, order)| before.get(*address) != order.first()).count()
}

/// Most addresses of one owner.
fn most(orders: &Orders) -> usize {
    let mut owned: BTreeMap<NodeId, usize> = BTreeMap::new();
    for owner in owners(orders).into_values() {
        *owned.entry(owner).or_default() += 1;
    }
    owned.into_values().max().unwrap_or_default()
}

/// Most distinct nodes among the first so many standbys of one owner.
fn distinct(orders: &Orders, ranks: usize) -> usize {
    let mut standbys: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for order in orders.values() {
        standbys.entry(order[0]).or_default().extend(order.iter().skip(1).take(ranks));
    }
    standbys.values().map(BTreeSet::len).max().unwrap_or_default()
}

/// One heartbeat an interval from a node to an owner that it is first or second standby of, a tenth of that from others.
fn heartbeats(orders: &Orders, pace: Pace) -> (f64, f64) {
    let mut pairs: BTreeMap<(NodeId, NodeId), bool> = BTreeMap::new();
    for order in orders.values() {
        for (rank, standby) in order.iter().skip(1).enumerate() {
            *pairs.entry((*standby, order[0])).or_default() |= rank < FULL_RATE;
        }
    }
    let per_second = |interval_ns: u64| 1e9 / interval_ns as f64;
    let (mut sent, mut received): (BTreeMap<NodeId, f64>, BTreeMap<NodeId, f64>) = Default::default();
    for ((standby, owner), full) in pairs {
        let rate = per_second(if full { pace.interval_ns() } else { pace.slow_interval_ns() });
        *sent.entry(standby).or_default() += rate;
        *received.entry(owner).or_default() += rate;
    }
    let most = |rates: BTreeMap<NodeId, f64>| rates.into_values().fold(0.0, f64::max);
    (most(sent), most(received))
}

/// The figures of several fleets as a table.
#[must_use]
pub fn table(fleets: &[usize], addresses: u32, pace: Pace) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "nodes",
        "owned, most / average",
        "first standbys of an owner, most",
        "standbys of an owner, most",
        "heartbeats/s sent, most",
        "heartbeats/s received, most",
        "a node goes: moved / most owned then",
        "it is back: moved sticky / evened out",
    ]);
    for nodes in fleets {
        let of = figures(*nodes, addresses, pace);
        table.add_row([
            of.nodes.to_string(),
            format!("{} / {:.1}", of.owned.0, of.owned.1),
            of.standbys.0.to_string(),
            of.standbys.1.to_string(),
            format!("{:.0}", of.heartbeats.0),
            format!("{:.0}", of.heartbeats.1),
            format!("{} / {}", of.gone.0, of.gone.1),
            format!("{} / {}", of.back.0, of.back.1),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What switches with ARP inspection let a port send in a second, unless they are told otherwise.
    const INSPECTED: f64 = 15.0;

    #[test]
    fn a_quiet_node_sends_less_than_switches_that_inspect_arp_let_pass() {
        for nodes in [2, 3, 5, 10, 30, 100, 300] {
            let (sent, received) = figures(nodes, 2000, Pace::QUIET).heartbeats;
            // Every heartbeat is answered. Owners ask everybody, and four candidates by unicast, for one of their addresses once in two
            // seconds, more rarely where there are more than five nodes.
            let audits = 0.5 / nodes.div_ceil(5) as f64 * (nodes as f64).min(5.0);
            // Owners ask three others in ten seconds whether they are alive, which is answered; standbys ask everybody once a minute
            // beside a heartbeat.
            let surveys = 2.0 * 0.3 + sent / 60.0;
            let most = sent + received + audits + surveys;
            println!("{nodes} nodes: {most:.1} ARP frames a second");
            assert!(
                most < INSPECTED,
                "{nodes} nodes: {sent} heartbeats, {received} answers, {audits} audits, {surveys}"
            );
        }
    }

    #[test]
    fn a_hundred_nodes_cost_a_node_no_more_than_ten() {
        let [ten, hundred] = [10, 100].map(|nodes| figures(nodes, 500, Pace::DEFAULT));
        for of in [ten, hundred] {
            assert!(of.standbys.0 <= 4 && of.standbys.1 <= 7, "{of:?}");
            // Four at twenty a second, three at two.
            assert!(of.heartbeats.1 <= 86.5, "{of:?}");
            assert!(of.heartbeats.0 <= 400.0, "{of:?}");
            assert_eq!(of.back.0, 0, "{of:?}");
        }
        assert!(hundred.gone.0 <= hundred.owned.0, "only what the node had: {hundred:?}");
    }
}
