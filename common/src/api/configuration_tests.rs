//! The rules between objects, and what stays in force while one of them is broken.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{super::set::Set, *};
use crate::model::Configuration;

const NAMESPACE: &str = "metallb-system";

/// A pool made `age` seconds before the end of a minute: the higher, the older.
fn pool(name: &str, age: u8, addresses: &[&str]) -> Decoded<IPAddressPool> {
    object(name, age, NAMESPACE, &json!({ "addresses": addresses }))
}

fn object<K: Resource<DynamicType = ()> + serde::de::DeserializeOwned>(
    name: &str,
    age: u8,
    namespace: &str,
    spec: &Value,
) -> Decoded<K> {
    let created = format!("2026-01-01T00:00:{:02}Z", 59 - age);
    let metadata = json!({ "name": name, "namespace": namespace, "creationTimestamp": created });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
}

fn advertisement(name: &str, spec: &Value) -> Decoded<L2Advertisement> {
    object(name, 0, NAMESPACE, spec)
}

fn assemble(
    namespace: &str,
    pools: &[Decoded<IPAddressPool>],
    l2: &[Decoded<L2Advertisement>],
    before: &Configuration,
) -> Configuration {
    let (pools, l2) = (pools.iter().collect(), l2.iter().collect());
    Set { namespace, pools, l2, ..Set::default() }.assemble(before)
}

fn fresh(pools: &[Decoded<IPAddressPool>]) -> Configuration {
    assemble(NAMESPACE, pools, &[], &Configuration::default())
}

fn names(configuration: &Configuration) -> Vec<&str> {
    configuration.pools.keys().map(String::as_str).collect()
}

fn sentences(configuration: &Configuration) -> Vec<String> {
    configuration.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn the_younger_of_two_that_overlap_is_left_out_and_nothing_else() {
    for (older, younger) in [
        ("192.0.2.0/24", "192.0.2.128/25"),
        ("192.0.2.128/25", "192.0.2.0/24"),
        ("192.0.2.1-192.0.2.9", "192.0.2.9/32"),
        ("2001:db8::/64", "2001:db8::5-2001:db8::6"),
    ] {
        let both = [
            pool("young", 1, &["10.0.0.0/8", younger]),
            pool("old", 2, &[older]),
            pool("other", 0, &["172.16.0.0/12"]),
        ];
        let configuration = fresh(&both);
        assert_eq!(names(&configuration), ["old", "other"]);
        assert_eq!(
            sentences(&configuration),
            [format!(
                "IPAddressPool metallb-system/young: spec.addresses[1] {younger:?} overlaps with already defined CIDR {older} of IPAddressPool \
                 metallb-system/old; give each address to one pool; to move addresses, apply IPAddressPool metallb-system/old without \
                 them first, then this again: Services keep theirs meanwhile"
            )]
        );
    }
}

#[test]
fn of_the_same_age_the_name_decides_and_without_an_age_one_is_the_youngest() {
    let same = [pool("b", 1, &["192.0.2.0/24"]), pool("a", 1, &["192.0.2.0/24"])];
    assert_eq!(names(&fresh(&same)), ["a"]);
    let mut ageless = pool("a", 1, &["192.0.2.0/24"]);
    ageless.meta_mut().creation_timestamp = None;
    assert_eq!(names(&fresh(&[ageless, pool("b", 1, &["192.0.2.0/24"])])), ["b"]);
}

#[test]
fn who_is_in_force_never_has_to_go_because_another_went() {
    // The third overlaps only the second, which is left out because of the first. Were it let in, it would have to go with the first.
    let first = pool("first", 3, &["192.0.2.0-192.0.2.9"]);
    let second = pool("second", 2, &["192.0.2.5-192.0.2.19"]);
    let third = pool("third", 1, &["192.0.2.15-192.0.2.29"]);
    assert_eq!(names(&fresh(&[first, second.clone(), third.clone()])), ["first"]);
    assert_eq!(names(&fresh(&[second, third])), ["second"]);
}

#[test]
fn what_an_edit_breaks_stays_as_it_was() {
    let good = fresh(&[pool("a", 2, &["192.0.2.0/24"]), pool("b", 1, &["198.51.100.0/24"])]);
    let slip = [pool("a", 2, &["192.0.2.0/24", "192.0.3.0/33"]), pool("b", 1, &["198.51.100.0/25"])];
    let after = assemble(NAMESPACE, &slip, &[], &good);
    assert_eq!(after.pools["a"], good.pools["a"]);
    assert_eq!(after.pools["b"].ranges[0].to_string(), "198.51.100.0/25", "others go on");
    assert!(sentences(&after)[0].ends_with("; until then it stays in force as it was"), "{:?}", after.faults);

    let unreadable = object::<IPAddressPool>("a", 2, NAMESPACE, &json!({ "addresses": "192.0.2.0/24" }));
    let after = assemble(NAMESPACE, &[unreadable], &[], &after);
    assert_eq!((names(&after), after.faults.len()), (vec!["a"], 1));

    let repaired = assemble(NAMESPACE, &[pool("a", 2, &["192.0.3.0/24"])], &[], &after);
    assert_eq!((repaired.pools["a"].ranges[0].to_string().as_str(), repaired.faults.len()), ("192.0.3.0/24", 0));
    assert!(assemble(NAMESPACE, &[], &[], &after).pools.is_empty(), "who is deleted goes");
}

#[test]
fn who_edits_into_anothers_addresses_is_at_fault_whatever_the_age() {
    let before = fresh(&[pool("old", 2, &["192.0.2.0/25"]), pool("young", 1, &["192.0.2.128/25"])]);
    let edited = [pool("old", 2, &["192.0.2.0/24"]), pool("young", 1, &["192.0.2.128/25"])];
    let after = assemble(NAMESPACE, &edited, &[], &before);
    assert_eq!(after.pools, before.pools);
    assert_eq!(
        sentences(&after),
        [
            "IPAddressPool metallb-system/old: spec.addresses[0] \"192.0.2.0/24\" overlaps with already defined CIDR 192.0.2.128/25 of IPAddressPool \
          metallb-system/young; give each address to one pool; to move addresses, apply IPAddressPool metallb-system/young without \
          them first, then this again: Services keep theirs meanwhile; until then it stays in force as it was"
        ]
    );
    // And what an earlier edit left behind is not for the taking while it stays in force.
    let both =
        [pool("old", 2, &["192.0.2.128/26"]), pool("young", 1, &["192.0.2.128/25"]), pool("new", 0, &["192.0.2.0/26"])];
    let after = assemble(NAMESPACE, &both, &[], &before);
    assert_eq!(after.pools, before.pools);
    assert_eq!(after.faults.len(), 2);
}

/// A pool whose status says whether it was in force when it had this generation; its present one is 2.
fn said(name: &str, age: u8, address: &str, status: &str, generation: i64) -> Decoded<IPAddressPool> {
    let mut pool = pool(name, age, &[address]);
    pool.meta_mut().generation = Some(2);
    let conditions = json!([{ "type": "Accepted", "status": status, "reason": "Any", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": generation }]);
    pool.0.as_mut().unwrap().status = Some(serde_json::from_value(json!({ "conditions": conditions })).unwrap());
    pool
}

#[test]
fn who_was_in_force_before_a_restart_stays_in_force_whatever_the_age() {
    let both = [said("old", 2, "192.0.2.0/24", "False", 2), said("young", 1, "192.0.2.128/25", "True", 2)];
    let configuration = fresh(&both);
    assert_eq!(names(&configuration), ["young"]);
    assert!(sentences(&configuration)[0].starts_with("IPAddressPool metallb-system/old: "), "{configuration:?}");
    // Nobody is driven out by one that was never asked, and words about an earlier form count for nothing.
    for (status, generation) in [("True", 1), ("False", 2), ("Unknown", 2)] {
        let both = [pool("old", 2, &["192.0.2.0/24"]), said("young", 1, "192.0.2.128/25", status, generation)];
        assert_eq!(names(&fresh(&both)), ["old"], "{status} of generation {generation}");
    }
    // Somebody who stands by took two edits for one and found the older pool in the right; whoever led saw that of the other first.
    let apart = fresh(&[pool("old", 2, &["198.51.100.0/24"]), pool("young", 1, &["203.0.113.0/24"])]);
    let both = [pool("old", 2, &["192.0.2.0/24"]), pool("young", 1, &["192.0.2.128/25"])];
    let stood_by = assemble(NAMESPACE, &both, &[], &apart);
    assert_eq!(stood_by.pools["old"].ranges[0].to_string(), "192.0.2.0/24");
    let both = [said("old", 2, "192.0.2.0/24", "False", 2), said("young", 1, "192.0.2.128/25", "True", 2)];
    let leads = assemble(NAMESPACE, &both, &[], &stood_by);
    assert_eq!(names(&leads), ["young"], "addresses are where they were given");
    assert_eq!(leads.pools["young"].ranges[0].to_string(), "192.0.2.128/25");
    // A word that is late, of an overlap that is gone, does no harm.
    let alone = [said("old", 2, "192.0.2.0/24", "False", 2)];
    let after = assemble(NAMESPACE, &alone, &[], &stood_by);
    assert_eq!((names(&after), after.faults.len()), (vec!["old"], 0));
    // Two that cannot both be right: the older one.
    let both = [said("old", 2, "192.0.2.0/24", "True", 2), said("young", 1, "192.0.2.128/25", "True", 2)];
    assert_eq!(names(&fresh(&both)), ["old"]);
}

#[test]
fn what_does_not_concern_addresses_changes_at_once() {
    let before = fresh(&[pool("a", 1, &["192.0.2.0/24"]), pool("b", 2, &["198.51.100.0/24"])]);
    let spec = json!({ "addresses": ["192.0.2.0/24"], "autoAssign": false });
    let after = assemble(NAMESPACE, &[object("a", 1, NAMESPACE, &spec), pool("b", 2, &["192.0.2.9/32"])], &[], &before);
    assert!(!after.pools["a"].auto_assign);
    assert_eq!(after.pools["b"], before.pools["b"]);
}

#[test]
fn addresses_may_move_from_one_pool_to_another() {
    let before = fresh(&[pool("a", 2, &["192.0.2.0/24"]), pool("b", 1, &["198.51.100.0/24"])]);
    let both = [pool("a", 2, &["192.0.2.0/25"]), pool("b", 1, &["198.51.100.0/24", "192.0.2.128/25"])];
    let after = assemble(NAMESPACE, &both, &[], &before);
    assert!(after.faults.is_empty(), "both edits seen at once: {:?}", after.faults);
    assert_eq!(after.pools["b"].ranges.len(), 2);
}

#[test]
fn objects_of_foreign_namespaces_are_refused() {
    let spec = json!({ "addresses": ["192.0.2.0/24"] });
    let before = fresh(&[pool("a", 1, &["192.0.2.0/24"])]);
    let pools = [object("a", 9, "default", &spec), object("b", 9, "default", &spec)];
    let l2 = [object("lan", 9, "default", &json!(null))];
    let configuration = assemble(NAMESPACE, &pools, &l2, &before);
    assert!(configuration.pools.is_empty() && configuration.l2.is_empty());
    assert_eq!(configuration.faults.len(), 3);
    assert_eq!(
        sentences(&configuration)[2],
        "L2Advertisement default/lan: metadata.namespace \"default\" is not where the configuration is read from; the \
         resource must be created in metallb-system namespace"
    );
}

#[test]
fn a_pool_under_a_new_name_waits_for_the_old_one_to_go() {
    let applied = |name: &str, age: u8| {
        let mut pool = pool(name, age, &["192.0.2.0/25"]);
        let mark = ("kubectl.kubernetes.io/last-applied-configuration".to_owned(), String::new());
        pool.0.as_mut().unwrap().metadata.annotations = Some([mark].into());
        pool
    };
    let before = assemble(NAMESPACE, &[applied("old", 2)], &[], &Configuration::default());
    let both = assemble(NAMESPACE, &[applied("old", 2), applied("new", 1)], &[], &before);
    assert_eq!((names(&both), both.faults.len(), both.pending.len()), (vec!["old"], 0, 1));
    let after = assemble(NAMESPACE, &[applied("new", 1)], &[], &both);
    assert_eq!((names(&after), after.pending.len()), (vec!["new"], 0));
    assert_eq!(after.pools["new"].ranges, before.pools["old"].ranges);
    // After a restart the older one is in force.
    let fresh = assemble(NAMESPACE, &[applied("new", 1), applied("old", 2)], &[], &Configuration::default());
    assert_eq!((names(&fresh), fresh.pending.len()), (vec!["old"], 1));
}

#[test]
fn an_advertisement_stays_whatever_becomes_of_its_pools() {
    let pools = [pool("bad", 1, &["192.0.2.1"])];
    let l2 = [advertisement("lan", &json!({ "ipAddressPools": ["bad", "never"] })), advertisement("all", &json!(null))];
    let before = assemble(NAMESPACE, &pools, &l2, &Configuration::default());
    assert_eq!(before.l2.keys().collect::<Vec<_>>(), ["all", "lan"]);
    assert_eq!(before.faults.len(), 1);

    let broken = [
        advertisement("lan", &json!({ "ipAddressPools": ["a", "a"] })),
        advertisement("new", &json!({ "ipAddressPools": ["a", "a"] })),
    ];
    let after = assemble(NAMESPACE, &pools, &broken, &before);
    assert_eq!(after.l2.keys().collect::<Vec<_>>(), ["lan"], "an edit that breaks changes nothing");
    assert_eq!(after.l2["lan"], before.l2["lan"]);
}

/// Pools of up to three ranges among 64 addresses, some malformed: so small a space that most overlap something.
fn pools() -> impl Strategy<Value = Vec<Decoded<IPAddressPool>>> {
    let range = (0u8..64, 0u8..12).prop_map(|(first, length)| format!("192.0.2.{first}-192.0.2.{}", first + length));
    let text = prop_oneof![8 => range, 1 => Just("192.0.2.1".to_owned())];
    let one = ("[a-f]", 0u8..4, prop::collection::vec(text, 0..3));
    prop::collection::vec(one, 0..8).prop_map(|drawn| {
        let mut seen = BTreeSet::new();
        let distinct = drawn.into_iter().filter(|(name, _, _)| seen.insert(name.clone()));
        distinct
            .map(|(name, age, addresses)| object(&name, age, NAMESPACE, &json!({ "addresses": addresses })))
            .collect()
    })
}

fn nothing_overlaps(configuration: &Configuration) -> bool {
    let ranges: Vec<_> = configuration.pools.values().flat_map(|pool| &pool.ranges).collect();
    ranges.iter().enumerate().all(|(index, one)| ranges[index + 1..].iter().all(|other| !one.overlaps(other)))
}

proptest! {
    #[test]
    fn overlapping_ranges_never_come_into_force(history in prop::collection::vec(pools(), 1..5)) {
        let mut before = Configuration::default();
        for objects in &history {
            let after = assemble(NAMESPACE, objects, &[], &before);
            prop_assert!(nothing_overlaps(&after), "{:?}", after);
            for object in objects {
                let name = object.meta().name.as_deref().unwrap();
                let faulty = after.faults.iter().any(|fault| fault.object.name == name);
                let written = object.0.as_ref().unwrap().validate().ok();
                let in_force = after.pools.get(name);
                let expected = if faulty { before.pools.get(name) } else { written.as_ref() };
                prop_assert_eq!(in_force, expected);
            }
            prop_assert_eq!(&assemble(NAMESPACE, objects, &[], &after).pools, &after.pools, "once more changes nothing");
            before = after;
        }
    }

    #[test]
    fn the_order_in_which_objects_are_listed_means_nothing(objects in pools()) {
        let backwards: Vec<_> = objects.iter().rev().cloned().collect();
        prop_assert_eq!(fresh(&objects), fresh(&backwards));
    }

    #[test]
    fn a_younger_pool_drives_nobody_out_and_a_deletion_neither(objects in pools(), chosen in any::<prop::sample::Index>()) {
        let mut with: Vec<_> = objects.iter().filter(|object| object.meta().name.as_deref() != Some("z")).cloned().collect();
        let without = fresh(&with);
        with.push(object("z", 0, NAMESPACE, &json!({ "addresses": ["192.0.2.0/26"] })));
        let grown = fresh(&with);
        prop_assert!(without.pools.iter().all(|(name, pool)| grown.pools.get(name) == Some(pool)));
        let gone = with.remove(chosen.index(with.len()));
        let gone = gone.meta().name.as_deref().unwrap();
        let shrunk = assemble(NAMESPACE, &with, &[], &grown);
        prop_assert!(grown.pools.keys().all(|name| name == gone || shrunk.pools.contains_key(name)));
    }
}
