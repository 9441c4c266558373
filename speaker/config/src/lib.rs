//! The files that an administrator writes: the static configuration and which interfaces to leave alone. Read with every fault
//! named by line and field, checked, and written back.

pub mod document;
mod exclude;
mod policy;
mod problem;
pub mod yaml;

pub use document::{Bgp, Config, Defaults, LeaseFault, LeaseTimes, Preset, ProxyArp, SuccessionConfig};
pub use exclude::{DEFAULT_PATTERNS, Exclude};
pub use policy::AttachPolicy;
pub use problem::{FileError, Problem};
