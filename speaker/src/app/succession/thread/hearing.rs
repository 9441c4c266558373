//! What the thread hears and looks up, as inputs of the machines.

use std::{collections::BTreeSet, net::Ipv6Addr};

use arpeggio_common::{
    abi::{Event, EventKind, SightingKind},
    wire::Mac,
};
use arpeggio_succession::{Input, Observation, Origin, Question};

use super::Driver;
use crate::{
    app::succession::{SuccessionEvent, tables::inputs},
    dataplane::Place,
    status::PeerFacts,
};

/// Events that are taken before the next step.
const EVENTS_AT_ONCE: usize = 1024;

impl Driver {
    /// Takes the events: each says where somebody spoke, the sightings say who.
    pub(super) fn hear(&mut self, now_ns: u64) {
        let mut events = std::mem::take(&mut self.heard);
        if let Some(queue) = &mut self.events {
            events.extend(std::iter::from_fn(|| queue.next_event()).take(EVENTS_AT_ONCE));
        }
        let (own, others): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| event.kind() == Some(EventKind::OwnIdentity));
        for event in own {
            self.hear_own_name(&event, now_ns);
        }
        let place = |event: &Event| (event.key().ifindex(), Ipv6Addr::from(event.key().address()).to_canonical());
        for place in others.iter().map(place).collect::<BTreeSet<_>>() {
            self.look_at(place, now_ns);
        }
    }

    /// This node's name in a frame from another MAC: another interface of this machine on the same segment, or a machine of the
    /// same name. The latter concerns every address; one machine is told for all.
    fn hear_own_name(&mut self, event: &Event, now_ns: u64) {
        let (ifindex, mac) = (event.key().ifindex(), Mac(event.mac()));
        let Some(orders) = self.situation.as_ref().map(|situation| &situation.orders) else { return };
        if orders.own_macs.values().any(|own| *own == mac) {
            self.say(SuccessionEvent::Ourselves(ifindex, mac));
        } else if let Some(place) = orders.places.keys().find(|place| place.0 == ifindex) {
            let (voice, kind) = (Origin { mac, node: Some(self.me) }, SightingKind::Claim);
            let seen = Observation { voice, kind, at_ns: event.at_ns(), generation: 0 };
            self.succession.input(Input::Observation(*place, seen), now_ns);
        }
    }

    /// Tells the machines who was seen with an address.
    fn look_at(&mut self, place: Place, now_ns: u64) {
        match self.tables.sighted(&place) {
            Ok(sighted) => {
                if sighted.stranger.is_some() {
                    self.look_at_peers(now_ns);
                }
                let peers = &self.peers;
                let is_peer = |mac| peers.iter().any(|peer| peer.ifindex == place.0 && peer.mac == mac);
                for input in inputs(place, &sighted, is_peer) {
                    self.succession.input(input, now_ns);
                }
            }
            Err(error) => {
                self.succession.input(Input::Unread(Question::Sighting(place)), now_ns);
                self.outlet.trouble(0, "sightings", now_ns, || error);
            }
        }
    }

    /// Looks up what the machines ask.
    pub(super) fn look_up(&mut self, now_ns: u64) {
        for question in self.succession.questions() {
            match question {
                Question::Sighting(place) => self.look_at(place, now_ns),
                Question::Peers(ifindex) => self.look_up_peers(ifindex, now_ns),
                Question::Received(ifindex) => {
                    if let Some(frames) = self.counters.received(ifindex) {
                        self.succession.input(Input::Received(ifindex, frames), now_ns);
                    }
                }
            }
        }
    }

    fn look_up_peers(&mut self, ifindex: u32, now_ns: u64) {
        if !self.look_at_peers(now_ns) {
            return self.succession.input(Input::Unread(Question::Peers(ifindex)), now_ns);
        }
        for peer in self.peers.iter().filter(|peer| peer.ifindex == ifindex) {
            let PeerFacts { node, ifindex, mac, last_ns: at_ns, answered_ns, .. } = *peer;
            self.succession.input(Input::Peer { ifindex, node, mac, at_ns, answered_ns }, now_ns);
        }
    }

    /// Takes one look at the other speakers for the whole turn, when somebody wants it. What was known stays known when that
    /// fails.
    fn look_at_peers(&mut self, now_ns: u64) -> bool {
        if let Some(read) = self.looked {
            return read;
        }
        let read = match self.tables.peers() {
            Ok(peers) => {
                self.peers = peers;
                true
            }
            Err(error) => {
                self.outlet.trouble(0, "peers", now_ns, || error);
                false
            }
        };
        self.looked = Some(read);
        read
    }
}
