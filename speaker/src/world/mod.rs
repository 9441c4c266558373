//! The inputs: the configuration, from a file or from the Kubernetes API, and the interfaces of this network namespace, as
//! plain values.

pub mod config;
#[cfg(feature = "agent")]
mod eligible;
mod exclude;
#[cfg(feature = "agent")]
mod file;
#[cfg(feature = "agent")]
mod generation;
#[cfg(feature = "agent")]
mod key;
#[cfg(feature = "agent")]
mod keyed;
#[cfg(feature = "agent")]
mod kube;
#[cfg(feature = "agent")]
mod link;
#[cfg(feature = "agent")]
mod netlink;
mod policy;
mod problem;
#[cfg(feature = "agent")]
mod relevant;
#[cfg(feature = "agent")]
mod sources;
#[cfg(feature = "agent")]
mod task;
#[cfg(test)]
#[cfg(feature = "agent")]
pub(crate) mod testing;
mod yaml;

pub use config::{Config, Defaults, LeaseFault, LeaseTimes, Preset, ProxyArp, SuccessionConfig};
#[cfg(feature = "agent")]
pub use eligible::{Eligible, Ineligible, eligible};
pub use exclude::{DEFAULT_PATTERNS, Exclude};
#[cfg(feature = "agent")]
pub use file::{Loaded, Refused};
#[cfg(feature = "agent")]
pub use generation::describe_generation;
#[cfg(feature = "agent")]
pub use kube::{
    ANNOUNCED, Announced, ApiState, ClientError, Cluster, ClusterPaths, Known, Observed, Origin as ApiOrigin, OwnNode,
    OwnSpeaker, Seen, fault,
};
#[cfg(feature = "agent")]
pub use link::{Link, LinkKind, Links};
#[cfg(feature = "agent")]
pub use netlink::{LinkWatch, NetlinkError};
pub use policy::AttachPolicy;
pub use problem::{FileError, Problem};
#[cfg(feature = "agent")]
pub use relevant::{expected_on, ineligible};
#[cfg(feature = "agent")]
pub use sources::{Origin, SourceGone, SourcePaths, Sources, StartError, World};
