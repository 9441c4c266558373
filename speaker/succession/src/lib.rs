//! Who owns an address, measured on the wire that clients depend on. Pure: no clock, no socket, no randomness.
//!
//! [`Succession`] holds the machines of a node, one per address and interface. It is driven by three calls: the driver
//! reads what [`Succession::questions`] lists, tells it with [`Succession::input`], and does what [`Succession::step`] wants.

mod audit;
mod budget;
mod exclusive;
mod floods;
pub mod generation;
mod hearing;
mod node;
mod pace;
mod peers;
pub mod ports;
mod recorder;
mod role;
mod shared;
mod types;
mod watch;

/// When an address is claimed, in nanoseconds after its first claim left.
pub const CLAIM_ROUNDS_NS: [u64; 6] = [0, 50_000_000, 200_000_000, 1_000_000_000, 2_000_000_000, 4_000_000_000];

pub use node::Succession;
pub use pace::{Pace, PaceError};
pub use recorder::Recorder;
pub use role::Role;
pub use shared::buckets;
pub use types::{
    Answer, Cause, Doubt, Effect, Happened, Input, Observation, Order, Orders, Origin, Place, Proxy, Question, Report,
    Standing, Step, To, View,
};
