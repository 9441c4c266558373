//! BGP and BFD by FRR: from the sessions and routes that a node should have to the commands of FRR's daemons.
//!
//! [`desired`] merges peers and routes, [`render`] gives them FRR's shape, [`observe`] reads what FRR runs with, [`plan`] is
//! the difference as an ordered list of commands, [`facts`] reads the state of sessions; all of these are pure. [`vty`]
//! talks to a daemon and [`driver`] puts the parts together. How FRR behaves was measured with 8.4.4 and 10.3.

pub mod config;
pub mod desired;
pub mod driver;
pub mod facts;
pub mod marks;
pub mod observe;
pub mod plan;
pub mod render;
pub mod vty;

pub use self::{
    desired::{Desired, Problem, Session},
    driver::{Driver, Outcome},
    facts::{Bfd, SessionFacts},
    plan::Object,
    vty::Daemon,
};
