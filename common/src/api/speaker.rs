//! One node's agent: what it has, and whether it is to give away what it owns. The documentation of types and fields is what
//! `kubectl explain` shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    crd::Column,
    kind::{kind, null_default},
    schema,
};

kind! {
    /// Arpeggio's agent on a node, with the name of the node. The agent writes the status. Its Lease, speaker- and the name of the
    /// node, shows whether it lives.
    Speaker, "arpeggio.io", "v1alpha1", "speakers", ClusterResourceScope, SpeakerSpec, SpeakerStatus,
    spec_required: false,
    short_names: &["spk"],
    categories: &["arpeggio"],
    columns: &[
        Column::new("Version", "string", ".status.version"),
        Column::new("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
        Column::new("Owned", "integer", ".status.owned"),
        Column::new("Age", "date", ".metadata.creationTimestamp"),
        Column::new("Evacuate", "boolean", ".spec.evacuate").wide(),
        Column::new("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason").wide(),
    ],
}

/// The administrator's wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerSpec {
    /// Whether other nodes take over every address of this node, for example before work on it. The node owns none until this
    /// is false again.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "std::ops::Not::not")]
    pub evacuate: bool,
}

/// The agent's report about itself and its node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpeakerStatus {
    /// Version of the agent.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The interfaces on which the node can answer.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<SpeakerInterface>,
    /// Number of addresses that the node owns.
    #[serde(default, deserialize_with = "null_default")]
    pub owned: i64,
    /// The agent's part in the succession.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succession: Option<SpeakerSuccession>,
    /// Its sessions with BGP peers. Absent: it tells no BGP peer anything, for it drives no router daemon. Present and empty: it
    /// drives one, and no BGPPeer is for the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp_sessions: Option<Vec<BgpSession>>,
    /// Ready: whether the node can answer. Evacuating: whether other nodes take over. Accepted: whether every Announcement is
    /// understood. Connected: whether other speakers answer this node.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Condition>", extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The session of a node with a BGP peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BgpSession {
    /// Name of the BGPPeer.
    pub peer: String,
    /// State of the session, in the words of RFC 4271: Idle, Connect, Active, OpenSent, OpenConfirm, Established.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Since when it has that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// How many prefixes the peer is told.
    #[serde(default, deserialize_with = "null_default")]
    pub prefixes: i64,
    /// State of the BFD session that watches it: up, down or init. Absent: there is none.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub bfd: String,
    /// Why the session ended, or did not come up, the last time.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub last_error: String,
}

/// How an agent takes part in the succession.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerSuccession {
    /// Keys of the agent. Absent: a version without keys wrote the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// Keys by which an agent knows the frames of other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Fingerprints of the accepted keys; the agent signs with the first. None: its frames have no proof.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Whether frames without a proof count as a stranger's.
    #[serde(default, deserialize_with = "null_default")]
    pub refuses_unauthenticated: bool,
}

/// An interface of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerInterface {
    /// Name of the interface.
    pub name: String,
    /// Its MAC address.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Its IP addresses with prefix lengths (192.0.2.1/24). They show which nodes are in the subnet of an address.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// How the program that answers is attached: native or generic (XDP), tcx, or user for a socket. Absent: not at all.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub attached: String,
    /// Driver of the device.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Whether there is a link.
    #[serde(default, deserialize_with = "null_default")]
    pub carrier: bool,
    /// Why the program is not attached in the best mode.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
