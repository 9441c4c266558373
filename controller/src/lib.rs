//! The controller: gives Services their addresses, decides which nodes may answer for them in which order, and reports.
//!
//! [`cluster`] turns watches into one immutable [`cluster::Snapshot`]; [`decide`] is pure and says what should be; [`plan`] says
//! what has to be written for that, and [`writer`] writes it, as long as [`leader`] says that this process leads. [`webhook`] answers what the API
//! server asks before it stores a change of the configuration.

#![forbid(unsafe_code)]

pub mod app;
pub mod args;
mod backoff;
mod clock;
pub mod cluster;
pub mod decide;
pub mod events;
pub mod http;
pub mod keys;
pub mod leader;
pub mod metrics;
mod migrate;
pub mod names;
pub mod plan;
mod secrets;
pub mod webhook;
pub mod writer;

/// Under this name the API server keeps which fields the controller wrote.
pub const FIELD_MANAGER: &str = "arpeggio-controller";
