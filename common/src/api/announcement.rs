//! One address and who may speak for it: what the controller pushes to the nodes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{kind, null_default};

kind! {
    /// An address that is announced. Written by the controller, named after the address (see [`super::names::announcement`]).
    Announcement, "arpeggio.io", "v1alpha1", "announcements", ClusterResourceScope, AnnouncementSpec, AnnouncementStatus
}

/// See [`Announcement`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnnouncementSpec {
    /// The address, in its usual short form.
    #[serde(default)]
    pub address: String,
    /// The pool it is from.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub pool: String,
    /// The Services that have it, by namespace and name.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceReference>,
    /// How it is announced at layer 2; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<L2>,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ServiceReference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Tells it from one of the same name before it.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// Layer 2: ARP and neighbour discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct L2 {
    /// Nodes in the order of succession; the first is the preferred owner.
    #[serde(default, deserialize_with = "null_default")]
    pub candidates: Vec<String>,
    /// Interfaces to announce on; none: all eligible ones.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// Whether one node answers everybody or the candidates share the clients.
    #[serde(default)]
    pub mode: Mode,
}

/// Whether one node answers everybody or the candidates share the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// One node answers everybody.
    #[default]
    Exclusive,
    /// The clients are divided over the live candidates.
    Shared,
}

/// What the owner says. In exclusive mode it is written by the owner alone, by server-side apply with one field manager for
/// all speakers: whoever takes over replaces the whole of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnnouncementStatus {
    /// The node that answers; absent: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// On which of its interfaces, and with which MAC.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<OwnedInterface>,
    /// Since when the owner answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// `Announced`: whether it is answered for, and if not (address in use, conflict, no such interface) why.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// An interface on which an address is answered for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnedInterface {
    /// Its name.
    pub name: String,
    /// The MAC in the answers.
    pub mac: String,
}
