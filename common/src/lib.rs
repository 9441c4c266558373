//! What the kernel program, the node agent and the controller share.
//!
//! [`abi`] is the layout of the BPF maps, [`wire`] reads and builds the frames; both are `no_std` and compile into the BPF
//! program. [`model`] holds the validated types that decisions are made of; it needs the standard library. `api` (a feature) holds
//! the kinds of the Kubernetes API, and is where they are validated; `program` (another) what the two programs do as processes; `serve`
//! what both serve over HTTP.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod abi;
#[cfg(feature = "api")]
pub mod api;
#[cfg(feature = "std")]
pub mod model;
#[cfg(feature = "program")]
pub mod program;
#[cfg(feature = "serve")]
pub mod serve;
pub mod wire;
