//! Pure: what should be, out of one snapshot of what is.

mod accept;
pub mod allocate;
mod announce;
mod conflict;
mod decider;
#[cfg(test)]
pub(crate) mod fixture;
mod state;
mod types;

pub use self::{
    conflict::{OVERWRITTEN, Others, Overwritten, QUIET},
    decider::Decider,
    types::{AcceptanceWish, Decision, Notice, NoticeKind, ServiceWish},
};
