//! `cargo xtask demo --kubernetes`: three nodes with real kubelets, `kubectl apply -k manifests/`, a Service, and the end of the node
//! that answers for it.

mod scenes;

use anyhow::Result;

use crate::{
    ebpf,
    image::{self, Wanted},
    kube,
    lab::cluster::{Cluster, Options},
    setup, ui,
};

/// Plays it.
///
/// # Errors
/// If something cannot be installed, built or started, or if what is shown is not so. Everything is removed all the same.
pub(super) fn play() -> Result<()> {
    let options = Options { kubelet: true, ..Options::default() };
    setup::ensure(&options.purposes())?;
    kube::ensure(&options.programs())?;
    ebpf::run(&ebpf::Args::default())?;
    let wanted = Wanted::quick()?;
    image::build(&wanted)?;

    ui::heading("The stage");
    let step = ui::Step::begin("Starting etcd, an API server, and three nodes with containerd, kubelet and kube-proxy");
    let cluster = Cluster::start(&options)?;
    step.done(format_args!("{} MiB", cluster.memory_kib()? / 1024));
    scenes::play(&cluster, &wanted)?;
    drop(cluster);
    ui::heading("The end");
    ui::say(
        "   Namespaces, processes, mounts and files of the demo are gone. To try things yourself: cargo xtask cluster up --kubelet",
    );
    Ok(())
}
