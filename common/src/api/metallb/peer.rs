//! `BGPPeer` as it is stored: `v1beta2`. The documentation of types and fields is what `kubectl explain` shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ACCEPTED, AcceptedStatus};
use crate::api::{
    crd::Column,
    kind::{kind, null_default},
    schema,
};

kind! {
    /// A router with which nodes hold BGP sessions, to tell it the addresses of Services.
    BGPPeer, "metallb.io", "v1beta2", "bgppeers", NamespaceResourceScope, BGPPeerSpec, AcceptedStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Address", "string", ".spec.peerAddress"),
        Column::new("ASN", "string", ".spec.peerASN"),
        Column::new("BFD Profile", "string", ".spec.bfdProfile"),
        Column::new("Multi Hops", "string", ".spec.ebgpMultiHop"),
        Column::new("Interface", "string", ".spec.interface").wide(),
        Column::new("VRF", "string", ".spec.vrf").wide(),
        Column::new("Accepted", "string", ACCEPTED).wide(),
    ],
}

/// Who the router is, and how nodes talk to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["myASN"]))]
pub struct BGPPeerSpec {
    /// Number of the autonomous system of the nodes, from 1 to 4294967295.
    #[serde(default, rename = "myASN", deserialize_with = "null_default")]
    #[schemars(range(max = 4_294_967_295u32), extend("format" = "int64"))]
    pub my_asn: u32,
    /// Number of the autonomous system of the router. The same as myASN: iBGP; another one: eBGP. Either this or dynamicASN.
    #[serde(default, rename = "peerASN", deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(range(max = 4_294_967_295u32), extend("format" = "int64"))]
    pub peer_asn: u32,
    /// Takes any number from the router, instead of peerASN: internal, one that equals myASN; external, one that differs from it.
    #[serde(
        default,
        rename = "dynamicASN",
        deserialize_with = "null_default",
        skip_serializing_if = "String::is_empty"
    )]
    #[schemars(extend("enum" = ["internal", "external"]))]
    pub dynamic_asn: String,
    /// Number that the nodes give to this router instead of myASN, which it then does not get to see.
    #[serde(default, rename = "localASN", deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(range(min = 1, max = 4_294_967_295u32), extend("format" = "int64"))]
    pub local_asn: u32,
    /// IP address of the router. Either this or interface.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub peer_address: String,
    /// Name of the interface of the nodes behind which the router is, for a session without configured addresses (unnumbered
    /// BGP): both sides find each other by their IPv6 link-local addresses. Either this or peerAddress.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub interface: String,
    /// IP address of the node from which sessions are opened. Only for nodes that have it; select them by nodeSelectors.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub source_address: String,
    /// TCP port of the router.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(range(min = 1, max = 16_384), extend("format" = "int32", "x-default" = 179))]
    pub peer_port: u16,
    /// How long the session survives silence of the router, such as 90s; at least 3s, or 0s to wait for ever. The two sides
    /// agree on the shorter time. If only keepaliveTime is given, three times that.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    pub hold_time: Option<String>,
    /// How often the nodes give a sign of life, such as 30s; not longer than holdTime. If only holdTime is given, a third of it.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<String>,
    /// How long nodes wait between two attempts to connect, in whole seconds from 1s to 65535s.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [
        {
            "rule": "duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535",
            "message": "connectTime has to be from 1s to 65535s",
        },
        {
            "rule": "duration(self).getMilliseconds() % 1000 == 0",
            "message": "connectTime has to be a whole number of seconds",
        },
    ]))]
    pub connect_time: Option<String>,
    /// How nodes identify themselves in BGP: an IPv4 address. It is the same for all routers of one node.
    #[serde(default, rename = "routerID", deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub router_id: String,
    /// The nodes that have a session with this router, by their labels. A node that one of them selects has; none: every node.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub node_selectors: Vec<LabelSelector>,
    /// Password of the session (TCP MD5), in clear text. Either this or passwordSecret.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// The Secret that holds the password of the session: one of type kubernetes.io/basic-auth, under the key password.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "SecretReference::is_empty")]
    pub password_secret: SecretReference,
    /// Name of the BFDProfile by which failures of the link are found in less than a second. Without it, BFD is not used.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub bfd_profile: String,
    /// Whether the router keeps the routes while a node's agent restarts. Cannot be changed; delete the object and create another
    /// one.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-validations" = schema::unchangeable("enableGracefulRestart")))]
    pub enable_graceful_restart: bool,
    /// Whether the router may be more than one hop away. For eBGP only; iBGP needs no permission.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_default")]
    pub ebgp_multi_hop: bool,
    /// Name of the Linux VRF in which the session is held. Without it, the main routing table.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub vrf: String,
    /// Deprecated, without effect: a session carries the addresses of its own family only, unless dualStackAddressFamily is true.
    #[serde(default, rename = "disableMP", deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = false))]
    pub disable_mp: bool,
    /// Whether the session carries IPv4 and IPv6 addresses alike, whatever family it is held over.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = false))]
    pub dual_stack_address_family: bool,
}

/// A Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretReference {
    /// Its name. It has to be in the namespace of this object.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Not used: the Secret is looked up in the namespace of this object.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

impl SecretReference {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// As clients written in Go leave out what is zero.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
