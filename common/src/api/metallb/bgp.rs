//! What is told to BGP peers: `BGPAdvertisement`, `Community`. The documentation of types and fields is what `kubectl explain`
//! shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ACCEPTED, AcceptedStatus, peer::is_default};
use crate::api::{
    crd::Column,
    kind::{kind, null_default},
    schema,
};

kind! {
    /// Has the addresses of pools announced to BGP peers.
    BGPAdvertisement, "metallb.io", "v1beta1", "bgpadvertisements", NamespaceResourceScope, BGPAdvertisementSpec, AcceptedStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("IPAddressPools", "string", ".spec.ipAddressPools"),
        Column::new("IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors"),
        Column::new("Peers", "string", ".spec.peers"),
        Column::new("Node Selectors", "string", ".spec.nodeSelectors").wide(),
        Column::new("Accepted", "string", ACCEPTED).wide(),
    ],
}

kind! {
    /// Names for BGP communities, to be used in BGPAdvertisements. A name is defined once among all objects.
    Community, "metallb.io", "v1beta1", "communities", NamespaceResourceScope, CommunitySpec, AcceptedStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Age", "date", ".metadata.creationTimestamp"),
        Column::new("Accepted", "string", ACCEPTED).wide(),
    ],
}

/// Which addresses are announced, for which Services, by which nodes to which peers, and with what. Left empty, everything to
/// everybody.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.serviceSelectors) || size(self.serviceSelectors) == 0 || \
        ((!has(self.aggregationLength) || self.aggregationLength == 32) && \
        (!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))",
    "message": "serviceSelectors and aggregationLength are mutually exclusive: serviceSelectors need aggregationLength 32 and aggregationLengthV6 128, for other Services may have addresses in a wider network",
}]))]
pub struct BGPAdvertisementSpec {
    /// Prefix length of the networks that are announced for IPv4 addresses, from 1 to 32. Below 32, the network that holds the
    /// address is announced; it must not be wider than the pool.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("format" = "int32", "x-default" = 32))]
    pub aggregation_length: Option<i32>,
    /// Prefix length of the networks that are announced for IPv6 addresses, from 1 to 128. Below 128, the network that holds the
    /// address is announced; it must not be wider than the pool.
    #[serde(
        default,
        rename = "aggregationLengthV6",
        deserialize_with = "null_default",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(extend("format" = "int32", "x-default" = 128))]
    pub aggregation_length_v6: Option<i32>,
    /// How iBGP peers prefer these routes (LOCAL_PREF): higher is better. Without it, or 0, the routers have their own default,
    /// mostly 100.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_default")]
    #[schemars(range(max = 4_294_967_295u32), extend("format" = "int64"))]
    pub local_pref: u32,
    /// BGP communities of the routes: 64512:100, large:64512:100:1, or a name that a Community defines. A name that is not
    /// defined yet is no fault; the advertisement waits for it.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<String>,
    /// Names of the pools whose addresses are announced. A name without a pool is no fault; the pool may come later. Neither
    /// names nor selectors of pools: all pools.
    #[serde(
        default,
        rename = "ipAddressPools",
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ip_address_pools: Vec<String>,
    /// Pools by their labels, beside those named. A pool that one of them selects is announced.
    #[serde(
        default,
        rename = "ipAddressPoolSelectors",
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(with = "Vec<schema::Selector>")]
    pub ip_address_pool_selectors: Vec<LabelSelector>,
    /// The nodes that announce, by their labels, and with that where traffic may arrive. None: every node.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub node_selectors: Vec<LabelSelector>,
    /// Names of the BGPPeers to which the addresses are announced. None: all of them.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// The Services that are announced, by their labels, among those with addresses of the pools. None: all of them. Only with
    /// addresses that are announced one by one.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub service_selectors: Vec<LabelSelector>,
}

/// Names for communities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommunitySpec {
    /// The names and what they stand for.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<CommunityAlias>,
}

/// A name for a community.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommunityAlias {
    /// The name, as BGPAdvertisements use it.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The community: two numbers from 0 to 65535 as in 64512:100, or the word large and three numbers from 0 to 4294967295 as
    /// in large:64512:100:1.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub value: String,
}
