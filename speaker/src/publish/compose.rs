//! Pure: from what this node does to what it has to say.
//!
//! An address may have another owner on each interface, and its status has room for one. So one interface decides who tells:
//! the first by name of those in the address's subnet, or where none is, of all that it is announced on. Who owns the address
//! there tells. Who owns it elsewhere only tells where nobody else does.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::{api::announcement::OwnedInterface, model::NodeName, wire::Mac};
use arpeggio_succession::{Place, Standing, View};
use jiff::Timestamp;

use super::types::{Stance, Wanted};
use crate::world::{Link, World};

/// What is known of this node.
pub struct Situation<'s> {
    /// Its name.
    pub node: &'s NodeName,
    /// What it may have, and its interfaces.
    pub world: &'s World,
    /// What it is for every address on every interface.
    pub views: &'s BTreeMap<Place, View>,
    /// Addresses that are its own and that no interface can carry, and why.
    pub unplaced: &'s BTreeMap<IpAddr, String>,
    /// Strangers who lately answered for an address of its own.
    pub rivals: &'s BTreeMap<IpAddr, Mac>,
    /// What has to be added to monotonic nanoseconds to make them wall-clock time.
    pub wall_ahead_ns: u64,
}

/// What it has to say about addresses; what it says of itself is [`super::speaker_status`].
pub fn compose(situation: &Situation<'_>) -> Wanted {
    let mut places: BTreeMap<IpAddr, Vec<(&Link, &View)>> = BTreeMap::new();
    for ((index, address), view) in situation.views {
        if let Some(link) = situation.world.links.0.get(index) {
            places.entry(*address).or_default().push((link, view));
        }
    }
    let mut lists = Lists::default();
    let mut wanted = Wanted::default();
    for (address, places) in &mut places {
        places.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        if let Some(stance) = stance(situation, *address, places, &mut lists) {
            wanted.addresses.insert(*address, stance);
        }
    }
    for (address, why) in situation.unplaced {
        if let Entry::Vacant(vacant) = wanted.addresses.entry(*address) {
            let why = format!("{} is a candidate and cannot announce it: {why}", situation.node);
            vacant.insert(Stance::Nowhere { why: why.into(), rank: rank(situation, *address) });
        }
    }
    wanted
}

/// Equal lists are kept once: one node answers for thousands of addresses on the same interfaces.
#[derive(Default)]
struct Lists(BTreeMap<Vec<u32>, Arc<[OwnedInterface]>>);

impl Lists {
    fn of(&mut self, links: &[&Link]) -> Arc<[OwnedInterface]> {
        let key = links.iter().map(|link| link.index).collect();
        let interface = |link: &&Link| OwnedInterface {
            name: link.name.clone(),
            mac: link.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        };
        Arc::clone(self.0.entry(key).or_insert_with(|| links.iter().map(interface).collect()))
    }
}

fn stance(situation: &Situation<'_>, address: IpAddr, places: &[(&Link, &View)], lists: &mut Lists) -> Option<Stance> {
    let near = places.iter().find(|(link, _)| in_subnet(link, address));
    let (deciding, seen) = near.or_else(|| places.first())?;
    let owned: Vec<_> = places.iter().filter(|(_, view)| answers(view)).collect();
    if owned.is_empty() {
        let in_use = seen.standing == Standing::InUse;
        let by: Arc<str> = seen.owner.filter(|_| in_use)?.mac.to_string().into();
        return Some(Stance::InUse { by, rank: seen.rank.unwrap_or_else(|| rank(situation, address)) });
    }
    let links: Vec<_> = owned.iter().map(|(link, _)| *link).collect();
    let since_ns = owned.iter().map(|(_, view)| view.since_ns).min().unwrap_or_default();
    Some(Stance::Answers {
        interfaces: lists.of(&links),
        since: second(since_ns.saturating_add(situation.wall_ahead_ns)),
        decides: links.iter().any(|link| link.index == deciding.index),
        shared: owned.iter().any(|(_, view)| view.standing == Standing::Sharing),
        rival: situation.rivals.get(&address).map(|mac| mac.to_string().into()),
    })
}

/// Whether this node is the one to tell of what it does there. Of those who share the clients it is the one with the first share.
fn answers(view: &View) -> bool {
    match view.standing {
        Standing::Owner | Standing::Leaving => true,
        Standing::Sharing => view.buckets & 1 != 0,
        Standing::Out | Standing::Asking | Standing::Standby | Standing::Waiting | Standing::InUse => false,
    }
}

/// Whether the address is in a subnet of the interface. One that has the address alone has no subnet of it.
fn in_subnet(link: &Link, address: IpAddr) -> bool {
    link.addresses.iter().any(|net| net.prefix_len() < net.max_prefix_len() && net.contains(&address))
}

fn rank(situation: &Situation<'_>, address: IpAddr) -> usize {
    let announcement = situation.world.config.announcements.get(&address);
    let candidates = announcement.map(|announcement| announcement.candidates()).unwrap_or_default();
    candidates.iter().position(|candidate| candidate == situation.node).unwrap_or(candidates.len())
}

/// Wall-clock nanoseconds as the API has times: in whole seconds.
fn second(wall_ns: u64) -> Timestamp {
    let seconds = i64::try_from(wall_ns / 1_000_000_000).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
