//! Plans for a small cluster, and for a large one.

use serde_json::json;

use super::*;
use crate::{
    fixture::{self, advertisement, pool, service, typed},
    output::{Severity, Style},
};

fn foresee(objects: &Objects, scenario: &Scenario) -> Foresight {
    Foresight::new(objects, scenario)
}

fn apply(documents: impl Into<Vec<Value>>) -> Scenario {
    Scenario { documents: documents.into(), ..Scenario::default() }
}

/// Effect, Service and what it has afterwards.
fn changes(foresight: &Foresight) -> Vec<(Effect, &str, &str)> {
    foresight.changes.iter().map(|one| (one.effect, one.service.as_str(), one.after.as_str())).collect()
}

#[test]
fn without_a_change_nothing_changes() {
    let foresight = foresee(&fixture::cluster(), &Scenario::default());
    assert_eq!(
        (foresight.changes.as_slice(), foresight.findings.as_slice(), foresight.services),
        (&[][..], &[][..], 2)
    );
    assert_eq!(render(&foresight, Style::default()), "None of 2 Services changes.\n");
}

#[test]
fn a_pool_that_is_split_in_one_commit_keeps_every_address() {
    let split = apply([pool("pool", &["192.0.2.100/32"]), pool("second", &["192.0.2.101-192.0.2.109"])]);
    let foresight = foresee(&fixture::cluster(), &split);
    assert_eq!(foresight.findings, []);
    assert_eq!(changes(&foresight), [(Effect::Pool, "shop/api", "192.0.2.101 by node-b (second)")]);
    assert!(foresight.is_well());
}

#[test]
fn a_pool_that_is_renamed_keeps_every_address_if_the_old_one_is_pruned() {
    let renamed = [pool("home", &["192.0.2.100-192.0.2.109"]), advertisement("all", json!({}))];
    let kept = foresee(&fixture::cluster(), &apply(renamed.clone()));
    assert!(!kept.is_well(), "two pools with the same addresses: {:?}", kept.findings);
    let pruned = foresee(&fixture::cluster(), &Scenario { prune: true, ..apply(renamed) });
    assert_eq!(pruned.findings, []);
    assert!(
        pruned.changes.iter().all(|change| change.effect == Effect::Pool) && pruned.changes.len() == 2,
        "{pruned:?}"
    );
}

#[test]
fn a_pool_that_shrinks_moves_and_takes_away() {
    let foresight = foresee(&fixture::cluster(), &apply([pool("pool", &["192.0.2.101/32"])]));
    assert_eq!(changes(&foresight), [(Effect::Loses, "shop/web", "")]);
    assert!(!foresight.is_well() && !foresight.changes[0].why.is_empty());
    let text = render(&foresight, Style::default());
    assert!(text.contains("LOSES") && text.contains("192.0.2.100 by node-a (pool)"), "{text}");
    let foresight = foresee(&fixture::cluster(), &apply([pool("pool", &["192.0.2.101-192.0.2.102"])]));
    assert_eq!(foresight.changes.len(), 1);
    assert_eq!(foresight.changes[0].effect, Effect::Moves);
    assert!(foresight.changes[0].after.starts_with("192.0.2.102 by node-"), "{foresight:?}");
}

#[test]
fn a_new_service_gets_an_address_and_an_owner() {
    let foresight = foresee(&fixture::cluster(), &apply([service("late", "")]));
    assert_eq!(foresight.changes.len(), 1);
    let change = &foresight.changes[0];
    assert_eq!((change.effect, change.service.as_str()), (Effect::Gets, "shop/late"));
    assert!(change.after.starts_with("192.0.2.102 by node-"), "{change:?}");
}

#[test]
fn an_advertisement_that_selects_nobody_silences() {
    let nobody = json!({"nodeSelectors": [{"matchLabels": {"rack": "none"}}]});
    let foresight = foresee(&fixture::cluster(), &apply([advertisement("all", nobody)]));
    assert!(
        foresight.changes.iter().all(|change| change.effect == Effect::Silenced) && foresight.changes.len() == 2,
        "{foresight:?}"
    );
    let only_c = json!({"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "node-c"}}]});
    let foresight = foresee(&fixture::cluster(), &apply([advertisement("all", only_c)]));
    assert!(foresight.is_well());
    let all = [
        (Effect::Owner, "shop/api", "192.0.2.101 by node-c (pool)"),
        (Effect::Owner, "shop/web", "192.0.2.100 by node-c (pool)"),
    ];
    assert_eq!(changes(&foresight), all);
}

#[test]
fn a_dead_or_evacuated_node_gives_its_addresses_to_the_next() {
    let down = Scenario { down: vec!["node-a".to_owned()], ..Scenario::default() };
    let evacuate = Scenario { evacuate: vec!["node-a".to_owned()], ..Scenario::default() };
    for scenario in [down, evacuate] {
        let foresight = foresee(&fixture::cluster(), &scenario);
        assert_eq!(changes(&foresight), [(Effect::Owner, "shop/web", "192.0.2.100 by node-b (pool)")], "{scenario:?}");
        assert!(foresight.is_well());
    }
    let unknown = Scenario { evacuate: vec!["node-x".to_owned()], ..Scenario::default() };
    assert_eq!(foresee(&fixture::cluster(), &unknown).findings[0].severity, Severity::Problem);
    let all = Scenario { down: ["node-a", "node-b", "node-c"].map(str::to_owned).into(), ..Scenario::default() };
    assert!(!foresee(&fixture::cluster(), &all).is_well(), "nobody is left");
}

#[test]
fn what_would_be_refused_is_a_problem() {
    for document in [pool("bad", &["nonsense"]), pool("twice", &["192.0.2.105/32"])] {
        let foresight = foresee(&fixture::cluster(), &apply([document]));
        assert!(!foresight.is_well());
        assert!(foresight.findings[0].message.starts_with("is refused"), "{:?}", foresight.findings);
        assert_eq!(foresight.changes, []);
    }
    let mut elsewhere = pool("far", &["198.51.100.0/24"]);
    elsewhere["metadata"]["namespace"] = "other".into();
    assert!(foresee(&fixture::cluster(), &apply([elsewhere])).findings[0].message.contains("read nowhere"));
    let broken =
        foresee(&fixture::cluster(), &apply([json!({"apiVersion": "v1", "kind": "Service", "metadata": "x"})]));
    assert!(!broken.is_well());
    let other = foresee(
        &fixture::cluster(),
        &apply([json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}})]),
    );
    assert!(other.is_well() && other.findings[0].message.starts_with("1 objects"));
}

#[test]
fn an_edit_of_a_service_keeps_what_it_does_not_name() {
    let asks = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop",
        "annotations": {"metallb.io/loadBalancerIPs": "192.0.2.105"}}});
    let foresight = foresee(&fixture::cluster(), &apply([asks]));
    assert_eq!(foresight.changes.len(), 1);
    assert_eq!(foresight.changes[0].effect, Effect::Moves);
    assert!(foresight.changes[0].after.starts_with("192.0.2.105 by"), "{foresight:?}");
}

/// Services of `count`, each with an address, on three nodes.
fn large(count: usize) -> Objects {
    let mut objects = fixture::cluster();
    objects.pools = vec![typed(pool("pool", &["10.64.0.0/14"]))];
    let address = |number: usize| format!("10.64.{}.{}", number / 256, number % 256);
    let order = ["node-a", "node-b", "node-c"];
    let name = |number: usize| format!("service-{number}");
    objects.services = (0..count).map(|number| typed(service(&name(number), &address(number)))).collect();
    objects.slices = (0..count).map(|number| typed(fixture::slice(&name(number), &order))).collect();
    let candidates = |number: usize| {
        let mut all = order;
        all.rotate_left(number % 3);
        all
    };
    let announcement =
        |number: usize| typed(fixture::announcement(&address(number), &name(number), &candidates(number)));
    objects.announcements = (0..count).map(announcement).collect();
    objects
}

/// Half of the pool becomes another one, and a node dies.
fn scenario() -> Scenario {
    let documents = vec![pool("pool", &["10.64.0.0-10.64.1.0"]), pool("rest", &["10.64.1.1-10.67.255.255"])];
    Scenario { documents, down: vec!["node-a".to_owned()], ..Scenario::default() }
}

#[test]
fn hundreds_of_services_are_judged_one_by_one() {
    let foresight = foresee(&large(600), &scenario());
    assert_eq!((foresight.services, foresight.findings.as_slice()), (600, &[][..]));
    assert!(foresight.is_well());
    let count = |effect| foresight.changes.iter().filter(|change| change.effect == effect).count();
    assert_eq!(count(Effect::Owner), 200, "those of the dead node");
    assert_eq!(count(Effect::Owner) + count(Effect::Pool), foresight.changes.len());
    let rest = foresight.changes.iter().filter(|change| change.after.ends_with("(rest)"));
    assert!(rest.count() >= 343, "addresses above 10.64.1.0 are in the new pool");
}

#[test]
#[ignore = "a measurement: run it in a release build"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn ten_thousand_services_take_two_seconds_at_most() {
    let objects = large(10_000);
    let begin = std::time::Instant::now();
    let foresight = foresee(&objects, &scenario());
    let took = begin.elapsed();
    println!("{} Services, {} changes: {took:.2?}", foresight.services, foresight.changes.len());
    assert!(foresight.is_well() && took.as_secs_f64() <= 2.0, "{took:?}");
}
