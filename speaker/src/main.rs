//! The `speaker` command.

use std::process::ExitCode;

use arpeggio_common::program::{start_log, use_one_heap};
use arpeggio_speaker::{
    app,
    args::{self, Args, Command},
    cli::{self, Answer},
};
use clap::Parser as _;
use tokio::{runtime::Builder, task::LocalSet};

#[expect(clippy::print_stderr, reason = "the one place that tells why the command failed")]
fn main() -> ExitCode {
    use_one_heap();
    match start(Args::parse_from(args::with_command(std::env::args_os()))) {
        Ok(answer) => answer.into(),
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
                start_log(&run.log_level, run.log_format)?;
                app::run(*run).await?;
                Ok(Answer::Yes)
            }
            Command::Status(status) => Ok(cli::status(&status, out).await?),
            Command::Explain(explain) => Ok(cli::explain(&explain, out).await?),
            Command::Check(check) => Ok(cli::check::run(&check, out).await?),
            Command::Evacuate(evacuate) => Ok(cli::evacuate(&evacuate, out).await?),
            Command::Cleanup(cleanup) => Ok(cli::cleanup(&cleanup, out).await?),
            Command::Version => Ok(cli::version(out)?),
        }
    })
}
