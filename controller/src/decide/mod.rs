//! Pure: what should be, out of one snapshot of what is.

mod types;

pub use types::{Decision, Notice, NoticeKind, ServiceWish};
