//! The address maps: observe what is in the kernel, plan the difference, apply it.

mod apply;
mod plan;

use std::net::IpAddr;

pub use apply::TableError;
pub(super) use apply::{apply, map_of, observe};
pub use plan::{Entries, Plan, Write, plan, taken};

use arpeggio_common::abi::{Key4, Key6};

/// Where an entry stands: interface index and address.
pub type Place = (u32, IpAddr);

/// The place that a key of `VIPS6` stands for. The address is taken as it is: `VIPS6` holds no mapped IPv4 addresses.
fn place_of_key6(key: Key6) -> Place {
    (key.ifindex(), IpAddr::from(key.address()))
}

/// The place that a key of `VIPS4` stands for.
fn place_of_key4(key: Key4) -> Place {
    (key.ifindex(), IpAddr::from(key.address()))
}

/// The place that a key stands for in the maps that hold both families.
pub(super) fn place_of_wide(key: Key6) -> Place {
    (key.ifindex(), IpAddr::from(key.address()).to_canonical())
}
