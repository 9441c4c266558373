//! A node: its kernel program on each port, and its agent driving [`Succession`] as the real one does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action},
    model::NodeId,
    wire::Mac,
};
use arpeggio_succession::{
    Effect, Input, Order, Orders, Origin, Pace, Place, Question, Report, Role, Standing, Succession, To,
};

use crate::{
    claims::Claims,
    frame::{Address, Frame, Key, Says},
    kernel::{Kernel, Peer},
    ports::Ports,
};

/// The first interface of every node.
const IFINDEX: u32 = 2;

/// An address on a port of a node.
pub(crate) type Spot = (usize, Address);

/// The index of the interface of a port.
pub(crate) fn ifindex(port: usize) -> u32 {
    IFINDEX + u32::try_from(port).unwrap_or_default()
}

/// The port of an interface.
pub(crate) const fn port(ifindex: u32) -> usize {
    ifindex.saturating_sub(IFINDEX) as usize
}

/// The place of an address.
pub(crate) fn place((port, address): Spot) -> Place {
    let host = u32::try_from(address).unwrap_or_default();
    (ifindex(port), IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host)))
}

/// The address of a place, on its port.
pub(crate) fn spot(place: Place) -> Spot {
    let address = match place.1 {
        IpAddr::V4(host) => (host.to_bits() & 0xffff) as usize,
        IpAddr::V6(_) => 0,
    };
    (port(place.0), address)
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
pub(crate) struct AgentInputs {
    /// Who may have each address, in order; `None` for one that is not announced.
    pub(crate) orders: Vec<Option<Order>>,
    /// Which trouble each order came with, so that an older one does not follow a newer one.
    pub(crate) numbers: Vec<Option<usize>>,
    /// Whether the agent believes that the link of each port is up.
    pub(crate) carriers: Vec<bool>,
    /// It is to lose everything.
    pub(crate) evacuate: bool,
}

/// One agent, from its start to its end.
pub(crate) struct Agent {
    /// What is simulated.
    pub(crate) succession: Succession,
    /// Which of its ports answers.
    pub(crate) ports: Ports,
    claims: Claims,
    renewal_ns: u64,
}

/// What came of one step of an agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deeds {
    /// In the order in which they leave, from each port.
    pub(crate) frames: Vec<(usize, Frame)>,
    /// Entries before and after.
    pub(crate) changes: Vec<(Spot, Option<Role>, Role)>,
    /// What the agent logs.
    pub(crate) reports: Vec<Report>,
    /// Frames to clients by unicast.
    pub(crate) corrections: usize,
    /// The lease had been over.
    pub(crate) lapsed: bool,
    /// Two ports turn out to be on one segment.
    pub(crate) together: bool,
    /// When the agent wants to be woken.
    pub(crate) next_ns: Option<u64>,
}

/// A node.
pub(crate) struct Node {
    /// Its name.
    pub(crate) id: NodeId,
    /// The MAC of each port.
    pub(crate) macs: Vec<Mac>,
    /// The maps and the program on each port.
    pub(crate) kernels: Vec<Kernel>,
    /// Its agent, while there is one. In a box: it is taken out for every step.
    pub(crate) agent: Option<Box<Agent>>,
    /// Whether the agent is kept from running.
    pub(crate) paused: u8,
    /// Whether the machine is on.
    pub(crate) powered: bool,
    /// Faults that keep the agent from reading its maps.
    pub(crate) unreadable: u32,
    turns: u32,
    /// What its agent knows or will find when it starts.
    pub(crate) told: AgentInputs,
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
    /// A machine that is switched off, with a port for each MAC.
    pub(crate) fn new((id, macs): (NodeId, Vec<Mac>), told: AgentInputs, habits: Habits) -> Self {
        let told = AgentInputs { carriers: vec![true; macs.len()], ..told };
        let (agent, kernels) = (None, Vec::new());
        let mut node =
            Self { id, macs, kernels, agent, paused: 0, powered: false, unreadable: 0, turns: 0, told, habits };
        node.power_off();
        node
    }

    /// How its agent sees an address.
    pub(crate) fn standing(&self, spot: Spot) -> Option<Standing> {
        let view = self.agent.as_ref()?.succession.view(place(spot))?;
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

    /// Until when its kernel may answer.
    pub(crate) fn lease_until_ns(&self) -> u64 {
        self.kernels.first().map_or(0, |kernel| kernel.lease_until_ns)
    }

    fn renew(&mut self, now_ns: u64) {
        for kernel in &mut self.kernels {
            kernel.lease_until_ns = now_ns + self.habits.lease.length_ns;
        }
    }

    /// Whether something happened that its agent wants to hear of at once.
    pub(crate) fn has_events(&self) -> bool {
        self.kernels.iter().any(|kernel| !kernel.events.is_empty() || !kernel.ourselves.is_empty())
    }

    /// Whether the port stands by for another one.
    pub(crate) fn stands_by(&self, port: usize) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.ports.answers_for(port).is_some())
    }

    /// Switches it off: nothing is kept.
    pub(crate) fn power_off(&mut self) {
        self.powered = false;
        self.agent = None;
        self.paused = 0;
        let new = |mac: &Mac| {
            let voice = Origin { mac: *mac, node: Some(self.id) };
            Kernel::new(voice, self.habits.key, self.told.orders.len())
        };
        self.kernels = self.macs.iter().map(new).collect();
    }

    /// Starts the agent: it adopts what answers, unless the lease has ended, and gets its orders.
    pub(crate) fn start(&mut self, now_ns: u64) {
        let mut succession = Succession::new(self.id);
        let valid = now_ns < self.lease_until_ns();
        let mut adopted = BTreeSet::new();
        for (port, kernel) in self.kernels.iter_mut().enumerate() {
            for address in 0..kernel.entries.len() {
                if valid && kernel.answers(address, now_ns) != 0 {
                    succession.input(Input::Adopt(place((port, address))), now_ns);
                    adopted.insert(ifindex(port));
                } else {
                    kernel.entries[address] = None;
                }
            }
        }
        let ports = Ports::new(adopted);
        self.agent = Some(Box::new(Agent { succession, ports, claims: Claims::default(), renewal_ns: now_ns }));
        self.obey(now_ns);
        // Not a lapse: nobody was promised anything.
        self.renew(now_ns);
    }

    /// Hands the agent what is wanted now. Entries exist for what is announced and for nothing else.
    pub(crate) fn obey(&mut self, now_ns: u64) {
        let Some(agent) = &mut self.agent else { return };
        let mut places = BTreeMap::new();
        for (port, kernel) in self.kernels.iter_mut().enumerate() {
            for (address, order) in self.told.orders.iter().enumerate() {
                kernel.generations[address] = order.as_ref().map_or(0, |order| order.generation);
                let candidates = order.iter().flat_map(|order| order.candidates.iter());
                // Who was a candidate may own it still: it stays known.
                candidates.filter(|node| **node != self.id).for_each(|node| {
                    let mac = self.habits.known.get(node).copied();
                    kernel.peers.entry(*node).or_insert_with(|| Peer { mac, ..Peer::default() });
                });
                let entry = &mut kernel.entries[address];
                match order {
                    Some(order) => {
                        places.insert(place((port, address)), order.clone());
                        entry.get_or_insert(Role::SILENT);
                    }
                    None => {
                        *entry = None;
                        agent.claims.stop((port, address));
                    }
                }
            }
        }
        let orders = Orders {
            usable: agent.ports.usable(&self.told.carriers, now_ns),
            places,
            pace: self.habits.pace,
            evacuate: self.told.evacuate,
            own_macs: self.macs.iter().enumerate().map(|(port, mac)| (ifindex(port), *mac)).collect(),
            authenticated: self.habits.key.is_some(),
            ..Orders::default()
        };
        agent.succession.input(Input::Orders(Arc::new(orders)), now_ns);
    }

    /// One round of the agent's loop.
    pub(crate) fn wake(&mut self, now_ns: u64) -> Deeds {
        let mut deeds = Deeds::default();
        let Some(mut agent) = self.agent.take() else { return deeds };
        deeds.lapsed = now_ns >= self.lease_until_ns();
        if deeds.lapsed {
            agent.succession.input(Input::LeaseLapsed, now_ns);
        }
        deeds.together = self.hear_itself(&mut agent, now_ns);
        self.tell(&mut agent.succession, now_ns);
        let step = agent.succession.step(now_ns);
        for effect in step.effects {
            self.perform(effect, &mut agent.claims, &mut deeds, now_ns);
        }
        let (rounds, claim_ns) = agent.claims.step(now_ns);
        for spot in rounds {
            self.claim((spot, None), &mut deeds, now_ns);
        }
        if deeds.lapsed || now_ns >= agent.renewal_ns {
            self.renew(now_ns);
            agent.renewal_ns = now_ns + self.habits.lease.renewal_ns;
        }
        deeds.next_ns = step.next_ns.into_iter().chain(claim_ns).chain([agent.renewal_ns]).min();
        self.agent = Some(agent);
        deeds
    }

    /// What happened since the last time, and what the machines want to know.
    fn tell(&mut self, succession: &mut Succession, now_ns: u64) {
        for (port, kernel) in self.kernels.iter_mut().enumerate() {
            for (address, seen) in std::mem::take(&mut kernel.events) {
                if !kernel.is_peers(seen.voice) {
                    succession.input(Input::Observation(place((port, address)), seen), now_ns);
                }
            }
        }
        for question in succession.questions() {
            self.turns = self.turns.wrapping_add(1);
            if self.unreadable > 0 && !self.turns.is_multiple_of(3) {
                succession.input(Input::Unread(question), now_ns);
                continue;
            }
            self.look_up(question, succession, now_ns);
        }
    }

    fn look_up(&self, question: Question, succession: &mut Succession, now_ns: u64) {
        match question {
            Question::Sighting(place) => {
                let (port, address) = spot(place);
                let Some(kernel) = self.kernels.get(port) else { return };
                if let Some(seen) = kernel.sightings[address].filter(|seen| !kernel.is_peers(seen.voice)) {
                    succession.input(Input::Observation(place, seen), now_ns);
                }
                if let Some(answer) = kernel.answers[address] {
                    succession.input(Input::Answered(place, answer), now_ns);
                }
            }
            Question::Peers(ifindex) => {
                for (node, Peer { mac, at_ns, answered_ns }) in
                    self.kernels.get(port(ifindex)).iter().flat_map(|kernel| &kernel.peers)
                {
                    let (node, Some(mac), at_ns, answered_ns) = (*node, *mac, *at_ns, *answered_ns) else {
                        continue;
                    };
                    succession.input(Input::Peer { ifindex, node, mac, at_ns, answered_ns }, now_ns);
                }
            }
            Question::Received(ifindex) => {
                if let Some(kernel) = self.kernels.get(port(ifindex)) {
                    succession.input(Input::Received(ifindex, kernel.received), now_ns);
                }
            }
        }
    }

    fn perform(&mut self, effect: Effect, claims: &mut Claims, deeds: &mut Deeds, now_ns: u64) {
        match effect {
            Effect::Set(place, role) => {
                let (port, address) = spot(place);
                // No entry: the address is not announced here any more.
                if let Some(entry) = self.kernels.get_mut(port).and_then(|kernel| kernel.entries[address].as_mut()) {
                    let before = std::mem::replace(entry, role);
                    deeds.changes.push(((port, address), Some(before), role));
                }
            }
            Effect::Ask(place, to) => {
                let (port, address) = spot(place);
                let asked_ns = to.asked_ns(now_ns);
                let (says, to) = match to {
                    To::All => (Says::Ask(address, asked_ns), None),
                    To::One(mac) => (Says::Ask(address, asked_ns), Some(mac)),
                    To::Alive(mac) => (Says::Alive(address, asked_ns), Some(mac)),
                };
                deeds.frames.push((port, self.frame(port, says, to)));
            }
            Effect::Witness(ifindex) => {
                let port = port(ifindex);
                deeds.frames.push((port, self.untagged(port, Says::Witness)));
            }
            Effect::Claim(place) => claims.start(spot(place), now_ns),
            Effect::Defend(place) => self.claim((spot(place), None), deeds, now_ns),
            Effect::Inform(place, mac) => self.claim((spot(place), Some(mac)), deeds, now_ns),
            Effect::Quiet(place) => claims.stop(spot(place)),
            Effect::Correct(..) | Effect::Heal(..) => deeds.corrections += 1,
            Effect::Report(report) => deeds.reports.push(report),
        }
    }

    /// Both forms of a claim; only for what is answered alone.
    fn claim(&self, ((port, address), to): (Spot, Option<Mac>), deeds: &mut Deeds, now_ns: u64) {
        let claimed = |role: Role| role.action == Action::Answer && role.buckets == ALL_BUCKETS;
        let Some(kernel) = self.kernels.get(port) else { return };
        if kernel.entries[address].is_some_and(claimed) {
            let forms = 1 + usize::from(to.is_none());
            let frame = (port, self.frame(port, Says::Claim(address, now_ns), to));
            deeds.frames.extend(std::iter::repeat_n(frame, forms));
        }
    }

    fn frame(&self, port: usize, says: Says, to: Option<Mac>) -> Frame {
        let generations = self.kernels.get(port).map(|kernel| &kernel.generations);
        let generation = says.address().zip(generations).map_or(0, |(address, generations)| generations[address]);
        let from = Origin { node: Some(self.id), ..self.untagged(port, says).from };
        Key::seal(self.habits.key, Frame { from, to, says, generation, proof: 0 }, None)
    }

    /// A frame to everybody as any machine sends it.
    pub(crate) fn untagged(&self, port: usize, says: Says) -> Frame {
        let mac = self.macs.get(port).copied().unwrap_or_default();
        Frame { from: Origin { mac, node: None }, to: None, says, generation: 0, proof: 0 }
    }
}
