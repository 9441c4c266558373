//! A node: its kernel program, and its agent driving [`Succession`] as the real one does.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use arpeggio_common::{abi::ALL_BUCKETS, abi::Action, model::NodeId, wire::Mac};
use arpeggio_speaker::succession::{
    Effect, Input, Order, Orders, Pace, Place, Question, Report, Role, Succession, Voice,
};

use crate::{
    claims::Claims,
    kernel::{Address, Frame, Kernel, Peer, Says},
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
    /// What its agent knows or will find when it starts.
    pub(crate) told: Told,
    pace: Pace,
    lease: Lease,
}

impl Node {
    /// A machine that is switched off.
    pub(crate) fn new(voice: Voice, told: Told, pace: Pace, lease: Lease) -> Self {
        let kernel = Kernel::new(voice, told.orders.len());
        Self { voice, kernel, agent: None, paused: 0, powered: false, told, pace, lease }
    }

    /// The name of the node.
    pub(crate) fn id(&self) -> Option<NodeId> {
        self.voice.node
    }

    /// Whether its agent runs.
    pub(crate) fn is_awake(&self) -> bool {
        self.powered && self.paused == 0 && self.agent.is_some()
    }

    /// Switches it off: nothing is kept.
    pub(crate) fn power_off(&mut self) {
        self.powered = false;
        self.agent = None;
        self.paused = 0;
        self.kernel = Kernel::new(self.voice, self.told.orders.len());
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
        self.kernel.lease_until_ns = now_ns + self.lease.length_ns;
    }

    /// Hands the agent what is wanted now. Entries exist for what is announced and for nothing else.
    pub(crate) fn obey(&mut self, now_ns: u64) {
        let Some(agent) = &mut self.agent else { return };
        let mut places = BTreeMap::new();
        for (address, order) in self.told.orders.iter().enumerate() {
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
        let orders = Orders { usable, places, pace: self.pace, evacuate: self.told.evacuate };
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
            self.claim(address, &mut deeds);
        }
        if deeds.lapsed || now_ns >= agent.renewal_ns {
            self.kernel.lease_until_ns = now_ns + self.lease.length_ns;
            agent.renewal_ns = now_ns + self.lease.renewal_ns;
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
            match question {
                Question::Sighting(place) => {
                    if let Some(seen) = self.kernel.sightings[address(place)] {
                        succession.input(Input::Seen(place, seen), now_ns);
                    }
                }
                Question::Peers(ifindex) => {
                    for (node, Peer { mac, at_ns, answered_ns }) in &self.kernel.peers {
                        let (node, mac, at_ns, answered_ns) = (*node, *mac, *at_ns, *answered_ns);
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
            Effect::Ask(place, to) => deeds.frames.push(self.frame(Says::Ask(address(place)), to)),
            Effect::Witness(_) => deeds.frames.push(self.frame(Says::Witness, None)),
            Effect::Claim(place) => claims.start(address(place), now_ns),
            Effect::Defend(place) => self.claim(address(place), deeds),
            Effect::Quiet(place) => claims.stop(address(place)),
            Effect::Correct(..) | Effect::Heal(..) => deeds.corrections += 1,
            Effect::Report(report) => deeds.reports.push(report),
        }
    }

    /// Both forms of a claim; only for what is answered alone.
    fn claim(&self, address: Address, deeds: &mut Deeds) {
        let claimed = |role: Role| role.action == Action::Answer && role.buckets == ALL_BUCKETS;
        if self.kernel.entries[address].is_some_and(claimed) {
            deeds.frames.extend([self.frame(Says::Claim(address), None); 2]);
        }
    }

    fn frame(&self, says: Says, to: Option<Mac>) -> Frame {
        Frame { from: self.voice, to, says }
    }
}
