//! Reading conditions of a status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The condition of this type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether it holds; `None` if it says neither yes nor no.
#[must_use]
pub fn holds(condition: &Condition) -> Option<bool> {
    match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}
