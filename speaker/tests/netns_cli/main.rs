//! `speaker check`, `status` and `cleanup` for real: in a network namespace and over a BPF file system of the test's own.
//! Needs root.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed step of a test ends the test")]

mod check;
mod lab;
mod pinned;
