//! BGP and BFD: what this node tells its peers, by way of FRR.
//!
//! ```text
//! BgpInputs ─► wish (pure) ─► Wish ─► applier, a thread of its own ─► FRR
//!                                        └─► report (pure) ─► Report ─► status, metrics, Speaker object, events
//! ```
//!
//! The thread never waits for layer 2 and layer 2 never for it: a daemon that hangs delays nothing but BGP.

mod applier;
mod report;
mod wish;

pub use self::{
    applier::{Applier, Closing},
    report::{BgpReport, Engine, SessionReport, Turn},
    wish::{Wish, wish},
};
