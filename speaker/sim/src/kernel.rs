//! What the BPF program of a node does with a frame, as the contract of its maps says: it goes on while the agent sleeps,
//! until the lease is over.

use std::collections::{BTreeMap, VecDeque};

use arpeggio_common::{
    abi::{Action, Flags, SightingKind},
    model::NodeId,
    wire::Mac,
};
use arpeggio_succession::{Answer, Observation, Origin, Role};

use crate::frame::{Address, Frame, Key, Says};

/// A claim of the same sort as the last one is an event again after this long.
const CLAIM_EVENT_NS: u64 = 10_000_000;

/// Strangers' claims of an address are an event again after this long, whoever they are.
const STRANGER_EVENT_NS: u64 = 100_000_000;

/// An answer of a rival, and a frame of the node itself from another MAC, is an event again after this long.
const REPLY_EVENT_NS: u64 = 1_000_000_000;

/// A speaker as its frames show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its MAC; `None` before it was heard.
    pub(crate) mac: Option<Mac>,
    /// When it was heard last.
    pub(crate) at_ns: u64,
    /// When the last question was sent that it answered; 0 if it never did.
    pub(crate) answered_ns: u64,
}

/// The maps.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    me: Origin,
    key: Option<Key>,
    /// Monotonic nanoseconds until which answering is allowed.
    pub(crate) lease_until_ns: u64,
    /// What to do, by address.
    pub(crate) entries: Vec<Option<Role>>,
    /// Of the order of each address.
    pub(crate) generations: Vec<u64>,
    /// Who was seen with an address last.
    pub(crate) sightings: Vec<Option<Observation>>,
    /// Who answered a question of ours for it last.
    pub(crate) answers: Vec<Option<Answer>>,
    /// Which speakers were heard. The agent puts the candidates in; nobody else does.
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// What the agent should hear of at once.
    pub(crate) events: VecDeque<(Address, Observation)>,
    /// Which MACs spoke in the name of this node, and when, for the agent.
    pub(crate) ourselves: VecDeque<(Mac, u64)>,
    /// Which one did last, and when that was an event.
    ourselves_told: Option<(Mac, u64)>,
    /// When a stranger's claim was an event last, by address.
    strangers_ns: Vec<u64>,
    /// Frames that the interface received.
    pub(crate) received: u64,
}

impl Kernel {
    /// A node that has just started.
    pub(crate) fn new(me: Origin, key: Option<Key>, addresses: usize) -> Self {
        Self {
            me,
            key,
            lease_until_ns: 0,
            entries: vec![None; addresses],
            generations: vec![0; addresses],
            sightings: vec![None; addresses],
            answers: vec![None; addresses],
            peers: BTreeMap::new(),
            events: VecDeque::new(),
            ourselves: VecDeque::new(),
            ourselves_told: None,
            strangers_ns: vec![0; addresses],
            received: 0,
        }
    }

    /// The shares of clients that are answered now.
    pub(crate) fn answers(&self, address: Address, now_ns: u64) -> u64 {
        match self.entries[address] {
            Some(role) if now_ns < self.lease_until_ns && role.action == Action::Answer => role.buckets,
            _ => 0,
        }
    }

    /// Whether a speaker was heard since this machine started.
    pub(crate) fn has_heard(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.at_ns > 0)
    }

    /// Whether it is a speaker that answered a client, which it does without a tag: that is no news.
    pub(crate) fn is_peers(&self, voice: Origin) -> bool {
        voice.node.is_none() && self.peers.values().any(|peer| peer.mac == Some(voice.mac))
    }

    /// A frame arrives; the answer, if there is one.
    pub(crate) fn hear(&mut self, frame: &Frame, now_ns: u64) -> Option<Frame> {
        self.received += 1;
        let address = frame.says.address()?;
        let role = self.entries[address]?;
        if now_ns >= self.lease_until_ns || frame.from.mac == self.me.mac {
            return None;
        }
        let answers = role.action == Action::Answer;
        if frame.from.node.is_some() && frame.from.node == self.me.node {
            self.hear_ourselves(frame.from.mac, now_ns);
            // Answered like anybody, so that a machine of the same name learns who has the address.
            let asks = matches!(frame.says, Says::Ask(..) | Says::Alive(..));
            return (asks && answers && role.buckets & 1 == 1).then(|| self.speak(frame, Says::Reply(address)));
        }
        let node = self.accepts(frame);
        let fresh = |nonce: u64| (nonce <= now_ns).then_some(nonce);
        let nonce = if let Says::Answer(_, nonce) | Says::Living(_, nonce) = frame.says { Some(nonce) } else { None };
        let answered_ns = nonce.and_then(fresh);
        if let Some(peer) = node.and_then(|node| self.peers.get_mut(&node)) {
            let answered_ns = answered_ns.unwrap_or_default().max(peer.answered_ns);
            *peer = Peer { mac: Some(frame.from.mac), at_ns: now_ns, answered_ns };
        }
        let voice = Origin { mac: frame.from.mac, node };
        match frame.says {
            Says::Ask(_, nonce) if node.is_some() => {
                let told = answers && !role.flags.contains(Flags::EVACUATING);
                told.then(|| self.speak(frame, Says::Answer(address, nonce)))
            }
            Says::Alive(_, nonce) if node.is_some() => Some(self.speak(frame, Says::Living(address, nonce))),
            // Whoever is no speaker is a client.
            Says::Ask(..) | Says::Alive(..) => {
                (answers && role.buckets & 1 == 1).then(|| self.speak(frame, Says::Reply(address)))
            }
            Says::Request(_, bucket) if answers && role.buckets >> bucket & 1 == 1 => {
                Some(self.speak(frame, Says::Reply(address)))
            }
            Says::Answer(..) => {
                if let (Some(asked_ns), Some(_)) = (answered_ns, node) {
                    let answer = Answer { voice, asked_ns, generation: frame.generation };
                    let newest = self.answers[address].is_none_or(|before| before.asked_ns <= asked_ns);
                    if newest {
                        self.answers[address] = Some(answer);
                    }
                }
                self.sight(address, (voice, SightingKind::Heartbeat), frame.generation, now_ns)
            }
            Says::Reply(_) => self.sight(address, (voice, SightingKind::Reply), 0, now_ns),
            Says::Claim(..) => self.sight(address, (voice, SightingKind::Claim), frame.generation, now_ns),
            Says::Request(..) | Says::Living(..) | Says::Witness | Says::Noise => None,
        }
    }

    /// The node itself spoke with another MAC, or a machine of its name did.
    fn hear_ourselves(&mut self, mac: Mac, now_ns: u64) {
        let told = self.ourselves_told.is_some_and(|(before, told_ns)| {
            let pause_ns = if before == mac { REPLY_EVENT_NS } else { CLAIM_EVENT_NS };
            now_ns.saturating_sub(told_ns) < pause_ns
        });
        if !told {
            self.ourselves_told = Some((mac, now_ns));
            self.ourselves.push_back((mac, now_ns));
        }
    }

    /// The node whose frame it is, as far as that is believed: with a key, whoever proves it; without, the candidates.
    fn accepts(&self, frame: &Frame) -> Option<NodeId> {
        let node = frame.from.node?;
        match self.key {
            Some(key) => key.proves(frame, self.me.node).then_some(node),
            None => self.peers.contains_key(&node).then_some(node),
        }
    }

    fn speak(&self, question: &Frame, says: Says) -> Frame {
        let generation = says.address().map_or(0, |address| self.generations[address]);
        let frame = Frame { from: self.me, to: Some(question.from.mac), says, generation, proof: 0 };
        if let Says::Reply(_) = says {
            // As everybody answers.
            return Frame { from: Origin { node: None, ..self.me }, generation: 0, ..frame };
        }
        Key::seal(self.key, frame, question.from.node)
    }

    fn sight(
        &mut self,
        address: Address,
        (voice, kind): (Origin, SightingKind),
        generation: u64,
        at_ns: u64,
    ) -> Option<Frame> {
        let seen = Observation { voice, kind, at_ns, generation };
        let before = self.sightings[address].replace(seen);
        let answers = self.entries[address].is_some_and(|role| role.action == Action::Answer);
        let fresh = |since_ns| {
            before.is_none_or(|before| {
                (before.voice, before.kind) != (voice, kind) || at_ns.saturating_sub(before.at_ns) >= since_ns
            })
        };
        let mut tell = match kind {
            SightingKind::Claim => fresh(CLAIM_EVENT_NS),
            SightingKind::Reply | SightingKind::Use => answers && fresh(REPLY_EVENT_NS),
            SightingKind::Heartbeat => false,
        };
        if voice.node.is_none() && tell {
            let told_ns = &mut self.strangers_ns[address];
            tell = *told_ns == 0 || at_ns.saturating_sub(*told_ns) >= STRANGER_EVENT_NS;
            *told_ns = if tell { at_ns } else { *told_ns };
        }
        if tell {
            self.events.push_back((address, seen));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn voice(number: u8) -> Origin {
        Origin { mac: Mac([2, 0, 0, 0, 0, number]), node: NodeId::from_number(u64::from(number)) }
    }

    fn kernel(role: Role) -> Kernel {
        let peers = voice(2).node.map(|node| (node, Peer::default())).into_iter().collect();
        Kernel { lease_until_ns: 100 * MS, entries: vec![Some(role)], peers, ..Kernel::new(voice(1), None, 1) }
    }

    fn hears(kernel: &mut Kernel, says: Says, now_ns: u64) -> Option<Says> {
        let answer = kernel.hear(&Frame { from: voice(2), to: None, says, generation: 3, proof: 0 }, now_ns)?;
        assert_eq!((answer.from.mac, answer.to), (voice(1).mac, Some(voice(2).mac)));
        Some(answer.says)
    }

    #[test]
    fn who_is_answered() {
        let (ask, request) = (Says::Ask(0, 1), Says::Request(0, 3));
        let (answer, reply) = (Some(Says::Answer(0, 1)), Some(Says::Reply(0)));
        for (role, asked, requested) in [
            (Role::OWNER, answer, reply),
            (Role::LEAVING, None, reply),
            (Role { buckets: 1 << 3, ..Role::OWNER }, answer, reply),
            (Role { buckets: 1 << 4, ..Role::OWNER }, answer, None),
            (Role::SILENT, None, None),
        ] {
            let mut kernel = kernel(role);
            assert_eq!((hears(&mut kernel, ask, 1), hears(&mut kernel, request, 1)), (asked, requested), "{role:?}");
            assert_eq!((hears(&mut kernel, ask, 100 * MS), hears(&mut kernel, request, 100 * MS)), (None, None));
            assert_eq!(kernel.received, 4, "counted, lease or not");
        }
    }

    #[test]
    fn claims_are_events_unless_they_are_one_burst() {
        let mut kernel = kernel(Role::SILENT);
        for now_ns in [1, 2, 3, 11 * MS] {
            hears(&mut kernel, Says::Claim(0, 1), now_ns);
        }
        let told: Vec<u64> = kernel.events.iter().map(|(_, seen)| seen.at_ns).collect();
        assert_eq!(told, [1, 11 * MS]);
        assert_eq!(kernel.sightings[0].map(|seen| seen.at_ns), Some(11 * MS));
    }

    #[test]
    fn the_last_answer_is_kept_apart_from_what_was_seen() {
        let mut kernel = kernel(Role::OWNER);
        hears(&mut kernel, Says::Answer(0, 5), 7);
        let answer = Answer { voice: voice(2), asked_ns: 5, generation: 3 };
        assert_eq!((kernel.answers[0], kernel.events.len()), (Some(answer), 0));
        let heard = voice(2).node.and_then(|node| kernel.peers.get(&node).copied());
        assert_eq!(heard, Some(Peer { mac: Some(voice(2).mac), at_ns: 7, answered_ns: 5 }));
        for says in [Says::Claim(0, 1), Says::Answer(0, 4), Says::Answer(0, 99)] {
            hears(&mut kernel, says, 20);
        }
        assert_eq!(kernel.answers[0], Some(answer), "claims, replays and answers to what was not asked are none");
        hears(&mut kernel, Says::Living(0, 19), 20);
        let answered_ns = voice(2).node.and_then(|node| kernel.peers.get(&node)).map(|peer| peer.answered_ns);
        assert_eq!((answered_ns, kernel.answers[0]), (Some(19), Some(answer)), "alive, and not its owner");
        hears(&mut kernel, Says::Answer(0, 30), 100 * MS);
        assert_eq!(kernel.answers[0], Some(answer), "not after the lease");
    }

    #[test]
    fn whoever_runs_says_so() {
        let mut kernel = kernel(Role::SILENT);
        assert_eq!(hears(&mut kernel, Says::Alive(0, 4), 5), Some(Says::Living(0, 4)));
        assert_eq!(hears(&mut kernel, Says::Alive(0, 4), 100 * MS), None);
    }

    #[test]
    fn unknown_tags_are_those_of_strangers_and_leave_nothing_behind() {
        let mut kernel = kernel(Role::OWNER);
        let says = |says| Frame { from: voice(3), to: None, says, generation: 9, proof: 0 };
        assert_eq!(kernel.hear(&says(Says::Answer(0, 1)), 2), None);
        let seen = Origin { node: None, ..voice(3) };
        assert_eq!((kernel.answers[0], kernel.sightings[0].map(|seen| seen.voice)), (None, Some(seen)));
        assert_eq!(kernel.peers.len(), 1);
    }

    #[test]
    fn with_a_key_only_proofs_count() {
        let key = Key::new(5);
        let mut kernel = Kernel { key: Some(key), ..kernel(Role::OWNER) };
        let ask = Frame { from: voice(2), to: None, says: Says::Ask(0, 4), generation: 1, proof: 0 };
        assert_eq!(kernel.hear(&ask, 5).map(|answer| answer.says), Some(Says::Reply(0)), "like any client");
        let sealed = Key::seal(Some(key), ask, None);
        assert_eq!(kernel.hear(&sealed, 5).map(|answer| answer.says), Some(Says::Answer(0, 4)));
        for forged in [
            Frame { generation: 2, ..sealed },
            Frame { says: Says::Ask(0, 5), ..sealed },
            Frame { says: Says::Claim(0, 4), ..sealed },
            Frame { from: voice(3), ..sealed },
        ] {
            assert_ne!(kernel.hear(&forged, 5).map(|answer| answer.says), Some(Says::Answer(0, 4)));
        }
    }
}
