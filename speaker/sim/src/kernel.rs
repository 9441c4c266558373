//! What the BPF program of a node does with a frame, as the contract of its maps says: it goes on while the agent sleeps,
//! until the lease is over.

use std::collections::{BTreeMap, VecDeque};

use arpeggio_common::{
    abi::{Action, Flags, SightingKind},
    model::NodeId,
    wire::Mac,
};
use arpeggio_speaker::succession::{Role, Seen, Voice};

/// A claim of the same sort as the last one is an event again after this long.
const CLAIM_EVENT_NS: u64 = 10_000_000;

/// An answer of a rival is an event again after this long.
const REPLY_EVENT_NS: u64 = 1_000_000_000;

/// An address, by its number.
pub(crate) type Address = usize;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// A speaker asks: a heartbeat when it goes to one, a probe when it goes to all.
    Ask(Address),
    /// A client of this share asks.
    Request(Address, u32),
    /// The answer to a speaker.
    Answer(Address),
    /// The answer to a client, by somebody.
    Reply(Address),
    /// A gratuitous frame.
    Claim(Address),
    /// Who is the gateway?
    Witness,
    /// Anything else.
    Noise,
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its sender, with the tag.
    pub(crate) from: Voice,
    /// Its receiver; `None` for all.
    pub(crate) to: Option<Mac>,
    /// What it says.
    pub(crate) says: Says,
}

/// A speaker as its frames show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its MAC.
    pub(crate) mac: Mac,
    /// When it was heard last.
    pub(crate) at_ns: u64,
    /// When it answered a question of ours last; 0 if it never did.
    pub(crate) answered_ns: u64,
}

/// The maps.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    me: Voice,
    /// Monotonic nanoseconds until which answering is allowed.
    pub(crate) lease_until_ns: u64,
    /// What to do, by address.
    pub(crate) entries: Vec<Option<Role>>,
    /// Who was seen with an address last.
    pub(crate) sightings: Vec<Option<Seen>>,
    /// Which speakers were heard.
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// What the agent should hear of at once.
    pub(crate) events: VecDeque<(Address, Seen)>,
    /// Frames that the interface received.
    pub(crate) received: u64,
}

impl Kernel {
    /// A node that has just started.
    pub(crate) fn new(me: Voice, addresses: usize) -> Self {
        Self {
            me,
            lease_until_ns: 0,
            entries: vec![None; addresses],
            sightings: vec![None; addresses],
            peers: BTreeMap::new(),
            events: VecDeque::new(),
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

    /// A frame arrives; the answer, if there is one.
    pub(crate) fn hear(&mut self, frame: &Frame, now_ns: u64) -> Option<Frame> {
        self.received += 1;
        let (Says::Ask(address)
        | Says::Request(address, _)
        | Says::Answer(address)
        | Says::Reply(address)
        | Says::Claim(address)) = frame.says
        else {
            return None;
        };
        let role = self.entries[address]?;
        if now_ns >= self.lease_until_ns {
            return None;
        }
        if let Some(node) = frame.from.node
            && frame.from.node != self.me.node
        {
            let before_ns = self.peers.get(&node).map_or(0, |peer| peer.answered_ns);
            let answered_ns = if matches!(frame.says, Says::Answer(_)) { now_ns } else { before_ns };
            self.peers.insert(node, Peer { mac: frame.from.mac, at_ns: now_ns, answered_ns });
        }
        let answers = role.action == Action::Answer;
        match frame.says {
            Says::Ask(_) if answers && !role.flags.contains(Flags::EVACUATING) => {
                Some(self.speak(frame, Says::Answer(address)))
            }
            Says::Request(_, bucket) if answers && role.buckets >> bucket & 1 == 1 => {
                Some(self.speak(frame, Says::Reply(address)))
            }
            Says::Answer(_) => self.sight(address, frame.from, SightingKind::Heartbeat, now_ns),
            Says::Reply(_) => self.sight(address, frame.from, SightingKind::Reply, now_ns),
            Says::Claim(_) => self.sight(address, frame.from, SightingKind::Claim, now_ns),
            Says::Ask(_) | Says::Request(..) | Says::Witness | Says::Noise => None,
        }
    }

    fn speak(&self, question: &Frame, says: Says) -> Frame {
        Frame { from: self.me, to: Some(question.from.mac), says }
    }

    fn sight(&mut self, address: Address, voice: Voice, kind: SightingKind, at_ns: u64) -> Option<Frame> {
        if voice.mac == self.me.mac {
            return None;
        }
        let seen = Seen { voice, kind, at_ns };
        let before = self.sightings[address].replace(seen);
        let answers = self.entries[address].is_some_and(|role| role.action == Action::Answer);
        let fresh = |since_ns| {
            before.is_none_or(|before| {
                (before.voice, before.kind) != (voice, kind) || at_ns.saturating_sub(before.at_ns) >= since_ns
            })
        };
        let tell = match kind {
            SightingKind::Claim => fresh(CLAIM_EVENT_NS),
            SightingKind::Reply => answers && fresh(REPLY_EVENT_NS),
            SightingKind::Heartbeat => false,
        };
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

    fn voice(number: u8) -> Voice {
        Voice { mac: Mac([2, 0, 0, 0, 0, number]), node: NodeId::from_number(u64::from(number)) }
    }

    fn kernel(role: Role) -> Kernel {
        Kernel { lease_until_ns: 100 * MS, entries: vec![Some(role)], ..Kernel::new(voice(1), 1) }
    }

    fn hears(kernel: &mut Kernel, says: Says, now_ns: u64) -> Option<Says> {
        let answer = kernel.hear(&Frame { from: voice(2), to: None, says }, now_ns)?;
        assert_eq!((answer.from, answer.to), (voice(1), Some(voice(2).mac)));
        Some(answer.says)
    }

    #[test]
    fn who_is_answered() {
        let (ask, request) = (Says::Ask(0), Says::Request(0, 3));
        for (role, asked, requested) in [
            (Role::OWNER, Some(Says::Answer(0)), Some(Says::Reply(0))),
            (Role::LEAVING, None, Some(Says::Reply(0))),
            (Role { buckets: 1 << 3, ..Role::OWNER }, Some(Says::Answer(0)), Some(Says::Reply(0))),
            (Role { buckets: 1 << 4, ..Role::OWNER }, Some(Says::Answer(0)), None),
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
            hears(&mut kernel, Says::Claim(0), now_ns);
        }
        let told: Vec<u64> = kernel.events.iter().map(|(_, seen)| seen.at_ns).collect();
        assert_eq!(told, [1, 11 * MS]);
        assert_eq!(kernel.sightings[0].map(|seen| seen.at_ns), Some(11 * MS));
    }

    #[test]
    fn answers_are_recorded_with_their_sender_and_are_no_events() {
        let mut kernel = kernel(Role::OWNER);
        hears(&mut kernel, Says::Answer(0), 7);
        let seen = Seen { voice: voice(2), kind: SightingKind::Heartbeat, at_ns: 7 };
        assert_eq!((kernel.sightings[0], kernel.events.len()), (Some(seen), 0));
        let heard = voice(2).node.and_then(|node| kernel.peers.get(&node).copied());
        assert_eq!(heard, Some(Peer { mac: voice(2).mac, at_ns: 7, answered_ns: 7 }));
        hears(&mut kernel, Says::Answer(0), 100 * MS);
        assert_eq!(kernel.sightings[0], Some(seen), "not after the lease");
    }
}
