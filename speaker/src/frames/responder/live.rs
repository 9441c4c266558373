//! The tables of the responder as the succession reaches them: single entries, at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, MutexGuard, PoisonError},
};

use arpeggio_common::abi::{Client, Keys, Lease, NodeId, Peer, PeerKey};
use arpeggio_succession::Role;

use super::{tables::UserTables, thread::Shared};
use crate::dataplane::{HeldRoles, Place, Sighted};

/// The tables of a running responder; without effect once it ended.
#[derive(Clone, Debug)]
pub struct ResponderLive(Arc<Shared>);

impl ResponderLive {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Makes the entry say its role, which is noted as well. `false` when there is no entry.
    pub fn set(&self, roles: &mut HeldRoles<'_>, place: Place, role: Role) -> bool {
        roles.set(place, role);
        self.tables().set_role(place, role)
    }

    /// Who was seen with an address last.
    pub fn sighted(&self, place: &Place) -> Sighted {
        self.tables().sighted(place)
    }

    /// Who asked for which address.
    pub fn clients(&self) -> BTreeMap<(Place, IpAddr), Client> {
        self.tables().clients()
    }

    /// The other speakers, by interface index and node.
    pub fn peers(&self) -> BTreeMap<(u32, NodeId), Peer> {
        self.tables().peers()
    }

    /// Allows answering until the end of the lease, in the name of its node.
    pub fn renew(&self, lease: Lease) {
        self.tables().set_lease(lease);
    }

    /// From now on tags are proven with these.
    pub fn set_keys(&self, keys: Keys) {
        self.tables().set_keys(keys);
    }

    /// From now on these nodes are known, and no others.
    pub fn know(&self, known: &BTreeSet<PeerKey>) {
        self.tables().know(known);
    }

    fn tables(&self) -> MutexGuard<'_, UserTables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
