//! The tables of both sides as one: the maps of the kernel program and the tables of the raw sockets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    abi::{Client, Keys, Lease, NodeId, Peer, PeerKey, Sighting},
    program::with_causes,
    wire::Mac,
};
use arpeggio_succession::{Answer, Input, Observation, Origin, Role};

use crate::{
    dataplane::{Live, Place, Roles, Sighted},
    frames::ResponderLive,
    status::PeerFacts,
};

/// A node that was known and is heard is known for so long after the last order that named it, in nanoseconds.
const REMEMBERED_NS: u64 = 600_000_000_000;

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

    /// Who was seen with an address last, and who answered for it last, on either side.
    ///
    /// # Errors
    /// The map cannot be read; the reason in a sentence.
    pub(super) fn sighted(&self, place: &Place) -> Result<Sighted, String> {
        let kernel = match &self.kernel {
            Some(kernel) => kernel.maps().sighted(place).map_err(|error| with_causes(&error))?,
            None => Sighted::default(),
        };
        Ok(self.user.as_ref().map_or(kernel, |user| kernel.or_newer(user.sighted(place))))
    }

    /// From now on tags are proven with these.
    ///
    /// # Errors
    /// The map cannot be written; the reason in a sentence.
    pub(super) fn set_keys(&mut self, keys: Keys) -> Result<(), String> {
        if let Some(user) = &self.user {
            user.set_keys(keys);
        }
        match &mut self.kernel {
            Some(kernel) => kernel.set_keys(keys).map_err(|error| with_causes(&error)),
            None => Ok(()),
        }
    }

    /// From now on these nodes are known, and those that were known and are still heard: one that is in no order any more may
    /// not have learned that yet. No others.
    ///
    /// # Errors
    /// The map cannot be read or written; the reason in a sentence.
    pub(super) fn know(&mut self, candidates: &BTreeSet<PeerKey>, now_ns: u64) -> Result<(), String> {
        let interfaces: BTreeSet<u32> = candidates.iter().map(PeerKey::ifindex).collect();
        let heard = self.peers()?.into_iter().filter(|peer| now_ns.saturating_sub(peer.last_ns) < REMEMBERED_NS);
        let heard = heard.filter(|peer| interfaces.contains(&peer.ifindex));
        let mut known: BTreeSet<PeerKey> = heard.map(|peer| PeerKey::new(peer.ifindex, peer.node)).collect();
        known.extend(candidates);
        known.extend(interfaces.into_iter().map(PeerKey::anybody));
        if let Some(user) = &self.user {
            user.know(&known);
        }
        match &mut self.kernel {
            Some(kernel) => kernel.know(&known).map_err(|error| with_causes(&error)),
            None => Ok(()),
        }
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

/// What the last sightings of an address tell. A stranger with the MAC of a speaker is a speaker that answered a client, which
/// it does without a tag, or its kernel: no news, and no proof of anything.
pub(super) fn inputs(place: Place, sighted: &Sighted, is_peer: impl Fn(Mac) -> bool) -> Vec<Input> {
    let stranger = sighted.stranger.filter(|sighting| !is_peer(Mac(sighting.mac())));
    let seen = [sighted.speaker, stranger]
        .into_iter()
        .flatten()
        .filter_map(|sighting| Some((voice(&sighting), sighting.kind()?, sighting)));
    let seen = seen.map(|(voice, kind, sighting)| {
        Input::Observation(
            place,
            Observation { voice, kind, at_ns: sighting.last_seen_ns(), generation: sighting.generation() },
        )
    });
    let answered = sighted.answer.iter().map(|sighting| {
        let asked_ns = sighting.last_seen_ns();
        Input::Answered(place, Answer { voice: voice(sighting), asked_ns, generation: sighting.generation() })
    });
    seen.chain(answered).collect()
}

const fn voice(sighting: &Sighting) -> Origin {
    Origin { mac: Mac(sighting.mac()), node: sighting.node() }
}

#[cfg(test)]
mod tests {
    use arpeggio_common::abi::SightingKind;

    use super::*;

    #[test]
    fn a_speaker_that_answers_a_client_is_no_stranger() {
        let (theirs, strange) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let place = (2, IpAddr::from([192, 0, 2, 10]));
        let seen =
            |mac| Sighted { stranger: Some(Sighting::new(mac, SightingKind::Reply, None, 7)), ..Sighted::default() };
        let is_peer = |mac| mac == Mac(theirs);
        assert_eq!(inputs(place, &seen(theirs), is_peer), []);
        let voice = Origin { mac: Mac(strange), node: None };
        let told = Observation { voice, kind: SightingKind::Reply, at_ns: 7, generation: 0 };
        assert_eq!(inputs(place, &seen(strange), is_peer), [Input::Observation(place, told)]);
    }

    #[test]
    fn every_sort_of_sighting_is_told() {
        let place = (2, IpAddr::from([192, 0, 2, 10]));
        let node = NodeId::from_number(7);
        let sighting = |kind, at_ns| Sighting::new([2, 0, 0, 0, 0, 1], kind, node, at_ns).with_generation(5);
        let sighted = Sighted {
            speaker: Some(sighting(SightingKind::Claim, 10)),
            stranger: Some(Sighting::new([4; 6], SightingKind::Use, None, 20)),
            answer: Some(sighting(SightingKind::Heartbeat, 8)),
        };
        let (voice, stranger) =
            (Origin { mac: Mac([2, 0, 0, 0, 0, 1]), node }, Origin { mac: Mac([4; 6]), node: None });
        let wanted = [
            Input::Observation(place, Observation { voice, kind: SightingKind::Claim, at_ns: 10, generation: 5 }),
            Input::Observation(
                place,
                Observation { voice: stranger, kind: SightingKind::Use, at_ns: 20, generation: 0 },
            ),
            Input::Answered(place, Answer { voice, asked_ns: 8, generation: 5 }),
        ];
        assert_eq!(inputs(place, &sighted, |_| true).len(), 2);
        assert_eq!(inputs(place, &sighted, |_| false), wanted);
    }
}
