//! What the API server was asked, and by whom: its own audit log.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// A request that was answered, or a watch that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For example `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Plural, with the subresource behind a slash, for example `services/status`; the path for what is no resource.
    pub resource: String,
    /// Empty for what belongs to none.
    pub namespace: String,
    /// Empty where all are meant.
    pub name: String,
    /// The version asked for, `resourceVersion`: of a watch that where it resumes.
    pub version: Option<u64>,
    /// HTTP status. A watch that is refused because its version has expired has 200 as well: the refusal comes as an event.
    pub code: u16,
}

/// Numbers of requests by user, verb and resource.
pub type Counts = BTreeMap<(String, String, String), u64>;

/// Counts requests.
#[must_use]
pub fn count<'a>(requests: impl IntoIterator<Item = &'a Request>) -> Counts {
    let mut counts = Counts::new();
    for request in requests {
        let key = (request.user.clone(), request.verb.clone(), request.resource.clone());
        *counts.entry(key).or_default() += 1;
    }
    counts
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "requestURI")]
    uri: String,
    verb: String,
    user: User,
    object_ref: Option<Object>,
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    resource: String,
    namespace: String,
    name: String,
    subresource: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

/// Reads the log, in the order of the answers.
pub(super) fn read(path: &Path) -> Result<Vec<Request>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the audit log {}", path.display()))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Request>> {
    // A watch has a line when it begins and one when it ends: the same id.
    let mut seen = std::collections::BTreeSet::new();
    let mut requests = Vec::new();
    // The server may be in the middle of the last line.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let line: Line =
            serde_json::from_str(line).with_context(|| format!("read the line of the audit log {line}"))?;
        if seen.insert(line.audit_id.clone()) {
            requests.push(request(line));
        }
    }
    Ok(requests)
}

fn request(line: Line) -> Request {
    let object = line.object_ref.unwrap_or_default();
    let resource = match (object.resource.as_str(), object.subresource.as_str()) {
        ("", _) => line.uri.split('?').next().unwrap_or_default().to_owned(),
        (resource, "") => resource.to_owned(),
        (resource, subresource) => format!("{resource}/{subresource}"),
    };
    Request {
        version: version(&line.uri),
        user: line.user.username,
        verb: line.verb,
        resource,
        namespace: object.namespace,
        name: object.name,
        code: line.response_status.map_or(0, |status| status.code),
    }
}

/// The `resourceVersion` of a request.
fn version(uri: &str) -> Option<u64> {
    let (_, query) = uri.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/services/s/status","verb":"patch","user":{"username":"u"},"objectRef":{"resource":"services","namespace":"a","name":"s","subresource":"status"},"responseStatus":{"code":200}}
{"auditID":"2","stage":"ResponseStarted","requestURI":"/api/v1/services?watch=1&resourceVersion=77&timeoutSeconds=60","verb":"watch","user":{"username":"u"},"objectRef":{"resource":"services"},"responseStatus":{"code":200}}
{"auditID":"2","stage":"ResponseComplete","requestURI":"/api/v1/services?watch=1","verb":"watch","user":{"username":"u"},"objectRef":{"resource":"services"},"responseStatus":{"code":200}}
{"auditID":"3","stage":"ResponseComplete","requestURI":"/version?timeout=32s","verb":"get","user":{"username":"v"},"responseStatus":{"code":200}}
{"auditID":"4","stage":"Resp"#;

    #[test]
    fn requests_are_counted_once_and_by_subresource() {
        let requests = parse(LOG).unwrap();
        assert_eq!(requests.len(), 3);
        assert_eq!((requests[0].namespace.as_str(), requests[0].name.as_str(), requests[0].code), ("a", "s", 200));
        assert_eq!((requests[0].version, requests[1].version), (None, Some(77)));
        let counts = count(&requests);
        let expected = [("u", "patch", "services/status"), ("u", "watch", "services"), ("v", "get", "/version")];
        let expected = expected.map(|(user, verb, what)| ((user.to_owned(), verb.to_owned(), what.to_owned()), 1));
        assert_eq!(counts, Counts::from(expected));
    }

    #[test]
    fn a_line_that_is_no_event_is_an_error() {
        assert!(parse("nonsense\n").is_err());
    }
}
