//! Who else writes what we write on a Service, as far as `metadata.managedFields` tells.

use std::collections::BTreeSet;

use arpeggio_common::api::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use crate::{FIELD_MANAGER, cluster::Rival};

/// Managers that are named at most.
const NAMED: usize = 5;

/// The other writer. `is_undone`: something that we write is not there. Nobody, as long as we wrote nothing.
///
/// The API server notes a manager with what it set, and when. It notes nobody for what is taken away: then all other managers of the
/// object are named.
pub(super) fn rival(managed: &[ManagedFieldsEntry], is_undone: bool) -> Option<Box<Rival>> {
    let is_ours = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(FIELD_MANAGER);
    let ours = managed.iter().filter(is_ours).map(time).max()?;
    let others = || {
        let others = managed.iter().filter(|entry| !is_ours(entry));
        others.filter_map(|entry| Some((entry, entry.manager.as_deref().filter(|name| !name.is_empty())?)))
    };
    // Times have whole seconds.
    let writers = others().filter(|(entry, _)| time(entry) >= ours && sets_ours(entry));
    if let Some((_, name)) = writers.max_by_key(|(entry, _)| time(entry)) {
        return Some(Box::new(Rival::Writer(name.to_owned())));
    }
    let names: BTreeSet<&str> = others().map(|(_, name)| name).collect();
    (is_undone && !names.is_empty()).then(|| {
        let names: Vec<&str> = names.into_iter().take(NAMED).collect();
        Box::new(Rival::Among(names.join(", ")))
    })
}

fn time(entry: &ManagedFieldsEntry) -> Option<jiff::Timestamp> {
    entry.time.as_ref().map(|time| time.0)
}

/// Whether it set something that is ours to set.
fn sets_ours(entry: &ManagedFieldsEntry) -> bool {
    let Some(fields) = entry.fields_v1.as_ref().map(|fields| &fields.0) else { return false };
    let annotation = format!("f:{}", names::ALLOCATED_FROM);
    let ours = [&fields["f:status"]["f:loadBalancer"], &fields["f:metadata"]["f:annotations"][annotation.as_str()]];
    ours.iter().any(|field| **field != Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn entry(manager: &str, second: u8, fields: Value) -> ManagedFieldsEntry {
        let time = format!("2026-01-01T00:00:{second:02}Z");
        from_value(json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time,
            "fieldsType": "FieldsV1", "fieldsV1": fields}))
        .unwrap()
    }

    fn balancer() -> Value {
        json!({"f:status": {"f:loadBalancer": {"f:ingress": {}}}})
    }

    fn ours(second: u8) -> ManagedFieldsEntry {
        entry(FIELD_MANAGER, second, balancer())
    }

    fn named(managed: &[ManagedFieldsEntry], is_undone: bool) -> Option<Rival> {
        rival(managed, is_undone).map(|rival| *rival)
    }

    #[test]
    fn who_set_the_status_after_us_is_named() {
        let user = entry("kubectl", 9, json!({"f:spec": {"f:ports": {}}}));
        let writer = |name: &str| Some(Rival::Writer(name.to_owned()));
        let managed = [ours(5), entry("kube-vip", 5, balancer()), entry("klipper", 6, balancer()), user.clone()];
        assert_eq!(named(&managed, false), writer("klipper"), "the last of them");
        let annotation = json!({"f:metadata": {"f:annotations": {"f:metallb.io/ip-allocated-from-pool": {}}}});
        assert_eq!(named(&[ours(5), entry("gitops", 7, annotation)], false), writer("gitops"));
        assert_eq!(named(&[ours(5), entry("metallb", 4, balancer()), user], false), None, "what it set is ours since");
    }

    #[test]
    fn of_what_is_gone_all_others_are_named_and_without_a_word_of_ours_nobody() {
        let user = entry("kubectl", 1, json!({"f:spec": {}}));
        let stripper = entry("gitops", 2, json!({"f:metadata": {"f:labels": {}}}));
        let managed = [ours(5), stripper.clone(), user.clone()];
        assert_eq!(named(&managed, true), Some(Rival::Among("gitops, kubectl".to_owned())));
        assert_eq!(named(&managed, false), None, "nothing is missing");
        assert_eq!(named(&[stripper, user, entry("kube-vip", 9, balancer())], true), None, "the status was never ours");
        assert_eq!(named(&[ours(5), entry("", 6, json!({}))], true), None);
        assert_eq!(named(&[], true), None);
        let many: Vec<_> = (0..9).map(|number| entry(&format!("m{number}"), 1, json!({}))).collect();
        let many = [vec![ours(5)], many].concat();
        assert_eq!(named(&many, true), Some(Rival::Among("m0, m1, m2, m3, m4".to_owned())));
    }
}
