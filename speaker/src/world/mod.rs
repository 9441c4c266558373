//! The inputs: the configuration file and the interfaces of this network namespace, as plain values.

mod link;

pub use link::{Link, LinkKind, Links};
