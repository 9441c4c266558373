//! Announcements as they come over the watch: of their metadata only what is needed, and content that cannot be read is a
//! fault of that object alone.

use arpeggio_common::api::{
    Announcement,
    announcement::{AnnouncementSpec, AnnouncementStatus, Route},
};
use arpeggio_succession::generation::of_object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::like::resource_like;

/// An Announcement, or why it is none. The fields that other clients manage are skipped unread: they are most of its size.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    metadata: ObjectMeta,
    /// Specification and status, or why they cannot be read.
    pub(super) content: Result<Content, String>,
}

/// What an Announcement says.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Without the routes.
    pub(super) spec: AnnouncementSpec,
    /// The routes, or why one cannot be read: nothing else is lost with it.
    pub(super) routes: Vec<Result<Route, String>>,
    pub(super) status: AnnouncementStatus,
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
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw { metadata, spec, status } = Raw::deserialize(deserializer)?;
        let Metadata { name, resource_version, generation, creation_timestamp } = metadata;
        let metadata = ObjectMeta { name, resource_version, generation, creation_timestamp, ..ObjectMeta::default() };
        Ok(Self { metadata, content: content(spec, status) })
    }
}

impl Watched {
    /// Which of two orders for an address is the newer one; 0 where the API server does not say.
    pub(super) fn generation(&self) -> u64 {
        let created_s = self.metadata.creation_timestamp.as_ref().map_or(0, |Time(created)| created.as_second());
        let number = |value: i64| u64::try_from(value).unwrap_or_default();
        of_object(number(created_s), number(self.metadata.generation.unwrap_or_default()))
    }
}

fn content(mut spec: Value, status: Value) -> Result<Content, String> {
    let routes = routes(spec.get_mut("bgp").map(Value::take).unwrap_or_default());
    let spec = Option::deserialize(spec).map_err(|error| format!("spec: {error}"))?;
    // What stands in the status decides nothing: one that cannot be read is written anew.
    let status = Option::deserialize(status).unwrap_or_default();
    Ok(Content { spec: spec.unwrap_or_default(), routes, status: status.unwrap_or_default() })
}

fn routes(bgp: Value) -> Vec<Result<Route, String>> {
    let route = |route: Value| Route::deserialize(route).map_err(|error| error.to_string());
    match Option::<Vec<Value>>::deserialize(bgp) {
        Ok(routes) => routes.into_iter().flatten().map(route).collect(),
        Err(error) => vec![Err(error.to_string())],
    }
}

resource_like!(Watched, Announcement);

#[cfg(test)]
mod tests {
    use kube::Resource as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_manage_is_not_kept() {
        let watched: Watched = serde_json::from_value(json!({
            "apiVersion": "arpeggio.io/v1alpha1", "kind": "Announcement",
            "metadata": {"name": "192.0.2.1", "resourceVersion": "7", "managedFields": [{"manager": "x"}], "labels": {"a": "b"},
                "generation": 3, "creationTimestamp": "1970-01-01T00:00:02Z"},
            "spec": {"address": "192.0.2.1", "l2": {"candidates": null}},
        }))
        .unwrap();
        let meta = watched.meta();
        assert_eq!((meta.name.as_deref(), meta.resource_version.as_deref()), (Some("192.0.2.1"), Some("7")));
        assert_eq!((&meta.managed_fields, &meta.labels), (&None, &None));
        assert_eq!(watched.generation(), 2 << 24 | 3);
        assert_eq!(watched.content.unwrap().spec.address, "192.0.2.1");
    }

    #[test]
    fn a_route_that_cannot_be_read_takes_nothing_with_it() {
        let read = |bgp: Value| {
            let spec = json!({"address": "192.0.2.1", "l2": {"candidates": ["a"]}, "bgp": bgp});
            let watched: Watched = serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec})).unwrap();
            let content = watched.content.unwrap();
            assert!(content.spec.l2.is_some() && content.spec.bgp.is_empty());
            content.routes
        };
        let routes =
            read(json!([{"prefix": "192.0.2.1/32"}, {"prefix": 7}, {"prefix": "192.0.2.0/24", "localPref": -1}]));
        assert_eq!(routes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false]);
        assert!(matches!(&read(json!("x"))[..], [Err(why)] if why.contains("sequence")));
        assert!(read(Value::Null).is_empty());
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
        assert!(matches!(&read[2], ("c", Ok(content)) if content.status == AnnouncementStatus::default()), "{read:?}");
        assert!(matches!(&read[3], ("d", Ok(_))), "{read:?}");
    }
}
