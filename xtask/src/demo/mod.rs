//! `cargo xtask demo`: three nodes, a bridge and a client on this machine, and everything the fast path does, shown and checked.
//!
//! Nothing here is staged: every claim on the screen is checked before the next one, and the demo fails when one is untrue.

mod kubernetes;
mod scenes;
mod stage;

use anyhow::Result;

use self::stage::Stage;
use crate::{
    build, ebpf,
    lab::{abandoned, remove_abandoned, undo},
    setup::{self, Purpose},
    ui,
};

/// `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    /// The same with a real Kubernetes: kubelets, our manifests, a Service.
    #[arg(long, conflicts_with_all = ["keep", "clean"])]
    kubernetes: bool,
    /// Leave everything running at the end, and print how to enter the namespaces.
    #[arg(long)]
    keep: bool,
    /// Only remove what earlier runs left behind.
    #[arg(long, conflicts_with = "keep")]
    clean: bool,
}

/// Runs the verb.
///
/// # Errors
/// If something cannot be installed, built or started, or if what is shown is not so. Everything is removed all the same.
pub fn run(args: &Args) -> Result<()> {
    if args.clean {
        return clean();
    }
    for tag in abandoned() {
        ui::warn(format_args!("{tag} is left from an earlier run; `cargo xtask demo --clean` removes it"));
    }
    if args.kubernetes {
        return kubernetes::play();
    }
    setup::ensure(&[Purpose::Lab])?;
    ebpf::run(&ebpf::Args::default())?;
    let step = ui::Step::begin("Building the agent");
    build::own_programs()?;
    step.done("built");

    let mut stage = Stage::new()?;
    scenes::play(&mut stage)?;
    if args.keep {
        undo::keep_everything();
        stage.tour();
    } else {
        drop(stage);
        ui::heading("The end");
        ui::say("   Namespaces, processes, pins and files of the demo are gone. Keep them next time with --keep.");
    }
    Ok(())
}

fn clean() -> Result<()> {
    let tags = abandoned();
    for tag in &tags {
        remove_abandoned(tag)?;
        ui::say(format_args!("removed {tag}"));
    }
    if tags.is_empty() {
        ui::say("nothing is left from earlier runs");
    }
    Ok(())
}
