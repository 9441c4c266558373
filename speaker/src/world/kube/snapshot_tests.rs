//! Snapshots that are written and read, and files that are none.

use arpeggio_common::model::InterfaceName;
use proptest::prelude::*;

use super::*;
use crate::world::Defaults;

fn node(name: &str) -> NodeName {
    NodeName::try_from(name).unwrap()
}

fn settings() -> Config {
    Config::of_defaults(&Defaults { node_flag: Some(node("node-a")), ..Defaults::default() }).unwrap()
}

/// The configuration with these wishes.
fn config(wishes: &[Wish]) -> Config {
    let mut config = settings();
    config.cluster = "east".into();
    for wish in wishes {
        if let Some(announcement) = &wish.announcement {
            config.announcements.insert(wish.address, announcement.clone());
        }
        if !wish.pool.is_empty() {
            config.pools.insert(wish.address, wish.pool.clone());
        }
    }
    config
}

fn wish() -> impl Strategy<Value = Wish> {
    let address = prop_oneof![
        (1_u8..250).prop_map(|last| IpAddr::from([192, 0, 2, last])),
        any::<u16>().prop_map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]))
    ];
    let interfaces = prop::collection::btree_set("[a-z]{1,9}", 0..3);
    let candidates = prop::collection::btree_set("[a-z0-9]{1,9}", 0..5);
    (address, interfaces, candidates, any::<bool>(), "[a-z]{1,5}", any::<u64>()).prop_map(
        |(address, interfaces, candidates, shared, pool, generation)| {
            let candidates = candidates.iter().map(|name| node(name)).collect::<Vec<_>>();
            let interfaces = interfaces.iter().map(|name| InterfaceName::try_from(name.as_str()).unwrap()).collect();
            let mode = if shared { Mode::Shared } else { Mode::Exclusive };
            let announcement = Announcement::new(address, candidates, interfaces, mode).unwrap();
            let announcement = announcement.with_generation(generation);
            Wish { address, announcement: Some(announcement.into()), pool: pool.into() }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(wishes in prop::collection::vec(wish(), 0..20), evacuate: bool) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        let before = config(&wishes);
        write(&file, &before, evacuate).unwrap();
        let snapshot = read(&file, &node("node-a")).unwrap();
        prop_assert_eq!(config(&snapshot.wishes), before);
        prop_assert_eq!((snapshot.evacuate, snapshot.faults, &*snapshot.cluster), (evacuate, vec![], "east"));
        prop_assert!(snapshot.at.is_some());
    }

    #[test]
    fn no_text_panics(text: String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        fs::write(&file, text).unwrap();
        prop_assert!(read(&file, &node("node-a")).is_err());
    }
}

#[test]
fn a_file_that_is_none_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE);
    let error = read(&file, &node("node-a")).unwrap_err();
    assert!(error.is_absent(), "{error}");
    write(&file, &settings(), false).unwrap();
    let whole = fs::read_to_string(&file).unwrap();
    for (text, expected) in [
        (&whole[..whole.len() / 2], "is damaged"),
        ("", "is damaged"),
        ("{}", "is damaged"),
        ("{\"version\":2,\"announcements\":7}", "has layout 2, this version reads 1"),
        ("{\"version\":1,\"node\":\"node-b\"}", "is of node \"node-b\""),
    ] {
        fs::write(&file, text).unwrap();
        let error = read(&file, &node("node-a")).unwrap_err();
        assert!(error.to_string().contains(expected) && !error.is_absent(), "{error}");
    }
}

#[test]
fn an_entry_that_cannot_be_used_does_not_hide_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE);
    let text = r#"{"version":1,"node":"node-a","later":true,"announcements":[{"address":"192.0.2.1","l2":{"candidates":["A"]}},
        {"address":"x"},{"address":"192.0.2.2","pool":"p","l2":{"candidates":["a"]}}]}"#;
    fs::write(&file, text).unwrap();
    let snapshot = read(&file, &node("node-a")).unwrap();
    assert_eq!((snapshot.wishes.len(), snapshot.faults.len()), (1, 2), "{snapshot:?}");
}

#[test]
fn the_layout_is_pinned() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE);
    let announcement =
        Announcement::new([192, 0, 2, 1].into(), vec![node("node-a")], BTreeSet::new(), Mode::Exclusive).unwrap();
    let announcement = announcement.with_generation(5);
    let wishes = [Wish { address: announcement.address(), announcement: Some(announcement.into()), pool: "p".into() }];
    write(&file, &config(&wishes), true).unwrap();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        r#"{"version":1,"node":"node-a","cluster":"east","evacuate":true,"announcements":[{"address":"192.0.2.1","pool":"p","l2":{"candidates":["node-a"],"mode":"Exclusive"},"generation":5}]}"#
    );
}
