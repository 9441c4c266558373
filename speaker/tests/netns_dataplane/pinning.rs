//! Pinned maps: reused, migrated, refused.

use std::collections::BTreeSet;

use aya::maps::{HashMap, Map, MapData};

use arpeggio_common::abi::{Action, Key4, Vip, names};
use arpeggio_speaker::{
    dataplane::{Dataplane, OpenError, Options, PinsError, inspect},
    decide::{AttachPolicy, Desired},
};

use crate::sandbox::{NODE, Sandbox, address, apply, ask, ask_for, desired, run, sandbox, veth, vip};

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
        let mut expected: Vec<_> = names::ALL.iter().map(|name| format!("v1/{name}")).collect();
        expected.sort();
        assert_eq!(sandbox.pins(), expected);
        let ids = map_ids(sandbox);
        drop(first);
        let _second = sandbox.open();
        assert_eq!(map_ids(sandbox), ids);
        let shown = run(&format!("bpftool map dump pinned {}", sandbox.pin("LEASE").display()));
        assert!(shown.contains("\"value\": 0"), "BTF prints values: {shown}");
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
        let before = agent.entries().unwrap();
        drop(agent);
        for capacity in [256, 40] {
            let ids = map_ids(sandbox);
            let lease = inspect(&sandbox.pin_dir()).unwrap().lease().unwrap();
            let mut agent = open(sandbox, capacity);
            assert_eq!(agent.entries().unwrap(), before, "lines below the new capacity stay");
            assert_eq!((agent.capacity(), agent.lease().unwrap()), (capacity, lease));
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
        let stats = agent.stats(&BTreeSet::from([first, last])).unwrap();
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
        let entries = agent.entries().unwrap();
        assert_eq!(entries.keys().collect::<Vec<_>>(), few.vips.keys().collect::<Vec<_>>());
        let slots: BTreeSet<_> = entries.values().map(Vip::slot).collect();
        assert_eq!(slots, (0..5).collect());
        let moved = entries[&(index, address(49))].slot();
        assert_eq!(agent.stats(&slots).unwrap()[&moved].replies, 1, "counters move along");
        assert_eq!(apply(&mut agent, &few).written, 0);
        drop(agent);

        let mut agent = open(sandbox, 3);
        assert_eq!(agent.entries().unwrap().len(), 3);
        let applied = agent.apply(&few);
        let text = applied.errors[0].to_string();
        assert!(text.contains("2 of 5 addresses") && text.contains("--capacity 5"), "{text}");
        assert_eq!(agent.entries().unwrap().len(), 3);
        assert_eq!(ask_for("va", [192, 0, 2, 45]), Some(NODE), "what fits answers");
    });
}

#[test]
fn a_map_of_another_layout_is_refused_and_stays() {
    sandbox(|sandbox| {
        drop(sandbox.open());
        let pin = sandbox.pin(names::VIPS4);
        std::fs::remove_file(&pin).unwrap();
        let foreign: HashMap<MapData, u32, u64> = HashMap::create(64, 0).unwrap();
        foreign_pin(foreign, &pin);
        let error = Dataplane::open(&sandbox.options(64)).err().unwrap();
        assert!(matches!(error, OpenError::Pins(PinsError::Incompatible { .. })));
        let text = error.to_string();
        for part in [
            "/v1/VIPS4",
            "found hash, key 4 B, value 8 B, 64 entries",
            "expected hash, key 8 B, value 24 B, 64 entries",
            "speaker cleanup",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(MapData::from_pin(&pin).unwrap().info().unwrap().key_size(), 4, "untouched");
        assert!(!error.bpf_is_unavailable());
    });
}

fn foreign_pin(map: HashMap<MapData, u32, u64>, path: &std::path::Path) {
    // aya's typed maps have no way back to their data, so the foreign map is found again by its id.
    let id = aya::maps::loaded_maps().filter_map(Result::ok).find(|info| {
        info.key_size() == 4 && info.value_size() == 8 && info.max_entries() == 64 && info.name() == b"standalone_hash"
    });
    let id = id.map(|info| info.id()).expect("the map was made a moment ago");
    MapData::from_id(id).unwrap().pin(path).unwrap();
    drop(map);
}

#[test]
fn leftovers_of_a_start_that_failed_half_way_do_no_harm() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut agent = open(sandbox, 64);
        apply(&mut agent, &many(index, 3));
        drop(agent);
        let left = sandbox.pin("VIPS4-next");
        let shape: HashMap<MapData, Key4, Vip> =
            Map::from_map_data(MapData::from_pin(sandbox.pin(names::VIPS4)).unwrap()).unwrap().try_into().unwrap();
        drop(shape);
        MapData::from_pin(sandbox.pin(names::STATS)).unwrap().pin(&left).unwrap();
        let agent = open(sandbox, 128);
        assert!(!left.exists());
        assert_eq!(agent.entries().unwrap().len(), 3);
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
        assert_eq!(agent.entries().unwrap().len(), 3);
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
        assert!(!error.bpf_is_unavailable());
    });
}
