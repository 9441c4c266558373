//! What a definition asks for; the driver is tried by the cluster tier.

use arpeggio_common::api::crd;
use rstest::rstest;
use serde_json::json;

use super::*;

fn definition(storage: &str, stored: &[&str]) -> Definition {
    let version = |name: &str| json!({ "name": name, "served": true, "storage": name == storage });
    let read = serde_json::from_value(json!({
        "metadata": { "name": "bgppeers.metallb.io" },
        "spec": {
            "group": "metallb.io",
            "scope": "Namespaced",
            "names": { "kind": "BGPPeer", "plural": "bgppeers" },
            "versions": [version("v1beta1"), version("v1beta2")],
        },
        "status": { "storedVersions": stored },
    }));
    Definition::read(&read.unwrap()).unwrap()
}

#[rstest]
#[case::one("v1beta2", &["v1beta2"], Next::Nothing)]
#[case::both("v1beta2", &["v1beta1", "v1beta2"], Next::Rewrite)]
#[case::the_old_one_only("v1beta2", &["v1beta1"], Next::Rewrite)]
#[case::one_that_is_not_known("v1beta2", &["v1alpha1", "v1beta2"], Next::Rewrite)]
#[case::back_to_the_old_one("v1beta1", &["v1beta1", "v1beta2"], Next::Rewrite)]
#[case::none_yet("v1beta2", &[], Next::Nothing)]
fn only_where_another_version_may_be_stored_is_there_work(
    #[case] storage: &str,
    #[case] stored: &[&str],
    #[case] next: Next,
) {
    assert_eq!(definition(storage, stored).next(), next);
}

#[test]
fn objects_are_read_and_written_in_the_version_that_is_stored() {
    let resource = definition("v1beta2", &["v1beta1"]).resource();
    assert_eq!((resource.api_version.as_str(), resource.plural.as_str()), ("metallb.io/v1beta2", "bgppeers"));
    assert_eq!(definition("v1beta1", &[]).resource().api_version, "metallb.io/v1beta1");
}

#[test]
fn what_was_written_while_the_stored_version_changed_does_not_count() {
    let before = definition("v1beta2", &["v1beta1", "v1beta2"]);
    assert!(before.holds(&definition("v1beta2", &["v1beta2"])));
    assert!(!before.holds(&definition("v1beta1", &["v1beta1", "v1beta2"])));
}

#[test]
fn every_definition_of_ours_with_several_versions_is_looked_after() {
    let all = crd::definitions().unwrap();
    let several = all.iter().filter(|definition| definition.spec.versions.len() > 1);
    let names: Vec<String> = several.filter_map(|definition| definition.metadata.name.clone()).collect();
    assert_eq!(names, DEFINITIONS);
}
