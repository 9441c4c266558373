//! One node's agent: what it has, and whether it is to give away what it owns.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{kind, null_default};

kind! {
    /// The agent of a node, named after the node. Its status is written by the agent itself; whether it lives is told by its lease.
    Speaker, "arpeggio.io", "v1alpha1", "speakers", ClusterResourceScope, SpeakerSpec, SpeakerStatus
}

/// See [`Speaker`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerSpec {
    /// Whether other nodes are to take over all that this one owns.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "std::ops::Not::not")]
    pub evacuate: bool,
}

/// What a node's agent says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpeakerStatus {
    /// Version of the agent.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Interfaces on which it can announce.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<SpeakerInterface>,
    /// Addresses that it owns.
    #[serde(default, deserialize_with = "null_default")]
    pub owned: i64,
    /// `Ready`, `Evacuating` and the like.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// An interface of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerInterface {
    /// Its name.
    pub name: String,
    /// Its MAC.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Its addresses with prefix lengths: `192.0.2.1/24`. Which node is in an address's subnet is read from these.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// How the program is attached: `native`, `tcx`, `generic`, `user`; empty: not at all.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub attached: String,
    /// Driver of the device.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Whether there is a link.
    #[serde(default, deserialize_with = "null_default")]
    pub carrier: bool,
    /// Why it is not attached in the best way.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
