//! MetalLB's kinds, as lenient as MetalLB reads them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{kind, null_default};

kind! {
    /// Addresses to give to Services.
    IPAddressPool, "metallb.io", "v1beta1", "ipaddresspools", NamespaceResourceScope, IPAddressPoolSpec, IPAddressPoolStatus
}

kind! {
    /// How addresses are announced at layer 2.
    L2Advertisement, "metallb.io", "v1beta1", "l2advertisements", NamespaceResourceScope, L2AdvertisementSpec, Nothing
}

kind! {
    /// Which node answers for a Service.
    ServiceL2Status, "metallb.io", "v1beta1", "servicel2statuses", NamespaceResourceScope, Nothing, ServiceL2StatusStatus
}

/// A part without fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// See [`IPAddressPool`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IPAddressPoolSpec {
    /// Networks (`192.0.2.0/24`) and ranges (`192.0.2.1-192.0.2.9`).
    #[serde(default, deserialize_with = "null_default")]
    pub addresses: Vec<String>,
    /// Whether Services that ask for nothing may get one; absent means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_assign: Option<bool>,
    /// Whether IPv4 addresses ending in .0 and .255 stay unused.
    #[serde(default, rename = "avoidBuggyIPs", deserialize_with = "null_default")]
    pub avoid_buggy_ips: bool,
    /// Which Services may draw from it; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_allocation: Option<ServiceAllocation>,
}

/// Which Services may draw from a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAllocation {
    /// Lower numbers are tried first; 0 means last.
    #[serde(default, deserialize_with = "null_default")]
    pub priority: i64,
    /// Namespaces by name.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Namespaces by label.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub namespace_selectors: Vec<LabelSelector>,
    /// Services by label.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub service_selectors: Vec<LabelSelector>,
}

/// How full a pool is. An address that Services share counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IPAddressPoolStatus {
    /// IPv4 addresses in use.
    #[serde(rename = "assignedIPv4")]
    pub assigned_ipv4: i64,
    /// IPv6 addresses in use.
    #[serde(rename = "assignedIPv6")]
    pub assigned_ipv6: i64,
    /// IPv4 addresses left.
    #[serde(rename = "availableIPv4")]
    pub available_ipv4: i64,
    /// IPv6 addresses left; 2^63 - 1 where there are more.
    #[serde(rename = "availableIPv6")]
    pub available_ipv6: i64,
}

/// See [`L2Advertisement`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct L2AdvertisementSpec {
    /// Pools by name.
    #[serde(
        default,
        rename = "ipAddressPools",
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ip_address_pools: Vec<String>,
    /// Pools by label. Neither names nor selectors: all pools.
    #[serde(
        default,
        rename = "ipAddressPoolSelectors",
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ip_address_pool_selectors: Vec<LabelSelector>,
    /// Nodes that may announce; none: all.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub node_selectors: Vec<LabelSelector>,
    /// Names of interfaces to announce on; none: all.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// Services it is for; none: all of the pools.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub service_selectors: Vec<LabelSelector>,
    /// Nodes that are better than others.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub preferred_node_selectors: Vec<PreferredNode>,
}

/// A soft preference for nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreferredNode {
    /// 1 to 100; weights of matching entries add up.
    pub weight: i32,
    /// Which nodes; an empty one selects all.
    pub preference: LabelSelector,
}

/// See [`ServiceL2Status`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceL2StatusStatus {
    /// The node that answers.
    #[serde(default, deserialize_with = "null_default")]
    pub node: String,
    /// The Service.
    #[serde(default, deserialize_with = "null_default")]
    pub service_name: String,
    /// Its namespace.
    #[serde(default, deserialize_with = "null_default")]
    pub service_namespace: String,
    /// On which interfaces; none: all.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<InterfaceInfo>,
}

/// An interface by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceInfo {
    /// Its name.
    #[serde(default, deserialize_with = "null_default")]
    pub name: String,
}
