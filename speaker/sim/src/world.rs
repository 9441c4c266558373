//! Runs one schedule, event by event.

use std::collections::BTreeMap;

use arpeggio_common::wire::Mac;
use fastrand::Rng;

use crate::{
    attack::Attacker,
    frame::{Address, Frame, Key, Says},
    judge::Judge,
    measured::Measured,
    node::{AgentInputs, Habits, Node},
    outside::gateway,
    queue::Queue,
    scenario::{Fabric, Scenario},
    sight::{Sight, Violation},
    switch::Switch,
    trace::Trace,
    wire::{Station, Stations, Wire, members, only},
};

const MS: u64 = 1_000_000;

/// The clocks of the nodes stand at this when a schedule begins: no machine is ever asked at 0.
pub(crate) const BEGIN_NS: u64 = 1_000 * MS;

/// What is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Frame(Station, Frame),
    Wake(usize),
    PowerOn(usize),
    Carrier(Station),
    Begin(usize),
    End(usize),
    Obey(usize, usize),
    LeaseEnd(usize),
    /// The agent looks at its ports anew.
    Ports(usize),
    /// It looks at what they received, once a second.
    Listen(usize),
    /// A port that the switch shut is opened.
    Reopen(Station),
    Client,
    Stranger(usize),
    Attack(usize),
    Look,
}

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

/// The world as the judge looks at it. Not a function: the judge is changed meanwhile.
macro_rules! sight {
    ($world:expr) => {
        Sight {
            nodes: &$world.nodes,
            ports: &$world.ports,
            segments: &$world.segments,
            carriers: $world.carriers,
            deaf: $world.deaf,
            unbound: $world.switch.unbound(),
            outside: only($world.scenario.gateway()) | only($world.scenario.client()),
            silent: $world.scenario.silent,
            now_ns: $world.now_ns,
        }
    };
}

/// One schedule in the making.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) rng: Rng,
    pub(crate) now_ns: u64,
    queue: Queue,
    pub(crate) wire: Wire,
    segments: Vec<Stations>,
    /// The ports whose link is up, and those that hear nothing.
    carriers: Stations,
    deaf: Stations,
    pub(crate) nodes: Vec<Node>,
    /// Of each station that is a port: whose, and which one of it.
    ports: Vec<(usize, usize)>,
    /// What the switches do to what ports send.
    pub(crate) switch: Switch,
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

/// The station with a MAC.
pub(crate) fn owner_of(mac: Mac) -> Stations {
    let [.., last] = mac.0;
    only(0).checked_shl(last.into()).unwrap_or_default()
}

/// The MAC of a station.
pub(crate) fn mac(station: Station) -> Mac {
    Mac([2, 0, 0, 0, 0, u8::try_from(station).unwrap_or_default()])
}

impl World {
    /// Everything is switched off.
    pub(crate) fn new(scenario: Scenario, rng: Rng, trace: Trace) -> Self {
        let told = AgentInputs {
            orders: scenario.orders.iter().cloned().map(Some).collect(),
            numbers: vec![None; scenario.orders.len()],
            carriers: Vec::new(),
            evacuate: false,
        };
        let new = |(number, id)| {
            let macs = members(scenario.ports_of(number)).map(mac).collect();
            let key = scenario.key.then(|| Key::new(7));
            let hidden = scenario.fabric == Fabric::Suppresses { own_address: false };
            let all = scenario.nodes.iter().copied().enumerate().map(|(station, id)| (id, mac(station)));
            let known = if hidden { all.collect() } else { BTreeMap::new() };
            Node::new((id, macs), told.clone(), Habits { pace: scenario.pace, lease: scenario.lease, key, known })
        };
        let nodes: Vec<Node> = scenario.nodes.iter().copied().enumerate().map(new).collect();
        let size = (scenario.ports(), scenario.orders.len());
        let ports = (0..scenario.ports()).filter_map(|station| scenario.port(station)).collect();
        let wire = Wire::new(scenario.stations(), scenario.quality);
        let mut world = Self {
            rng,
            now_ns: BEGIN_NS,
            queue: Queue::default(),
            segments: Vec::new(),
            carriers: 0,
            deaf: 0,
            wire,
            wakes_ns: vec![None; nodes.len()],
            deaf_to: vec![false; nodes.len()],
            away_ns: vec![None; nodes.len()],
            nodes,
            ports,
            switch: Switch::new(scenario.fabric, scenario.stations()),
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
        for node in world.scenario.doubles.clone() {
            let later_ns = world.rng.u64(0..1_000 * MS);
            world.after(later_ns, Event::Listen(node));
        }
        world.judge.unheard = world.scenario.drops_questions();
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
            let Some((at_ns, event)) = self.queue.pop() else { break None };
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
            Event::Ports(node) => self.looks_at_ports(node),
            Event::Listen(node) => self.listens(node),
            Event::Reopen(station) => self.reopen(station),
            Event::Client => self.client(),
            Event::Stranger(number) => self.stranger_claims(number),
            Event::Attack(number) => self.attacks(number),
            Event::Look => self.dirty = true,
        }
        Ok(())
    }

    /// So much later than now.
    pub(crate) fn after(&mut self, later_ns: u64, event: Event) {
        self.queue.push(self.now_ns + later_ns, event);
    }

    /// Wakes an agent at that time or a little later, unless it is going to be woken earlier.
    pub(crate) fn wake_at(&mut self, station: usize, at_ns: u64) {
        let late_ns =
            if self.rng.u32(0..20) == 0 { self.scenario.late_ns } else { (MS / 5).min(self.scenario.late_ns) };
        let at_ns = at_ns.max(self.now_ns) + self.rng.u64(10_000..=late_ns.max(20_000));
        if self.wakes_ns[station].is_none_or(|planned_ns| at_ns < planned_ns) {
            self.wakes_ns[station] = Some(at_ns);
            self.queue.push(at_ns, Event::Wake(station));
        }
    }

    fn wake(&mut self, station: usize) -> Result<(), Violation> {
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
        if deeds.together {
            // The rest of the agent hears of it, and decides.
            let later_ns = self.rng.u64(MS / 10..10 * MS);
            self.after(later_ns, Event::Ports(station));
        }
        let sight = sight!(self);
        if let Some(violation) = self.judge.acted(&sight, station, &deeds) {
            return Err(violation);
        }
        for (port, frame) in deeds.frames {
            self.send_from(station, port, frame);
        }
        if let Some(next_ns) = deeds.next_ns {
            self.wake_at(station, next_ns);
        }
        Ok(())
    }

    /// Puts a frame on the wire, from a port of a node.
    pub(crate) fn send_from(&mut self, node: usize, port: usize, frame: Frame) {
        if let Some(from) = self.ports.iter().position(|of| *of == (node, port)) {
            self.send(from, frame);
        }
    }

    /// Puts a frame on the wire.
    pub(crate) fn send(&mut self, from: Station, frame: Frame) {
        if !self.passes(from, &frame) {
            return;
        }
        if from != self.attacker_station() && self.attacker.attacks > 0 {
            let missed = self.missed(from, &frame);
            self.attacker.hear(&frame, missed);
            if self.attacker.answering > 0 {
                self.answer_falsely(&frame);
            }
        }
        if frame.to.is_none() && self.is_suppressed(&frame) {
            return;
        }
        let receivers = match frame.to {
            Some(receiver) => owner_of(receiver),
            None => Stations::MAX,
        };
        for to in members(receivers & self.listeners(&frame)) {
            let arrivals = self.wire.carry(&mut self.rng, self.now_ns, (from, to));
            for at_ns in arrivals.into_iter().flatten() {
                self.queue.push(at_ns, Event::Frame(to, frame));
            }
        }
    }

    /// Whoever does anything with such a frame: the client and the attacker do not, and others besides the nodes rarely.
    fn listeners(&self, frame: &Frame) -> Stations {
        let gateway = if frame.says == Says::Witness { only(self.scenario.gateway()) } else { 0 };
        let stranger = if self.strangers.is_empty() { 0 } else { only(self.scenario.stranger()) };
        (only(self.ports.len()) - 1) | gateway | stranger
    }

    fn arrive(&mut self, station: Station, frame: Frame) {
        if !self.wire.has_carrier(station) {
            return;
        }
        let answer = if let Some((number, port)) = self.ports.get(station).copied() {
            let node = &mut self.nodes[number];
            if !node.powered {
                return;
            }
            let answer = node.kernels.get_mut(port).and_then(|kernel| kernel.hear(&frame, self.now_ns));
            if node.has_events() {
                self.wake_at(number, self.now_ns);
            }
            answer
        } else if station == self.scenario.gateway() {
            gateway(&frame, station).filter(|_| !self.scenario.silent)
        } else if station == self.scenario.stranger() {
            self.stranger(&frame, station)
        } else {
            None
        };
        self.trace.frame(self.now_ns, station, &frame);
        if let Some(answer) = answer {
            self.send(station, answer);
        }
    }

    /// The wire has changed.
    pub(crate) fn rewired(&mut self) {
        let (ports, stations) = (self.ports.len(), self.scenario.stations());
        self.carriers = (0..ports).filter(|station| self.wire.has_carrier(*station)).map(only).sum();
        let hears = |station: Station| (0..stations).any(|from| self.wire.hears(from, station));
        self.deaf = (0..ports).filter(|station| !hears(*station)).map(only).sum();
        // All but the stranger and the attacker.
        self.segments = self.wire.segments(only(self.scenario.stranger()) - 1);
        self.dirty = true;
    }

    fn look(&mut self) -> Result<(), Violation> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        let sight = sight!(self);
        let Some(next_ns) = self.judge.look(&sight)? else { return Ok(()) };
        if self.look_ns.is_none_or(|planned_ns| planned_ns <= self.now_ns || next_ns < planned_ns) {
            self.look_ns = Some(next_ns);
            self.queue.push(next_ns, Event::Look);
        }
        Ok(())
    }
}
