//! Which objects a tool looks after that deletes what it applied before and does not apply any more: of those, one may be renamed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Annotations of such tools: kubectl, Helm, Argo CD.
const ANNOTATIONS: [&str; 3] =
    ["kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name", "argocd.argoproj.io/tracking-id"];
/// Labels of such tools: kubectl with sets of objects, Flux, Argo CD.
const LABELS: [&str; 3] =
    ["applyset.kubernetes.io/part-of", "kustomize.toolkit.fluxcd.io/name", "argocd.argoproj.io/instance"];

/// Whether such a tool applied the object.
pub(super) fn may_be_pruned(meta: &ObjectMeta) -> bool {
    let annotated = |key: &&str| meta.annotations.as_ref().is_some_and(|all| all.contains_key(*key));
    let labelled = |key: &&str| meta.labels.as_ref().is_some_and(|all| all.contains_key(*key));
    ANNOTATIONS.iter().any(annotated) || LABELS.iter().any(labelled)
}

/// Leaves of the annotations nothing but the keys that say so.
pub fn keep_marks(meta: &mut ObjectMeta) {
    let Some(mut all) = meta.annotations.take() else { return };
    all.retain(|key, _| ANNOTATIONS.contains(&key.as_str()));
    all.values_mut().for_each(|value| *value = String::new());
    meta.annotations = Some(all).filter(|all| !all.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_tools_that_prune_are_kept_without_what_they_hold() {
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Some(pairs.collect()).filter(|all: &std::collections::BTreeMap<_, _>| !all.is_empty())
        };
        for (annotations, labels, is_applied) in [
            (&[][..], &[][..], false),
            (&[("a", "b")], &[("app", "x")], false),
            (&[(ANNOTATIONS[0], "{}"), ("a", "b")], &[], true),
            (&[(ANNOTATIONS[1], "net")], &[], true),
            (&[], &[(LABELS[1], "net")], true),
        ] {
            let mut meta =
                ObjectMeta { annotations: pairs(annotations), labels: pairs(labels), ..ObjectMeta::default() };
            assert_eq!(may_be_pruned(&meta), is_applied);
            keep_marks(&mut meta);
            assert_eq!(may_be_pruned(&meta), is_applied);
            assert!(meta.annotations.iter().flatten().all(|(key, value)| value.is_empty() && key != "a"));
        }
    }
}
