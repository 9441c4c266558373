//! Runs the unit tests of the examples `asker` and `udp`: as examples with tests of their own, cargo would no longer build
//! the programs that the other tests start.

#![expect(dead_code, reason = "what only the program itself calls has no caller here")]

#[path = "../examples/udp/book.rs"]
mod book;
#[path = "../examples/asker/doubles.rs"]
mod doubles;
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
