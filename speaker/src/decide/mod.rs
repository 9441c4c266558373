//! Pure: what this node should do, given its configuration, its interfaces and what it owns.

mod desired;
mod place;

pub use desired::{AttachMode, Desired, DesiredInterface, DesiredVip};
pub use place::{Decision, decide};

pub use crate::world::AttachPolicy;
