//! Pure: what this node should do, given its configuration, its interfaces and what it owns.

#[cfg(feature = "agent")]
mod desired;
mod ears;
#[cfg(feature = "agent")]
mod held;
#[cfg(feature = "agent")]
mod place;
#[cfg(feature = "agent")]
mod proxies;
mod segments;
#[cfg(feature = "agent")]
mod surroundings;

#[cfg(feature = "agent")]
pub use desired::{AttachMode, Desired, DesiredInterface, DesiredVip};
pub use ears::{Ears, Hearing};
#[cfg(feature = "agent")]
pub use place::{Decision, decide};
#[cfg(feature = "agent")]
pub use proxies::{Proxies, unused};
pub use segments::Segments;
#[cfg(feature = "agent")]
pub use surroundings::Surroundings;

#[cfg(feature = "agent")]
pub use crate::world::AttachPolicy;
