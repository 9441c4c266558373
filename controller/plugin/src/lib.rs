//! The kubectl plugin: what Arpeggio does in a cluster, why, and what a change would do.
//!
//! [`read`] lists the objects of the API server. Everything that decides is a pure function of these [`objects::Objects`].

#![forbid(unsafe_code)]

pub mod app;
pub mod args;
pub mod cluster;
pub mod diagnose;
pub mod evacuate;
pub mod explain;
pub mod files;
#[cfg(test)]
mod fixture;
pub mod foresee;
pub mod migrate;
pub mod objects;
pub mod output;
pub mod read;
pub mod status;
