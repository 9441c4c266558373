//! What the program counted and saw, for status and for the succession.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::abi::{Client, Key6, Outcome, Sighting, Stats, names};
use aya::{
    Pod,
    maps::{HashMap, MapData, MapError},
};

use super::{
    maps::Maps,
    tables::{Place, place_of_wide},
};

/// A map could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the map {map}")]
pub struct CountersError {
    map: &'static str,
    source: MapError,
}

/// The counters of these lines, summed over all CPUs.
///
/// # Errors
/// The map cannot be read, or a line lies beyond its end.
pub(super) fn stats(maps: &Maps, slots: &BTreeSet<u32>) -> Result<BTreeMap<u32, Stats>, CountersError> {
    let read = |slot: &u32| {
        let per_cpu = maps.stats.get(slot, 0).map_err(|source| CountersError { map: names::STATS, source })?;
        Ok((*slot, per_cpu.iter().fold(Stats::default(), Stats::merge)))
    };
    slots.iter().map(read).collect()
}

/// How many frames ended in each way, summed over all CPUs; ways that are counted per address are left out.
///
/// # Errors
/// The map cannot be read.
pub(super) fn outcomes(maps: &Maps) -> Result<BTreeMap<Outcome, u64>, CountersError> {
    let read = |outcome: Outcome| {
        let line = outcome.counter().filter(|line| *line < maps.outcomes.len())?;
        let sum = maps.outcomes.get(&line, 0).map(|per_cpu| per_cpu.iter().sum());
        Some(sum.map(|sum| (outcome, sum)).map_err(|source| CountersError { map: names::OUTCOMES, source }))
    };
    Outcome::ALL.into_iter().filter_map(read).collect()
}

/// Who else answered for or claimed an address.
///
/// # Errors
/// The map cannot be read.
pub(super) fn sightings(maps: &Maps) -> Result<BTreeMap<Place, Sighting>, CountersError> {
    let found = snapshot(&maps.sightings).map_err(|source| CountersError { map: names::SIGHTINGS, source })?;
    Ok(found.into_iter().map(|(key, sighting)| (place_of_wide(key), sighting)).collect())
}

/// Who asked for which address, by place and client address.
///
/// # Errors
/// The map cannot be read.
pub(super) fn clients(maps: &Maps) -> Result<BTreeMap<(Place, IpAddr), Client>, CountersError> {
    let found = snapshot(&maps.clients).map_err(|source| CountersError { map: names::CLIENTS, source })?;
    let readable =
        |key: arpeggio_common::abi::ClientKey| (place_of_wide(key.vip()), place_of_wide(Key6::new(0, key.client())).1);
    Ok(found.into_iter().map(|(key, client)| (readable(key), client)).collect())
}

/// All entries of a map to which the kernel writes meanwhile. The keys are collected first: walking from a key that was
/// evicted in between starts again at the beginning, so a walk with look-ups in between may go on for very long.
pub(super) fn snapshot<K: Pod + Ord, V: Pod>(map: &HashMap<MapData, K, V>) -> Result<BTreeMap<K, V>, MapError> {
    let keys = map.keys().collect::<Result<BTreeSet<K>, _>>()?;
    let mut found = BTreeMap::new();
    for key in keys {
        match map.get(&key, 0) {
            Ok(value) => {
                found.insert(key, value);
            }
            // Evicted since.
            Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
