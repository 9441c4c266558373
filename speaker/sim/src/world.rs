//! Runs one schedule, event by event.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BinaryHeap},
};

use arpeggio_common::wire::Mac;
use arpeggio_speaker::succession::Voice;
use fastrand::Rng;

use crate::{
    attack::Attacker,
    frame::{Address, Frame, Key, Says},
    judge::{Judge, Measured},
    node::{Habits, Node, Told},
    scenario::{Fabric, Fault, Scenario},
    sight::{Sight, Violation},
    trace::Trace,
    wire::{Station, Stations, Wire, only},
};

const MS: u64 = 1_000_000;

/// The clocks of the nodes stand at this when a schedule begins: no machine is ever asked at 0.
pub(crate) const BEGIN_NS: u64 = 1_000 * MS;

/// What is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Frame(Station, Frame),
    Wake(Station),
    PowerOn(Station),
    Carrier(Station),
    Begin(usize),
    End(usize),
    Obey(Station, usize),
    LeaseEnd(Station),
    Client,
    Stranger(usize),
    Attack(usize),
    Look,
}

/// An event and its time. The earliest is the greatest: that is what the queue hands out first.
struct Planned {
    at_ns: u64,
    /// Of two at the same time, the one that was planned first happens first.
    number: u64,
    event: Event,
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ns, other.number).cmp(&(self.at_ns, self.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

/// How a schedule went.
#[derive(Debug)]
pub struct Outcome {
    /// What must not have been.
    pub violation: Option<Violation>,
    /// What was measured.
    pub measured: Measured,
    /// Events that were simulated.
    pub events: u64,
    /// The last lines of what happened, if they were wanted.
    pub trace: Vec<String>,
}

/// One schedule in the making.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) rng: Rng,
    pub(crate) now_ns: u64,
    queue: BinaryHeap<Planned>,
    numbered: u64,
    pub(crate) wire: Wire,
    segments: Vec<Stations>,
    pub(crate) nodes: Vec<Node>,
    /// When each agent is going to be woken.
    wakes_ns: Vec<Option<u64>>,
    /// Orders or carriers that an agent could not take in.
    pub(crate) deaf_to: Vec<bool>,
    /// Since when each agent is away.
    pub(crate) away_ns: Vec<Option<u64>>,
    /// Strangers at work, by address.
    pub(crate) strangers: BTreeMap<Address, u32>,
    pub(crate) attacker: Attacker,
    pub(crate) judge: Judge,
    pub(crate) trace: Trace,
    look_ns: Option<u64>,
    pub(crate) dirty: bool,
}

/// The MAC of a station.
pub(crate) fn mac(station: Station) -> Mac {
    Mac([2, 0, 0, 0, 0, u8::try_from(station).unwrap_or_default()])
}

impl World {
    /// Everything is switched off.
    pub(crate) fn new(scenario: Scenario, rng: Rng, trace: Trace) -> Self {
        let told = Told {
            orders: scenario.orders.iter().cloned().map(Some).collect(),
            numbers: vec![None; scenario.orders.len()],
            carrier: true,
            evacuate: false,
        };
        let new = |(station, id)| {
            let voice = Voice { mac: mac(station), node: Some(id) };
            let key = scenario.key.then(|| Key::new(7));
            let hidden = scenario.fabric == Fabric::Suppresses { own_address: false };
            let all = scenario.nodes.iter().copied().enumerate().map(|(station, id)| (id, mac(station)));
            let known = if hidden { all.collect() } else { BTreeMap::new() };
            Node::new(voice, told.clone(), Habits { pace: scenario.pace, lease: scenario.lease, key, known })
        };
        let nodes: Vec<Node> = scenario.nodes.iter().copied().enumerate().map(new).collect();
        let size = (nodes.len(), scenario.orders.len());
        let wire = Wire::new(scenario.stations(), scenario.quality);
        let mut world = Self {
            rng,
            now_ns: BEGIN_NS,
            queue: BinaryHeap::new(),
            numbered: 0,
            segments: Vec::new(),
            wire,
            wakes_ns: vec![None; nodes.len()],
            deaf_to: vec![false; nodes.len()],
            away_ns: vec![None; nodes.len()],
            nodes,
            strangers: BTreeMap::new(),
            attacker: Attacker::default(),
            judge: Judge::new(scenario.bounds(), scenario.mode, size),
            trace,
            look_ns: None,
            dirty: true,
            scenario,
        };
        for station in 0..world.nodes.len() {
            world.after(world.scenario.starts_ns[station], Event::PowerOn(station));
        }
        for number in 0..world.scenario.troubles.len() {
            let at_ns = world.scenario.troubles[number].at_ns;
            world.after(at_ns, Event::Begin(number));
        }
        world.after(world.scenario.client_ns, Event::Client);
        world.judge.healed(BEGIN_NS);
        world.rewired();
        world
    }

    /// Runs to the end, or to the first violation.
    pub(crate) fn run(mut self) -> Outcome {
        let end_ns = BEGIN_NS + self.scenario.end_ns;
        let mut events = 0;
        let violation = loop {
            let Some(Planned { at_ns, event, .. }) = self.queue.pop() else { break None };
            if at_ns > end_ns {
                break None;
            }
            self.now_ns = at_ns;
            events += 1;
            if let Err(violation) = self.happen(event).and_then(|()| self.look()) {
                break Some(violation);
            }
        };
        Outcome { violation, measured: self.judge.measured, events, trace: self.trace.lines() }
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Frame(station, frame) => self.arrive(station, frame),
            Event::Wake(station) => return self.wake(station),
            Event::PowerOn(station) => self.power_on(station),
            Event::Carrier(station) => self.carrier(station),
            Event::Begin(number) => self.begin(number),
            Event::End(number) => self.end(number),
            Event::Obey(station, number) => self.reorder(station, number),
            Event::LeaseEnd(station) => self.lease_end(station),
            Event::Client => self.client(),
            Event::Stranger(number) => self.stranger_claims(number),
            Event::Attack(number) => self.attacks(number),
            Event::Look => self.dirty = true,
        }
        Ok(())
    }

    /// So much later than now.
    pub(crate) fn after(&mut self, later_ns: u64, event: Event) {
        self.at(self.now_ns + later_ns, event);
    }

    fn at(&mut self, at_ns: u64, event: Event) {
        self.numbered += 1;
        self.queue.push(Planned { at_ns, number: self.numbered, event });
    }

    /// Wakes an agent at that time or a little later, unless it is going to be woken earlier.
    pub(crate) fn wake_at(&mut self, station: Station, at_ns: u64) {
        let late_ns =
            if self.rng.u32(0..20) == 0 { self.scenario.late_ns } else { (MS / 5).min(self.scenario.late_ns) };
        let at_ns = at_ns.max(self.now_ns) + self.rng.u64(10_000..=late_ns.max(20_000));
        if self.wakes_ns[station].is_none_or(|planned_ns| at_ns < planned_ns) {
            self.wakes_ns[station] = Some(at_ns);
            self.at(at_ns, Event::Wake(station));
        }
    }

    fn wake(&mut self, station: Station) -> Result<(), Violation> {
        if self.wakes_ns[station] != Some(self.now_ns) {
            return Ok(());
        }
        self.wakes_ns[station] = None;
        if !self.nodes[station].is_awake() {
            return Ok(());
        }
        let deeds = self.nodes[station].wake(self.now_ns);
        self.trace.deeds(self.now_ns, station, &deeds);
        if deeds.lapsed {
            self.judge.healed(self.now_ns);
        }
        self.dirty |= deeds.lapsed || !deeds.changes.is_empty();
        let sight = sight(&self.nodes, &self.wire, &self.segments, (self.scenario.silent, self.now_ns));
        if let Some(violation) = self.judge.acted(&sight, station, &deeds) {
            return Err(violation);
        }
        for frame in deeds.frames {
            self.send(station, frame);
        }
        if let Some(next_ns) = deeds.next_ns {
            self.wake_at(station, next_ns);
        }
        Ok(())
    }

    /// Puts a frame on the wire.
    pub(crate) fn send(&mut self, from: Station, frame: Frame) {
        if from != self.attacker_station() && self.attacker.attacks > 0 {
            self.attacker.hear(&frame);
            if self.attacker.answering > 0 {
                self.answer_falsely(&frame);
            }
        }
        if frame.to.is_none() && self.is_suppressed(&frame) {
            return;
        }
        for to in 0..self.scenario.stations() {
            if frame.to.is_some_and(|receiver| receiver != mac(to)) {
                continue;
            }
            let arrivals = self.wire.carry(&mut self.rng, self.now_ns, (from, to));
            for at_ns in arrivals.into_iter().flatten() {
                self.at(at_ns, Event::Frame(to, frame));
            }
        }
    }

    /// Whether the fabric does not flood such a frame.
    const fn is_suppressed(&self, frame: &Frame) -> bool {
        match (self.scenario.fabric, frame.says) {
            (Fabric::Suppresses { .. }, Says::Claim(..)) => true,
            (Fabric::Suppresses { own_address }, Says::Ask(..)) => !own_address,
            _ => false,
        }
    }

    fn arrive(&mut self, station: Station, frame: Frame) {
        if !self.wire.has_carrier(station) {
            return;
        }
        let count = self.nodes.len();
        let answer = if let Some(node) = self.nodes.get_mut(station) {
            if !node.powered {
                return;
            }
            let answer = node.kernel.hear(&frame, self.now_ns);
            if !node.kernel.events.is_empty() {
                self.wake_at(station, self.now_ns);
            }
            answer
        } else if station == count {
            gateway(&frame, station).filter(|_| !self.scenario.silent)
        } else if station == count + 2 {
            self.stranger(&frame, station)
        } else {
            None
        };
        self.trace.frame(self.now_ns, station, &frame);
        if let Some(answer) = answer {
            self.send(station, answer);
        }
    }

    fn stranger(&self, frame: &Frame, station: Station) -> Option<Frame> {
        let (Says::Ask(address, _) | Says::Alive(address, _) | Says::Request(address, _)) = frame.says else {
            return None;
        };
        self.strangers.contains_key(&address).then(|| plain(station, Some(frame.from.mac), Says::Reply(address)))
    }

    fn client(&mut self) {
        if self.scenario.silent {
            return;
        }
        let station = self.nodes.len() + 1;
        let address = self.rng.usize(0..self.scenario.orders.len());
        let says = Says::Request(address, self.rng.u32(0..64));
        self.send(station, plain(station, None, says));
        self.after(self.scenario.client_ns, Event::Client);
    }

    fn stranger_claims(&mut self, number: usize) {
        let Fault::Stranger(address, true) = self.scenario.troubles[number].fault else { return };
        if self.strangers.contains_key(&address) {
            let station = self.nodes.len() + 2;
            self.send(station, plain(station, None, Says::Claim(address, 0)));
            self.after(1_000 * MS, Event::Stranger(number));
        }
    }

    /// The wire has changed.
    pub(crate) fn rewired(&mut self) {
        // All but the stranger and the attacker.
        self.segments = self.wire.segments(only(self.nodes.len() + 2) - 1);
        self.dirty = true;
    }

    fn look(&mut self) -> Result<(), Violation> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        let sight = sight(&self.nodes, &self.wire, &self.segments, (self.scenario.silent, self.now_ns));
        let Some(next_ns) = self.judge.look(&sight)? else { return Ok(()) };
        if self.look_ns.is_none_or(|planned_ns| planned_ns <= self.now_ns || next_ns < planned_ns) {
            self.look_ns = Some(next_ns);
            self.at(next_ns, Event::Look);
        }
        Ok(())
    }
}

fn sight<'a>(nodes: &'a [Node], wire: &Wire, segments: &'a [Stations], (silent, now_ns): (bool, u64)) -> Sight<'a> {
    let carriers = (0..nodes.len()).filter(|station| wire.has_carrier(*station)).map(only).sum();
    let outside = only(nodes.len()) | only(nodes.len() + 1);
    Sight { nodes, segments, carriers, outside, silent, now_ns }
}

/// Answers whoever wants a sign.
fn gateway(frame: &Frame, station: Station) -> Option<Frame> {
    (frame.says == Says::Witness).then(|| plain(station, Some(frame.from.mac), Says::Noise))
}

/// A frame without a tag.
fn plain(station: Station, to: Option<Mac>, says: Says) -> Frame {
    Frame { from: Voice { mac: mac(station), node: None }, to, says, generation: 0, proof: 0 }
}
