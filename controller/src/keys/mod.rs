//! The key by which speakers know each other's frames: made, rolled out and replaced by the leader, kept in a Secret that the
//! DaemonSet mounts. Speakers read it as a file, and say in their status which keys they have.
//!
//! [`decide`] says what has to be done and is pure; [`stored`] is the Secret's content; [`keeper`] drives them.
//!
//! ```text
//!   no key ─► introduced ─────────► steady ◄──────────────────────────────── switched
//!             it signs; frames      it signs; frames without     ─► accepted ─►  the new one signs,
//!             without a proof       a proof are refused             the new one      the old one is
//!             are accepted                                          is accepted      accepted
//! ```
//!
//! Each step waits until every living speaker says that it has taken the one before: so at no moment a speaker refuses what
//! another one signs.

pub mod decide;
pub mod keeper;
pub mod stored;

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod timeline_tests;
