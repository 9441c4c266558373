//! The definitions of our kinds for the API server (`manifests/crds`), made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Resource;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{
    Announcement, BFDProfile, BGPAdvertisement, BGPPeer, Community, ConfigurationState, IPAddressPool, L2Advertisement,
    ServiceBGPStatus, ServiceL2Status, Speaker,
    metallb::peer_v1beta1,
    names::{CONVERSION_PATH, NAMESPACE, WEBHOOK_SERVICE},
    schema,
};

/// A column of `kubectl get`.
pub(super) struct Column {
    /// Its heading.
    pub(super) name: &'static str,
    /// `string`, `boolean`, `integer` or `date`.
    pub(super) kind: &'static str,
    /// Where its content is.
    pub(super) path: &'static str,
    /// Above 0: shown with `-o wide` only.
    pub(super) priority: i32,
}

impl Column {
    pub(super) const fn new(name: &'static str, kind: &'static str, path: &'static str) -> Self {
        Self { name, kind, path, priority: 0 }
    }

    pub(super) const fn wide(self) -> Self {
        Self { priority: 10, ..self }
    }
}

/// What a definition says beside the schemas.
pub(super) struct Shape {
    /// What the kind is, for `kubectl explain`.
    pub(super) description: &'static str,
    /// Whether an object without `spec` is refused.
    pub(super) spec_required: bool,
    /// Other names for kubectl.
    pub(super) short_names: &'static [&'static str],
    /// Groups of kinds that kubectl lists together.
    pub(super) categories: &'static [&'static str],
    /// The columns of `kubectl get` behind the name.
    pub(super) columns: &'static [Column],
}

/// Every kind, in the order of its file name.
///
/// # Errors
/// If a definition is not what the API server reads as one.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    [
        Announcement::crd(),
        Speaker::crd(),
        BFDProfile::crd(),
        BGPAdvertisement::crd(),
        peers(),
        Community::crd(),
        ConfigurationState::crd(),
        IPAddressPool::crd(),
        L2Advertisement::crd(),
        ServiceBGPStatus::crd(),
        ServiceL2Status::crd(),
    ]
    .into_iter()
    .collect()
}

/// `BGPPeer` has two versions: what is stored, and the old one that is made of it and into it by our webhook. The certificate by
/// which the API server knows the webhook is written into the definition in the cluster, by the controller.
fn peers() -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut peers = serde_json::to_value(BGPPeer::crd()?)?;
    let mut old = serde_json::to_value(peer_v1beta1::BGPPeer::crd()?)?["spec"]["versions"][0].take();
    old["storage"] = json!(false);
    old["deprecated"] = json!(true);
    old["deprecationWarning"] =
        json!("metallb.io/v1beta1 BGPPeer is old and cannot say everything; use metallb.io/v1beta2");
    let stored = peers["spec"]["versions"][0].take();
    peers["spec"]["versions"] = json!([old, stored]);
    peers["spec"]["conversion"] = json!({
        "strategy": "Webhook",
        "webhook": {
            "conversionReviewVersions": ["v1"],
            "clientConfig": { "service": { "namespace": NAMESPACE, "name": WEBHOOK_SERVICE, "path": CONVERSION_PATH } },
        },
    });
    serde_json::from_value(peers)
}

/// The definition of kind `K`.
pub(super) fn definition<K, Spec, Status>(shape: &Shape) -> Result<CustomResourceDefinition, serde_json::Error>
where
    K: Resource<DynamicType = ()>,
    K::Scope: Scope,
    Spec: JsonSchema,
    Status: JsonSchema,
{
    let (kind, group, plural) = (K::kind(&()), K::group(&()), K::plural(&()));
    let mut names = json!({
        "kind": kind,
        "listKind": format!("{kind}List"),
        "plural": plural,
        "singular": kind.to_lowercase(),
    });
    for (key, list) in [("shortNames", shape.short_names), ("categories", shape.categories)] {
        if !list.is_empty() {
            names[key] = json!(list);
        }
    }
    let mut version = json!({
        "name": K::version(&()),
        "served": true,
        "storage": true,
        "subresources": { "status": {} },
        "schema": { "openAPIV3Schema": root::<Spec, Status>(shape) },
    });
    if !shape.columns.is_empty() {
        version["additionalPrinterColumns"] = shape.columns.iter().map(column).collect();
    }
    serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": { "group": group, "names": names, "scope": K::Scope::NAME, "versions": [version] },
    }))
}

fn root<Spec: JsonSchema, Status: JsonSchema>(shape: &Shape) -> Value {
    let mut root = json!({
        "description": schema::one_line(shape.description),
        "type": "object",
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": schema::of::<Spec>(),
            "status": schema::of::<Status>(),
        },
    });
    if shape.spec_required {
        root["required"] = json!(["spec"]);
    }
    root
}

fn column(Column { name, kind, path, priority }: &Column) -> Value {
    let mut column = json!({ "name": name, "type": kind, "jsonPath": path });
    if *priority > 0 {
        column["priority"] = json!(priority);
    }
    column
}

/// Where objects of a kind live.
pub(super) trait Scope {
    /// As definitions call it.
    const NAME: &'static str;
}

impl Scope for k8s_openapi::NamespaceResourceScope {
    const NAME: &'static str = "Namespaced";
}

impl Scope for k8s_openapi::ClusterResourceScope {
    const NAME: &'static str = "Cluster";
}

#[cfg(test)]
#[path = "crd_tests.rs"]
mod tests;
