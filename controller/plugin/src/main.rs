//! The plugin's program.

use std::process::ExitCode;

use arpeggio_plugin::{app, args::Args};
use clap::Parser as _;
use tokio::runtime::Builder;

#[expect(clippy::print_stderr, reason = "the one place that says why the program failed")]
fn main() -> ExitCode {
    let run = || Builder::new_current_thread().enable_all().build()?.block_on(app::run(Args::parse()));
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
