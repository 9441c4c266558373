//! Objects of which one may be broken without hiding the others.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use crate::model::{Fault, ObjectName};

/// Longest value that a sentence repeats, in characters.
const SHOWN: usize = 80;

/// An object of the API, or why it cannot be read. Lists and watches of `Decoded<K>` never fail for one object: kinds are
/// stored as the definitions on the server allow, and those may be older, newer or laxer than ours.
///
/// It does what [`kube::core::DeserializeGuard`] does, and says which field is to blame.
#[derive(Clone, Debug)]
pub struct Decoded<K>(pub Result<K, Undecodable>);

/// An object that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{fault}")]
pub struct Undecodable {
    /// Its metadata; of those that cannot be read either, name, namespace, uid and version alone.
    pub metadata: Box<ObjectMeta>,
    /// Its status as it stands there, so that what was written about the object is known although the object is not.
    pub status: Option<Box<Value>>,
    /// What is wrong with it.
    pub fault: Box<Fault>,
}

impl<K> Decoded<K> {
    /// What is wrong with it, if it cannot be read.
    pub fn fault(&self) -> Option<&Fault> {
        self.0.as_ref().err().map(|undecodable| &*undecodable.fault)
    }
}

impl<K> From<K> for Decoded<K> {
    fn from(object: K) -> Self {
        Self(Ok(object))
    }
}

impl<'de, K> Deserialize<'de> for Decoded<K>
where
    K: DeserializeOwned + Resource<DynamicType = ()>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(&Value::deserialize(deserializer)?))
    }
}

impl<K> Decoded<K>
where
    K: DeserializeOwned + Resource<DynamicType = ()>,
{
    /// The object, or why it is none.
    pub(super) fn read(object: &Value) -> Self {
        Self(serde_path_to_error::deserialize(object).map_err(|error| undecodable::<K>(object, &error)))
    }
}

fn undecodable<K: Resource<DynamicType = ()>>(
    object: &Value,
    error: &serde_path_to_error::Error<serde_json::Error>,
) -> Undecodable {
    let metadata = metadata(object);
    let field = error.path().to_string();
    let fault = Fault {
        object: object_name::<K>(&metadata),
        value: shown(at(object, error.path())),
        rule: format!("cannot be read: {}", error.inner()),
        remedy: format!("write what `kubectl explain {}.{}` asks for", K::plural(&()), without_indices(&field)),
        field,
    };
    let status = object.get("status").cloned().map(Box::new);
    Undecodable { metadata: Box::new(metadata), status, fault: Box::new(fault) }
}

/// How sentences name an object of kind `K`.
pub(super) fn object_name<K: Resource<DynamicType = ()>>(metadata: &ObjectMeta) -> ObjectName {
    let kind = match K::kind(&()) {
        Cow::Borrowed(kind) => kind,
        Cow::Owned(_) => "object",
    };
    ObjectName {
        kind,
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

fn metadata(object: &Value) -> ObjectMeta {
    let Some(metadata) = object.get("metadata") else { return ObjectMeta::default() };
    ObjectMeta::deserialize(metadata).unwrap_or_else(|_| {
        let text = |field| metadata.get(field).and_then(Value::as_str).map(str::to_owned);
        ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        }
    })
}

/// The part of the object that the path leads to, or the last part on the way that is there.
fn at<'a>(object: &'a Value, path: &serde_path_to_error::Path) -> &'a Value {
    use serde_path_to_error::Segment;
    let mut here = object;
    for segment in path {
        let next = match segment {
            Segment::Seq { index } => here.get(*index),
            Segment::Map { key } => here.get(key),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(next) = next else { break };
        here = next;
    }
    here
}

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `spec.addresses[2]` as kubectl explains it: `spec.addresses`.
fn without_indices(field: &str) -> String {
    field.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".")
}

impl<K: Resource> Resource for Decoded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|undecodable| &*undecodable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|undecodable| &mut *undecodable.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectList;
    use serde_json::json;

    use super::*;
    use crate::api::{IPAddressPool, Speaker};

    fn pool(name: &str, spec: &Value) -> Value {
        json!({ "metadata": { "name": name, "namespace": "metallb-system" }, "spec": spec })
    }

    #[test]
    fn one_broken_object_hides_no_other() {
        let items = [
            pool("good", &json!({ "addresses": ["192.0.2.0/24"] })),
            pool("bad", &json!({ "addresses": ["192.0.2.0/24", 5] })),
            pool("too", &json!({ "addresses": null })),
        ];
        let list =
            json!({ "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPoolList", "metadata": {}, "items": items });
        let list: ObjectList<Decoded<IPAddressPool>> = serde_json::from_value(list).unwrap();
        let read: Vec<_> =
            list.items.iter().map(|pool| (pool.meta().name.as_deref().unwrap(), pool.0.is_ok())).collect();
        assert_eq!(read, [("good", true), ("bad", false), ("too", true)]);
        assert_eq!(
            list.items[1].fault().unwrap().to_string(),
            "IPAddressPool metallb-system/bad: spec.addresses[1] \"5\" cannot be read: invalid type: integer `5`, \
             expected a string; write what `kubectl explain ipaddresspools.spec.addresses` asks for"
        );
        assert!(list.items[0].fault().is_none());
    }

    #[test]
    fn what_its_status_says_can_be_read_although_the_rest_cannot() {
        let mut object = pool("bad", &json!({ "addresses": 5 }));
        object["status"] = json!({ "assignedIPv4": 3 });
        let pool: Decoded<IPAddressPool> = serde_json::from_value(object).unwrap();
        assert_eq!(*pool.0.unwrap_err().status.unwrap(), json!({ "assignedIPv4": 3 }));
    }

    #[test]
    fn metadata_that_cannot_be_read_still_names_the_object() {
        let object = json!({
            "metadata": { "name": "a", "uid": "u", "resourceVersion": "7", "creationTimestamp": "yesterday" },
            "spec": {},
        });
        let speaker: Decoded<Speaker> = serde_json::from_value(object).unwrap();
        let meta = speaker.meta();
        assert_eq!(
            (meta.name.as_deref(), meta.uid.as_deref(), meta.resource_version.as_deref()),
            (Some("a"), Some("u"), Some("7"))
        );
        let sentence = speaker.fault().unwrap().to_string();
        assert!(
            sentence.starts_with("Speaker a: metadata.creationTimestamp \"yesterday\" cannot be read"),
            "{sentence}"
        );
    }

    #[test]
    fn long_values_are_cut() {
        let long = "ä".repeat(200);
        let speaker: Decoded<Speaker> =
            serde_json::from_value(json!({ "metadata": { "name": "a" }, "spec": { "evacuate": long } })).unwrap();
        assert_eq!(speaker.fault().unwrap().value, format!("{}…", "ä".repeat(SHOWN)));
    }
}
