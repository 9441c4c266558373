//! What the program counted and saw, for status and for the succession.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::ControlFlow,
};

use arpeggio_common::abi::{
    Client, ClientKey, Key4, Key6, Keys, Lease, NodeId, Outcome, Peer, PeerKey, Sighting, SightingKey, Sort, Stats,
    names,
};
use aya::{
    Pod,
    maps::{HashMap, IterableMap as _, MapData, MapError},
};

use super::{
    batch::each_entry,
    lease::{self, LeaseError},
    maps::Maps,
    tables::{self, Entries, Place, TableError, place_of_wide},
};

/// Lines of counters that are read together in the time of one that is read alone.
const LINES_FOR_ONE: usize = 8;

/// A map could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the map {map}")]
pub struct CountersError {
    map: &'static str,
    source: MapError,
}

impl CountersError {
    pub(super) const fn of(map: &'static str) -> impl FnOnce(MapError) -> Self {
        move |source| Self { map, source }
    }
}

/// What the maps say now.
impl Maps {
    /// How many entries the address maps hold together: one line of counters each.
    pub fn capacity(&self) -> u32 {
        self.stats.len()
    }

    /// Everything that the address maps hold.
    ///
    /// # Errors
    /// A map cannot be read.
    pub fn entries(&self) -> Result<Entries, TableError> {
        tables::observe(self)
    }

    /// Until when answering is allowed, and by which node's agent.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn lease(&self) -> Result<Lease, LeaseError> {
        lease::get(self)
    }

    /// The counters of these lines ([`Vip::slot`](arpeggio_common::abi::Vip::slot)), summed over all CPUs.
    ///
    /// # Errors
    /// The map cannot be read, or a line lies beyond its end.
    pub fn stats(&self, slots: &BTreeSet<u32>) -> Result<BTreeMap<u32, Stats>, CountersError> {
        let Some(last) = slots.last() else { return Ok(BTreeMap::new()) };
        let sum = |per_cpu: &[Stats]| per_cpu.iter().fold(Stats::default(), Stats::merge);
        let is_dense = slots.len().saturating_mul(LINES_FOR_ONE) > usize::try_from(*last).unwrap_or(usize::MAX);
        if !is_dense {
            let read =
                |slot: &u32| Ok((*slot, sum(&self.stats.get(slot, 0).map_err(CountersError::of(names::STATS))?)));
            return slots.iter().map(read).collect();
        }
        let mut found = BTreeMap::new();
        each_entry(self.stats.map(), self.cpus, |line: u32, per_cpu: &[Stats]| {
            if slots.contains(&line) {
                found.insert(line, sum(per_cpu));
            }
            if line < *last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(CountersError::of(names::STATS))?;
        Ok(found)
    }

    /// How many frames ended in each way that is not counted per address, summed over all CPUs.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn outcomes(&self) -> Result<BTreeMap<Outcome, u64>, CountersError> {
        let read = |outcome: Outcome| {
            let line = outcome.counter().filter(|line| *line < self.outcomes.len())?;
            let sum = self.outcomes.get(&line, 0).map(|per_cpu| per_cpu.iter().sum());
            Some(sum.map(|sum| (outcome, sum)).map_err(CountersError::of(names::OUTCOMES)))
        };
        Outcome::ALL.into_iter().filter_map(read).collect()
    }

    /// Who else answered for or claimed an address: the last one, whoever it was.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn sightings(&self) -> Result<BTreeMap<Place, Sighting>, CountersError> {
        let found = snapshot(&self.sightings).map_err(CountersError::of(names::SIGHTINGS))?;
        Ok(newest(found))
    }

    /// The same of one address, by sort: one system call each.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn sighted(&self, place: &Place) -> Result<Sighted, CountersError> {
        let one = |sort| {
            let key = SightingKey::new(wide_key(place), sort);
            one(&self.sightings, &key).map_err(CountersError::of(names::SIGHTINGS))
        };
        Ok(Sighted { speaker: one(Sort::Speaker)?, stranger: one(Sort::Stranger)?, answer: one(Sort::Answer)? })
    }

    /// What tags are proven with.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn keys(&self) -> Result<Keys, CountersError> {
        self.keys.get(&0, 0).map_err(CountersError::of(names::KEYS))
    }

    /// Who asked for which address, by place and client address.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn clients(&self) -> Result<BTreeMap<(Place, IpAddr), Client>, CountersError> {
        let found = snapshot(&self.clients).map_err(CountersError::of(names::CLIENTS))?;
        let readable = |key: ClientKey| (place_of_wide(key.vip()), place_of_wide(Key6::new(0, key.client())).1);
        Ok(found.into_iter().map(|(key, client)| (readable(key), client)).collect())
    }

    /// The other speakers, by interface index and node.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn peers(&self) -> Result<BTreeMap<(u32, NodeId), Peer>, CountersError> {
        let found = snapshot(&self.peers).map_err(CountersError::of(names::PEERS))?;
        // The agent makes the entries: only one that was heard is there.
        let heard =
            |(key, peer): (PeerKey, Peer)| (peer != Peer::UNHEARD).then_some(((key.ifindex(), key.node()?), peer));
        Ok(found.into_iter().filter_map(heard).collect())
    }

    /// One of them: one system call.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn peer(&self, ifindex: u32, node: NodeId) -> Result<Option<Peer>, CountersError> {
        one(&self.peers, &PeerKey::new(ifindex, node)).map_err(CountersError::of(names::PEERS))
    }
}

/// Who was seen with one address, by sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sighted {
    /// A node whose tag counts.
    pub speaker: Option<Sighting>,
    /// Anybody else.
    pub stranger: Option<Sighting>,
    /// The last answer to a question of ours, with the time of the question.
    pub answer: Option<Sighting>,
}

impl Sighted {
    /// What is known after `other` as well: of two tables that saw the same segment.
    #[must_use]
    pub fn or_newer(self, other: Self) -> Self {
        let newer = |a: Option<Sighting>, b| a.into_iter().chain(b).max_by_key(Sighting::last_seen_ns);
        Self {
            speaker: newer(self.speaker, other.speaker),
            stranger: newer(self.stranger, other.stranger),
            answer: newer(self.answer, other.answer),
        }
    }
}

/// The last sighting of every address, whichever its sort.
pub(crate) fn newest(found: impl IntoIterator<Item = (SightingKey, Sighting)>) -> BTreeMap<Place, Sighting> {
    let mut newest: BTreeMap<Place, Sighting> = BTreeMap::new();
    for (key, sighting) in found {
        // Our own other interface is no rival for an address.
        if key.sort().is_some_and(|sort| sort != Sort::Ourselves) {
            let last = newest.entry(place_of_wide(key.key())).or_insert(sighting);
            if sighting.last_seen_ns() > last.last_seen_ns() {
                *last = sighting;
            }
        }
    }
    newest
}

/// The key of a place in the maps that hold both families.
pub(crate) fn wide_key((ifindex, address): &Place) -> Key6 {
    match address {
        IpAddr::V4(v4) => Key4::new(*ifindex, v4.octets()).widen(),
        IpAddr::V6(v6) => Key6::new(*ifindex, v6.octets()),
    }
}

/// One entry.
fn one<K: Pod, V: Pod>(map: &HashMap<MapData, K, V>, key: &K) -> Result<Option<V>, MapError> {
    match map.get(key, 0) {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All entries of a map to which the kernel writes meanwhile.
pub(super) fn snapshot<K: Pod + Ord, V: Pod>(map: &HashMap<MapData, K, V>) -> Result<BTreeMap<K, V>, MapError> {
    let mut found = BTreeMap::new();
    each_entry(map.map(), 1, |key: K, values: &[V]| {
        found.extend(values.first().map(|value| (key, *value)));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
