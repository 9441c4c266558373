//! The inputs: the configuration, from a file or from the Kubernetes API, and the interfaces of this network namespace, as
//! plain values.

mod bgp;
mod eligible;
mod file;
mod generation;
mod key;
mod keyed;
mod kube;
mod link;
mod netlink;
mod relevant;
mod sources;
mod task;
#[cfg(test)]
pub(crate) mod testing;

pub use arpeggio_speaker_config::{
    AttachPolicy, Config, DEFAULT_PATTERNS, Defaults, Exclude, FileError, LeaseFault, LeaseTimes, Preset, Problem,
    ProxyArp, SuccessionConfig,
};

pub use bgp::{BgpInputs, SecretValue};
pub use eligible::{Eligible, Ineligible, eligible};
pub use file::{Loaded, Refused};
pub use generation::describe_generation;
pub use kube::{
    Announced, ApiState, ClientError, Cluster, ClusterPaths, Known, Observed, Origin as ApiOrigin, OwnNode, OwnSpeaker,
    Seen, fault,
};
pub use link::{Link, LinkKind, Links};
pub use netlink::{LinkWatch, NetlinkError};
pub use relevant::{expected_on, ineligible};
pub use sources::{Origin, SourceGone, SourcePaths, Sources, StartError, World};
