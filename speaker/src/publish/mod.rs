//! What this node writes to the Kubernetes API: its Speaker object, the status of the Announcements it owns, and the lease that
//! says that it lives.
//!
//! [`compose`] says what should stand there, [`plan`] what of it differs from what the watches show, [`queue`] when each
//! difference is written: pure. [`Writer`] and [`Heart`] are the thin drivers. Nothing here decides who answers.

mod compose;
mod events;
mod heart;
pub mod plan;
pub mod queue;
mod service_status;
mod speaker;
mod types;
mod writer;

pub use self::{
    compose::{Situation, compose},
    events::write_events,
    heart::{Heart, HeartTimes},
    service_status::write_service_statuses,
    speaker::{Health, speaker_status},
    types::{Stance, Wanted},
    writer::Writer,
};
