//! What must hold for every input: the properties that `cargo xtask fuzz` searches counterexamples for.
//!
//! They are plain functions that panic, so a reproducing input can be run in a test or a debugger without any engine.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod config;
// The same maps in memory and the same readers of answers as in the program tier.
#[path = "../../tests/program/memory.rs"]
mod memory;
#[path = "../../tests/program/oracle.rs"]
#[expect(clippy::wildcard_enum_match_arm, reason = "everything else than an answer is wrong")]
mod oracle;
mod packet;
mod request;
pub mod seeds;
mod tagged;

pub use config::config;
pub use packet::packet;
