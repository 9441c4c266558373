//! Pinned maps: reused, migrated, refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use aya::maps::{HashMap, Map, MapData, PerCpuArray, PerCpuValues};

use arpeggio_common::abi::{
    Action, Client, ClientKey, EVENTS_BYTES, Key4, Key6, LAYOUT_DIRECTORY, Outcome, Peer, PeerKey, SIGHTINGS_CAPACITY,
    Sighting, SightingKey, SightingKind, Sort, Vip, names,
};
use arpeggio_speaker::{
    dataplane::{Dataplane, Options, inspect},
    decide::{AttachPolicy, Desired},
};

use crate::sandbox::{NODE, Sandbox, address, apply, ask, ask_for, desired, node, run, sandbox, veth, vip};

fn map_ids(sandbox: &Sandbox) -> Vec<u32> {
    names::ALL.iter().map(|name| MapData::from_pin(sandbox.pin(name)).unwrap().info().unwrap().id()).collect()
}

fn max_entries(sandbox: &Sandbox, name: &str) -> u32 {
    MapData::from_pin(sandbox.pin(name)).unwrap().info().unwrap().max_entries()
}

fn open(sandbox: &Sandbox, capacity: u32) -> Dataplane {
    Dataplane::open(&sandbox.options(capacity)).unwrap()
}

/// Addresses 192.0.2.10 to 192.0.2.(10+count).
fn many(index: u32, count: u8) -> Desired {
    let mut wanted = desired(index, "va", AttachPolicy::Native);
    wanted.vips = (10..10 + count).map(|last| ((index, address(last)), vip(Action::Answer))).collect();
    wanted
}

#[test]
fn every_map_is_pinned_under_its_name_and_reused() {
    sandbox(|sandbox| {
        let first = sandbox.open();
        let mut expected: Vec<_> = names::ALL.iter().map(|name| format!("{LAYOUT_DIRECTORY}/{name}")).collect();
        expected.sort();
        assert_eq!(sandbox.pins(), expected);
        let ids = map_ids(sandbox);
        drop(first);
        let _second = sandbox.open();
        assert_eq!(map_ids(sandbox), ids);
        let shown = run(&format!("bpftool map dump pinned {}", sandbox.pin("LEASE").display()));
        assert!(shown.contains("\"until_ns\": 0"), "BTF prints values: {shown}");
    });
}

#[test]
fn another_capacity_keeps_entries_and_counters_and_answers() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut agent = open(sandbox, 64);
        apply(&mut agent, &many(index, 40));
        for last in [10, 49, 49] {
            assert_eq!(ask_for("va", [192, 0, 2, last]), Some(NODE));
        }
        let before = agent.maps().entries().unwrap();
        drop(agent);
        for capacity in [256, 40] {
            let ids = map_ids(sandbox);
            let lease = inspect(&sandbox.pin_dir()).unwrap().maps().lease().unwrap();
            let mut agent = open(sandbox, capacity);
            assert_eq!(agent.maps().entries().unwrap(), before, "lines below the new capacity stay");
            assert_eq!((agent.maps().capacity(), agent.maps().lease().unwrap()), (capacity, lease));
            for name in [names::VIPS4, names::VIPS6, names::STATS] {
                assert_eq!(max_entries(sandbox, name), capacity, "{name}");
            }
            assert_eq!(map_ids(sandbox)[3..], ids[3..], "the other maps are reused");
            assert!(!sandbox.pins().iter().any(|pin| pin.ends_with("-next")), "{:?}", sandbox.pins());
            assert_eq!(ask_for("va", [192, 0, 2, 49]), Some(NODE), "the pinned link runs on the new maps");
            let applied = apply(&mut agent, &many(index, 40));
            assert_eq!((applied.written, applied.removed, applied.taken.len()), (0, 0, 0));
        }
        let agent = open(sandbox, 40);
        let (first, last) = (before[&(index, address(10))].slot(), before[&(index, address(49))].slot());
        let stats = agent.maps().stats(&BTreeSet::from([first, last])).unwrap();
        assert_eq!((stats[&first].replies, stats[&last].replies), (1, 4));
    });
}

#[test]
fn a_smaller_capacity_moves_lines_and_keeps_what_fits() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut agent = open(sandbox, 64);
        apply(&mut agent, &many(index, 40));
        assert_eq!(ask_for("va", [192, 0, 2, 49]), Some(NODE));
        // Only the last five stay: their lines lie beyond the new capacity.
        let mut few = many(index, 40);
        few.vips.retain(|(_, place), _| *place >= address(45));
        apply(&mut agent, &few);
        drop(agent);
        let mut agent = open(sandbox, 5);
        let entries = agent.maps().entries().unwrap();
        assert_eq!(entries.keys().collect::<Vec<_>>(), few.vips.keys().collect::<Vec<_>>());
        let slots: BTreeSet<_> = entries.values().map(Vip::slot).collect();
        assert_eq!(slots, (0..5).collect());
        let moved = entries[&(index, address(49))].slot();
        assert_eq!(agent.maps().stats(&slots).unwrap()[&moved].replies, 1, "counters move along");
        assert_eq!(apply(&mut agent, &few).written, 0);
        drop(agent);

        let mut agent = open(sandbox, 3);
        assert_eq!(agent.maps().entries().unwrap().len(), 3);
        let applied = agent.apply(&few);
        let text = applied.errors[0].to_string();
        assert!(text.contains("2 of 5 addresses") && text.contains("--capacity 5"), "{text}");
        assert_eq!(agent.maps().entries().unwrap().len(), 3);
        assert_eq!(ask_for("va", [192, 0, 2, 45]), Some(NODE), "what fits answers");
    });
}

#[test]
fn leftovers_of_a_start_that_failed_half_way_do_no_harm() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut agent = open(sandbox, 64);
        apply(&mut agent, &many(index, 3));
        drop(agent);
        let left = sandbox.pin("VIPS4-next");
        MapData::from_pin(sandbox.pin(names::STATS)).unwrap().pin(&left).unwrap();
        let agent = open(sandbox, 128);
        assert!(!left.exists());
        assert_eq!(agent.maps().entries().unwrap().len(), 3);
        assert_eq!(ask("va"), Some(NODE));
    });
}

#[test]
fn missing_maps_are_made_beside_those_that_are_there() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut agent = open(sandbox, 64);
        apply(&mut agent, &many(index, 3));
        drop(agent);
        std::fs::remove_file(sandbox.pin(names::VIPS6)).unwrap();
        std::fs::remove_file(sandbox.pin(names::SIGHTINGS)).unwrap();
        let mut agent = open(sandbox, 128);
        assert_eq!(agent.maps().entries().unwrap().len(), 3);
        assert_eq!(apply(&mut agent, &many(index, 3)).written, 0);
        assert_eq!(ask("va"), Some(NODE));
    });
}

#[test]
fn a_pin_directory_elsewhere_is_refused_with_the_remedy() {
    sandbox(|_| {
        let folder = tempfile::tempdir().unwrap();
        let pin_dir = folder.path().join("arpeggio");
        let options = Options { pin_dir: Some(pin_dir.clone()), capacity: 16, log_level: 0 };
        let error = Dataplane::open(&options).err().unwrap();
        assert!(error.to_string().contains(&format!("mount -t bpf bpf {}", pin_dir.display())), "{error}");
        assert!(error.bpf_is_unavailable(), "a raw socket answers without");
    });
}

/// Puts a map of the same layout but another capacity in the place of a pinned one.
fn resize(sandbox: &Sandbox, name: &str, max_entries: u32) -> Map {
    let old = MapData::from_pin(sandbox.pin(name)).unwrap().info().unwrap();
    replace(sandbox, name, old.value_size(), max_entries)
}

/// Puts a map with values of another size in the place of a pinned one.
pub(crate) fn resize_value(sandbox: &Sandbox, name: &str, value_size: u32) {
    replace(sandbox, name, value_size, max_entries(sandbox, name));
}

fn replace(sandbox: &Sandbox, name: &str, value_size: u32, max_entries: u32) -> Map {
    let pin = sandbox.pin(name);
    let old = MapData::from_pin(&pin).unwrap().info().unwrap();
    let kind = old.map_type().unwrap() as u32;
    let shape = aya_obj::Map::new_from_params(kind, old.key_size(), value_size, max_entries, old.map_flags());
    let new = MapData::create(shape, name, None).unwrap();
    std::fs::remove_file(&pin).unwrap();
    new.pin(&pin).unwrap();
    Map::from_map_data(new).unwrap()
}

#[test]
fn what_was_seen_moves_to_a_map_of_another_capacity_too() {
    sandbox(|sandbox| {
        drop(sandbox.open());
        let rival = [2, 0, 0, 0, 0, 9];
        let sighting = Sighting::new(rival, SightingKind::Reply, None, 77);
        let mut sightings: HashMap<_, SightingKey, Sighting> =
            resize(sandbox, names::SIGHTINGS, 256).try_into().unwrap();
        let line = SightingKey::new(Key4::new(3, [192, 0, 2, 10]).widen(), Sort::Stranger);
        sightings.insert(line, sighting, 0).unwrap();
        let vip = Key6::new(3, [0xfd; 16]);
        let mut clients: HashMap<_, ClientKey, Client> = resize(sandbox, names::CLIENTS, 256).try_into().unwrap();
        clients.insert(ClientKey::new(vip, [0xfe; 16]), Client::new(rival, 78), 0).unwrap();
        let (key, peer) = (PeerKey::new(3, node("node-b")), Peer::new(rival, 79));
        let mut peers: HashMap<_, PeerKey, Peer> = resize(sandbox, names::PEERS, 256).try_into().unwrap();
        peers.insert(key, peer, 0).unwrap();
        resize(sandbox, names::STRAYS, 256);
        // An older agent knew fewer ways for a frame to end.
        let mut outcomes: PerCpuArray<_, u64> = resize(sandbox, names::OUTCOMES, 10).try_into().unwrap();
        let cpus = aya::util::nr_cpus().unwrap();
        let line = Outcome::Conflict.counter().unwrap();
        outcomes.set(line, PerCpuValues::try_from(vec![5; cpus]).unwrap(), 0).unwrap();
        resize(sandbox, names::EVENTS, 8192);

        let agent = sandbox.open();
        assert_eq!(agent.maps().sightings().unwrap(), BTreeMap::from([((3, address(10)), sighting)]));
        assert_eq!(agent.maps().peers().unwrap(), BTreeMap::from([((3, node("node-b")), peer)]));
        let client: IpAddr = Ipv6Addr::from([0xfe; 16]).into();
        let place = (3, IpAddr::from(Ipv6Addr::from([0xfd; 16])));
        assert_eq!(agent.maps().clients().unwrap(), BTreeMap::from([((place, client), Client::new(rival, 78))]));
        let counted = agent.maps().outcomes().unwrap();
        assert_eq!(counted[&Outcome::Conflict], 5 * u64::try_from(cpus).unwrap());
        assert_eq!(counted.len(), Outcome::ALL.into_iter().filter(|outcome| outcome.counter().is_some()).count());
        assert_eq!(max_entries(sandbox, names::SIGHTINGS), SIGHTINGS_CAPACITY);
        assert_eq!(max_entries(sandbox, names::EVENTS), EVENTS_BYTES);
    });
}
