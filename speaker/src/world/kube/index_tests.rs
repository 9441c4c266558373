//! The index under sequences of events.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object(address: &str, candidates: &[&str], version: u32) -> Watched {
    serde_json::from_value(json!({
        "metadata": {"name": address, "resourceVersion": version.to_string()},
        "spec": {"address": address, "pool": "p", "l2": {"candidates": candidates}},
    }))
    .unwrap()
}

fn addresses(index: &Index) -> Vec<String> {
    index.wishes().map(|wish| wish.address.to_string()).collect()
}

const NOTHING: Changed = Changed { wishes: false, routes: false, statuses: false };

#[test]
fn a_complete_list_is_the_truth_and_a_half_one_is_not() {
    let mut index = Index::default();
    index.take(Event::Init);
    index.take(Event::InitApply(object("192.0.2.1", &["a"], 1)));
    index.take(Event::InitApply(object("192.0.2.2", &["a"], 2)));
    assert!(!index.synced());
    assert_eq!(index.take(Event::InitDone), Changed { wishes: true, routes: true, statuses: true });
    assert!(index.synced());

    // A second list that breaks off takes nothing away, the third one does.
    index.take(Event::InitApply(object("192.0.2.1", &["a"], 1)));
    index.broke_off();
    assert_eq!(index.take(Event::InitApply(object("192.0.2.2", &["a"], 2))), NOTHING);
    assert_eq!(addresses(&index), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(index.take(Event::InitDone), Changed { wishes: true, routes: true, statuses: true });
    assert_eq!(addresses(&index), ["192.0.2.2"]);

    index.take(Event::Init);
    index.take(Event::InitDone);
    assert_eq!(addresses(&index), [""; 0], "an empty list is the truth too");
}

#[test]
fn a_status_is_no_change_of_what_is_announced() {
    let mut index = Index::default();
    assert_eq!(
        index.take(Event::Apply(object("192.0.2.1", &["a"], 1))),
        Changed { wishes: true, routes: false, statuses: true }
    );
    assert_eq!(
        index.take(Event::Apply(object("192.0.2.1", &["a"], 2))),
        Changed { wishes: false, routes: false, statuses: true }
    );
    assert_eq!(index.take(Event::Apply(object("192.0.2.1", &["a"], 2))), NOTHING);
    assert_eq!(
        index.take(Event::Apply(object("192.0.2.1", &["b"], 3))),
        Changed { wishes: true, routes: false, statuses: true }
    );
    assert_eq!(index.of("192.0.2.1".parse().unwrap()).unwrap().version.as_deref(), Some("3"));
    assert_eq!(
        index.take(Event::Delete(object("192.0.2.1", &["b"], 4))),
        Changed { wishes: true, routes: false, statuses: true }
    );
    assert_eq!(index.take(Event::Delete(object("192.0.2.1", &["b"], 4))), NOTHING);
}

#[test]
fn who_becomes_invalid_keeps_what_it_said_and_is_told() {
    let mut index = Index::default();
    index.take(Event::Apply(object("192.0.2.1", &["a"], 1)));
    index.take(Event::Apply(object("192.0.2.2", &["A_b"], 2)));
    assert_eq!(
        index.take(Event::Apply(object("192.0.2.1", &["a", "a"], 3))),
        Changed { wishes: false, routes: false, statuses: true }
    );
    assert_eq!(addresses(&index), ["192.0.2.1"]);
    let faults: Vec<_> = index.faults().map(|(name, _)| name).collect();
    assert_eq!(faults, ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(index.observed().count(), 0, "nobody writes to an object that is not understood");
    index.take(Event::Apply(object("192.0.2.1", &["a"], 4)));
    assert_eq!((index.faults().count(), index.observed().count()), (1, 1));
}

#[test]
fn a_route_at_fault_is_told_and_takes_nothing_with_it() {
    let object = |bgp: serde_json::Value, version: &str| -> Watched {
        serde_json::from_value(json!({
            "metadata": {"name": "192.0.2.1", "resourceVersion": version},
            "spec": {"address": "192.0.2.1", "l2": {"candidates": ["a"]}, "bgp": bgp},
        }))
        .unwrap()
    };
    let prefixes = |index: &Index| {
        let at_layer_2 = index.wishes().next().unwrap().announcement.is_some();
        let routes = index.routes().flat_map(|(_, routes)| routes.to_vec());
        (at_layer_2, routes.map(|route| route.prefix.to_string()).collect::<Vec<_>>())
    };
    let mut index = Index::default();
    let mut routes = json!([{"prefix": "192.0.2.1/32"}, {"prefix": "192.0.2.0/24", "nodes": ["A_b"]}]);
    assert_eq!(
        index.take(Event::Apply(object(routes.clone(), "1"))),
        Changed { wishes: true, routes: true, statuses: true }
    );
    assert_eq!(prefixes(&index), (true, vec!["192.0.2.1/32".to_owned()]));
    let faults: Vec<_> = index.faults().collect();
    assert_eq!(faults, [("192.0.2.1", "spec.bgp[1].nodes[0]: \"A_b\" is no name of a node")]);
    assert_eq!(index.observed().count(), 1, "its status is written all the same");
    routes[1]["nodes"] = json!(["b"]);
    assert_eq!(index.take(Event::Apply(object(routes, "1"))), Changed { wishes: false, routes: true, statuses: true });
    assert_eq!((prefixes(&index).1.len(), index.faults().count()), (2, 0));
    // By BGP alone.
    let mut alone = json!({"metadata": {"name": "192.0.2.1"}, "spec": {"address": "192.0.2.1"}});
    alone["spec"]["bgp"] = json!([{"prefix": "192.0.2.1/32"}]);
    index.take(Event::Apply(serde_json::from_value(alone).unwrap()));
    assert_eq!(prefixes(&index), (false, vec!["192.0.2.1/32".to_owned()]));
}

#[test]
fn what_was_restored_stays_until_a_list_is_complete() {
    let mut before = Index::default();
    before.take(Event::Apply(object("192.0.2.1", &["a"], 1)));
    before.take(Event::Apply(object("192.0.2.2", &["a"], 2)));
    let snapshot = Snapshot { wishes: before.wishes().cloned().collect(), ..Snapshot::default() };
    let mut index = Index::restored(&snapshot);
    assert_eq!((addresses(&index), index.synced()), (addresses(&before), false));
    assert_eq!(index.observed().count(), 0, "nothing is known of what the API server shows");
    index.take(Event::Init);
    assert_eq!(
        index.take(Event::InitApply(object("192.0.2.1", &["a"], 9))),
        Changed { wishes: false, routes: false, statuses: true }
    );
    index.take(Event::InitDone);
    assert_eq!(addresses(&index), ["192.0.2.1"]);
}

/// What may come over a watch: a list, an object, the end of an object, the end of the watch.
fn event() -> impl Strategy<Value = (u8, u8, u8)> {
    (0_u8..4, 1_u8..6, 0_u8..4)
}

proptest! {
    /// However lists, events and broken lists mix: after a complete list the index is what that list said.
    #[test]
    fn after_a_list_everything_before_is_forgotten(events in prop::collection::vec(event(), 0..40), last in prop::collection::btree_set(1_u8..6, 0..5)) {
        let mut index = Index::default();
        for (what, address, candidate) in events {
            let candidates = [["a"], ["b"], ["c"], ["A_b"]];
            let object = object(&format!("192.0.2.{address}"), &candidates[usize::from(candidate)], 1);
            index.take(match what {
                0 => Event::Init,
                1 => Event::InitApply(object),
                2 => Event::Apply(object),
                _ => Event::Delete(object),
            });
        }
        index.take(Event::Init);
        for address in &last {
            index.take(Event::InitApply(object(&format!("192.0.2.{address}"), &["z"], 2)));
        }
        index.take(Event::InitDone);
        let expected: Vec<_> = last.iter().map(|address| format!("192.0.2.{address}")).collect();
        prop_assert_eq!(addresses(&index), expected);
        prop_assert_eq!(index.faults().count(), 0);
    }
}
