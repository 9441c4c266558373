//! The node agent of Arpeggio: loads and feeds the kernel fast path, follows interfaces, keeps the lease.
//!
//! One direction of flow: [`world`] reads the configuration and the kernel's interfaces, [`decide`] says what should be,
//! [`arpeggio_succession`] finds out on the wire who owns which address, [`dataplane`] and [`frames`] make it so, [`bgp`] has FRR tell BGP peers, [`status`] and [`metrics`] tell,
//! and [`publish`] tells the Kubernetes API.

#![deny(unsafe_code)]

pub mod app;
pub mod args;
pub mod bgp;
pub mod cli;
pub mod clock;
pub mod dataplane;
pub mod decide;
mod ethtool;
pub mod frames;
pub mod metrics;
mod netlink;
mod probes;
pub mod publish;
pub mod status;
pub mod world;
