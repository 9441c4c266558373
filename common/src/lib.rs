//! What the kernel program, the node agent and the controller share.
//!
//! [`abi`] is the layout of the BPF maps, [`wire`] reads and builds the frames; both are `no_std` and compile into the BPF
//! program. [`model`] holds the validated types that decisions are made of; it needs the standard library.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod abi;
#[cfg(feature = "std")]
pub mod model;
pub mod wire;
