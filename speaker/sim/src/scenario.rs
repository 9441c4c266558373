//! One schedule: the nodes, their orders, the wire and what goes wrong when. Everything follows from one number.

use std::sync::Arc;

use arpeggio_common::model::{Mode, NodeId};
use arpeggio_succession::{Order, Pace};
use fastrand::Rng;

use crate::{
    bounds::Bounds,
    frame::Address,
    node::Lease,
    wire::{Quality, Station, Stations, only},
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The agent of a node is kept from running; the kernel is not.
    Pause(usize),
    /// The agent is killed, and started again at the end.
    Crash(usize),
    /// The machine loses power; it starts again at the end.
    Reboot(usize),
    /// The link of a port goes down.
    Pull(Station),
    /// The port hears nobody.
    Deaf(Station),
    /// Nobody hears the port.
    Mute(Station),
    /// The switch does not let this port speak for the addresses: it drops claims and answers.
    Unbound(Station),
    /// The switch lets the port send so many frames a second. The one behind them is lost, or shuts the port for so many nanoseconds.
    Limit(Station, u32, Option<u64>),
    /// Frames of these do not reach those, or neither way.
    Cut(Stations, Stations, bool),
    /// Frames get lost, so many of a thousand.
    Lose(u32),
    /// Frames take up to so many nanoseconds longer.
    Slow(u64),
    /// Other orders, known to the last node only at the end.
    Order(Vec<(Address, Option<Order>)>),
    /// The node is to lose everything, until the end.
    Evacuate(usize),
    /// A stranger answers for the address, and perhaps claims it first.
    Stranger(Address, bool),
    /// Somebody who hears everything sends so many frames a second.
    Attack(Attack, u32),
    /// The agent cannot read most of what its kernel knows.
    Unread(usize),
}

/// What somebody does who does not know the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Sends again what he heard, as it was or changed.
    Replay,
    /// Claims with tags that he invents, and answers speakers with them.
    Forge,
    /// Claims as any machine does.
    Duplicate,
    /// Claims in the name of this node.
    Twin(usize),
}

/// What becomes of frames to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fabric {
    /// They go everywhere.
    Floods,
    /// Claims do not, nor do probes without a sender's address, as the nodes' are unless they have an address of their own. Then
    /// they know each other's MACs from elsewhere.
    Suppresses {
        /// Nodes have addresses of their own.
        own_address: bool,
    },
    /// Switches drop what has no sender's address. With an address of their own on the segment nodes ask from that one; those of these
    /// ports have none, and nobody hears what they ask.
    Inspects(Stations),
}

/// When it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// From then,
    pub at_ns: u64,
    /// until then.
    pub end_ns: u64,
    /// The fault.
    pub fault: Fault,
}

/// A schedule.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The names of the nodes.
    pub nodes: Vec<NodeId>,
    /// Those that have a second port on the segment.
    pub doubles: Vec<usize>,
    /// How fast.
    pub pace: Pace,
    /// How long kernels answer without their agents.
    pub lease: Lease,
    /// Whether speakers prove who they are.
    pub key: bool,
    /// What becomes of frames to everybody.
    pub fabric: Fabric,
    /// Nobody but the nodes says anything.
    pub silent: bool,
    /// One owner or all.
    pub mode: Mode,
    /// The order of each address to begin with.
    pub orders: Vec<Order>,
    /// The wire while nothing is wrong with it.
    pub quality: Quality,
    /// Agents wake up so much too late at most.
    pub late_ns: u64,
    /// When each machine is switched on.
    pub starts_ns: Vec<u64>,
    /// Between two requests of the client.
    pub client_ns: u64,
    /// By time.
    pub troubles: Vec<Trouble>,
    /// When the schedule ends.
    pub end_ns: u64,
}

impl Scenario {
    /// The schedule of this number. `most`: so many faults at most.
    pub fn new(rng: &mut Rng, most: usize) -> Self {
        let pace = *pick(
            rng,
            &[
                Pace::DEFAULT,
                Pace::DEFAULT,
                Pace::DEFAULT,
                Pace::FAST,
                Pace::FAST,
                Pace::FASTEST,
                Pace::CALM,
                Pace::CALM,
            ],
        );
        let addresses = addresses(rng);
        let mode = if rng.u32(0..4) == 0 { Mode::Shared } else { Mode::Exclusive };
        // Where all watch each other at a fast pace, many nodes cost as much as a hundred other schedules: one in six has them.
        let dear = mode == Mode::Shared && pace.interval_ns() < Pace::DEFAULT.interval_ns() && rng.u32(0..6) != 0;
        let few = addresses > 50 || dear;
        let count = if few { rng.usize(2..=5) } else { *pick(rng, &[2, 3, 3, 3, 4, 5, 5, 6, 7, 8, 9]) };
        let nodes: Vec<NodeId> = (0..count).filter_map(|_| NodeId::from_number(rng.u64(1..))).collect();
        // An answer has to be back before it is missed: whoever has a slower wire has to take a calmer pace.
        let quality = Quality {
            delay_ns: rng.u64(20_000..pace.reply_ns() / 10),
            jitter_ns: rng.u64(10_000..pace.reply_ns() / 4),
            twice_per_mille: *pick(rng, &[0, 0, 1, 20]),
        };
        let apart_ns = *pick(rng, &[1, 300 * MS, 2 * SECOND]);
        let short = Lease { length_ns: 2 * SECOND, renewal_ns: 200 * MS };
        let long = Lease { length_ns: 10 * SECOND, renewal_ns: SECOND };
        let mut scenario = Self {
            pace,
            lease: if rng.u32(0..3) == 0 { long } else { short },
            key: rng.bool(),
            fabric: match rng.u32(0..12) {
                0 => Fabric::Suppresses { own_address: false },
                1 => Fabric::Suppresses { own_address: true },
                2 => Fabric::Inspects(0),
                _ => Fabric::Floods,
            },
            doubles: Vec::new(),
            silent: rng.u32(0..10) == 0,
            mode,
            orders: (0..addresses).map(|_| order(rng, &nodes, mode)).collect(),
            quality,
            late_ns: *pick(rng, &[MS / 5, MS, pace.reply_ns() / 2, pace.reply_ns()]),
            starts_ns: (0..count).map(|_| rng.u64(0..apart_ns)).collect(),
            client_ns: rng.u64(50 * MS..300 * MS),
            nodes,
            troubles: Vec::new(),
            end_ns: 0,
        };
        scenario.make_ports(rng);
        scenario.break_things(rng, most);
        scenario
    }

    /// One schedule in four has nodes with a second port. One in forty has nodes without an address of their own on a segment that
    /// drops what these ask.
    fn make_ports(&mut self, rng: &mut Rng) {
        if rng.u32(0..4) == 0 {
            let mut nodes: Vec<usize> = (0..self.nodes.len()).collect();
            rng.shuffle(&mut nodes);
            // Of each node one MAC is known, perhaps that of the wrong port: where probes go nowhere, two such nodes may never meet.
            let hidden = self.fabric == Fabric::Suppresses { own_address: false };
            nodes.truncate(rng.usize(1..=if hidden { 1 } else { 2 }));
            self.doubles = nodes;
        }
        if self.fabric == Fabric::Inspects(0) && rng.u32(0..3) == 0 {
            // Where nobody is heard at all, nobody claims what nobody had.
            let all = only(self.ports()) - 1;
            self.fabric = Fabric::Inspects(rng.u32(1..if self.silent { all } else { all + 1 }));
        }
    }

    /// Ports of nodes: the first one of each, then second ones.
    pub fn ports(&self) -> usize {
        self.nodes.len() + self.doubles.len()
    }

    /// Whose port it is, and which of its ports.
    pub(crate) fn port(&self, station: Station) -> Option<(usize, usize)> {
        let second = || self.doubles.get(station.checked_sub(self.nodes.len())?).map(|node| (*node, 1));
        if station < self.nodes.len() { Some((station, 0)) } else { second() }
    }

    /// The ports of a node.
    pub(crate) fn ports_of(&self, node: usize) -> Stations {
        let of_node = |station: &Station| self.port(*station).is_some_and(|(whose, _)| whose == node);
        (0..self.ports()).filter(of_node).map(only).sum()
    }

    /// Stations on the wire: the ports of the nodes, a gateway, a client, a stranger and an attacker.
    pub fn stations(&self) -> usize {
        self.ports() + 4
    }

    /// Answers whoever wants a sign.
    pub(crate) fn gateway(&self) -> Station {
        self.ports()
    }

    /// Asks.
    pub(crate) fn client(&self) -> Station {
        self.ports() + 1
    }

    /// Is no speaker and may have an address.
    pub(crate) fn stranger(&self) -> Station {
        self.ports() + 2
    }

    /// Hears and sends everything.
    pub(crate) fn attacker(&self) -> Station {
        self.ports() + 3
    }

    /// Whether the switches drop what some nodes ask.
    pub(crate) const fn drops_questions(&self) -> bool {
        matches!(self.fabric, Fabric::Inspects(nameless) if nameless != 0)
    }

    /// What the schedule promises.
    pub fn bounds(&self) -> Bounds {
        let frame_ns = self.quality.delay_ns + self.quality.jitter_ns;
        let mut bounds = Bounds::new(self.pace, (self.nodes.len(), self.orders.len()), self.late_ns, frame_ns);
        if let Fabric::Suppresses { .. } = self.fabric {
            bounds = bounds.suppressed(self.nodes.len());
            if !self.doubles.is_empty() {
                bounds = bounds.doubled(self.nodes.len());
            }
        }
        if !self.key {
            bounds = bounds.unproven();
        }
        if self.silent { bounds.silent(self.pace) } else { bounds }
    }

    fn break_things(&mut self, rng: &mut Rng, most: usize) {
        let bounds = self.bounds();
        let settled_ns = 3 * self.pace.probe_gap_ns() + self.pace.slow_interval_ns() + 3 * SECOND;
        let mut at_ns = if rng.u32(0..8) == 0 { rng.u64(0..2 * SECOND) } else { settled_ns };
        let mut over_ns = settled_ns;
        for _ in 0..rng.usize(1..=8).min(most) {
            let (fault, length_ns) = self.fault(rng);
            let trouble = Trouble { at_ns, end_ns: at_ns + length_ns, fault };
            over_ns = over_ns.max(trouble.end_ns);
            self.troubles.push(trouble);
            at_ns += match rng.u32(0..4) {
                0 => rng.u64(0..200 * MS),
                1 => rng.u64(0..2 * SECOND),
                2 => rng.u64(0..6 * SECOND),
                _ => settled_ns + rng.u64(0..2 * SECOND),
            };
        }
        // Long enough for every bound to be over, and for a change without a cause behind that.
        self.end_ns = over_ns + bounds.nobody_ns + bounds.healed_ns + 2 * SECOND;
    }

    fn fault(&self, rng: &mut Rng) -> (Fault, u64) {
        let node = rng.usize(0..self.nodes.len());
        let port = rng.usize(0..self.ports());
        let lease_ns = self.lease.length_ns;
        let all: Stations = only(self.stranger()) - 1;
        match rng.u32(0..37) {
            0..4 => (Fault::Pause(node), rng.u64(10 * MS..2 * lease_ns)),
            4..7 => (Fault::Crash(node), rng.u64(10 * MS..2 * lease_ns)),
            7..11 => (Fault::Reboot(node), rng.u64(100 * MS..10 * SECOND)),
            11..14 => (Fault::Pull(port), rng.u64(MS..5 * SECOND)),
            14 => (Fault::Deaf(port), rng.u64(50 * MS..12 * SECOND)),
            15 => (Fault::Mute(port), rng.u64(50 * MS..8 * SECOND)),
            16 => (Fault::Cut(only(port), only(rng.usize(0..self.ports())), rng.bool()), rng.u64(50 * MS..8 * SECOND)),
            17 | 18 => {
                let side = rng.u32(1..all);
                (Fault::Cut(side, all & !side, rng.u32(0..3) != 0), rng.u64(50 * MS..8 * SECOND))
            }
            19 | 20 => (Fault::Lose(rng.u32(1..=100)), rng.u64(200 * MS..5 * SECOND)),
            21 => (Fault::Slow(rng.u64(MS..40 * MS)), rng.u64(50 * MS..2 * SECOND)),
            22..24 => (self.reorder(rng), rng.u64(MS..SECOND)),
            24 => (self.reorder(rng), rng.u64(SECOND..60 * SECOND)),
            25 | 26 => (Fault::Evacuate(node), rng.u64(500 * MS..10 * SECOND)),
            27..31 => {
                let rate = *pick(rng, &[5, 20, 20, 100, 100, 300]);
                let attack = match rng.u32(0..7) {
                    0..3 => Attack::Replay,
                    3 | 4 => Attack::Forge,
                    5 => Attack::Duplicate,
                    _ if self.mode == Mode::Exclusive => Attack::Twin(node),
                    _ => Attack::Duplicate,
                };
                (Fault::Attack(attack, rate), rng.u64(100 * MS..4 * SECOND))
            }
            31 => (Fault::Unread(node), rng.u64(100 * MS..3 * SECOND)),
            32 => (Fault::Unbound(port), rng.u64(50 * MS..12 * SECOND)),
            33 => (Fault::Limit(port, rng.u32(5..=60), None), rng.u64(200 * MS..5 * SECOND)),
            34 => {
                let shut_ns = rng.u64(200 * MS..5 * SECOND);
                (Fault::Limit(port, rng.u32(5..=60), Some(shut_ns)), rng.u64(SECOND..10 * SECOND))
            }
            _ => (Fault::Stranger(rng.usize(0..self.orders.len()), rng.bool()), rng.u64(50 * MS..15 * SECOND)),
        }
    }

    fn reorder(&self, rng: &mut Rng) -> Fault {
        let share = *pick(rng, &[1, 2, 4]);
        let mut changed: Vec<_> = (0..self.orders.len()).filter(|_| rng.u32(0..share) == 0).collect();
        if changed.is_empty() {
            changed.push(rng.usize(0..self.orders.len()));
        }
        let other = |address| {
            let announced = rng.u32(0..12) != 0;
            (address, announced.then(|| order(rng, &self.nodes, self.mode)))
        };
        Fault::Order(changed.into_iter().map(other).collect())
    }
}

fn addresses(rng: &mut Rng) -> usize {
    match rng.u32(0..40) {
        0..22 => 1,
        22..32 => rng.usize(2..=5),
        32..39 => rng.usize(6..=20),
        // Long and dear: one in four hundred.
        _ if rng.u32(0..10) == 0 => rng.usize(21..=500),
        _ => rng.usize(1..=3),
    }
}

/// Mostly all nodes in some order, sometimes some of them.
fn order(rng: &mut Rng, nodes: &[NodeId], mode: Mode) -> Order {
    let mut candidates = nodes.to_vec();
    rng.shuffle(&mut candidates);
    if rng.u32(0..4) == 0 {
        candidates.truncate(rng.usize(1..=nodes.len()));
    }
    Order { generation: 1, candidates: Arc::from(candidates), mode }
}

fn pick<'a, T>(rng: &mut Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.usize(0..choices.len())]
}
