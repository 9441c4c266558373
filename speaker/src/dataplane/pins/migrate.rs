//! Copies entries from pinned maps into those that take their place: of another capacity, or in another layout.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use arpeggio_common::abi::{Key4, Key6, Lease, Stats, Vip, names};
use aya::{
    Pod,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues},
};

use super::{PinDir, PinsError, Survey};
use crate::dataplane::{counters::snapshot, maps::Maps};

/// Copies what is in the pinned maps into those that will replace them, as far as it fits. Entries keep their counters.
///
/// # Errors
/// A map cannot be read or written.
pub(in crate::dataplane) fn copy_entries(pins: &PinDir, survey: &Survey, maps: &mut Maps) -> Result<(), PinsError> {
    if [names::VIPS4, names::VIPS6, names::STATS].into_iter().any(|name| survey.source(name).is_some()) {
        copy_addresses(pins, survey, maps).map_err(failed(pins, names::VIPS4))?;
    }
    if let Some(source) = survey.source(names::SIGHTINGS) {
        copy_hash(source, &mut maps.sightings).map_err(failed(pins, names::SIGHTINGS))?;
    }
    if let Some(source) = survey.source(names::CLIENTS) {
        copy_hash(source, &mut maps.clients).map_err(failed(pins, names::CLIENTS))?;
    }
    if let Some(source) = survey.source(names::OUTCOMES) {
        copy_outcomes(source, maps).map_err(failed(pins, names::OUTCOMES))?;
    }
    if let Some(source) = survey.source(names::PEERS) {
        copy_hash(source, &mut maps.peers).map_err(failed(pins, names::PEERS))?;
    }
    if let Some(source) = survey.source(names::LEASE) {
        let lease = old::<Array<_, Lease>>(source).and_then(|lease| lease.get(&0, 0));
        lease.and_then(|lease| maps.lease.set(0, lease, 0)).map_err(failed(pins, names::LEASE))?;
    }
    // What stands in STRAYS is a minute's worth and comes again. What stands in EVENTS was for the agent before.
    Ok(())
}

fn failed(pins: &PinDir, name: &str) -> impl FnOnce(MapError) -> PinsError {
    let path = pins.map(name);
    |source| PinsError::Migrate { path, source }
}

/// The address maps and their counters belong together: a line beyond the new capacity moves to a free one.
fn copy_addresses(pins: &PinDir, survey: &Survey, maps: &mut Maps) -> Result<(), MapError> {
    let (source4, source6) = (survey.source(names::VIPS4), survey.source(names::VIPS6));
    let entries4: BTreeMap<Key4, Vip> = read_hash(source4.unwrap_or(&pins.map(names::VIPS4)))?;
    let entries6: BTreeMap<Key6, Vip> = read_hash(source6.unwrap_or(&pins.map(names::VIPS6)))?;
    let slots = entries4.values().chain(entries6.values()).map(Vip::slot);
    let moves = refit(slots, maps.capacity());
    for (key, vip) in entries4 {
        if let Some(slot) = moves.get(&vip.slot())
            && (source4.is_some() || *slot != vip.slot())
        {
            maps.vips4.insert(key, with_slot(&vip, *slot), 0)?;
        }
    }
    for (key, vip) in entries6 {
        if let Some(slot) = moves.get(&vip.slot())
            && (source6.is_some() || *slot != vip.slot())
        {
            maps.vips6.insert(key, with_slot(&vip, *slot), 0)?;
        }
    }
    if let Some(source) = survey.source(names::STATS) {
        let counters = old::<PerCpuArray<_, Stats>>(source)?;
        for (from, to) in moves.into_iter().filter(|(from, _)| *from < counters.len()) {
            copy_line(&counters, from, &mut maps.stats, to)?;
        }
    }
    Ok(())
}

fn copy_line<V: Pod>(
    from: &PerCpuArray<MapData, V>,
    line: u32,
    to: &mut PerCpuArray<MapData, V>,
    new_line: u32,
) -> Result<(), MapError> {
    let values: Vec<V> = from.get(&line, 0)?.iter().copied().collect();
    to.set(new_line, PerCpuValues::try_from(values)?, 0)
}

/// The map that is pinned here.
fn old<T: TryFrom<Map, Error = MapError>>(path: &Path) -> Result<T, MapError> {
    Map::from_map_data(MapData::from_pin(path)?)?.try_into()
}

/// All entries of a pinned map. The old program may still write to it, so the keys are collected first (see
/// `counters::snapshot`).
fn read_hash<K: Pod + Ord, V: Pod>(path: &Path) -> Result<BTreeMap<K, V>, MapError> {
    snapshot(&old::<HashMap<_, K, V>>(path)?)
}

/// Pure: old line → new line, for as many as there is room. Lines below the capacity stay where they are.
fn refit(slots: impl Iterator<Item = u32>, capacity: u32) -> BTreeMap<u32, u32> {
    let (stay, go): (BTreeSet<u32>, BTreeSet<u32>) = slots.partition(|slot| *slot < capacity);
    let free: Vec<u32> = (0..capacity).filter(|slot| !stay.contains(slot)).take(go.len()).collect();
    stay.iter().map(|slot| (*slot, *slot)).chain(go.into_iter().zip(free)).collect()
}

/// The same entry with another line; an action that this version does not know is left to the next plan to correct.
fn with_slot(vip: &Vip, slot: u32) -> Vip {
    let action = vip.action().unwrap_or(arpeggio_common::abi::Action::Observe);
    Vip::new(vip.mac(), action, slot, vip.buckets()).with_flags(vip.flags()).with_generation(vip.generation())
}

fn copy_hash<K: Pod + Ord, V: Pod>(source: &Path, new: &mut HashMap<MapData, K, V>) -> Result<(), MapError> {
    for (key, value) in read_hash::<K, V>(source)? {
        new.insert(key, value, 0)?;
    }
    Ok(())
}

/// Outcomes are only ever appended within one layout, so equal lines mean the same.
fn copy_outcomes(source: &Path, maps: &mut Maps) -> Result<(), MapError> {
    let counters = old::<PerCpuArray<_, u64>>(source)?;
    for line in 0..counters.len().min(maps.outcomes.len()) {
        copy_line(&counters, line, &mut maps.outcomes, line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_where_they_fit_and_move_to_the_lowest_free_ones_otherwise() {
        assert_eq!(refit([0, 5, 9].into_iter(), 16), BTreeMap::from([(0, 0), (5, 5), (9, 9)]));
        assert_eq!(refit([0, 2, 9, 12].into_iter(), 4), BTreeMap::from([(0, 0), (2, 2), (9, 1), (12, 3)]));
        assert_eq!(
            refit([0, 1, 9, 12].into_iter(), 3),
            BTreeMap::from([(0, 0), (1, 1), (9, 2)]),
            "the rest is planned anew"
        );
        assert_eq!(refit([7].into_iter(), 0), BTreeMap::new());
    }
}
