//! One `AdmissionReview` (admission.k8s.io/v1): from the bytes of the request to the answer.

use arpeggio_common::{
    api::admission::{Change, ConfigurationKind, Operation},
    model::Fault,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Judge, Reply, request};

const VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// The group of every kind that is judged here.
const GROUP: &str = "metallb.io";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    kind: GroupKind,
    operation: String,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

#[derive(Deserialize)]
struct GroupKind {
    #[serde(default)]
    group: String,
    kind: String,
}

/// Answers what the API server asks at the path of `kind`. The sentences of a refusal are those of the rules, as they are; what is
/// worth knowing without being wrong becomes warnings, which kubectl shows. Nothing has side effects, so a dry run is like any other.
///
/// A request that makes no sense gets a status of 400, one that comes before the objects are known 503: the `failurePolicy` of the
/// webhook says what becomes of the change then.
pub fn answer(kind: ConfigurationKind, body: &[u8], judge: &Judge) -> Reply {
    let request: Request = match request(body, VERSION, KIND) {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    if (request.kind.group.as_str(), request.kind.kind.as_str()) != (GROUP, kind.name()) {
        let told = format!(
            "{} of group {:?} is not judged here; this is the path of {} of {GROUP}",
            request.kind.kind,
            request.kind.group,
            kind.name()
        );
        return Reply::refused(400, told);
    }
    let (operation, object) = match request.operation.as_str() {
        "CREATE" => (Operation::Create, &request.object),
        "UPDATE" => (Operation::Update, &request.object),
        "DELETE" => (Operation::Delete, &request.old_object),
        // CONNECT, and what later servers may think of: nothing that changes the configuration.
        _ => return allowed(&request.uid, &[]),
    };
    if !object.is_object() {
        let told = format!("the {} of a {} comes without the object", request.operation, kind.name());
        return Reply::refused(400, told);
    }
    match judge(&Change { operation, kind, object }) {
        None => Reply::refused(503, "the controller has not read the configuration yet; try again in a moment"),
        Some(Ok(warnings)) => allowed(&request.uid, &warnings),
        Some(Err(faults)) => denied(&request.uid, &faults),
    }
}

fn allowed(uid: &str, warnings: &[String]) -> Reply {
    let mut response = json!({ "uid": uid, "allowed": true });
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    reply(&response)
}

/// One sentence for each fault; from the second on, each on a line of its own.
fn denied(uid: &str, faults: &[Fault]) -> Reply {
    let sentences: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let status = json!({ "code": 403, "reason": "Forbidden", "message": sentences.join("\n") });
    reply(&json!({ "uid": uid, "allowed": false, "status": status }))
}

fn reply(response: &Value) -> Reply {
    Reply::done(json!({ "apiVersion": VERSION, "kind": KIND, "response": response }))
}
