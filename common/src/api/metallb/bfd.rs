//! `BFDProfile`. The documentation of types and fields is what `kubectl explain` shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ACCEPTED, AcceptedStatus};
use crate::api::{
    crd::Column,
    kind::{kind, null_default},
};

kind! {
    /// How failures of the link to a BGP peer are found by BFD, in less than a second where both sides agree. BGPPeers name it.
    BFDProfile, "metallb.io", "v1beta1", "bfdprofiles", NamespaceResourceScope, BFDProfileSpec, AcceptedStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Passive Mode", "boolean", ".spec.passiveMode"),
        Column::new("Transmit Interval", "integer", ".spec.transmitInterval"),
        Column::new("Receive Interval", "integer", ".spec.receiveInterval"),
        Column::new("Multiplier", "integer", ".spec.detectMultiplier"),
        Column::new("Accepted", "string", ACCEPTED).wide(),
    ],
}

/// How often each side has to be heard, and when it counts as gone. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BFDProfileSpec {
    /// The shortest time between two packets that this side can receive, in milliseconds. Without it, 300.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 60_000), extend("format" = "int32"))]
    pub receive_interval: Option<u32>,
    /// The shortest time between two packets that this side wants to send, in milliseconds. Without it, 300.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 60_000), extend("format" = "int32"))]
    pub transmit_interval: Option<u32>,
    /// After how many packets that did not come this side counts as gone for the other one. Without it, 3.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 255), extend("format" = "int32"))]
    pub detect_multiplier: Option<u32>,
    /// The shortest time between two echo packets, in milliseconds. Without it, 50.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 60_000), extend("format" = "int32"))]
    pub echo_interval: Option<u32>,
    /// Whether packets are sent that the other side only has to return (echo). Not for IPv6, and not for peers that are more than
    /// one hop away.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    pub echo_mode: Option<bool>,
    /// Whether this side waits for the other one to begin.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    pub passive_mode: Option<bool>,
    /// The lowest TTL with which packets of a peer that is more than one hop away are taken; those that came further are not. Without
    /// it, 254.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 254), extend("format" = "int32"))]
    pub minimum_ttl: Option<u32>,
}
