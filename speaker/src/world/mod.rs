//! The inputs: the configuration, from a file or from the Kubernetes API, and the interfaces of this network namespace, as
//! plain values.

pub mod config;
mod eligible;
mod exclude;
mod file;
mod kube;
mod link;
mod netlink;
mod policy;
mod problem;
mod sources;
mod task;
#[cfg(test)]
pub(crate) mod testing;
mod yaml;

pub use config::{Config, Defaults, LeaseFault, LeaseTimes, Preset, SuccessionConfig};
pub use eligible::{Eligible, Ineligible, eligible};
pub use exclude::{DEFAULT_PATTERNS, Exclude};
pub use file::{Loaded, Refused};
pub use kube::{
    ANNOUNCED, Announced, ApiState, ClientError, Cluster, ClusterPaths, Known, Observed, Origin as ApiOrigin, OwnNode,
    OwnSpeaker, Seen, fault,
};
pub use link::{Link, LinkKind, Links};
pub use netlink::{LinkWatch, NetlinkError};
pub use policy::AttachPolicy;
pub use problem::{FileError, Problem};
pub use sources::{Origin, SourceGone, SourcePaths, Sources, StartError, World};
