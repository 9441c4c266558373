//! The controller: gives Services their addresses, decides which nodes may answer for them in which order, and reports.
//!
//! [`cluster`] turns watches into one immutable [`cluster::Snapshot`]; [`decide`] is pure and says what should be; [`plan`] says
//! what has to be written for that.

#![forbid(unsafe_code)]

pub mod cluster;
pub mod decide;
pub mod plan;
