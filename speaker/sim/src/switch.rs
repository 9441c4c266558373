//! What the switches do to what ports of nodes send: they inspect ARP, and count it.

use std::collections::BTreeMap;

use crate::{
    frame::{Frame, Says},
    scenario::Fabric,
    wire::{Station, Stations, members, only},
    world::{Event, World},
};

const SECOND_NS: u64 = 1_000_000_000;

/// So many frames a second of a port.
#[derive(Clone, Copy, Debug)]
struct Limit {
    most: u32,
    /// The next one shuts the port for so long; else it is lost.
    shut_ns: Option<u64>,
    /// When the present second began, and what came since.
    begun_ns: u64,
    count: u32,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Passes,
    Lost,
    /// The port is shut for so many nanoseconds.
    Shuts(u64),
}

/// The switches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch {
    /// Ports whose questions have no sender's address.
    nameless: Stations,
    /// Faults that keep a port from speaking for the addresses.
    unbound: Vec<u8>,
    limits: BTreeMap<Station, Vec<Limit>>,
}

impl Switch {
    /// Nothing is wrong yet.
    pub(crate) fn new(fabric: Fabric, stations: usize) -> Self {
        let nameless = if let Fabric::Inspects(nameless) = fabric { nameless } else { 0 };
        Self { nameless, unbound: vec![0; stations], limits: BTreeMap::new() }
    }

    /// The ports that may not speak for the addresses.
    pub(crate) fn unbound(&self) -> Stations {
        (0..self.unbound.len()).filter(|station| self.unbound[*station] > 0).map(only).sum()
    }

    /// A port may not speak for addresses any more, or may again.
    pub(crate) fn unbind(&mut self, station: Station, begins: bool) {
        let count = &mut self.unbound[station];
        *count = if begins { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// A port may send so many frames a second, or any number again.
    pub(crate) fn limit(&mut self, station: Station, (most, shut_ns): (u32, Option<u64>), begins: bool) {
        let limits = self.limits.entry(station).or_default();
        if begins {
            limits.push(Limit { most, shut_ns, begun_ns: 0, count: 0 });
        } else if let Some(at) = limits.iter().position(|limit| (limit.most, limit.shut_ns) == (most, shut_ns)) {
            limits.remove(at);
        }
    }

    /// What becomes of a frame of a port.
    pub(crate) fn judges(&mut self, from: Station, frame: &Frame, now_ns: u64) -> Fate {
        let mut fate = Fate::Passes;
        for limit in self.limits.get_mut(&from).into_iter().flatten() {
            if now_ns.saturating_sub(limit.begun_ns) >= SECOND_NS {
                (limit.begun_ns, limit.count) = (now_ns, 0);
            }
            limit.count += 1;
            if limit.count > limit.most {
                fate = limit.shut_ns.map_or(Fate::Lost, Fate::Shuts);
            }
        }
        let dropped = match frame.says {
            // Sent from an address of the node, if it has one.
            Says::Ask(..) | Says::Alive(..) | Says::Witness => self.nameless & only(from) != 0,
            // Sent from the address in question.
            Says::Answer(..) | Says::Living(..) | Says::Reply(_) | Says::Claim(..) => {
                self.unbound.get(from).is_some_and(|faults| *faults > 0)
            }
            Says::Request(..) | Says::Noise => false,
        };
        if dropped && fate == Fate::Passes { Fate::Lost } else { fate }
    }
}

impl World {
    /// Whether the fabric does not flood such a frame.
    pub(crate) const fn is_suppressed(&self, frame: &Frame) -> bool {
        match (self.scenario.fabric, frame.says) {
            (Fabric::Suppresses { .. }, Says::Claim(..)) => true,
            (Fabric::Suppresses { own_address }, Says::Ask(..)) => !own_address,
            _ => false,
        }
    }

    /// Whether a frame comes through the switch that the sender is at.
    pub(crate) fn passes(&mut self, from: Station, frame: &Frame) -> bool {
        if from >= self.scenario.ports() {
            return true;
        }
        match self.switch.judges(from, frame, self.now_ns) {
            Fate::Passes => true,
            Fate::Lost => false,
            Fate::Shuts(shut_ns) => {
                if self.wire.has_carrier(from) {
                    self.trace.note(self.now_ns, || format!("the switch shuts port {from}"));
                    self.judge.measured.shut += 1;
                    self.pulls(from, true);
                    self.after(shut_ns, Event::Reopen(from));
                }
                false
            }
        }
    }

    /// The switch opens a port that it shut.
    pub(crate) fn reopen(&mut self, station: Station) {
        self.trace.note(self.now_ns, || format!("the switch opens port {station}"));
        self.pulls(station, false);
    }

    /// The link of a port goes down or up.
    pub(crate) fn pulls(&mut self, station: Station, down: bool) {
        self.judge.moved(self.now_ns);
        if down {
            self.judge.caused_by(only(station), self.now_ns);
        } else {
            self.judge.healed(self.now_ns);
        }
        self.wire.pull(station, down);
        self.rewired();
        self.carrier_changes(station);
    }

    /// The agent of a node looks at its ports.
    pub(crate) fn looks_at_ports(&mut self, node: usize) {
        if self.nodes[node].is_awake() {
            self.judge.moved(self.now_ns);
            self.obey(node);
        } else {
            self.deaf_to[node] = true;
        }
    }

    /// The agent of a node looks at what its ports received, once a second.
    pub(crate) fn listens(&mut self, node: usize) {
        self.after(SECOND_NS, Event::Listen(node));
        if !self.nodes[node].is_awake() {
            return;
        }
        let listened = self.nodes[node].listen(self.now_ns);
        if let Some((port, frame)) = listened.frame {
            self.send_from(node, port, frame);
        }
        if listened.changed {
            self.trace.note(self.now_ns, || format!("{node}: a port hears nothing, or hears again"));
            self.judge.caused_by(self.scenario.ports_of(node), self.now_ns);
            self.looks_at_ports(node);
        }
    }

    /// Whether a port of the node does not hear some port of another one.
    pub(crate) fn is_half_deaf(&self, node: usize) -> bool {
        let own = self.scenario.ports_of(node);
        let others = (0..self.scenario.ports()).filter(|station| own & only(*station) == 0);
        others.into_iter().any(|other| members(own).any(|port| !self.wire.hears(other, port)))
    }
}
