//! Pure: who may own an address, in which order.
//!
//! Whoever is preferred by weight comes first, among those the present owner, else a node by rendezvous hashing with bounded
//! load. The standbys of an owner are few: a small set of successors by rendezvous of owner and node, in which the address
//! chooses who is first. So a node sends and receives heartbeats of a handful of others, however many nodes and addresses
//! there are, and what an owner leaves behind is spread over [`NEAR`] nodes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::NodeId;
use crate::abi::avalanche;

/// Successors of an owner among which each of its addresses chooses its first and its second standby.
pub const NEAR: usize = 4;

/// Candidates of an address at most, the owner among them. That all of them fail before new orders come is not to be expected.
pub const DEPTH: usize = 8;

/// An order that lists so many is not made anew only because more nodes came: the owner and its near successors.
pub const ENOUGH: usize = NEAR + 1;

/// A node that may own an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Eligible {
    /// The node.
    pub node: NodeId,
    /// More is preferred.
    pub weight: u32,
}

/// An address that needs an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// The address.
    pub address: IpAddr,
    /// Who may own it: live, selected, and in the right subnet where anybody is.
    pub eligible: &'a [Eligible],
    /// Who owns it now.
    pub owner: Option<NodeId>,
}

/// Whether addresses move only to even out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Balance {
    /// A present owner keeps everything it has, however much that is.
    #[default]
    Sticky,
    /// A present owner keeps no more than the bound; the rest moves.
    Even,
}

/// Who owns how much while addresses are handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    owned: BTreeMap<NodeId, usize>,
    most: usize,
}

impl Load {
    /// Nobody owns anything yet; nobody should own more than the average, rounded up, and one more.
    pub fn new(addresses: usize, nodes: usize) -> Self {
        let mut load = Self::default();
        load.bound(addresses, nodes);
        load
    }

    /// There are so many addresses and nodes now.
    pub fn bound(&mut self, addresses: usize, nodes: usize) {
        self.most = addresses.div_ceil(nodes.max(1)) + 1;
    }

    /// What a node owns.
    pub fn of(&self, node: NodeId) -> usize {
        self.owned.get(&node).copied().unwrap_or_default()
    }

    /// What a node should own at most.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// The node owns one more.
    pub fn add(&mut self, node: NodeId) {
        *self.owned.entry(node).or_default() += 1;
    }

    /// The node owns one less.
    pub fn remove(&mut self, node: NodeId) {
        if let Some(owned) = self.owned.get_mut(&node) {
            *owned = owned.saturating_sub(1);
            if *owned == 0 {
                self.owned.remove(&node);
            }
        }
    }

    fn has_room(&self, node: NodeId, count: usize) -> bool {
        self.of(node) + count <= self.most
    }
}

/// The orders of all addresses, the first of each its owner. An address without eligible nodes gets an empty one.
///
/// No node is made to own more than the average of all nodes, rounded up, and one more, as long as each may own every address
/// and none is preferred. `balance` says whether that also holds for what nodes own already.
pub fn orders(wishes: &[Wish<'_>], balance: Balance) -> BTreeMap<IpAddr, Vec<NodeId>> {
    let nodes: BTreeSet<NodeId> = wishes.iter().flat_map(|wish| wish.eligible).map(|eligible| eligible.node).collect();
    let mut load = Load::new(wishes.len(), nodes.len());
    let mut orders = BTreeMap::new();
    let mut sorted: Vec<&Wish<'_>> = wishes.iter().collect();
    sorted.sort_by_key(|wish| wish.address);
    // Owners first: what is free goes where room is left.
    let (kept, free): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|wish| {
        let keeps = keeper(wish.eligible, wish.owner)
            .is_some_and(|owner| balance == Balance::Sticky || load.has_room(owner, 1));
        if keeps && let Some(owner) = wish.owner {
            load.add(owner);
        }
        keeps
    });
    for wish in kept {
        orders.insert(wish.address, order(wish, wish.owner));
    }
    for wish in free {
        let owner = newcomer(wish.address, wish.eligible, &load, 1);
        owner.into_iter().for_each(|owner| load.add(owner));
        orders.insert(wish.address, order(wish, owner));
    }
    orders
}

/// The order of one address with this owner: the standbys are its successors. Costs one pass over the eligible nodes.
pub fn order(wish: &Wish<'_>, owner: Option<NodeId>) -> Vec<NodeId> {
    let Some(owner) = owner else { return Vec::new() };
    let key = |other: &Eligible| (Reverse(other.weight), Reverse(other.node.rank(owner.number())), other.node);
    let mut others: Vec<_> = wish.eligible.iter().filter(|eligible| eligible.node != owner).map(key).collect();
    if others.len() >= DEPTH {
        others.select_nth_unstable(DEPTH - 1);
        others.truncate(DEPTH - 1);
    }
    others.sort_unstable();
    let preferred = others.first().map(|first| first.0);
    let near = others.iter().take(NEAR).take_while(|other| Some(other.0) == preferred).count();
    if let Some(turn) = share(wish.address).checked_rem(near as u64) {
        others[..near].rotate_left(usize::try_from(turn).unwrap_or_default());
    }
    std::iter::once(owner).chain(others.into_iter().map(|(_, _, node)| node)).collect()
}

/// Whether an order that is in force can stay as it is, which spares everybody a change: all it lists are eligible, nobody is
/// preferred to somebody before or instead of whom it lists another, and it lists [`ENOUGH`] or all there are.
pub fn holds(order: &[NodeId], eligible: &[Eligible]) -> bool {
    let weight =
        |node: &NodeId| eligible.iter().find(|eligible| eligible.node == *node).map(|eligible| eligible.weight);
    let Some(weights) = order.iter().map(weight).collect::<Option<Vec<u32>>>() else { return false };
    let last = weights.last().copied().unwrap_or_default();
    weights.is_sorted_by(|first, then| first >= then)
        && order.len() >= ENOUGH.min(eligible.len())
        && eligible.iter().filter(|eligible| eligible.weight > last).count()
            == weights.iter().filter(|weight| **weight > last).count()
}

/// The first of those who have the address, or had it, to whom nobody is preferred.
pub fn keeper(eligible: &[Eligible], owners: impl IntoIterator<Item = NodeId>) -> Option<NodeId> {
    let most = eligible.iter().map(|eligible| eligible.weight).max()?;
    let may = |owner: &NodeId| eligible.iter().any(|eligible| eligible.node == *owner && eligible.weight == most);
    owners.into_iter().find(may)
}

/// A node for an address that nobody keeps: the one that ranks highest among those with room, else the least loaded. Room is
/// needed for `count` addresses that are to have the same owner; for two there always is, where every node may own everything.
pub fn newcomer(address: IpAddr, eligible: &[Eligible], load: &Load, count: usize) -> Option<NodeId> {
    let share = share(address);
    let best = |node: &NodeId| (node.rank(share), *node);
    let with_room = preferred(eligible).filter(|node| load.has_room(*node, count)).max_by_key(best);
    with_room.or_else(|| preferred(eligible).max_by_key(|node| (Reverse(load.of(*node)), best(node))))
}

/// The nodes of the highest weight.
fn preferred(eligible: &[Eligible]) -> impl Iterator<Item = NodeId> {
    let most = eligible.iter().map(|eligible| eligible.weight).max();
    eligible.iter().filter(move |eligible| Some(eligible.weight) == most).map(|eligible| eligible.node)
}

/// The address as the number of a share, the same everywhere.
fn share(address: IpAddr) -> u64 {
    let number = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let [high, low] = [number >> 64, number & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or_default());
    avalanche(avalanche(high) ^ low)
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
