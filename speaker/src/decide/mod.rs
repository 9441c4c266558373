//! Pure: what this node should do, given its configuration, its interfaces and what it owns.

mod desired;
mod ears;
mod held;
mod place;
mod proxies;
mod segments;
mod surroundings;

pub use desired::{AttachMode, Desired, DesiredInterface, DesiredVip};
pub use ears::{Ears, Hearing};
pub use place::{Decision, decide};
pub use proxies::{Proxies, unused};
pub use segments::Segments;
pub use surroundings::Surroundings;

pub use crate::world::AttachPolicy;
