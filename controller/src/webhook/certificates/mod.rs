//! The certificate of the webhooks: made, renewed and replaced by the leader, kept in a Secret, read from there by every replica.
//!
//! [`decide`] says what has to be done and is pure; [`facts`] reads certificates, [`make`] makes them, [`stored`] is the Secret's
//! content. [`keeper`] drives them, [`bundles`] writes into the API server's configuration whom to trust. A certificate
//! that somebody else makes is read from files ([`arpeggio_common::serve::follow`]).
//!
//! ```text
//!   ca ─────────────────────────────► previous ──► gone       an authority is replaced while both are trusted:
//!         introduce      switch              retire           who still serves the old certificate, and an API server
//!            next ──────► ca                                  that still knows the old bundle, disturb nobody
//! ```

pub mod bundles;
pub mod decide;
pub mod facts;
pub mod keeper;
pub mod make;
pub mod stored;

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod timeline_tests;
