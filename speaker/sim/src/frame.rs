//! Frames, and the proofs in them.

use arpeggio_common::{model::NodeId, wire::Mac};
use arpeggio_succession::Origin;

/// An address, by its number.
pub(crate) type Address = usize;

/// What a frame says. The numbers behind addresses are the times of the sender's clock that questions and claims carry; an answer
/// repeats that of its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// A speaker asks: a heartbeat when it goes to one, a probe when it goes to all.
    Ask(Address, u64),
    /// A speaker asks whether another one runs.
    Alive(Address, u64),
    /// A client of this share asks.
    Request(Address, u32),
    /// The answer to a speaker: the address is here.
    Answer(Address, u64),
    /// The answer to a speaker: this node runs.
    Living(Address, u64),
    /// The answer to a client, by somebody.
    Reply(Address),
    /// A gratuitous frame.
    Claim(Address, u64),
    /// Who is the gateway?
    Witness,
    /// Anything else.
    Noise,
}

impl Says {
    /// Which address it is about.
    pub(crate) const fn address(self) -> Option<Address> {
        match self {
            Self::Ask(address, _)
            | Self::Alive(address, _)
            | Self::Request(address, _)
            | Self::Answer(address, _)
            | Self::Living(address, _)
            | Self::Reply(address)
            | Self::Claim(address, _) => Some(address),
            Self::Witness | Self::Noise => None,
        }
    }

    /// What a proof covers of it: purpose, address and time.
    const fn proven(self) -> Option<[u64; 3]> {
        match self {
            Self::Ask(address, nonce) => Some([1, address as u64, nonce]),
            Self::Alive(address, nonce) => Some([2, address as u64, nonce]),
            Self::Answer(address, nonce) => Some([3, address as u64, nonce]),
            Self::Living(address, nonce) => Some([4, address as u64, nonce]),
            Self::Claim(address, nonce) => Some([5, address as u64, nonce]),
            Self::Request(..) | Self::Reply(_) | Self::Witness | Self::Noise => None,
        }
    }

    /// Whether it answers a certain speaker.
    const fn is_answer(self) -> bool {
        matches!(self, Self::Answer(..) | Self::Living(..))
    }
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its sender, with the node that its tag names.
    pub(crate) from: Origin,
    /// Its receiver; `None` for all.
    pub(crate) to: Option<Mac>,
    /// What it says.
    pub(crate) says: Says,
    /// Of the sender's order; 0 for unknown.
    pub(crate) generation: u64,
    /// That who knows the key made it; 0 for none.
    pub(crate) proof: u64,
}

/// What the speakers share and an attacker does not know. It stands for a keyed hash: nobody but [`Key::seal`] makes proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// One of many.
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The frame with its proof, if there is a key. `asker`: to whom it answers.
    pub(crate) fn seal(key: Option<Self>, frame: Frame, asker: Option<NodeId>) -> Frame {
        let asker = asker.filter(|_| frame.says.is_answer());
        let proof = key.and_then(|key| key.proof(&frame, asker)).unwrap_or_default();
        Frame { proof, ..frame }
    }

    /// Whether the frame is as its sender made it, and an answer meant for this asker.
    pub(crate) fn proves(self, frame: &Frame, asker: Option<NodeId>) -> bool {
        let asker = asker.filter(|_| frame.says.is_answer());
        frame.proof != 0 && self.proof(frame, asker) == Some(frame.proof)
    }

    fn proof(self, frame: &Frame, asker: Option<NodeId>) -> Option<u64> {
        let [purpose, address, nonce] = frame.says.proven()?;
        let mac = frame.from.mac.0.iter().fold(0, |mac, byte| mac << 8 | u64::from(*byte));
        let number = |node: Option<NodeId>| node.map_or(0, NodeId::number);
        let parts = [purpose, address, nonce, number(frame.from.node), mac, frame.generation, number(asker)];
        Some(parts.into_iter().fold(self.0, mix).max(1))
    }
}

/// One part more.
const fn mix(state: u64, part: u64) -> u64 {
    let mixed = (state ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31)
}
