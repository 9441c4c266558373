//! What others send: whose frame it is, which machine it concerns, and what else it tells of its sender.

use arpeggio_common::{abi::SightingKind, model::NodeId, wire::Mac};

use super::{
    super::{
        Answer, Cause, Effect, Happened, Observation, Origin, Place, Report, To, audit::Audit, exclusive, peers::Peer,
    },
    Event, Machine, Succession, index,
};

/// A node that was not heard for so long is not taken for a member before it is heard again, in nanoseconds.
const PEER_FRESH_NS: u64 = 5_000_000_000;
/// That another machine has the name of this node is told this often.
const SAME_NAME_NS: u64 = 10_000_000_000;
/// Between two looks at the other nodes.
const LOOK_NS: u64 = 500_000_000;
/// Answers to the question who is alive are looked for so long.
const ALIVE_NS: u64 = 200_000_000;
/// So many are asked at once.
const ALIVE: usize = 3;
/// Candidates that an audit asks by unicast, besides everybody.
const AUDITED: usize = 4;

impl Succession {
    /// Whose frame it is for an address: a candidate's, a stranger's, or nobody's that matters.
    fn whose(&mut self, place: Place, voice: Origin) -> Option<Origin> {
        let stranger = Origin { node: None, ..voice };
        if self.orders.own_macs.values().any(|own| *own == voice.mac) {
            return None;
        }
        let Some(node) = voice.node else { return (!self.is_proxy(place, stranger)).then_some(stranger) };
        if node == self.me {
            self.twin(place, voice);
            return Some(stranger);
        }
        let entry = self.entries.get(&place)?;
        // Who was a candidate may be about to hand over.
        let before = entry.former.as_deref().unwrap_or_default();
        let known = entry.order.candidates.contains(&node) || before.contains(&node) || self.orders.authenticated;
        Some(if known { voice } else { stranger })
    }

    /// Another machine speaks in the name of this node.
    fn twin(&mut self, place: Place, other: Origin) {
        let told_ns = self.twins_ns.entry(place.0).or_default();
        if *told_ns != 0 && self.now_ns.saturating_sub(*told_ns) < SAME_NAME_NS {
            return;
        }
        *told_ns = self.now_ns;
        let (happened, cause, at_ns) = (Happened::SameName, Cause::Twin, self.now_ns);
        let report = Report { place, at_ns, happened, cause, other: Some(other), gap_ns: None, buckets: 0 };
        self.effects.push(Effect::Report(report));
    }

    /// Somebody was seen with an address. That proves nothing: frames can be forged, and sent again.
    pub(super) fn seen(&mut self, place: Place, seen: Observation) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let told_ns = &mut entry.told_ns[usize::from(seen.kind == SightingKind::Claim)];
        if seen.at_ns <= *told_ns {
            return;
        }
        *told_ns = seen.at_ns;
        let Some(voice) = self.whose(place, seen.voice) else { return };
        self.step_machine(place, Event::Exclusive(exclusive::Event::Observation(Observation { voice, ..seen })));
    }

    /// Somebody answered a question of ours for an address.
    pub(super) fn answered(&mut self, place: Place, answer: Answer) {
        let Answer { voice, asked_ns, generation } = answer;
        self.floods.answered((place.0, voice.mac), &answer);
        self.lives((place.0, voice.mac), Some(place), asked_ns);
        let Some(entry) = self.entries.get_mut(&place) else { return };
        // Two may answer the same question.
        let told = (asked_ns, Some(voice.mac));
        if told == entry.answer || asked_ns < entry.answer.0 {
            return;
        }
        entry.answer = told;
        let Some(voice) = self.whose(place, voice) else { return };
        let Some(Machine::Exclusive(machine)) = self.entries.get(&place).map(|entry| &entry.machine) else { return };
        let Some(node) = voice.node else {
            // The tag of somebody who is no candidate.
            let seen = Observation { voice, kind: SightingKind::Reply, at_ns: asked_ns, generation };
            return self.step_machine(place, Event::Exclusive(exclusive::Event::Observation(seen)));
        };
        let owns = self.audits.get(&place.0).is_some_and(|audit| audit.owns(place));
        let contested = owns && asked_ns > machine.since_ns();
        let answer = Answer { voice, ..answer };
        self.step_machine(place, Event::Exclusive(exclusive::Event::Answered(answer)));
        if contested && let Some(audit) = self.audits.get_mut(&place.0) {
            // It may own more of what this node owns.
            audit.suspect(node, voice.mac, self.now_ns);
        }
    }

    /// What is known of a node. Whoever shares an address with it has to watch it, and if it was away it may own what this node does.
    pub(super) fn met(&mut self, (ifindex, node): (u32, NodeId), mac: Mac, (at_ns, answered_ns): (u64, u64)) {
        let fresh = at_ns > 0 && self.now_ns.saturating_sub(at_ns) < PEER_FRESH_NS;
        let before = self.peers.get((ifindex, node)).copied();
        let heard_ns = if fresh { at_ns } else { before.map_or(0, |before| before.heard_ns) };
        self.peers.insert((ifindex, node), Peer { mac, heard_ns, answered_ns });
        if before.is_none() {
            let nodes = self.peers.on(ifindex).count();
            self.audits.entry(ifindex).or_default().set_nodes(nodes);
        }
        let absence_ns = self.audits.get(&ifindex).map_or(u64::MAX, Audit::absence_ns);
        let before_ns = before.map_or(0, |before| before.answered_ns);
        if answered_ns.saturating_sub(before_ns) > absence_ns
            && self.now_ns.saturating_sub(answered_ns) < absence_ns
            && let Some(audit) = self.audits.get_mut(&ifindex)
        {
            audit.suspect(node, mac, self.now_ns);
        }
        let watch = self.watches.get(&(ifindex, mac));
        let known = before.filter(|before| before.heard_ns > 0).is_some_and(|before| {
            before.mac == mac && watch.is_none_or(|watch| watch.may_return(before.heard_ns) || !watch.may_return(at_ns))
        });
        if known || !fresh {
            return;
        }
        let places: Vec<_> = self.shared.iter().filter(|place| place.0 == ifindex).copied().collect();
        places.into_iter().for_each(|place| self.sync(place));
    }

    /// Nobody knows whether this interface hears: the gateway or a witness is made to send something, and other nodes are asked
    /// whether they are alive.
    pub(super) fn doubt(&mut self, place: Place) {
        self.effects.push(Effect::Witness(place.0));
        self.doubts.insert(place.0, place);
    }

    /// Asks other nodes, a few at a time. Not where addresses are shared: there an answer means that a node takes its part, and all
    /// watch each other anyway.
    pub(super) fn ask_for_life(&mut self) {
        for (ifindex, place) in std::mem::take(&mut self.doubts) {
            if index::interfaces(&self.shared).any(|shared| shared == ifindex) {
                continue;
            }
            let silent = |mac: &Mac| self.watches.get(&(ifindex, *mac)).is_some_and(|watch| watch.is_doubtful());
            let macs: Vec<_> = self.peers.on(ifindex).map(|(_, peer)| peer.mac).filter(|mac| !silent(mac)).collect();
            let from = self.asked_alive.checked_rem(macs.len()).unwrap_or_default();
            let some = macs.iter().cycle().skip(from).take(macs.len().min(ALIVE));
            self.asked_alive = self.asked_alive.wrapping_add(ALIVE);
            self.effects.extend(some.map(|mac| Effect::Ask(place, To::Alive(*mac))));
            self.alive_ns.insert(ifindex, self.now_ns);
        }
    }

    /// The interfaces whose nodes have to be looked at: now and then, and when somebody was asked whether it is alive.
    pub(super) fn looked_at(&self) -> impl Iterator<Item = u32> {
        let asked = self.alive_ns.iter().filter(|(_, at_ns)| self.now_ns.saturating_sub(**at_ns) < ALIVE_NS);
        let all = self.interfaces.iter().filter(|_| self.looks);
        asked.map(|(ifindex, _)| *ifindex).chain(all.copied())
    }

    /// Whether it is time for that.
    pub(super) fn look_around(&mut self) {
        self.looks = self.now_ns >= self.look_ns && !self.interfaces.is_empty();
        if self.looks {
            self.look_ns = self.now_ns + LOOK_NS;
        }
    }

    /// Asks for one address after the other, and for all that a rival may have.
    pub(super) fn audit(&mut self) {
        for (ifindex, audit) in &mut self.audits {
            if let Some((rival, mac)) = audit.next_rival(self.now_ns) {
                let entries = &self.entries;
                let may =
                    |place: &Place| entries.get(place).is_some_and(|entry| entry.order.candidates.contains(&rival));
                let places = audit.owned().filter(may).collect();
                audit.rush(mac, places, self.now_ns);
            }
            let questions = audit.step(self.now_ns);
            let from = audit.rounds().wrapping_mul(AUDITED);
            for (place, to) in questions {
                self.effects.push(Effect::Ask(place, to));
                let Some(entry) = self.entries.get(&place).filter(|_| to == To::All) else { continue };
                // Probes do not arrive everywhere.
                let macs = self.peers.some(*ifindex, &entry.order.candidates, (from, AUDITED));
                let ports = if audit.asks_ports() { self.peers.beside(*ifindex) } else { &[] };
                let macs = macs.into_iter().chain(ports.iter().copied());
                self.effects.extend(macs.map(|mac| Effect::Ask(place, To::One(mac))));
            }
        }
    }
}
