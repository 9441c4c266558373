//! `BGPPeer` as MetalLB had it up to 0.13: `v1beta1`, still served, and converted from and to what is stored
//! ([`crate::api::conversion`]). The documentation of types and fields is what `kubectl explain` shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AcceptedStatus, peer::is_default};
use crate::api::{
    crd::Column,
    kind::{kind, null_default},
    schema,
};

kind! {
    /// A router with which nodes hold BGP sessions. This version is old and cannot say everything; use v1beta2.
    BGPPeer, "metallb.io", "v1beta1", "bgppeers", NamespaceResourceScope, BGPPeerSpec, AcceptedStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Address", "string", ".spec.peerAddress"),
        Column::new("ASN", "string", ".spec.peerASN"),
        Column::new("BFD Profile", "string", ".spec.bfdProfile"),
        Column::new("Multi Hops", "string", ".spec.ebgpMultiHop"),
    ],
}

/// Who the router is, and how nodes talk to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["myASN", "peerASN", "peerAddress"]))]
pub struct BGPPeerSpec {
    /// Number of the autonomous system of the nodes, from 1 to 4294967295.
    #[serde(default, rename = "myASN", deserialize_with = "null_default")]
    #[schemars(range(max = 4_294_967_295u32), extend("format" = "int64"))]
    pub my_asn: u32,
    /// Number of the autonomous system of the router.
    #[serde(default, rename = "peerASN", deserialize_with = "null_default")]
    #[schemars(range(max = 4_294_967_295u32), extend("format" = "int64"))]
    pub peer_asn: u32,
    /// IP address of the router.
    #[serde(default, deserialize_with = "null_default")]
    pub peer_address: String,
    /// IP address of the node from which sessions are opened.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub source_address: String,
    /// TCP port of the router. Without it, 179.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(range(max = 16_384), extend("format" = "int32"))]
    pub peer_port: u16,
    /// How long the session survives silence of the router, such as 90s.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    pub hold_time: Option<String>,
    /// How often the nodes give a sign of life, such as 30s.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<String>,
    /// How nodes identify themselves in BGP: an IPv4 address.
    #[serde(default, rename = "routerID", deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub router_id: String,
    /// The nodes that have a session with this router, by their labels. None: every node.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub node_selectors: Vec<LabelSelector>,
    /// Password of the session (TCP MD5), in clear text.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// Name of the BFDProfile by which failures of the link are found in less than a second.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub bfd_profile: String,
    /// Whether the router may be more than one hop away. For eBGP only.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_default")]
    pub ebgp_multi_hop: bool,
}
