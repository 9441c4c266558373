//! The `speaker` command.
use arpeggio_speaker::{app, args::{Args, Command}};
use clap::Parser as _;
use tokio::{runtime::Builder, task::LocalSet};
fn main() -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        match Args::parse().command {
            Command::Run(run) => { app::init_logging(&run.log_level, run.log_format)?; app::run(run).await }
            _ => anyhow::bail!("soon"),
        }
    })
}
