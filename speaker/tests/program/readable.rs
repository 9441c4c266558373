//! What people see: bpftool prints the fields of every map by name.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use arpeggio_common::abi::{SightingKind, names};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use serde_json::Value;

use crate::{
    case::{Case, Earlier, KEY6},
    frames::{OURS, RIVAL, RIVAL_NODE, arp_request, rival_node, with, with_tag},
    kernel::{Entry, Kernel, kernel, object_path},
};

/// A BPF file system that only this thread and its children see; it goes with the thread.
fn private_bpffs(at: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("bpf"), at, Some("bpf"), MsFlags::empty(), none).unwrap();
}

/// Runs bpftool and reads its answer.
fn bpftool(arguments: &[&str]) -> Value {
    let output = Command::new("bpftool").arg("-j").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("start bpftool (apt-get install bpftool): {error}"));
    assert!(output.status.success(), "bpftool {arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fields(value: &Value) -> BTreeSet<String> {
    value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

/// The first entry of a pinned map, formatted: key and value, the value of the first CPU where there is one per CPU.
fn first_entry(pin: &Path, array: bool) -> (Value, Value) {
    let pin = pin.to_str().unwrap();
    // Arrays have thousands of entries; the first will do.
    let entry = if array {
        bpftool(&["map", "lookup", "pinned", pin, "key", "0", "0", "0", "0"])
    } else {
        bpftool(&["map", "dump", "pinned", pin])[0].clone()
    };
    let formatted = &entry["formatted"];
    let value = if formatted["value"].is_null() { &formatted["values"][0]["value"] } else { &formatted["value"] };
    (formatted["key"].clone(), value.clone())
}

const ADDRESS_KEY: &[&str] = &["address", "ifindex"];
const VIP: &[&str] = &["mac", "action", "flags", "slot", "buckets"];

#[test]
fn bpftool_prints_every_field_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mount_point = folder.path().to_owned();
    // A thread of its own: the mount namespace is that of a thread.
    let checks = std::thread::spawn(move || print_every_field(&mount_point));
    if let Err(panic) = checks.join() {
        std::panic::resume_unwind(panic);
    }
}

fn print_every_field(bpffs: &Path) {
    private_bpffs(bpffs);
    let mut kernel = kernel();
    // One frame that leaves something in every map.
    let case = Case::new("something in every map", arp_request()).world(|world| {
        world.earlier =
            Some(Earlier { key: KEY6, mac: RIVAL, node: Some(rival_node()), kind: SightingKind::Claim, age_ns: 1 })
    });
    print_maps(bpffs, &mut kernel, &case, &LEFT_BY_A_CLIENT);
    let heartbeat = with_tag(&with(with(arp_request(), 0, &OURS.0), 28, &[0; 4]), RIVAL_NODE);
    print_maps(bpffs, &mut kernel, &Case::new("a heartbeat", heartbeat), &LEFT_BY_A_PEER);
}

/// A map, whether it is an array, the fields of its key and those of its value.
type Shown = (&'static str, bool, &'static [&'static str], &'static [&'static str]);

const LEFT_BY_A_CLIENT: [Shown; 8] = [
    (names::VIPS4, false, ADDRESS_KEY, VIP),
    (names::VIPS6, false, ADDRESS_KEY, VIP),
    (
        names::SIGHTINGS,
        false,
        &["address", "ifindex", "sort"],
        &["mac", "kind", "last_seen_ns", "told_ns", "count", "node", "generation"],
    ),
    (names::CLIENTS, false, &["vip", "client", "ifindex"], &["mac", "last_seen_ns"]),
    (names::STATS, true, &[], &["requests", "replies", "suppressed", "heartbeats", "claims", "last_request_ns"]),
    (names::OUTCOMES, true, &[], &[]),
    (names::LEASE, true, &[], &["until_ns", "node"]),
    (names::KEYS, true, &[], &["count", "unproven", "keys"]),
];
const LEFT_BY_A_PEER: [Shown; 1] = [(names::PEERS, false, &["node", "ifindex"], &["mac", "last_seen_ns", "count"])];

fn print_maps(bpffs: &Path, kernel: &mut Kernel, case: &Case, maps: &[Shown]) {
    kernel.run(Entry::Xdp, case);
    for &(name, array, key, value) in maps {
        let pin: PathBuf = bpffs.join(name);
        kernel.ebpf().map(name).unwrap().pin(&pin).unwrap();
        let (key_found, value_found) = first_entry(&pin, array);
        for (wanted, found) in [(key, &key_found), (value, &value_found)] {
            let missing: Vec<_> = wanted.iter().filter(|field| !fields(found).contains(**field)).collect();
            assert!(missing.is_empty(), "{name} prints {found} without {missing:?}");
            assert!(!wanted.is_empty() || found.is_number(), "{name} prints {found}, not a number");
        }
    }
}

/// A ring buffer has no keys or values to print; its record is described in the object all the same.
#[test]
fn the_object_describes_the_events() {
    let types = bpftool(&["btf", "dump", "file", object_path().to_str().unwrap()]);
    let types = types["types"].as_array().unwrap();
    let event = types.iter().find(|kind| kind["kind"] == "STRUCT" && kind["name"] == "Event").unwrap();
    let members: BTreeSet<_> =
        event["members"].as_array().unwrap().iter().filter_map(|member| member["name"].as_str()).collect();
    for field in ["at_ns", "address", "mac", "kind", "ifindex", "node", "generation"] {
        assert!(members.contains(field), "{members:?}");
    }
}
