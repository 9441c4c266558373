//! The maps of the layout with their types, wherever they come from: a loaded object or pins. What they say is read in
//! `counters`.

use std::os::fd::AsFd as _;

use arpeggio_common::abi::{
    Client, ClientKey, Key4, Key6, Keys, Lease, Peer, PeerKey, Sighting, SightingKey, Stats, Stray, StrayKey, Vip,
    names,
};
use aya::maps::{Array, HashMap, IterableMap as _, Map, MapData, MapError, PerCpuArray, RingBuf};

/// Every map of the layout.
pub struct Maps {
    pub(super) vips4: HashMap<MapData, Key4, Vip>,
    pub(super) vips6: HashMap<MapData, Key6, Vip>,
    pub(super) stats: PerCpuArray<MapData, Stats>,
    pub(super) outcomes: PerCpuArray<MapData, u64>,
    pub(super) sightings: HashMap<MapData, SightingKey, Sighting>,
    pub(super) clients: HashMap<MapData, ClientKey, Client>,
    pub(super) lease: Array<MapData, Lease>,
    pub(super) keys: Array<MapData, Keys>,
    pub(super) peers: HashMap<MapData, PeerKey, Peer>,
    pub(super) strays: HashMap<MapData, StrayKey, Stray>,
    events: MapData,
    /// Possible CPUs: how many values a per-CPU map has for each index.
    pub(super) cpus: usize,
}

/// A map of the layout is missing or of another type.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// There is none of this name.
    #[error("there is no map {map}")]
    Missing {
        /// Which map.
        map: &'static str,
    },
    /// It cannot be used as what it should be.
    #[error("cannot use the map {map}")]
    Unusable {
        /// Which map.
        map: &'static str,
        #[expect(missing_docs, reason = "the cause")]
        source: MapError,
    },
    /// The kernel does not say how many CPUs there may be.
    #[error("cannot read {file}")]
    Cpus {
        /// Where it should stand.
        file: &'static str,
        #[expect(missing_docs, reason = "the cause")]
        source: std::io::Error,
    },
}

impl Maps {
    /// Takes each map from `take`.
    ///
    /// # Errors
    /// A map is missing or of another type.
    pub(super) fn gather(mut take: impl FnMut(&'static str) -> Option<Map>) -> Result<Self, MapsError> {
        let cpus = aya::util::nr_cpus().map_err(|(file, source)| MapsError::Cpus { file, source })?;
        Ok(Self {
            vips4: typed(names::VIPS4, &mut take)?,
            vips6: typed(names::VIPS6, &mut take)?,
            stats: typed(names::STATS, &mut take)?,
            outcomes: typed(names::OUTCOMES, &mut take)?,
            sightings: typed(names::SIGHTINGS, &mut take)?,
            clients: typed(names::CLIENTS, &mut take)?,
            lease: typed(names::LEASE, &mut take)?,
            keys: typed(names::KEYS, &mut take)?,
            peers: typed(names::PEERS, &mut take)?,
            strays: typed(names::STRAYS, &mut take)?,
            events: ring_buffer(&mut take)?,
            cpus,
        })
    }

    /// The same maps once more, for another thread.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn duplicate(&self) -> Result<Self, MapsError> {
        let mut failure = None;
        let maps = Self::gather(|map| match again(self.data(map)?) {
            Ok(again) => Some(again),
            Err(source) => {
                failure = Some(MapsError::Unusable { map, source });
                None
            }
        });
        failure.map_or(maps, Err)
    }

    fn data(&self, name: &str) -> Option<&MapData> {
        Some(match name {
            names::VIPS4 => self.vips4.map(),
            names::VIPS6 => self.vips6.map(),
            names::STATS => self.stats.map(),
            names::OUTCOMES => self.outcomes.map(),
            names::SIGHTINGS => self.sightings.map(),
            names::CLIENTS => self.clients.map(),
            names::LEASE => self.lease.map(),
            names::KEYS => self.keys.map(),
            names::PEERS => self.peers.map(),
            names::STRAYS => self.strays.map(),
            names::EVENTS => &self.events,
            _ => return None,
        })
    }

    /// A reader of the events. The map itself stays here: a program that is loaded later refers to it by its descriptor.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated or the memory not be mapped.
    pub fn events(&self) -> Result<RingBuf<MapData>, MapError> {
        RingBuf::try_from(again(&self.events)?)
    }
}

/// The same map by a descriptor of its own.
fn again(data: &MapData) -> Result<Map, MapError> {
    Map::from_map_data(MapData::from_fd(data.fd().as_fd().try_clone_to_owned()?)?)
}

fn typed<T>(map: &'static str, take: &mut impl FnMut(&'static str) -> Option<Map>) -> Result<T, MapsError>
where
    T: TryFrom<Map, Error = MapError>,
{
    let found = take(map).ok_or(MapsError::Missing { map })?;
    T::try_from(found).map_err(|source| MapsError::Unusable { map, source })
}

fn ring_buffer(take: &mut impl FnMut(&'static str) -> Option<Map>) -> Result<MapData, MapsError> {
    let map = names::EVENTS;
    let found = take(map).ok_or(MapsError::Missing { map })?;
    if let Map::RingBuf(data) = found {
        return Ok(data);
    }
    let source = MapError::InvalidMapType { map_type: 0 };
    Err(MapsError::Unusable { map, source })
}
