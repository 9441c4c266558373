//! Validated types: what decisions are made of. Nothing here knows where a value came from.

mod announcement;
mod hash;
mod name;
mod order;

pub use announcement::{Announcement, AnnouncementError, Mode};
pub use hash::stable_hash;
pub use name::{InterfaceName, NameError, NodeName};
pub use order::{Balance, DEPTH, Eligible, Load, NEAR, Wish, order, orders};

pub use crate::abi::NodeId;
