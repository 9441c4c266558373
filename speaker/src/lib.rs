//! The node agent of Arpeggio: loads and feeds the kernel fast path, follows interfaces, keeps the lease.
//!
//! One direction of flow: [`world`] reads the configuration and the kernel's interfaces, [`ownership`] says which addresses
//! are ours, [`decide`] turns both into what should be, [`dataplane`] and [`frames`] make it so, [`status`] tells.

#![deny(unsafe_code)]

pub mod app;
pub mod args;
mod causes;
pub mod cli;
pub mod clock;
pub mod dataplane;
pub mod decide;
pub mod frames;
pub mod ownership;
pub mod status;
pub mod succession;
pub mod world;
