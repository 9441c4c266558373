//! The tables of both sides as one: the maps of the kernel program and the tables of the raw sockets.

use std::{collections::BTreeMap, net::IpAddr};

use arpeggio_common::{
    abi::{Client, Lease, NodeId, Peer, Sighting},
    program::with_causes,
    wire::Mac,
};

use crate::{
    dataplane::{Live, Place, Roles},
    frames::ResponderLive,
    status::PeerFacts,
    succession::{Role, Seen, Voice},
};

/// Where entries are, and where is remembered who was seen.
pub(super) struct SharedTables {
    kernel: Option<Live>,
    user: Option<ResponderLive>,
    roles: Roles,
}

impl SharedTables {
    /// Of the kernel program, if there is one.
    pub(super) const fn new(kernel: Option<Live>, roles: Roles) -> Self {
        Self { kernel, user: None, roles }
    }

    /// The raw sockets were started, or ended.
    pub(super) fn follow(&mut self, user: Option<ResponderLive>) {
        self.user = user;
    }

    /// The role in a place.
    pub(super) fn role(&self, place: &Place) -> Option<Role> {
        self.roles.get(place)
    }

    /// Turns the entry, wherever it is.
    ///
    /// # Errors
    /// The map cannot be written; the reason in a sentence. The role is noted all the same: it is written with the next round.
    pub(super) fn set(&mut self, place: Place, role: Role) -> Result<(), String> {
        let mut roles = self.roles.hold();
        roles.set(place, role);
        if let Some(user) = &self.user {
            user.set(&mut roles, place, role);
        }
        match &mut self.kernel {
            Some(kernel) => kernel.set(&mut roles, place, role).map(drop).map_err(|error| with_causes(&error)),
            None => Ok(()),
        }
    }

    /// Silences every place that has a role and is not in the orders any more; what was decided holds there from now on.
    pub(super) fn retain(&mut self, keep: impl Fn(&Place) -> bool) -> Result<(), String> {
        let gone: Vec<Place> = self.roles.hold().places().filter(|place| !keep(place)).collect();
        let mut outcome = Ok(());
        for place in gone {
            let set = self.set(place, Role::SILENT);
            self.roles.hold().forget(&place);
            outcome = outcome.and(set);
        }
        outcome
    }

    /// Who was seen with an address last, on either side.
    ///
    /// # Errors
    /// The map cannot be read; the reason in a sentence.
    pub(super) fn seen(&self, place: &Place) -> Result<Option<Seen>, String> {
        let kernel = match &self.kernel {
            Some(kernel) => kernel.maps().sighting(place).map_err(|error| with_causes(&error))?,
            None => None,
        };
        let user = self.user.as_ref().and_then(|user| user.sighting(place));
        let newest = kernel.into_iter().chain(user).max_by_key(Sighting::last_seen_ns);
        Ok(newest.as_ref().and_then(seen).map(|seen| Seen { voice: self.named(place.0, seen.voice), ..seen }))
    }

    /// The same voice with its node. Speakers answer clients without a tag, and this node's own kernel may be such a client:
    /// what it hears must not look like a stranger.
    pub(super) fn named(&self, ifindex: u32, voice: Voice) -> Voice {
        if voice.node.is_some() { voice } else { known(voice, ifindex, &self.peers().unwrap_or_default()) }
    }

    /// Everybody who asked for an address; takes microseconds for each: not for those who are in a hurry.
    ///
    /// # Errors
    /// The map cannot be read; the reason in a sentence.
    pub(super) fn clients(&self) -> Result<BTreeMap<(Place, IpAddr), Client>, String> {
        let mut clients = self.user.as_ref().map(ResponderLive::clients).unwrap_or_default();
        if let Some(kernel) = &self.kernel {
            clients.extend(kernel.maps().clients().map_err(|error| with_causes(&error))?);
        }
        Ok(clients)
    }

    /// The other speakers that were heard, on both sides.
    ///
    /// # Errors
    /// The map cannot be read; the reason in a sentence.
    pub(super) fn peers(&self) -> Result<Vec<PeerFacts>, String> {
        let mut peers = self.user.as_ref().map(ResponderLive::peers).unwrap_or_default();
        if let Some(kernel) = &self.kernel {
            peers.extend(kernel.maps().peers().map_err(|error| with_causes(&error))?);
        }
        let facts = |((ifindex, node), peer): ((u32, NodeId), Peer)| PeerFacts {
            node,
            ifindex,
            mac: Mac(peer.mac()),
            last_ns: peer.last_seen_ns(),
            answered_ns: peer.answered_ns(),
            frames: peer.count(),
        };
        Ok(peers.into_iter().map(facts).collect())
    }

    /// Until when answering is allowed, monotonic nanoseconds; 0 when it never was.
    pub(super) fn lease_until_ns(&self) -> u64 {
        self.kernel.as_ref().and_then(|kernel| kernel.maps().lease().ok()).map_or(0, |lease| lease.until_ns)
    }

    /// Allows answering.
    ///
    /// # Errors
    /// The map cannot be written; the reason in a sentence.
    pub(super) fn renew(&mut self, lease: Lease) -> Result<(), String> {
        if let Some(user) = &self.user {
            user.renew(lease);
        }
        match &mut self.kernel {
            Some(kernel) => kernel.renew(lease).map_err(|error| with_causes(&error)),
            None => Ok(()),
        }
    }
}

/// A voice without a node is that of the peer with its MAC, if there is one.
fn known(voice: Voice, ifindex: u32, peers: &[PeerFacts]) -> Voice {
    let peer = peers.iter().find(|peer| peer.ifindex == ifindex && peer.mac == voice.mac);
    Voice { node: voice.node.or_else(|| peer.map(|peer| peer.node)), ..voice }
}

fn seen(sighting: &Sighting) -> Option<Seen> {
    let voice = Voice { mac: Mac(sighting.mac()), node: sighting.node() };
    Some(Seen { voice, kind: sighting.kind()?, at_ns: sighting.last_seen_ns(), generation: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_that_answers_a_client_is_no_stranger() {
        let (theirs, strange) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let node = NodeId::from_number(7).unwrap();
        let peers = [PeerFacts { node, ifindex: 2, mac: theirs, last_ns: 1, answered_ns: 0, frames: 1 }];
        let name = |mac, node, ifindex| known(Voice { mac, node }, ifindex, &peers).node;
        assert_eq!(name(theirs, None, 2), Some(node));
        assert_eq!(name(theirs, None, 3), None, "on another segment it is somebody else");
        assert_eq!(name(strange, None, 2), None);
        let other = NodeId::from_number(8);
        assert_eq!(name(theirs, other, 2), other, "what a frame says itself counts");
    }
}
