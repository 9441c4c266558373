//! One version of `BGPPeer` from the other, for the conversion webhook of the API server.
//!
//! It works on the JSON, not on the types, so that no stored object, however broken, keeps a list from being read. What the two
//! versions share is taken over as it stands. What only v1beta2 has is kept in an annotation while the object is shown as v1beta1
//! and put back from there: whoever edits an object in the old version loses nothing, unlike in MetalLB (behaviour 1.3). Where the
//! editor of the old version has meanwhile written one of two fields that exclude each other, the written one holds.

use serde_json::{Map, Value};

use super::names::BGP_PEER_REST;

/// The stored version.
const NEW: &str = "metallb.io/v1beta2";
/// The old version.
const OLD: &str = "metallb.io/v1beta1";

/// What v1beta1 does not have, and the field of v1beta1 that excludes it.
const NEW_FIELDS: [(&str, Option<&str>); 9] = [
    ("connectTime", None),
    ("disableMP", None),
    ("dualStackAddressFamily", None),
    ("dynamicASN", Some("peerASN")),
    ("enableGracefulRestart", None),
    ("interface", Some("peerAddress")),
    ("localASN", None),
    ("passwordSecret", Some("password")),
    ("vrf", None),
];

/// Why an object cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// It is of another kind.
    #[error(
        "convert {kind:?} of {version:?}: only BGPPeers of metallb.io/v1beta1 and metallb.io/v1beta2 can be converted; ask for one of these"
    )]
    Kind {
        /// Its kind.
        kind: String,
        /// Its version.
        version: String,
    },
    /// There is no such version.
    #[error("convert a BGPPeer to {0:?}: there is no such version; ask for metallb.io/v1beta1 or metallb.io/v1beta2")]
    Version(String),
}

/// The object in version `desired` (`metallb.io/v1beta1`). Nothing of the metadata changes but one annotation, as the API server
/// demands.
///
/// # Errors
/// Only if it is no `BGPPeer`, or there is no such version.
pub fn convert(object: Value, desired: &str) -> Result<Value, ConversionError> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, version) = (text("kind"), text("apiVersion"));
    let Value::Object(mut fields) = object else { return Err(ConversionError::Kind { kind, version }) };
    if kind != "BGPPeer" || (version != OLD && version != NEW) {
        return Err(ConversionError::Kind { kind, version });
    }
    match (version.as_str(), desired) {
        (NEW, OLD) => down(&mut fields),
        (OLD, NEW) => up(&mut fields),
        (from, to) if from == to => {}
        _ => return Err(ConversionError::Version(desired.to_owned())),
    }
    fields.insert("apiVersion".to_owned(), Value::from(desired));
    Ok(Value::Object(fields))
}

fn down(object: &mut Map<String, Value>) {
    let Some(Value::Object(spec)) = object.get_mut("spec") else { return };
    let rest: Map<String, Value> =
        NEW_FIELDS.iter().filter_map(|(field, _)| Some(((*field).to_owned(), spec.remove(*field)?))).collect();
    // The old version demands both; clients written in Go write what is missing as zero.
    spec.entry("peerASN").or_insert_with(|| Value::from(0));
    spec.entry("peerAddress").or_insert_with(|| Value::from(""));
    if rest.is_empty() {
        return;
    }
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(metadata) = metadata else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if annotations.is_null() {
        *annotations = Value::Object(Map::new());
    }
    if let Value::Object(annotations) = annotations {
        annotations.insert(BGP_PEER_REST.to_owned(), Value::String(Value::Object(rest).to_string()));
    }
}

fn up(object: &mut Map<String, Value>) {
    let rest = kept(object);
    let Some(Value::Object(spec)) = object.get_mut("spec") else { return };
    for (field, zero) in [("peerASN", Value::from(0)), ("peerAddress", Value::from(""))] {
        if spec.get(field).is_some_and(|value| *value == zero) {
            spec.remove(field);
        }
    }
    for (field, other) in NEW_FIELDS {
        let excluded = other.is_some_and(|other| spec.get(other).is_some_and(|value| !is_zero(value)));
        if let Some(value) = rest.get(field).filter(|_| !excluded) {
            spec.insert(field.to_owned(), value.clone());
        }
    }
}

/// What the annotation holds, and the annotation goes.
fn kept(object: &mut Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return Map::new() };
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else { return Map::new() };
    let Some(text) = annotations.remove(BGP_PEER_REST) else { return Map::new() };
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn is_zero(value: &Value) -> bool {
    value.is_null() || value.as_u64() == Some(0) || value.as_str() == Some("")
}

#[cfg(test)]
#[path = "conversion_tests.rs"]
mod tests;
