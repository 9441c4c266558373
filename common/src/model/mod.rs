//! Validated types: what decisions are made of. Nothing here knows where a value came from.

mod advertisement;
mod announcement;
mod bgp;
mod community;
mod configuration;
mod fault;
mod few;
mod hash;
mod key;
mod name;
mod order;
mod overlap;
mod pace;
mod pool;
mod range;
mod route;
mod selector;
mod withheld;

pub use advertisement::L2Advertisement;
pub use announcement::{Announcement, AnnouncementError, Mode};
pub use bgp::{BGP_PORT, BfdProfile, BgpAdvertisement, Password, Peer, Remote, RemoteAs, Timers};
pub use community::{Aliases, Community, NoCommunity};
pub use configuration::Configuration;
pub use fault::{Fault, ObjectName};
pub use few::{Few, FewMap};
pub use hash::stable_hash;
pub use key::{Key, KeyError, Keys, MOST_KEYS};
pub use name::{InterfaceName, NameError, NodeName};
pub use order::{Balance, DEPTH, ENOUGH, Eligible, Load, NEAR, Wish, holds, keeper, newcomer, order, orders};
pub use overlap::{Claim, overlaps};
pub use pace::{EACH_NODE, FAST_NODES, LeasePace};
pub use pool::{Pool, Scope};
pub use range::{AddressRange, RangeError};
pub use route::{MOST_COMMUNITIES, Route};
pub use selector::{Labels, Requirement, Selector, any_or_empty};
pub use withheld::Withheld;

pub use crate::abi::NodeId;
