//! The node agent of Arpeggio: loads and feeds the kernel fast path, follows interfaces, keeps the lease.
//!
//! One direction of flow: [`world`] reads the configuration and the kernel's interfaces, [`decide`] says what should be,
//! [`succession`] finds out on the wire who owns which address, [`dataplane`] and [`frames`] make it so, [`status`] tells,
//! and [`publish`] tells the Kubernetes API.

#![deny(unsafe_code)]

#[cfg(feature = "agent")]
pub mod app;
#[cfg(feature = "agent")]
pub mod args;
#[cfg(feature = "agent")]
pub mod cli;
#[cfg(feature = "agent")]
pub mod clock;
#[cfg(feature = "agent")]
pub mod dataplane;
pub mod decide;
#[cfg(feature = "agent")]
mod ethtool;
#[cfg(feature = "agent")]
pub mod frames;
#[cfg(feature = "agent")]
mod netlink;
#[cfg(feature = "agent")]
mod probes;
#[cfg(feature = "agent")]
pub mod publish;
#[cfg(feature = "agent")]
pub mod status;
pub mod succession;
pub mod world;
