//! Somebody on the segment who hears every frame and sends what he likes, but does not know the key: what he can do with that.

use std::collections::VecDeque;

use arpeggio_common::{model::NodeId, wire::Mac};
use arpeggio_succession::Origin;
use fastrand::Rng;

use crate::{
    frame::{Frame, Says},
    scenario::{Attack, Fault},
    wire::{Station, Stations, members, only},
    world::{Event, World, mac, owner_of},
};

/// Frames that he remembers.
const REMEMBERED: usize = 256;

/// What he heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attacker {
    heard: VecDeque<Heard>,
    /// Attacks in force that answer questions.
    pub(crate) answering: u32,
    /// Attacks in force.
    pub(crate) attacks: u32,
}

/// A frame, and who should have heard it and did not: the wire is cut between them.
#[derive(Clone, Copy, Debug)]
struct Heard {
    frame: Frame,
    missed: Stations,
}

impl Attacker {
    /// A frame went over the wire.
    pub(crate) fn hear(&mut self, frame: &Frame, missed: Stations) {
        if frame.from.node.is_none() {
            return;
        }
        if self.heard.len() == REMEMBERED {
            self.heard.pop_front();
        }
        self.heard.push_back(Heard { frame: *frame, missed });
    }

    fn any(&self, rng: &mut Rng) -> Option<Heard> {
        let count = self.heard.len();
        (count > 0).then(|| self.heard.get(rng.usize(0..count)).copied()).flatten()
    }
}

impl World {
    /// One frame of an attack, and when the next one comes.
    pub(crate) fn attacks(&mut self, number: usize) {
        let Fault::Attack(attack, rate) = self.scenario.troubles[number].fault else { return };
        if self.now_ns >= crate::world::BEGIN_NS + self.scenario.troubles[number].end_ns {
            return;
        }
        let frame = match attack {
            Attack::Replay => self.replayed(),
            Attack::Forge => Some(self.forged()),
            Attack::Duplicate => {
                let address = self.rng.usize(0..self.scenario.orders.len());
                Some(self.attackers(None, Says::Claim(address, 0), None))
            }
            Attack::Twin(station) => {
                let address = self.rng.usize(0..self.scenario.orders.len());
                Some(self.attackers(self.scenario.nodes.get(station).copied(), Says::Claim(address, self.now_ns), None))
            }
        };
        let station = self.attacker_station();
        if let Some(frame) = frame {
            self.send(station, frame);
        }
        let later_ns = self.rng.u64(1..=2_000_000_000 / u64::from(rate.max(1)));
        self.after(later_ns, Event::Attack(number));
    }

    /// What he answers to a question that he heard.
    pub(crate) fn answer_falsely(&mut self, frame: &Frame) {
        let (address, says) = if let Says::Ask(address, nonce) = frame.says {
            (address, Says::Answer(address, nonce))
        } else if let Says::Alive(address, nonce) = frame.says {
            (address, Says::Living(address, nonce))
        } else {
            return;
        };
        // As one who does not exist or, where there is a key, as anybody. Or without a tag.
        let forged = self.forged();
        let generation = forged.generation.max(
            self.nodes.first().and_then(|node| node.kernels.first()).map_or(0, |kernel| kernel.generations[address]),
        );
        let answer = Frame { to: Some(frame.from.mac), says, generation, ..forged };
        let station = self.attacker_station();
        self.send(station, answer);
    }

    /// A frame of before, as it was or changed.
    fn replayed(&mut self) -> Option<Frame> {
        let Heard { frame, missed } = self.attacker.any(&mut self.rng)?;
        // Without a key whoever knows a name may use it: only what was sent is sent again.
        let changes = if self.scenario.key { self.rng.u32(0..6) } else { 0 };
        let address = self.rng.usize(0..self.scenario.orders.len());
        let carries = |to: Station| self.wire.hears(self.attacker_station(), to);
        if matches!(changes, 0 | 1 | 3) && members(missed).any(carries) {
            // He hears both sides of a cut, and is a wire between them: what he carries across is true and new.
            (0..self.scenario.orders.len()).for_each(|address| self.judge.caused(address, self.now_ns));
        }
        Some(match changes {
            0 | 1 => frame,
            2 => Frame { from: Origin { mac: mac(self.attacker_station()), ..frame.from }, ..frame },
            3 => Frame { to: None, ..frame },
            4 => Frame { generation: frame.generation + 1, ..frame },
            _ => Frame { says: Says::Claim(address, self.now_ns), to: None, ..frame },
        })
    }

    /// A claim with a name that nobody has, or where that needs a proof with somebody's.
    fn forged(&mut self) -> Frame {
        let address = self.rng.usize(0..self.scenario.orders.len());
        let real = self.scenario.key && self.rng.bool();
        let node = if real {
            let station = self.rng.usize(0..self.nodes.len());
            self.scenario.nodes.get(station).copied()
        } else {
            NodeId::from_number(self.rng.u64(1..))
        };
        let own = self.attackers(node, Says::Claim(address, self.now_ns), None);
        if !self.scenario.key || self.rng.bool() {
            return own;
        }
        // From somebody else's MAC.
        let station = self.rng.usize(0..self.scenario.ports());
        Frame { from: Origin { mac: mac(station), ..own.from }, proof: self.rng.u64(1..), ..own }
    }

    fn attackers(&self, node: Option<NodeId>, says: Says, to: Option<Mac>) -> Frame {
        let generation = if node.is_some() { 1_000 } else { 0 };
        Frame { from: Origin { mac: mac(self.attacker_station()), node }, to, says, generation, proof: 0 }
    }

    /// Which ports do not hear a question or an answer that is meant for them.
    pub(crate) fn missed(&self, from: Station, frame: &Frame) -> Stations {
        if !matches!(frame.says, Says::Ask(..) | Says::Alive(..) | Says::Answer(..) | Says::Living(..)) {
            return 0;
        }
        let ports = only(self.scenario.ports()) - 1;
        let receivers = frame.to.map_or(ports, owner_of) & ports & !only(from);
        members(receivers).filter(|to| !self.wire.hears(from, *to)).map(only).sum()
    }

    /// Where he is.
    pub(crate) fn attacker_station(&self) -> Station {
        self.scenario.attacker()
    }
}
