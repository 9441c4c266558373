//! The controller's program.

use std::process::ExitCode;

use arpeggio_common::program::{start_log, use_one_heap};
use arpeggio_controller::{app, args::Args};
use clap::Parser as _;
use tokio::runtime::Builder;

#[expect(clippy::print_stderr, reason = "the one place that tells why the program ended")]
fn main() -> ExitCode {
    use_one_heap();
    match start(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    let config = args.resolve()?;
    start_log(&config.log_level, config.log_format)?;
    app::install_cryptography();
    // One thread: it waits for the API server nearly all the time; decisions take milliseconds.
    Builder::new_current_thread().enable_all().build()?.block_on(app::run(config))
}
