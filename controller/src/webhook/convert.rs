//! One `ConversionReview` (apiextensions.k8s.io/v1): every object of it in the version that is asked for.

use arpeggio_common::api::conversion::convert;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Reply, request};

const VERSION: &str = "apiextensions.k8s.io/v1";
const KIND: &str = "ConversionReview";

#[derive(Deserialize)]
struct Request {
    uid: String,
    #[serde(rename = "desiredAPIVersion")]
    desired: String,
    #[serde(default)]
    objects: Vec<Value>,
}

/// Answers with all objects in their order, or with a failure that names the first that cannot be converted. It needs to know
/// nothing of the cluster, so it answers before the first lists, which may need it themselves.
pub fn answer(body: &[u8]) -> Reply {
    let Request { uid, desired, objects } = match request(body, VERSION, KIND) {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    let mut converted = Vec::with_capacity(objects.len());
    for object in objects {
        let name = name(&object);
        match convert(object, &desired) {
            Ok(object) => converted.push(object),
            Err(error) => {
                let result = json!({ "status": "Failure", "message": format!("{name}: {error}") });
                return reply(&uid, &[], &result);
            }
        }
    }
    reply(&uid, &converted, &json!({ "status": "Success" }))
}

/// How sentences name an object of which nothing is certain.
fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let (kind, namespace, name) = (text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]));
    format!("{} {namespace}/{name}", if kind.is_empty() { "object" } else { &kind })
}

fn reply(uid: &str, objects: &[Value], result: &Value) -> Reply {
    let response = json!({ "uid": uid, "convertedObjects": objects, "result": result });
    Reply::done(json!({ "apiVersion": VERSION, "kind": KIND, "response": response }))
}
