//! The agent with real FRR daemons in namespaces: FRR 8.4.4 and 10.3. Needs root and `cargo xtask setup frr`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test ends the test")]
#![expect(clippy::print_stdout, reason = "what took how long is worth a look")]

mod agent;
#[path = "../../bgp/tests/frr/lab.rs"]
#[expect(dead_code, reason = "the tests of the crate below use the rest of it")]
mod lab;
mod scenarios;
