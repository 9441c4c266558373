//! `speaker check`: looks before the agent leaps, and changes nothing. Drivers gather plain facts, pure functions judge them.

mod devices;
mod facts;
mod finding;
mod gather;
mod interface;
mod judge;
mod machine;
mod render;
mod run;
mod sysctl;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

pub use finding::{Area, CheckReport, Finding, Verdict};
pub use render::render;
pub use run::run;

use crate::world::{AttachPolicy, Link, LinkKind, Links};

/// The device on which kube-proxy in IPVS mode keeps service addresses.
const IPVS_DEVICE: &str = "kube-ipvs0";

/// What is to be looked at, and what is known about it already.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Where things are to be pinned.
    pub pin_dir: PathBuf,
    /// How to attach to interfaces.
    pub policy: AttachPolicy,
    /// Names of the interfaces to look at; empty means all.
    pub interfaces: BTreeSet<String>,
    /// The interfaces of this network namespace, or why they cannot be listed.
    pub links: Result<Links, String>,
    /// Why an interface is not used, by index; those that are not listed are.
    pub ineligible: BTreeMap<u32, String>,
    /// Why the exclude file cannot be used, if it cannot.
    pub exclude_error: Option<String>,
    /// Interfaces on which an XDP program of ours is pinned, by index.
    pub ours: BTreeSet<u32>,
    /// What the running agent says does not come through between it and others, by the interface's name.
    pub paths: BTreeMap<String, Vec<String>>,
}

/// Gathers the facts about this machine and judges them. Blocks for some milliseconds.
pub fn check(scope: Scope) -> CheckReport {
    judge::judge(&gather_facts(scope))
}

fn gather_facts(scope: Scope) -> facts::Facts {
    let Scope { pin_dir, policy, interfaces: wanted, links, mut ineligible, exclude_error, ours, mut paths } = scope;
    let names: BTreeSet<_> = links.iter().flat_map(|links| links.0.values()).map(|link| link.name.clone()).collect();
    let holder = links.as_ref().ok().and_then(holder);
    let devices = gather::Devices::ask();
    let interfaces = links.map(|links| {
        let asked = links.0.values().filter(|link| wanted.is_empty() || wanted.contains(&link.name));
        asked
            .map(|link| facts::Interface {
                ineligible: ineligible.remove(&link.index),
                asked_for: wanted.contains(&link.name),
                ours: ours.contains(&link.index),
                paths: paths.remove(&link.name).unwrap_or_default(),
                vlans: links.vlans_of(link.index).map(|vlan| vlan.name.clone()).collect(),
                ..devices.interface(link.clone())
            })
            .collect()
    });
    facts::Facts {
        kernel: gather::kernel(),
        pins: gather::pins(&pin_dir),
        privileges: gather::privileges(),
        sysctls: gather::sysctls("all"),
        absent: if interfaces.is_ok() { wanted.difference(&names).cloned().collect() } else { Vec::new() },
        holder,
        interfaces,
        policy,
        exclude_error,
    }
}

/// The device that holds service addresses where every node holds those of all: kube-proxy's, or a dummy with addresses that
/// have no subnet.
fn holder(links: &Links) -> Option<String> {
    let is_dummy = |link: &&Link| link.kind == LinkKind::Other("dummy".to_owned());
    let alone = |link: &&Link| link.addresses.iter().any(|net| net.prefix_len() == net.max_prefix_len());
    let ipvs = links.0.values().find(|link| link.name == IPVS_DEVICE);
    let dummy = || links.0.values().filter(is_dummy).find(alone);
    ipvs.or_else(dummy).map(|link| link.name.clone())
}
