//! A node: its kernel program, and its agent driving [`Succession`] as the real one does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use arpeggio_common::{abi::ALL_BUCKETS, abi::Action, model::NodeId, wire::Mac};
use arpeggio_speaker::succession::{
    Effect, Input, Order, Orders, Pace, Place, Question, Report, Role, Standing, Succession, To, Voice,
};

use crate::{
    claims::Claims,
    frame::{Address, Frame, Key, Says},
    kernel::{Kernel, Peer},
};

/// The one interface of every node.
const IFINDEX: u32 = 2;

/// The place of an address.
pub(crate) fn place(address: Address) -> Place {
    let host = u32::try_from(address).unwrap_or_default();
    (IFINDEX, IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host)))
}

/// The address of a place.
pub(crate) fn address(place: Place) -> Address {
    match place.1 {
        IpAddr::V4(host) => (host.to_bits() & 0xffff) as usize,
        IpAddr::V6(_) => 0,
    }
}

/// How long a lease lasts and how often it is renewed, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// From a renewal to the end.
    pub length_ns: u64,
    /// Between two renewals.
    pub renewal_ns: u64,
}

/// What an agent is told from outside.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Who may have each address, in order; `None` for one that is not announced.
    pub(crate) orders: Vec<Option<Order>>,
    /// Which trouble each order came with, so that an older one does not follow a newer one.
    pub(crate) numbers: Vec<Option<usize>>,
    /// Whether the agent believes that its link is up.
    pub(crate) carrier: bool,
    /// It is to lose everything.
    pub(crate) evacuate: bool,
}

/// One agent, from its start to its end.
pub(crate) struct Agent {
    /// What is simulated.
    pub(crate) succession: Succession,
    claims: Claims,
    renewal_ns: u64,
}

/// What came of one step of an agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deeds {
    /// In the order in which they leave.
    pub(crate) frames: Vec<Frame>,
    /// Entries before and after.
    pub(crate) changes: Vec<(Address, Option<Role>, Role)>,
    /// What the agent logs.
    pub(crate) reports: Vec<Report>,
    /// Frames to clients by unicast.
    pub(crate) corrections: usize,
    /// The lease had been over.
    pub(crate) lapsed: bool,
    /// When the agent wants to be woken.
    pub(crate) next_ns: Option<u64>,
}

/// A node.
pub(crate) struct Node {
    /// Its name and MAC.
    pub(crate) voice: Voice,
    /// Its maps and program.
    pub(crate) kernel: Kernel,
    /// Its agent, while there is one.
    pub(crate) agent: Option<Agent>,
    /// Whether the agent is kept from running.
    pub(crate) paused: u8,
    /// Whether the machine is on.
    pub(crate) powered: bool,
    /// Faults that keep the agent from reading its maps.
    pub(crate) unreadable: u32,
    turns: u32,
    /// What its agent knows or will find when it starts.
    pub(crate) told: Told,
    habits: Habits,
}

/// What is the same for all nodes.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// How fast.
    pub(crate) pace: Pace,
    /// How long kernels answer without their agents.
    pub(crate) lease: Lease,
    /// What proofs are made with.
    pub(crate) key: Option<Key>,
    /// MACs that are known from elsewhere.
    pub(crate) known: BTreeMap<NodeId, Mac>,
}

impl Node {
    /// A machine that is switched off.
    pub(crate) fn new(voice: Voice, told: Told, habits: Habits) -> Self {
        let kernel = Kernel::new(voice, habits.key, told.orders.len());
        Self { voice, kernel, agent: None, paused: 0, powered: false, unreadable: 0, turns: 0, told, habits }
    }

    /// The name of the node.
    pub(crate) fn id(&self) -> Option<NodeId> {
        self.voice.node
    }

    /// How its agent sees an address.
    pub(crate) fn standing(&self, address: Address) -> Option<Standing> {
        let view = self.agent.as_ref()?.succession.view(place(address))?;
        Some(view.standing)
    }

    /// Whether its agent runs.
    pub(crate) fn is_awake(&self) -> bool {
        self.powered && self.paused == 0 && self.agent.is_some()
    }

    /// Whether its agent runs and knows what its kernel does.
    pub(crate) fn is_able(&self) -> bool {
        self.is_awake() && self.unreadable == 0
    }

    /// Switches it off: nothing is kept.
    pub(crate) fn power_off(&mut self) {
        self.powered = false;
        self.agent = None;
        self.paused = 0;
        self.kernel = Kernel::new(self.voice, self.habits.key, self.told.orders.len());
    }

    /// Starts the agent: it adopts what answers, unless the lease has ended, and gets its orders.
    pub(crate) fn start(&mut self, now_ns: u64) {
        let Some(me) = self.id() else { return };
        let mut succession = Succession::new(me);
        let valid = now_ns < self.kernel.lease_until_ns;
        for address in 0..self.kernel.entries.len() {
            if valid && self.kernel.answers(address, now_ns) != 0 {
                succession.input(Input::Adopt(place(address)), now_ns);
            } else {
                self.kernel.entries[address] = None;
            }
        }
        self.agent = Some(Agent { succession, claims: Claims::default(), renewal_ns: now_ns });
        self.obey(now_ns);
        // Not a lapse: nobody was promised anything.
        self.kernel.lease_until_ns = now_ns + self.habits.lease.length_ns;
    }

    /// Hands the agent what is wanted now. Entries exist for what is announced and for nothing else.
    pub(crate) fn obey(&mut self, now_ns: u64) {
        let Some(agent) = &mut self.agent else { return };
        let mut places = BTreeMap::new();
        for (address, order) in self.told.orders.iter().enumerate() {
            self.kernel.generations[address] = order.as_ref().map_or(0, |order| order.generation);
            let candidates = order.iter().flat_map(|order| order.candidates.iter());
            let others = candidates.filter(|node| Some(**node) != self.voice.node);
            // Who was a candidate may own it still: it stays known.
            others.for_each(|node| {
                let mac = self.habits.known.get(node).copied();
                self.kernel.peers.entry(*node).or_insert_with(|| Peer { mac, ..Peer::default() });
            });
            let entry = &mut self.kernel.entries[address];
            match order {
                Some(order) => {
                    places.insert(place(address), order.clone());
                    entry.get_or_insert(Role::SILENT);
                }
                None => {
                    *entry = None;
                    agent.claims.stop(address);
                }
            }
        }
        let usable = BTreeMap::from([(IFINDEX, self.told.carrier)]);
        let orders = Orders {
            usable,
            places,
            pace: self.habits.pace,
            evacuate: self.told.evacuate,
            own_macs: BTreeSet::from([self.voice.mac]),
            authenticated: self.habits.key.is_some(),
            ..Orders::default()
        };
        agent.succession.input(Input::Orders(Arc::new(orders)), now_ns);
    }

    /// One round of the agent's loop.
    pub(crate) fn wake(&mut self, now_ns: u64) -> Deeds {
        let mut deeds = Deeds::default();
        let Some(mut agent) = self.agent.take() else { return deeds };
        deeds.lapsed = now_ns >= self.kernel.lease_until_ns;
        if deeds.lapsed {
            agent.succession.input(Input::LeaseLapsed, now_ns);
        }
        self.tell(&mut agent.succession, now_ns);
        let step = agent.succession.step(now_ns);
        for effect in step.effects {
            self.perform(effect, &mut agent.claims, &mut deeds, now_ns);
        }
        let (rounds, claim_ns) = agent.claims.step(now_ns);
        for address in rounds {
            self.claim((address, None), &mut deeds, now_ns);
        }
        if deeds.lapsed || now_ns >= agent.renewal_ns {
            self.kernel.lease_until_ns = now_ns + self.habits.lease.length_ns;
            agent.renewal_ns = now_ns + self.habits.lease.renewal_ns;
        }
        deeds.next_ns = step.next_ns.into_iter().chain(claim_ns).chain([agent.renewal_ns]).min();
        self.agent = Some(agent);
        deeds
    }

    /// What happened since the last time, and what the machines want to know.
    fn tell(&mut self, succession: &mut Succession, now_ns: u64) {
        for (address, seen) in std::mem::take(&mut self.kernel.events) {
            succession.input(Input::Seen(place(address), seen), now_ns);
        }
        for question in succession.questions() {
            self.turns = self.turns.wrapping_add(1);
            if self.unreadable > 0 && !self.turns.is_multiple_of(3) {
                succession.input(Input::Unread(question), now_ns);
                continue;
            }
            match question {
                Question::Sighting(place) => {
                    if let Some(seen) = self.kernel.sightings[address(place)] {
                        succession.input(Input::Seen(place, seen), now_ns);
                    }
                    if let Some(answer) = self.kernel.answers[address(place)] {
                        succession.input(Input::Answered(place, answer), now_ns);
                    }
                }
                Question::Peers(ifindex) => {
                    for (node, Peer { mac, at_ns, answered_ns }) in &self.kernel.peers {
                        let (node, Some(mac), at_ns, answered_ns) = (*node, *mac, *at_ns, *answered_ns) else {
                            continue;
                        };
                        succession.input(Input::Peer { ifindex, node, mac, at_ns, answered_ns }, now_ns);
                    }
                }
                Question::Received(ifindex) => {
                    succession.input(Input::Received(ifindex, self.kernel.received), now_ns);
                }
            }
        }
    }

    fn perform(&mut self, effect: Effect, claims: &mut Claims, deeds: &mut Deeds, now_ns: u64) {
        match effect {
            Effect::Set(place, role) => {
                let address = address(place);
                // No entry: the address is not announced here any more.
                if let Some(before) = self.kernel.entries[address] {
                    self.kernel.entries[address] = Some(role);
                    deeds.changes.push((address, Some(before), role));
                }
            }
            Effect::Ask(place, To::All) => deeds.frames.push(self.frame(Says::Ask(address(place), now_ns), None)),
            Effect::Ask(place, To::One(mac)) => {
                deeds.frames.push(self.frame(Says::Ask(address(place), now_ns), Some(mac)));
            }
            Effect::Ask(place, To::Alive(mac)) => {
                deeds.frames.push(self.frame(Says::Alive(address(place), now_ns), Some(mac)));
            }
            Effect::Witness(_) => {
                let voice = Voice { node: None, ..self.voice };
                deeds.frames.push(Frame { from: voice, to: None, says: Says::Witness, generation: 0, proof: 0 });
            }
            Effect::Claim(place) => claims.start(address(place), now_ns),
            Effect::Defend(place) => self.claim((address(place), None), deeds, now_ns),
            Effect::Inform(place, mac) => self.claim((address(place), Some(mac)), deeds, now_ns),
            Effect::Quiet(place) => claims.stop(address(place)),
            Effect::Correct(..) | Effect::Heal(..) => deeds.corrections += 1,
            Effect::Report(report) => deeds.reports.push(report),
        }
    }

    /// Both forms of a claim; only for what is answered alone.
    fn claim(&self, (address, to): (Address, Option<Mac>), deeds: &mut Deeds, now_ns: u64) {
        let claimed = |role: Role| role.action == Action::Answer && role.buckets == ALL_BUCKETS;
        if self.kernel.entries[address].is_some_and(claimed) {
            let forms = 1 + usize::from(to.is_none());
            deeds.frames.extend(std::iter::repeat_n(self.frame(Says::Claim(address, now_ns), to), forms));
        }
    }

    fn frame(&self, says: Says, to: Option<Mac>) -> Frame {
        let generation = says.address().map_or(0, |address| self.kernel.generations[address]);
        Key::seal(self.habits.key, Frame { from: self.voice, to, says, generation, proof: 0 }, None)
    }
}
