//! A row of the table: what is in the maps, which frame comes, and everything that must be seen afterwards.

use std::collections::BTreeMap;

use arpeggio_common::{
    abi::{
        ALL_BUCKETS, Action, ClientKey, Event, EventKind, Key4, Key6, Keys, NodeId, Outcome, Peer, PeerKey, Sighting,
        SightingKey, SightingKind, Sort, Vip,
    },
    wire::Mac,
};

use crate::frames::{CLIENT, CLIENT4, CLIENT6, OURS, RIVAL, VIP4, VIP6, our_node, rival_node};

/// BPF_PROG_TEST_RUN lets frames arrive on the loopback device of the namespace.
pub(crate) const IFINDEX: u32 = 1;
/// Slot of the entry for [`VIP4`].
pub(crate) const SLOT4: u32 = 7;
/// Slot of the entry for [`VIP6`].
pub(crate) const SLOT6: u32 = 9;
/// Slots that are looked at: ours, their neighbours, and the first, where a wrong index would end up.
pub(crate) const SLOTS: [u32; 6] = [0, 6, 7, 8, 9, 10];

pub(crate) const KEY4: Key4 = Key4::new(IFINDEX, VIP4);
pub(crate) const KEY6: Key6 = Key6::new(IFINDEX, VIP6);

/// The entry that answers for everybody.
pub(crate) const fn entry(action: Action, slot: u32) -> Vip {
    Vip::new(OURS.0, action, slot, ALL_BUCKETS)
}

/// When the lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Not in this test.
    Never,
    /// The agent never renewed it.
    NotBegun,
    /// Nanoseconds from now, coarse monotonic time.
    In(i64),
}

/// What was sighted before the frame came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earlier {
    pub(crate) key: Key6,
    pub(crate) mac: Mac,
    pub(crate) node: Option<NodeId>,
    pub(crate) kind: SightingKind,
    /// Negative: another CPU stamped it later than this one reads the clock.
    pub(crate) age_ns: i64,
}

impl Earlier {
    /// Its line.
    pub(crate) fn line(&self) -> SightingKey {
        SightingKey::new(self.key, if self.node.is_some() { Sort::Speaker } else { Sort::Stranger })
    }

    /// The sighting, of which the agent was told at once.
    pub(crate) fn sighting(&self, now_ns: u64) -> Sighting {
        let at_ns = self.at_ns(now_ns);
        Sighting::new(self.mac.0, self.kind, self.node, at_ns).told(at_ns)
    }

    /// When it was, at the time `now_ns`.
    pub(crate) fn at_ns(&self, now_ns: u64) -> u64 {
        now_ns.checked_add_signed(-self.age_ns).unwrap()
    }
}

/// Which client the program wrote to the map last, and how long ago.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) slot: u32,
    pub(crate) client: [u8; 16],
    pub(crate) mac: Mac,
    pub(crate) age_ns: u64,
}

/// What is in the maps before the frame comes.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) vips4: Vec<(Key4, Vip)>,
    pub(crate) vips6: Vec<(Key6, Vip)>,
    pub(crate) lease: Lease,
    pub(crate) keys: Keys,
    /// The nodes that the agent knows.
    pub(crate) known: Vec<NodeId>,
    /// How long ago a speaker was heard, with the rival's MAC.
    pub(crate) heard_ago_ns: Option<u64>,
    pub(crate) earlier: Option<Earlier>,
    pub(crate) asked: Option<Asked>,
}

impl World {
    /// The lines of the nodes that the agent knows, and of anybody.
    pub(crate) fn peers(&self, now_ns: u64) -> Vec<(PeerKey, Peer)> {
        let nodes = self.known.iter().map(|node| (PeerKey::new(IFINDEX, *node), Peer::UNHEARD));
        // On a machine that began less than that ago: never, which means the same to the program.
        let heard = |ago_ns| Peer::new(RIVAL.0, now_ns.saturating_sub(ago_ns));
        let anybody = self.heard_ago_ns.map_or(Peer::UNHEARD, heard);
        nodes.chain([(PeerKey::anybody(IFINDEX), anybody)]).collect()
    }
}

/// What became of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Drop,
    Transmit,
}

/// Counters of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) replies: u64,
    pub(crate) suppressed: u64,
    pub(crate) heartbeats: u64,
    pub(crate) claims: u64,
}

/// Who was sighted, how, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SightingSummary {
    pub(crate) mac: Mac,
    pub(crate) kind: Option<SightingKind>,
    pub(crate) node: Option<NodeId>,
    pub(crate) count: u64,
}

impl From<&Sighting> for SightingSummary {
    fn from(sighting: &Sighting) -> Self {
        let (mac, kind, node) = (Mac(sighting.mac()), sighting.kind(), sighting.node());
        Self { mac, kind, node, count: sighting.count() }
    }
}

/// What the agent was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventSummary {
    pub(crate) kind: Option<EventKind>,
    pub(crate) key: Key6,
    pub(crate) mac: Mac,
    pub(crate) node: Option<NodeId>,
}

impl From<&Event> for EventSummary {
    fn from(event: &Event) -> Self {
        Self { kind: event.kind(), key: event.key(), mac: Mac(event.mac()), node: event.node() }
    }
}

/// Everything that can be seen after one frame; times are checked where they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) verdict: Verdict,
    pub(crate) frame: Vec<u8>,
    /// Lines of OUTCOMES that are not zero.
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    /// Slots of STATS that are not zero.
    pub(crate) stats: BTreeMap<u32, Counts>,
    pub(crate) sightings: BTreeMap<SightingKey, SightingSummary>,
    /// Every peer with its MAC and the number of its frames.
    pub(crate) peers: BTreeMap<PeerKey, (Mac, u64, bool)>,
    pub(crate) clients: BTreeMap<ClientKey, Mac>,
    pub(crate) events: Vec<EventSummary>,
}

/// One row. Begins as a frame that is passed and leaves no trace.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) world: World,
    pub(crate) frame: Vec<u8>,
    pub(crate) expected: Observed,
}

impl Case {
    /// `frame` comes while we answer for [`VIP4`] and [`VIP6`].
    pub(crate) fn new(name: impl Into<String>, frame: Vec<u8>) -> Self {
        let world = World {
            vips4: vec![(KEY4, entry(Action::Answer, SLOT4))],
            vips6: vec![(KEY6, entry(Action::Answer, SLOT6))],
            lease: Lease::Never,
            keys: Keys::NONE,
            known: vec![rival_node()],
            heard_ago_ns: None,
            earlier: None,
            asked: None,
        };
        let expected = Observed {
            verdict: Verdict::Pass,
            frame: frame.clone(),
            outcomes: BTreeMap::new(),
            stats: BTreeMap::new(),
            sightings: BTreeMap::new(),
            peers: BTreeMap::new(),
            clients: BTreeMap::new(),
            events: Vec::new(),
        };
        Self { name: name.into(), world, frame, expected }
    }

    fn is_arp(&self) -> bool {
        self.frame[12..14] == [8, 6]
    }

    fn slot(&self) -> u32 {
        if self.is_arp() { SLOT4 } else { SLOT6 }
    }

    fn key(&self) -> Key6 {
        if self.is_arp() { KEY4.widen() } else { KEY6 }
    }

    /// Changes both entries.
    pub(crate) fn entries(mut self, change: impl Fn(Vip) -> Vip) -> Self {
        for (_, vip) in &mut self.world.vips4 {
            *vip = change(*vip);
        }
        for (_, vip) in &mut self.world.vips6 {
            *vip = change(*vip);
        }
        self
    }

    /// Both entries do this.
    pub(crate) fn action(self, action: Action) -> Self {
        self.entries(|vip| entry(action, vip.slot()))
    }

    pub(crate) fn lease(mut self, lease: Lease) -> Self {
        self.world.lease = lease;
        self
    }

    /// Changes what is in the maps.
    pub(crate) fn world(mut self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self.world);
        self
    }

    /// Changes what must be seen.
    pub(crate) fn expect(mut self, change: impl FnOnce(&mut Observed)) -> Self {
        change(&mut self.expected);
        self
    }

    /// It goes on to the kernel, and this line counts it.
    pub(crate) fn passed(mut self, outcome: Outcome) -> Self {
        self.expected.outcomes.insert(outcome, 1);
        self
    }

    /// It ends here, and this line counts it.
    pub(crate) fn dropped(mut self, outcome: Outcome) -> Self {
        self.expected.verdict = Verdict::Drop;
        self.passed(outcome)
    }

    /// These counters of its address.
    pub(crate) fn counted(mut self, counts: Counts) -> Self {
        self.expected.stats.insert(self.slot(), counts);
        self
    }

    /// It ends here, so that no kernel answers; the client is remembered, for the day on which this node takes over.
    pub(crate) fn suppressed(self) -> Self {
        let client = if self.is_arp() { wide(CLIENT4) } else { CLIENT6 };
        self.remembered(client, CLIENT).suppressed_unseen()
    }

    /// The same for somebody who is no client.
    pub(crate) fn suppressed_unseen(mut self) -> Self {
        self.expected.verdict = Verdict::Drop;
        self.counted(Counts { suppressed: 1, ..Counts::default() })
    }

    /// The client is remembered.
    pub(crate) fn remembered(mut self, client: [u8; 16], mac: Mac) -> Self {
        let key = ClientKey::new(self.key(), client);
        self.expected.clients.insert(key, mac);
        self
    }

    /// It leaves as `answer`, and nothing is remembered.
    pub(crate) fn transmitted(mut self, answer: Vec<u8>) -> Self {
        self.expected.verdict = Verdict::Transmit;
        self.expected.frame = answer;
        self
    }

    /// It leaves as `answer`; the client is counted and remembered.
    pub(crate) fn answered(self, answer: Vec<u8>) -> Self {
        let client = if self.is_arp() { wide(CLIENT4) } else { CLIENT6 };
        self.answered_to(client, CLIENT, answer)
    }

    /// As [`answered`](Self::answered), for another client.
    pub(crate) fn answered_to(self, client: [u8; 16], mac: Mac, answer: Vec<u8>) -> Self {
        self.remembered(client, mac)
            .counted(Counts { requests: 1, replies: 1, ..Counts::default() })
            .transmitted(answer)
    }

    /// Somebody without a tag was sighted; the first time.
    pub(crate) fn sighted(mut self, mac: Mac, kind: SightingKind) -> Self {
        let key = SightingKey::new(self.key(), Sort::Stranger);
        self.expected.sightings.insert(key, SightingSummary { mac, kind: Some(kind), node: None, count: 1 });
        self.counted(Counts { claims: 1, ..Counts::default() })
    }

    /// The agent is told of somebody without a tag.
    pub(crate) fn told(mut self, kind: EventKind, mac: Mac) -> Self {
        let key = self.key();
        self.expected.events.push(EventSummary { kind: Some(kind), key, mac, node: None });
        self
    }

    /// A node is known to be there, by its first frame.
    pub(crate) fn heard(mut self, node: NodeId, mac: Mac) -> Self {
        for key in [PeerKey::new(IFINDEX, node), PeerKey::anybody(IFINDEX)] {
            self.expected.peers.insert(key, (mac, 1, false));
        }
        self
    }

    /// What was sighted before is still there.
    pub(crate) fn still(mut self, earlier: Earlier) -> Self {
        let seen = SightingSummary { mac: earlier.mac, kind: Some(earlier.kind), node: earlier.node, count: 1 };
        self.expected.sightings.insert(earlier.line(), seen);
        self
    }

    /// The speaker that was heard before is still known.
    pub(crate) fn heard_before(mut self) -> Self {
        self.expected.peers.insert(PeerKey::anybody(IFINDEX), (RIVAL, 1, false));
        self
    }

    /// Our own node was seen with another MAC.
    pub(crate) fn ourselves(mut self, mac: Mac) -> Self {
        let (kind, node) = (Some(SightingKind::Claim), Some(our_node()));
        self.expected.sightings.insert(SightingKey::ourselves(IFINDEX), SightingSummary { mac, kind, node, count: 1 });
        let (kind, key) = (Some(EventKind::OwnIdentity), Key6::new(IFINDEX, [0; 16]));
        self.expected.events.push(EventSummary { kind, key, mac, node });
        self
    }

    /// What was sighted and told was said by a node that is not us: it is heard as well.
    pub(crate) fn by(mut self, node: NodeId, mac: Mac) -> Self {
        self.expected.events.iter_mut().for_each(|told| told.node = Some(node));
        let answers = self.expected.sightings.values().any(|seen| seen.kind == Some(SightingKind::Heartbeat));
        let sort = if answers { Sort::Answer } else { Sort::Speaker };
        let seen = std::mem::take(&mut self.expected.sightings);
        let line = |(key, seen): (SightingKey, SightingSummary)| {
            (SightingKey::new(key.key(), sort), SightingSummary { node: Some(node), ..seen })
        };
        self.expected.sightings = seen.into_iter().map(line).collect();
        for key in [PeerKey::new(IFINDEX, node), PeerKey::anybody(IFINDEX)] {
            self.expected.peers.insert(key, (mac, 1, answers));
        }
        self
    }
}

/// An IPv4 address as the maps for both families hold it.
pub(crate) fn wide(address: [u8; 4]) -> [u8; 16] {
    std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
}
