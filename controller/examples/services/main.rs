//! Makes Services in bulk and measures how long they wait for their addresses. The benchmark of the controller drives it.
//!
//! `slices` makes endpoints for them beforehand, `create` makes them with so many requests at a time and says when each had its address; `wait` watches until so many
//! have one; `write` is the yardstick: it does to the API server what a controller has to do, and nothing else.
//! Each prints one line of JSON when it is done.

mod creating;
mod options;
mod report;
mod watching;
mod writing;

use std::process::ExitCode;

use clap::Parser as _;

use crate::options::{Options, Verb};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    let client = options::client(&options).await?;
    let report = match &options.verb {
        Verb::Slices(bulk) => creating::slices(&client, &options, bulk).await?,
        Verb::Clear(bulk) => creating::clear(&client, &options, bulk).await?,
        Verb::Create(bulk) => creating::create(&client, &options, bulk).await?,
        Verb::Wait { count, announcements } => watching::wait(&client, &options, *count, *announcements).await?,
        Verb::Write(bulk) => writing::write(&client, &options, bulk).await?,
    };
    report::print(&report)
}
