//! Announcements as they come over the watch: of their metadata only what is needed, and content that cannot be read is a
//! fault of that object alone.

use std::borrow::Cow;

use arpeggio_common::api::{
    Announcement,
    announcement::{AnnouncementSpec, AnnouncementStatus},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An Announcement, or why it is none. The fields that other clients manage are skipped unread: they are most of its size.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    metadata: ObjectMeta,
    /// Specification and status, or why they cannot be read.
    pub(super) content: Result<(AnnouncementSpec, AnnouncementStatus), String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    resource_version: Option<String>,
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw { metadata: Metadata { name, resource_version }, spec, status } = Raw::deserialize(deserializer)?;
        let metadata = ObjectMeta { name, resource_version, ..ObjectMeta::default() };
        Ok(Self { metadata, content: content(spec, status) })
    }
}

fn content(spec: Value, status: Value) -> Result<(AnnouncementSpec, AnnouncementStatus), String> {
    let spec = Option::deserialize(spec).map_err(|error| format!("spec: {error}"))?;
    // What stands in the status decides nothing: one that cannot be read is written anew.
    let status = Option::deserialize(status).unwrap_or_default();
    Ok((spec.unwrap_or_default(), status.unwrap_or_default()))
}

impl Resource for Watched {
    type DynamicType = ();
    type Scope = <Announcement as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Announcement::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Announcement::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Announcement::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Announcement::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_manage_is_not_kept() {
        let watched: Watched = serde_json::from_value(json!({
            "apiVersion": "arpeggio.io/v1alpha1", "kind": "Announcement",
            "metadata": {"name": "192.0.2.1", "resourceVersion": "7", "managedFields": [{"manager": "x"}], "labels": {"a": "b"}},
            "spec": {"address": "192.0.2.1", "l2": {"candidates": null}},
        }))
        .unwrap();
        let expected =
            ObjectMeta { name: Some("192.0.2.1".into()), resource_version: Some("7".into()), ..ObjectMeta::default() };
        assert_eq!(*watched.meta(), expected);
        assert_eq!(watched.content.unwrap().0.address, "192.0.2.1");
    }

    #[test]
    fn one_that_cannot_be_read_hides_no_other() {
        let list: Vec<Watched> = serde_json::from_value(json!([
            {"metadata": {"name": "a"}, "spec": {"address": 7}},
            {"metadata": {"name": "b"}, "spec": {"address": "192.0.2.1", "l2": {"candidates": [], "mode": "Sometimes"}}},
            {"metadata": {"name": "c"}, "spec": {"address": "192.0.2.2"}, "status": {"owner": 7}},
            {"metadata": {"name": "d"}, "spec": null, "status": null},
        ]))
        .unwrap();
        let read: Vec<_> =
            list.iter().map(|watched| (watched.meta().name.as_deref().unwrap(), &watched.content)).collect();
        assert!(matches!(&read[0], ("a", Err(why)) if why.starts_with("spec: ")), "{read:?}");
        assert!(matches!(&read[1], ("b", Err(why)) if why.contains("Sometimes")), "{read:?}");
        assert!(matches!(&read[2], ("c", Ok((_, status))) if *status == AnnouncementStatus::default()), "{read:?}");
        assert!(matches!(&read[3], ("d", Ok(_))), "{read:?}");
    }
}
