//! Real FRR daemons in namespaces, as speaker and as peer: FRR 8.4.4 and 10.3. Needs root and `cargo xtask setup frr`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test ends the test")]
#![expect(clippy::print_stdout, reason = "what took how long is worth a look")]

mod accepted;
mod bird;
#[path = "../cases/mod.rs"]
mod cases;
mod lab;
mod random;
mod scenarios;
mod sessions;
mod speed;
