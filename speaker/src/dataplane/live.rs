//! The maps as the succession reaches them: single entries, at once, while the agent writes whole tables elsewhere.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd},
};

use arpeggio_common::abi::{Event, Key4, Key6, Keys, Lease, Peer, PeerKey, names};
use arpeggio_succession::Role;
use aya::maps::{MapData, MapError, RingBuf};

use super::{
    CountersError, HeldRoles, LeaseError, lease,
    maps::{Maps, MapsError},
    tables::{Place, TableError, map_of},
};

/// The maps of a loaded program once more, for another thread.
pub struct Live(Maps);

/// The events as they come, for a thread that waits for the descriptor itself. There is one queue for all readers.
pub struct EventQueue(RingBuf<MapData>);

impl EventQueue {
    /// Of the loaded program.
    ///
    /// # Errors
    /// The ring buffer cannot be mapped.
    pub(super) fn new(maps: &Maps) -> Result<Self, MapsError> {
        maps.events().map(Self).map_err(|source| MapsError::Unusable { map: names::EVENTS, source })
    }

    /// The next event that waits; records that this version cannot read are skipped. The descriptor becomes readable only
    /// when everything before was taken.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let record = self.0.next()?;
            if let Some(event) = Event::from_record(&record) {
                return Some(event);
            }
        }
    }
}

impl AsFd for EventQueue {
    /// Readable when there are events.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Live {
    /// Beside those of the agent.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub(super) fn new(maps: &Maps) -> Result<Self, MapsError> {
        maps.duplicate().map(Self)
    }

    /// The maps: what they say now.
    pub const fn maps(&self) -> &Maps {
        &self.0
    }

    /// Makes the entry say its role, which is noted as well. `false` when there is no entry: then it is written with this
    /// role as soon as there is to be one.
    ///
    /// # Errors
    /// The map cannot be read or written.
    pub fn set(&mut self, roles: &mut HeldRoles<'_>, place: Place, role: Role) -> Result<bool, TableError> {
        roles.set(place, role);
        let (ifindex, address) = place;
        match self.rewrite(place, role) {
            Ok(()) => Ok(true),
            Err(MapError::KeyNotFound) => Ok(false),
            Err(source) => Err(TableError::Write { map: map_of(address), ifindex, address, source }),
        }
    }

    fn rewrite(&mut self, (ifindex, address): Place, role: Role) -> Result<(), MapError> {
        match address {
            IpAddr::V4(v4) => {
                let key = Key4::new(ifindex, v4.octets());
                let vip = role.written_to(self.0.vips4.get(&key, 0)?);
                self.0.vips4.insert(key, vip, 0)
            }
            IpAddr::V6(v6) => {
                let key = Key6::new(ifindex, v6.octets());
                let vip = role.written_to(self.0.vips6.get(&key, 0)?);
                self.0.vips6.insert(key, vip, 0)
            }
        }
    }

    /// From now on tags are proven with these.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn set_keys(&mut self, keys: Keys) -> Result<(), CountersError> {
        self.0.keys.set(0, keys, 0).map_err(CountersError::of(names::KEYS))
    }

    /// From now on these nodes are known, and no others: what is remembered of them stays.
    ///
    /// # Errors
    /// The map cannot be read or written; what could be written is.
    pub fn know(&mut self, known: &BTreeSet<PeerKey>) -> Result<(), CountersError> {
        let peers = &mut self.0.peers;
        let failed = || CountersError::of(names::PEERS);
        let before = peers.keys().collect::<Result<BTreeSet<PeerKey>, _>>().map_err(failed())?;
        let mut outcome = Ok(());
        for key in before.difference(known) {
            let removed = peers.remove(key).map_err(failed());
            outcome = outcome.and(removed);
        }
        for key in known.difference(&before) {
            let inserted = peers.insert(key, Peer::UNHEARD, 0).map_err(failed());
            outcome = outcome.and(inserted);
        }
        outcome
    }

    /// Allows answering until the end of the lease, in the name of its node.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn renew(&mut self, lease: Lease) -> Result<(), LeaseError> {
        lease::set(&mut self.0, lease)
    }
}
