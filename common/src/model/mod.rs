//! Validated types: what decisions are made of. Nothing here knows where a value came from.

mod announcement;
mod hash;
mod name;

pub use announcement::{Announcement, AnnouncementError, Mode};
pub use hash::stable_hash;
pub use name::{InterfaceName, NameError, NodeName};

pub use crate::abi::NodeId;
