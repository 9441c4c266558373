//! The `speaker` command.

use std::process::ExitCode;

use arpeggio_speaker::{
    app,
    args::{Args, Command},
    cli::{self, Answer},
};
use clap::Parser as _;
use tokio::{runtime::Builder, task::LocalSet};

fn main() -> ExitCode {
    match start(Args::parse()) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<Answer> {
    // One thread: the agent waits for the kernel nearly all the time, and nothing it does blocks.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let out = &mut std::io::stdout().lock();
    LocalSet::new().block_on(&runtime, async {
        match args.command {
            Command::Run(run) => {
                app::init_logging(&run.log_level, run.log_format)?;
                app::run(run).await?;
                Ok(Answer::Yes)
            }
            Command::Status(status) => Ok(cli::status(&status, out).await?),
            Command::Check(check) => Ok(cli::check(&check, out)?),
            Command::Cleanup(cleanup) => Ok(cli::cleanup(&cleanup, out).await?),
            Command::Version => Ok(cli::version(out)?),
        }
    })
}
