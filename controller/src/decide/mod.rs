//! Pure: what should be, out of one snapshot of what is.

pub mod allocate;
mod types;

pub use types::{Decision, Notice, NoticeKind, ServiceWish};
