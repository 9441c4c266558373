//! Which of a node's ports answers, as its agent finds out, with the agent's own [`Segments`] and [`Ears`].

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::abi::SightingKind;
use arpeggio_succession::{
    Input, Observation, Origin,
    ports::{Ears, Segments},
};

use crate::{
    frame::{Frame, Says},
    node::{Agent, Node, ifindex, place, port},
};

/// What an agent knows of its ports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    segments: Segments,
    ears: Ears,
    /// By interface that stands by, the one that answers.
    standing_by: BTreeMap<u32, u32>,
}

/// What came of a look at the counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listened {
    /// Another port is to answer, or none of them any more.
    pub(crate) changed: bool,
    /// A frame to everybody, from a port.
    pub(crate) frame: Option<(usize, Frame)>,
}

impl Ports {
    /// `answering`: the interfaces that answer already when the agent starts.
    pub(crate) fn new(answering: BTreeSet<u32>) -> Self {
        Self { segments: Segments::new(answering), ..Self::default() }
    }

    /// A frame of one port came in on another one. Tells whether that is news.
    pub(crate) fn heard(&mut self, one: usize, other: usize, now_ns: u64) -> bool {
        self.segments.heard(ifindex(one), ifindex(other), now_ns)
    }

    /// Which port answers for this one, if it stands by.
    pub(crate) fn answers_for(&self, one: usize) -> Option<usize> {
        self.standing_by.get(&ifindex(one)).map(|other| port(*other))
    }

    /// Which interfaces may answer.
    pub(crate) fn usable(&mut self, carriers: &[bool], now_ns: u64) -> BTreeMap<u32, bool> {
        let there = |index: u32| carriers.get(port(index)).copied().unwrap_or_default();
        self.segments.forget(there, now_ns);
        self.standing_by = self.segments.standing_by(there);
        let usable = |index: u32| (index, there(index) && !self.standing_by.contains_key(&index));
        (0..carriers.len()).map(|port| usable(ifindex(port))).collect()
    }

    /// Looks at the counters of received frames, once a second.
    fn listen(&mut self, received: &[u64], now_ns: u64) -> (bool, Option<usize>) {
        let mut segments: BTreeMap<u32, BTreeMap<u32, u64>> = BTreeMap::new();
        let read = |index: &u32| Some((*index, *received.get(port(*index))?));
        for (index, other) in &self.standing_by {
            segments.entry(*other).or_default().extend([index, other].into_iter().filter_map(read));
        }
        self.ears.retain(|index| segments.values().any(|segment| segment.contains_key(&index)));
        let (mut changed, mut ask_from) = (false, None);
        for segment in segments.values() {
            let hearing = self.ears.read(segment, now_ns);
            for (index, deaf) in hearing.deaf {
                changed |= self.segments.set_deaf(index, deaf);
            }
            ask_from = ask_from.or_else(|| hearing.ask_from.map(port));
        }
        (changed, ask_from)
    }
}

impl Node {
    /// Frames in its own name: another port of its own on the same segment, or a machine of that name. The latter concerns every
    /// address; one machine is told for all.
    pub(crate) fn hear_itself(&mut self, agent: &mut Agent, now_ns: u64) -> bool {
        let mut together = false;
        for (port, kernel) in self.kernels.iter_mut().enumerate() {
            for (mac, at_ns) in std::mem::take(&mut kernel.ourselves) {
                if let Some(other) = self.macs.iter().position(|own| *own == mac) {
                    together |= agent.ports.heard(port, other, now_ns);
                } else if let Some(address) = self.told.orders.iter().position(Option::is_some) {
                    let voice = Origin { mac, node: Some(self.id) };
                    let seen = Observation { voice, kind: SightingKind::Claim, at_ns, generation: 0 };
                    agent.succession.input(Input::Observation(place((port, address)), seen), now_ns);
                }
            }
        }
        together
    }

    /// Looks at what its ports receive.
    pub(crate) fn listen(&mut self, now_ns: u64) -> Listened {
        let received: Vec<u64> = self.kernels.iter().map(|kernel| kernel.received).collect();
        let Some(agent) = &mut self.agent else { return Listened::default() };
        let (changed, ask_from) = agent.ports.listen(&received, now_ns);
        let of = self.told.orders.iter().position(Option::is_some);
        let frame = ask_from.zip(of).map(|(port, of)| (port, self.untagged(port, Says::Request(of, 0))));
        Listened { changed, frame }
    }
}
