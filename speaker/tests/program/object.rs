//! The object itself: its programs and maps are those of the layout, and it stays within its budget of memory.

use std::{
    collections::BTreeSet,
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use arpeggio_common::abi::{
    CLIENTS_CAPACITY, Client, ClientKey, DEFAULT_CAPACITY, EVENTS_BYTES, Key4, Key6, Lease, Outcome, PEERS_CAPACITY,
    Peer, PeerKey, SIGHTINGS_CAPACITY, STRAYS_CAPACITY, Sighting, Stats, Stray, StrayKey, Vip, names,
};
use aya::{
    maps::{Map, MapData},
    util::nr_cpus,
};

use crate::kernel::kernel;

#[test]
fn the_programs_are_those_of_the_layout() {
    let kernel = kernel();
    let found: BTreeSet<_> = kernel.ebpf().programs().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(found, names::PROGRAMS.map(str::to_owned).into());
}

#[test]
fn the_maps_are_those_of_the_layout_and_the_log() {
    let kernel = kernel();
    let mut found: BTreeSet<_> = kernel.ebpf().maps().map(|(name, _)| name.to_owned()).collect();
    // Taken out of the object by the fixture, which reads it.
    assert!(found.insert(names::EVENTS.to_owned()));
    let others = ["AYA_LOGS", ".rodata", "CLOCK"];
    assert_eq!(found, names::ALL.into_iter().chain(others).map(str::to_owned).collect());
}

fn data(map: &Map) -> &MapData {
    match map {
        Map::HashMap(data) | Map::LruHashMap(data) | Map::Array(data) | Map::PerCpuArray(data) | Map::RingBuf(data) => {
            data
        }
        other => panic!("a map of another kind: {other:?}"),
    }
}

#[test]
fn keys_values_and_capacities_are_those_of_the_layout() {
    let kernel = kernel();
    for (name, key, value, entries) in [
        (names::VIPS4, size_of::<Key4>(), size_of::<Vip>(), DEFAULT_CAPACITY),
        (names::VIPS6, size_of::<Key6>(), size_of::<Vip>(), DEFAULT_CAPACITY),
        (names::STATS, 4, size_of::<Stats>(), DEFAULT_CAPACITY),
        (names::OUTCOMES, 4, size_of::<u64>(), u32::try_from(Outcome::COUNT).unwrap()),
        (names::SIGHTINGS, size_of::<Key6>(), size_of::<Sighting>(), SIGHTINGS_CAPACITY),
        (names::CLIENTS, size_of::<ClientKey>(), size_of::<Client>(), CLIENTS_CAPACITY),
        (names::LEASE, 4, size_of::<Lease>(), 1),
        (names::PEERS, size_of::<PeerKey>(), size_of::<Peer>(), PEERS_CAPACITY),
        (names::STRAYS, size_of::<StrayKey>(), size_of::<Stray>(), STRAYS_CAPACITY),
    ] {
        let info = data(kernel.ebpf().map(name).unwrap()).info().unwrap();
        let found = (info.key_size() as usize, info.value_size() as usize, info.max_entries());
        assert_eq!(found, (key, value, entries), "{name}");
    }
}

/// Bytes of a hash map: the kernel keeps 48 bytes of its own per entry, 16 per bucket, and one spare entry per CPU
/// (`struct htab_elem`, `struct bucket` in kernel/bpf/hashtab.c).
fn hash<K, V>(entries: u32, cpus: usize) -> usize {
    let entries = entries as usize;
    (entries + cpus) * (48 + size_of::<K>() + size_of::<V>()) + entries.next_power_of_two() * 16
}

/// Bytes of all maps at their default capacity.
fn bytes(cpus: usize) -> usize {
    let capacity = DEFAULT_CAPACITY as usize;
    hash::<Key4, Vip>(DEFAULT_CAPACITY, cpus)
        + hash::<Key6, Vip>(DEFAULT_CAPACITY, cpus)
        + hash::<Key6, Sighting>(SIGHTINGS_CAPACITY, cpus)
        + hash::<ClientKey, Client>(CLIENTS_CAPACITY, cpus)
        + hash::<PeerKey, Peer>(PEERS_CAPACITY, cpus)
        + hash::<StrayKey, Stray>(STRAYS_CAPACITY, cpus)
        + cpus * (capacity * size_of::<Stats>() + Outcome::COUNT * 8)
        // A pointer for each per-CPU value.
        + 8 * (capacity + Outcome::COUNT)
        + EVENTS_BYTES as usize
}

#[test]
fn the_maps_fit_into_their_budget_of_memory() {
    const MIB: usize = 1 << 20;
    for (cpus, budget) in [(2, 20 * MIB), (64, 100 * MIB)] {
        let bytes = bytes(cpus);
        println!("{cpus} CPUs: {:.1} MiB of {} MiB", bytes as f64 / MIB as f64, budget / MIB);
        assert!(bytes <= budget, "{cpus} CPUs need {bytes} bytes, more than {budget}");
    }
}

/// What the kernel itself says that the maps take: the sum above is no wishful thinking.
#[test]
fn the_kernel_agrees_about_the_memory() {
    let kernel = kernel();
    let memory = |name: &str| {
        let fd = data(kernel.ebpf().map(name).unwrap()).fd().as_fd().as_raw_fd();
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("memlock:")).unwrap().trim();
        line.parse::<usize>().unwrap()
    };
    let counted: usize = names::ALL.into_iter().filter(|name| *name != names::EVENTS).map(memory).sum();
    let computed = bytes(nr_cpus().unwrap());
    // Older kernels count keys and values only; none may count more than a tenth above the sum.
    assert!(
        counted > computed / 4 && counted < computed + computed / 10,
        "the kernel says {counted}, the sum {computed}"
    );
}
