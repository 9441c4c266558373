//! What is said of clusters with MetalLB.

use serde_json::{Value, json};

use super::*;
use crate::fixture::{self, typed};

fn workload(name: &str, args: Value) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": "metallb", "component": name}}, "spec": {"selector": {}, "template": {"spec":
        {"containers": [{"name": name, "image": format!("quay.io/metallb/{name}:v0.15.2"), "args": args}]}}}})
}

fn metallb(controller: Value, speaker: Value) -> Objects {
    Objects {
        deployments: vec![typed(workload("controller", controller))],
        daemon_sets: vec![typed(workload("speaker", speaker))],
        speakers: Vec::new(),
        announcements: Vec::new(),
        ..fixture::cluster()
    }
}

fn said(objects: &Objects, severity: Severity) -> Vec<String> {
    let findings = Migration::new(objects).findings.into_iter().filter(|finding| finding.severity == severity);
    findings.map(|finding| format!("{}: {} → {}", finding.subject, finding.message, finding.next)).collect()
}

#[test]
fn a_plain_metallb_needs_nothing_first() {
    let objects = metallb(json!(["--port=7472", "--log-level=info"]), json!(["--port=7472", "--log-level=info"]));
    assert_eq!(said(&objects, Severity::Problem), Vec::<String>::new());
    let migration = Migration::new(&objects);
    assert!(migration.is_well() && migration.images.len() == 2);
    assert!(render(&migration, Style::default()).contains("tried by name"));
}

#[test]
fn flags_are_led_to_where_they_belong() {
    let objects = metallb(
        json!(["--lb-class=a", "--strange"]),
        json!(["--ignore-exclude-lb", "--ml-bindport=7946", "--lb-class=a"]),
    );
    let problems = said(&objects, Severity::Problem);
    for part in
        ["add --ignore-exclude-lb to the arguments of our controller", "add --lb-class=a", "--strange is not known"]
    {
        assert!(problems.iter().any(|one| one.contains(part)), "{part}: {problems:?}");
    }
    let warnings = said(&objects, Severity::Warning);
    assert!(warnings.iter().any(|one| one.contains("--ml-bindport")), "{warnings:?}");
}

#[test]
fn bgp_needs_the_component() {
    let mut objects = metallb(json!([]), json!([]));
    objects.peers = vec![typed(json!({"metadata": {"name": "rack", "namespace": "metallb-system"},
        "spec": {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.254"}}))];
    objects.daemon_sets.push(typed(json!({"metadata": {"name": "frr-k8s"}})));
    let problems = said(&objects, Severity::Problem);
    assert!(problems[0].contains("manifests/frr") && problems[1].contains("frr-k8s"), "{problems:?}");
}

#[test]
fn what_is_refused_and_who_would_move_is_named() {
    let mut objects = metallb(json!([]), json!([]));
    objects.pools.push(typed(fixture::pool("mixed", &["192.0.2.200-2001:db8::1"])));
    objects.services.push(typed(fixture::service("far", "198.51.100.9")));
    objects.services[0]
        .metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert("metallb.universe.tf/address-pool".to_owned(), "pool".to_owned());
    objects.config_maps =
        vec![typed(json!({"metadata": {"name": "metallb-excludel2"}, "data": {"excludel2.yaml": "a\nb\n"}}))];
    let problems = said(&objects, Severity::Problem);
    for part in ["IPAddressPool metallb-system/mixed: is refused", "Service shop/far: would"] {
        assert!(problems.iter().any(|one| one.contains(part)), "{part}: {problems:?}");
    }
    let warnings = said(&objects, Severity::Warning);
    for part in ["1 Services carry annotations", "metallb-excludel2"] {
        assert!(warnings.iter().any(|one| one.contains(part)), "{part}: {warnings:?}");
    }
}

#[test]
fn helm_and_old_configurations_come_first() {
    let mut objects = metallb(json!([]), json!([]));
    objects.deployments[0]
        .metadata
        .labels
        .as_mut()
        .unwrap()
        .insert("helm.sh/chart".to_owned(), "metallb-0.15.2".to_owned());
    objects.pools.clear();
    objects.services.clear();
    objects.config_maps = vec![typed(json!({"metadata": {"name": "config"}, "data": {"config": "address-pools: []"}}))];
    let problems = said(&objects, Severity::Problem);
    assert!(problems.iter().any(|one| one.contains("helm uninstall")), "{problems:?}");
    assert!(problems.iter().any(|one| one.contains("configmaptocrs")), "{problems:?}");
}
