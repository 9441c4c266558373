//! Validated types: what decisions are made of. Nothing here knows where a value came from.

mod announcement;
mod name;
mod node_id;

pub use announcement::{Announcement, AnnouncementError, Mode};
pub use name::{InterfaceName, NameError, NodeName};
pub use node_id::NodeId;
