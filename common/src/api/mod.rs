//! The kinds of the Kubernetes API that Arpeggio reads and writes: MetalLB's (`metallb.io`) and two of its own
//! (`arpeggio.io`). Here they are as they are on the wire; `validate` makes a value of [`crate::model`] out of each.

pub mod admission;
pub mod announcement;
pub mod condition;
pub mod configuration;
mod contend;
pub mod conversion;
pub mod crd;
mod decoded;
mod duration;
mod exclusion;
mod kind;
pub mod metallb;
pub mod names;
mod owner;
mod pruned;
mod route;
mod schema;
pub mod secret;
pub mod set;
pub mod speaker;
mod validate;
pub mod watching;

pub use announcement::Announcement;
pub use decoded::{Decoded, Undecodable};
pub use metallb::{
    BFDProfile, BGPAdvertisement, BGPPeer, Community, ConfigurationState, IPAddressPool, L2Advertisement,
    ServiceBGPStatus, ServiceL2Status,
};
pub use owner::node_reference;
pub use pruned::keep_marks;
pub use route::RouteError;
pub use secret::PasswordSecret;
pub use speaker::Speaker;
pub use validate::selectors;
