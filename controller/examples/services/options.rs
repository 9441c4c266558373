//! What to do, and with which API server.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// The flags.
#[derive(Parser)]
pub(crate) struct Options {
    /// Which API server, and who we are.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// Namespace of the Services.
    #[arg(long, default_value = "default")]
    pub(crate) namespace: String,
    /// Gives up after so many seconds.
    #[arg(long, default_value_t = 600)]
    limit: u64,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Options {
    /// How long anything may take.
    pub(crate) const fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Makes an EndpointSlice for each Service to come, with a ready endpoint on each of three nodes.
    Slices(Bulk),
    /// Makes Services without selectors; their endpoints are those of `slices`.
    Create(Bulk),
    /// Deletes the Services, and all Announcements.
    Clear(Bulk),
    /// Prints a line when it watches, and ends when so many Services of the namespace have an address.
    Wait {
        /// How many.
        count: usize,
        /// Ends when there are as many Announcements, too.
        #[arg(long)]
        announcements: bool,
    },
    /// Gives addresses of 10.0.0.0/8 to Services that are there, and writes an Announcement for each, as fast as it goes.
    Write(Bulk),
}

/// How much of it.
#[derive(Args)]
pub(crate) struct Bulk {
    /// How many Services.
    pub(crate) count: usize,
    /// Requests at a time.
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: usize,
    /// Ends when all Services have addresses, not when they are made.
    #[arg(long)]
    pub(crate) until_addresses: bool,
}

/// A client for the API server of the flags.
pub(crate) async fn client(options: &Options) -> Result<Client> {
    // Fails only if a provider is there already, which is as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let file = Kubeconfig::read_from(&options.kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Client::try_from(config).context("no client for the API server")
}

/// The name of Service number `index`.
pub(crate) fn name(index: usize) -> String {
    format!("bulk-{index:05}")
}
