//! Runs the unit tests of the example `asker`: as an example with tests of its own, cargo would no longer build the program
//! that the other tests start.

#![expect(dead_code, reason = "what only the program itself calls has no caller here")]

#[path = "../examples/asker/gaps.rs"]
mod gaps;
#[path = "../examples/asker/ledger.rs"]
mod ledger;
#[path = "../examples/asker/message.rs"]
mod message;
#[path = "../examples/asker/options.rs"]
mod options;
#[path = "../examples/asker/summary.rs"]
mod summary;
