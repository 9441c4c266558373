//! What is only reported: `ServiceBGPStatus`, `ConfigurationState`. The documentation of types and fields is what
//! `kubectl explain` shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Nothing;
use crate::api::{
    crd::Column,
    kind::{kind, null_default},
    schema,
};

kind! {
    /// Tells to which BGP peers a node announces a Service. Written by Arpeggio, one object for each Service and node that announces
    /// it; there is nothing to configure here.
    ServiceBGPStatus, "metallb.io", "v1beta1", "servicebgpstatuses", NamespaceResourceScope, Nothing, ServiceBGPStatusStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Node", "string", ".status.node"),
        Column::new("Service Name", "string", ".status.serviceName"),
        Column::new("Service Namespace", "string", ".status.serviceNamespace"),
        Column::new("Peers", "string", ".status.peers").wide(),
    ],
}

kind! {
    /// Tells whether the controller, or the agent of a node, could take over the whole configuration. Written by Arpeggio, one
    /// object for each; there is nothing to configure here.
    ConfigurationState, "metallb.io", "v1beta1", "configurationstates", NamespaceResourceScope, Nothing, ConfigurationStateStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Result", "string", ".status.result"),
        Column::new("ErrorSummary", "string", ".status.errorSummary"),
        Column::new("Age", "date", ".metadata.creationTimestamp"),
    ],
}

/// Who announces which Service to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBGPStatusStatus {
    /// Name of the node that announces.
    #[serde(default, deserialize_with = "null_default")]
    #[schemars(extend("x-kubernetes-validations" = schema::unchangeable("the node")))]
    pub node: String,
    /// Name of the Service.
    #[serde(default, deserialize_with = "null_default")]
    #[schemars(extend("x-kubernetes-validations" = schema::unchangeable("the Service")))]
    pub service_name: String,
    /// Namespace of the Service.
    #[serde(default, deserialize_with = "null_default")]
    #[schemars(extend("x-kubernetes-validations" = schema::unchangeable("the namespace")))]
    pub service_namespace: String,
    /// Names of the BGPPeers that the Service is to be announced to, in alphabetical order.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
}

/// Whether the configuration could be taken over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationStateStatus {
    /// Valid: all of it is in force. Invalid: something is wrong with it. Unknown: it was not looked at yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("enum" = ["Valid", "Invalid", "Unknown"]))]
    pub result: Option<ConfigurationResult>,
    /// What is wrong, one sentence to a line.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub error_summary: String,
    /// poolReconcilerValid, of the controller, and configReconcilerValid, of the agent of a node: whether all that it read is in
    /// force.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Condition>", extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// See [`ConfigurationStateStatus::result`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigurationResult {
    /// All of it is in force.
    Valid,
    /// Something is wrong with it.
    Invalid,
    /// It was not looked at yet.
    Unknown,
}
