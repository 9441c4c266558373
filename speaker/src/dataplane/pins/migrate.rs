//! Looks at what is pinned before a load, and moves entries to a map of another capacity.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use arpeggio_common::abi::{Key4, Key6, Stats, Vip, names};
use aya::{
    Pod,
    maps::{HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues},
};

use super::{Fit, MapShape, PinDir, PinsError, compare};
use crate::dataplane::{counters::snapshot, maps::Maps};

/// What has to be done before and after the load.
#[derive(Debug, Default)]
pub(in crate::dataplane) struct Survey {
    /// Maps whose capacity changes: pinned under a temporary name until every link runs the new program.
    pub(in crate::dataplane) staged: BTreeSet<&'static str>,
}

impl Survey {
    /// Puts the staged maps in the place of the old ones. Each rename is atomic; a crash in between leaves a state from
    /// which the next start migrates the rest.
    ///
    /// # Errors
    /// The file system refuses.
    pub(in crate::dataplane) fn commit(&self, pins: &PinDir) -> Result<(), PinsError> {
        for name in &self.staged {
            let path = pins.staged(name);
            fs::rename(&path, pins.map(name)).map_err(|source| PinsError::Io {
                operation: "move into place",
                path,
                source,
            })?;
        }
        Ok(())
    }

    /// Forgets the staged maps after a failed start; the old ones were never touched.
    pub(in crate::dataplane) fn abandon(&self, pins: &PinDir) {
        for name in &self.staged {
            if let Err(error) = remove_staged(pins, name) {
                tracing::warn!(%error, "a map that was meant to replace another one stays; the next start removes it");
            }
        }
    }
}

/// Compares every pinned map with the wanted one.
///
/// # Errors
/// A map with another layout is pinned, or a pin cannot be opened.
pub(in crate::dataplane) fn survey(
    pins: &PinDir,
    wanted: &BTreeMap<&'static str, MapShape>,
) -> Result<Survey, PinsError> {
    let mut survey = Survey::default();
    for (name, expected) in wanted {
        remove_staged(pins, name)?;
        let Some(found) = shape_of_pin(pins, name)? else { continue };
        match compare(&found, expected) {
            Fit::Reuse => {}
            Fit::Migrate => {
                survey.staged.insert(name);
            }
            Fit::Refuse => {
                return Err(PinsError::Incompatible { path: pins.map(name), found, expected: *expected });
            }
        }
    }
    Ok(survey)
}

/// Left behind by a start that failed half way.
fn remove_staged(pins: &PinDir, name: &str) -> Result<(), PinsError> {
    let path = pins.staged(name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(PinsError::Io { operation: "remove", path, source }),
    }
}

fn shape_of_pin(pins: &PinDir, name: &str) -> Result<Option<MapShape>, PinsError> {
    let path = pins.map(name);
    match path.symlink_metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(PinsError::Io { operation: "look at", path, source }),
    }
    let shape = || {
        let info = MapData::from_pin(&path)?.info()?;
        // The number, not aya's enum: a type that aya does not know must still be comparable.
        let kind = info.map_type().map(|kind| kind as u32).unwrap_or(u32::MAX);
        let (key_size, value_size) = (info.key_size(), info.value_size());
        Ok(MapShape { kind, key_size, value_size, max_entries: info.max_entries(), flags: info.map_flags() })
    };
    shape().map(Some).map_err(|source: MapError| match crate::dataplane::load::errno_of(&source) {
        Some(errno @ (nix::errno::Errno::EACCES | nix::errno::Errno::EPERM)) => PinsError::Denied {
            operation: "open",
            remedy: format!("chown -R {} {}", nix::unistd::geteuid(), pins.root.display()),
            path: path.clone(),
            source: errno.into(),
        },
        _ => PinsError::Open { path: path.clone(), source },
    })
}

/// Copies what is in the pinned maps into those that will replace them, as far as it fits. Entries keep their counters.
///
/// # Errors
/// A map cannot be read or written.
pub(in crate::dataplane) fn copy_entries(pins: &PinDir, survey: &Survey, maps: &mut Maps) -> Result<(), PinsError> {
    let staged = |name: &str| survey.staged.contains(name);
    if [names::VIPS4, names::VIPS6, names::STATS].into_iter().any(staged) {
        copy_addresses(pins, survey, maps).map_err(failed(pins, names::VIPS4))?;
    }
    if staged(names::SIGHTINGS) {
        copy_hash(pins, names::SIGHTINGS, &mut maps.sightings).map_err(failed(pins, names::SIGHTINGS))?;
    }
    if staged(names::CLIENTS) {
        copy_hash(pins, names::CLIENTS, &mut maps.clients).map_err(failed(pins, names::CLIENTS))?;
    }
    if staged(names::OUTCOMES) {
        copy_outcomes(pins, maps).map_err(failed(pins, names::OUTCOMES))?;
    }
    if staged(names::PEERS) {
        copy_hash(pins, names::PEERS, &mut maps.peers).map_err(failed(pins, names::PEERS))?;
    }
    // What stands in STRAYS is a minute's worth and comes again. LEASE has one entry in every version, and what stands in EVENTS was for the agent before.
    Ok(())
}

fn failed(pins: &PinDir, name: &str) -> impl FnOnce(MapError) -> PinsError {
    let path = pins.map(name);
    |source| PinsError::Migrate { path, source }
}

/// The address maps and their counters belong together: a line beyond the new capacity moves to a free one.
fn copy_addresses(pins: &PinDir, survey: &Survey, maps: &mut Maps) -> Result<(), MapError> {
    let staged = |name: &str| survey.staged.contains(name);
    let entries4: BTreeMap<Key4, Vip> = read_hash(pins, names::VIPS4)?;
    let entries6: BTreeMap<Key6, Vip> = read_hash(pins, names::VIPS6)?;
    let slots = entries4.values().chain(entries6.values()).map(Vip::slot);
    let moves = refit(slots, maps.capacity());
    for (key, vip) in entries4 {
        if let Some(slot) = moves.get(&vip.slot())
            && (staged(names::VIPS4) || *slot != vip.slot())
        {
            maps.vips4.insert(key, with_slot(&vip, *slot), 0)?;
        }
    }
    for (key, vip) in entries6 {
        if let Some(slot) = moves.get(&vip.slot())
            && (staged(names::VIPS6) || *slot != vip.slot())
        {
            maps.vips6.insert(key, with_slot(&vip, *slot), 0)?;
        }
    }
    if staged(names::STATS)
        && let Some(counters) = old::<PerCpuArray<_, Stats>>(pins, names::STATS)?
    {
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

/// The map that is pinned under this name; `None` when there is none.
fn old<T: TryFrom<Map, Error = MapError>>(pins: &PinDir, name: &str) -> Result<Option<T>, MapError> {
    let path = pins.map(name);
    if !path.exists() {
        return Ok(None);
    }
    Map::from_map_data(MapData::from_pin(path)?)?.try_into().map(Some)
}

/// All entries of a pinned map. The old program may still write to it, so the keys are collected first (see
/// `counters::snapshot`).
fn read_hash<K: Pod + Ord, V: Pod>(pins: &PinDir, name: &str) -> Result<BTreeMap<K, V>, MapError> {
    match old::<HashMap<_, K, V>>(pins, name)? {
        Some(map) => snapshot(&map),
        None => Ok(BTreeMap::new()),
    }
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
    Vip::new(vip.mac(), action, slot, vip.buckets()).with_flags(vip.flags())
}

fn copy_hash<K: Pod + Ord, V: Pod>(
    pins: &PinDir,
    name: &str,
    new: &mut HashMap<MapData, K, V>,
) -> Result<(), MapError> {
    for (key, value) in read_hash::<K, V>(pins, name)? {
        new.insert(key, value, 0)?;
    }
    Ok(())
}

/// Outcomes are only ever appended within one layout, so equal lines mean the same.
fn copy_outcomes(pins: &PinDir, maps: &mut Maps) -> Result<(), MapError> {
    let Some(counters) = old::<PerCpuArray<_, u64>>(pins, names::OUTCOMES)? else { return Ok(()) };
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
