//! Pure: what should be, out of one snapshot of what is.

pub mod allocate;
mod announce;
mod decider;
#[cfg(test)]
pub(crate) mod fixture;
mod types;

pub use self::{
    decider::Decider,
    types::{Decision, Notice, NoticeKind, ServiceWish},
};
