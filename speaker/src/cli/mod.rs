//! The subcommands that are not the agent itself: each reads, tells, and ends.

pub mod check;
