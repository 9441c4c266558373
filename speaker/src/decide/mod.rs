//! Pure: what this node should do, given its configuration, its interfaces and what it owns.

mod desired;
mod held;
mod place;
mod proxies;
mod surroundings;

pub use desired::{AttachMode, Desired, DesiredInterface, DesiredVip};
pub use place::{Decision, decide};
pub use proxies::{Proxies, unused};
pub use surroundings::Surroundings;

pub use crate::world::AttachPolicy;
