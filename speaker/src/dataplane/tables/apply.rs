//! Reads and writes the address maps. A failure of one entry does not keep the others from being written.

use std::net::IpAddr;

use arpeggio_common::abi::{Key4, Key6, Stats, names};
use aya::maps::{MapError, PerCpuValues};

use super::{Entries, Place, Plan, Write, place_of_key4, place_of_key6};
use crate::dataplane::{ENTRIES_AT_ONCE, Roles, counters::snapshot, load::is_gone, maps::Maps};

/// One thing that did not work out; the rest was done.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The map could not be read, so nothing was planned for it.
    #[error("cannot read the map {map}")]
    Read {
        /// Which map.
        map: &'static str,
        #[expect(missing_docs, reason = "the cause")]
        source: MapError,
    },
    /// An entry is missing or old.
    #[error("cannot write {address} on interface {ifindex} into the map {map}")]
    Write {
        /// Which map.
        map: &'static str,
        /// The interface.
        ifindex: u32,
        /// The address.
        address: IpAddr,
        #[expect(missing_docs, reason = "the cause")]
        source: MapError,
    },
    /// An entry is still there.
    #[error("cannot remove {address} on interface {ifindex} from the map {map}")]
    Remove {
        /// Which map.
        map: &'static str,
        /// The interface.
        ifindex: u32,
        /// The address.
        address: IpAddr,
        #[expect(missing_docs, reason = "the cause")]
        source: MapError,
    },
    /// The counters of an entry begin with what another one left.
    #[error("cannot reset the counters of {address} on interface {ifindex}")]
    Counters {
        /// The interface.
        ifindex: u32,
        /// The address.
        address: IpAddr,
        #[expect(missing_docs, reason = "the cause")]
        source: MapError,
    },
    /// The maps are too small.
    #[error(
        "{left_out} of {wanted} addresses (counted once per interface) are not announced, the maps hold {capacity}; \
         start the agent with --capacity {wanted} or more"
    )]
    Full {
        /// How many were left out.
        left_out: usize,
        /// How many there should be.
        wanted: usize,
        /// How many fit.
        capacity: u32,
    },
}

/// What was done to the maps.
#[derive(Debug, Default)]
pub(in crate::dataplane) struct TableReport {
    /// Entries written.
    pub written: usize,
    /// Entries removed.
    pub removed: usize,
    /// What did not work out.
    pub errors: Vec<TableError>,
}

/// Everything that the address maps hold.
///
/// # Errors
/// A map cannot be read.
pub(in crate::dataplane) fn observe(maps: &Maps) -> Result<Entries, TableError> {
    let read = |map| move |source| TableError::Read { map, source };
    let v4 = snapshot(&maps.vips4).map_err(read(names::VIPS4))?;
    let v6 = snapshot(&maps.vips6).map_err(read(names::VIPS6))?;
    let mut entries: Entries = v4.into_iter().map(|(key, vip)| (place_of_key4(key), vip)).collect();
    entries.extend(v6.into_iter().map(|(key, vip)| (place_of_key6(key), vip)));
    Ok(entries)
}

/// Applies a plan and keeps `entries` in step with the maps. What is written says what its role says at that moment.
pub(in crate::dataplane) fn apply(maps: &mut Maps, plan: &Plan, entries: &mut Entries, roles: &Roles) -> TableReport {
    let mut report = TableReport::default();
    for places in plan.remove.chunks(ENTRIES_AT_ONCE) {
        // Held, so that nobody puts back what he read just before.
        let _held = roles.hold();
        for place in places {
            match remove(maps, *place) {
                Err(source) if !is_gone(&source) => {
                    let (ifindex, address) = *place;
                    report.errors.push(TableError::Remove { map: map_of(address), ifindex, address, source });
                }
                // Gone by other hands is gone.
                Ok(()) | Err(_) => {
                    report.removed += 1;
                    entries.remove(place);
                }
            }
        }
    }
    for writes in plan.set.chunks(ENTRIES_AT_ONCE) {
        let held = roles.hold();
        for write in writes {
            let write = Write { vip: held.entry(&write.place, write.vip), ..*write };
            set(maps, &write, entries, &mut report);
        }
    }
    if !plan.left_out.is_empty() {
        let left_out = plan.left_out.len();
        let error = TableError::Full { left_out, wanted: left_out + entries.len(), capacity: maps.capacity() };
        report.errors.push(error);
    }
    report
}

fn set(maps: &mut Maps, write: &Write, entries: &mut Entries, report: &mut TableReport) {
    let (ifindex, address) = write.place;
    if write.fresh_slot
        && let Err(source) = reset_counters(maps, write.vip.slot())
    {
        report.errors.push(TableError::Counters { ifindex, address, source });
    }
    match insert(maps, write) {
        Ok(()) => {
            report.written += 1;
            entries.insert(write.place, write.vip);
        }
        Err(source) => report.errors.push(TableError::Write { map: map_of(address), ifindex, address, source }),
    }
}

pub(in crate::dataplane) const fn map_of(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => names::VIPS4,
        IpAddr::V6(_) => names::VIPS6,
    }
}

fn remove(maps: &mut Maps, (ifindex, address): Place) -> Result<(), MapError> {
    match address {
        IpAddr::V4(v4) => maps.vips4.remove(&Key4::new(ifindex, v4.octets())),
        IpAddr::V6(v6) => maps.vips6.remove(&Key6::new(ifindex, v6.octets())),
    }
}

fn insert(maps: &mut Maps, Write { place: (ifindex, address), vip, .. }: &Write) -> Result<(), MapError> {
    match address {
        IpAddr::V4(v4) => maps.vips4.insert(Key4::new(*ifindex, v4.octets()), vip, 0),
        IpAddr::V6(v6) => maps.vips6.insert(Key6::new(*ifindex, v6.octets()), vip, 0),
    }
}

fn reset_counters(maps: &mut Maps, slot: u32) -> Result<(), MapError> {
    let zeros = PerCpuValues::try_from(vec![Stats::default(); maps.cpus])?;
    maps.stats.set(slot, zeros, 0)
}
