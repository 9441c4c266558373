//! To whom objects belong.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// What belongs to this Node: it goes with it.
pub fn node_reference(node: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    }
}
