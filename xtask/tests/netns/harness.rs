//! What the tests of the agent have in common.

use std::{collections::BTreeSet, net::IpAddr, path::Path, process::Command, time::Duration};

use serde_json::Value;
use xtask::{
    lab::{LAYOUT_DIRECTORY, Node, Segment, SpeakerOptions, SpeakerProcess, clients, eventually, static_config},
    sh,
};

/// Limit for things that take milliseconds, with room for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The IPv4 address that is announced.
pub(crate) fn v4() -> IpAddr {
    IpAddr::from([192, 0, 2, 10])
}

/// The IPv6 address that is announced.
pub(crate) fn v6() -> IpAddr {
    "2001:db8::10".parse().unwrap()
}

/// Both.
pub(crate) fn both() -> [IpAddr; 2] {
    [v4(), v6()]
}

/// A configuration in which the first candidate owns both addresses on `eth0`.
pub(crate) fn owned_by(candidates: &[&str], attach: &str) -> String {
    static_config(&both(), candidates, attach)
}

/// Starts the speaker of a node and waits until it is ready.
pub(crate) fn start(segment: &Segment, node: &Node, config: &str, flags: &[&str]) -> SpeakerProcess {
    SpeakerProcess::start(&segment.lab, node, config, &SpeakerOptions::flags(flags)).unwrap()
}

/// Waits until this node, and nobody else, answers for both addresses.
pub(crate) fn answered_by(segment: &Segment, node: &Node) {
    for vip in both() {
        let what = format!("{} to answer for {vip} alone", node.name);
        eventually(SOON, &what, || clients::expect_only(&segment.client, vip, &node.mac)).unwrap();
    }
}

/// A segment whose `node-a` runs a speaker that owns both addresses.
pub(crate) fn one_owner(attach: &str, flags: &[&str]) -> (SpeakerProcess, Segment) {
    let segment = Segment::new(1).unwrap();
    let speaker = start(&segment, &segment.nodes[0], &owned_by(&["node-a"], attach), flags);
    (speaker, segment)
}

/// What the status says about an interface.
pub(crate) fn interface(status: &Value, name: &str) -> Value {
    find(&status["interfaces"], "name", name)
}

/// What the status says about an address.
pub(crate) fn address(status: &Value, address: IpAddr) -> Value {
    find(&status["addresses"], "address", &address.to_string())
}

fn find(list: &Value, key: &str, value: &str) -> Value {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().find(|item| item[key] == value).cloned().unwrap_or_else(|| panic!("no {key} {value} in {list:#}"))
}

/// Waits until the status satisfies a condition and returns it.
pub(crate) fn wait_status(speaker: &SpeakerProcess, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let seen = eventually(SOON, what, || {
        let status = speaker.status()?;
        if condition(&status) { Ok(status) } else { Err(anyhow::anyhow!("the status is {status:#}")) }
    });
    seen.unwrap()
}

/// Numbers of the programs behind the links that an agent has pinned. (`bpftool net show` of Debian 12 does not know tcx.)
pub(crate) fn pinned_programs(pins: &Path) -> BTreeSet<u64> {
    let links = std::fs::read_dir(pins.join(LAYOUT_DIRECTORY).join("links")).unwrap();
    links
        .map(|link| {
            let mut show = Command::new("bpftool");
            show.args(["-j", "link", "show", "pinned"]).arg(link.unwrap().path());
            let text = sh::read(show).unwrap();
            let shown: Value = serde_json::from_str(&text).unwrap();
            shown["prog_id"].as_u64().unwrap_or_else(|| panic!("no program in {text}"))
        })
        .collect()
}

/// Whether the kernel still has the program with this number: anything attached anywhere keeps it.
pub(crate) fn program_exists(id: u64) -> bool {
    let mut show = Command::new("bpftool");
    show.args(["prog", "show", "id", &id.to_string()]);
    sh::run(show).is_ok()
}
