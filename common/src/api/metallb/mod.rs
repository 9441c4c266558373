//! MetalLB's kinds, as lenient as MetalLB reads them. The documentation of types and fields is what `kubectl explain` shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod bfd;
mod bgp;
mod peer;
pub mod peer_v1beta1;
mod state;

use super::{
    crd::Column,
    kind::{kind, null_default},
    schema,
};

pub use bfd::{BFDProfile, BFDProfileSpec};
pub use bgp::{BGPAdvertisement, BGPAdvertisementSpec, Community, CommunityAlias, CommunitySpec};
pub use peer::{BGPPeer, BGPPeerSpec, SecretReference};
pub use state::{
    ConfigurationResult, ConfigurationState, ConfigurationStateStatus, ServiceBGPStatus, ServiceBGPStatusStatus,
};

kind! {
    /// A pool of IP addresses to give to Services of type LoadBalancer. An address is in one pool only.
    IPAddressPool, "metallb.io", "v1beta1", "ipaddresspools", NamespaceResourceScope, IPAddressPoolSpec, IPAddressPoolStatus,
    spec_required: true,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Auto Assign", "boolean", ".spec.autoAssign"),
        Column::new("Avoid Buggy IPs", "boolean", ".spec.avoidBuggyIPs"),
        Column::new("Addresses", "string", ".spec.addresses"),
        Column::new("Assigned IPv4", "integer", ".status.assignedIPv4"),
        Column::new("Available IPv4", "integer", ".status.availableIPv4"),
        Column::new("Assigned IPv6", "integer", ".status.assignedIPv6"),
        Column::new("Available IPv6", "integer", ".status.availableIPv6"),
        Column::new("Accepted", "string", ACCEPTED).wide(),
    ],
}

kind! {
    /// Has the addresses of pools announced at layer 2, by ARP and IPv6 neighbour discovery. Addresses of pools that no
    /// advertisement selects are given away but not announced.
    L2Advertisement, "metallb.io", "v1beta1", "l2advertisements", NamespaceResourceScope, L2AdvertisementSpec, AcceptedStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("IPAddressPools", "string", ".spec.ipAddressPools"),
        Column::new("IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors"),
        Column::new("Interfaces", "string", ".spec.interfaces"),
        Column::new("Node Selectors", "string", ".spec.nodeSelectors").wide(),
        Column::new("Accepted", "string", ACCEPTED).wide(),
    ],
}

kind! {
    /// Tells which node answers for a Service at layer 2. Written by Arpeggio, one object for each Service that is announced; there
    /// is nothing to configure here.
    ServiceL2Status, "metallb.io", "v1beta1", "servicel2statuses", NamespaceResourceScope, Nothing, ServiceL2StatusStatus,
    spec_required: false,
    short_names: &[],
    categories: &[],
    columns: &[
        Column::new("Allocated Node", "string", ".status.node"),
        Column::new("Service Name", "string", ".status.serviceName"),
        Column::new("Service Namespace", "string", ".status.serviceNamespace"),
    ],
}

/// Where an object of the configuration says whether it is in force as written.
const ACCEPTED: &str = ".status.conditions[?(@.type==\"Accepted\")].status";

/// Nothing: there are no fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// The addresses of the pool, and who may draw from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["addresses"]))]
pub struct IPAddressPoolSpec {
    /// The addresses: networks in CIDR notation (192.0.2.0/24, a single address as 192.0.2.7/32) and ranges from first to last
    /// (192.0.2.1-192.0.2.9). IPv4 and IPv6 may stand in one pool, which a dual-stack Service needs. No address may be listed
    /// twice, here or in another pool. They are given away in this order, the lowest free one first.
    #[serde(default, deserialize_with = "null_default")]
    pub addresses: Vec<String>,
    /// Whether Services that ask for no pool and no address may draw from it. If false, it serves only those that name it, or one
    /// of its addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = true))]
    pub auto_assign: Option<bool>,
    /// Whether IPv4 addresses that end in .0 or .255 stay unused, because some old equipment takes them for the addresses of
    /// networks and broadcasts.
    #[serde(default, rename = "avoidBuggyIPs", deserialize_with = "null_default")]
    #[schemars(extend("x-default" = false))]
    pub avoid_buggy_ips: bool,
    /// Reserves the pool for some Services and ranks it among the pools that a Service may draw from. Without it, the pool is for
    /// every Service and comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_allocation: Option<ServiceAllocation>,
}

/// Which Services may draw from a pool, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAllocation {
    /// The place among the pools that a Service may draw from: lower numbers are tried first; 0, as if absent, is tried last.
    #[serde(default, deserialize_with = "null_default")]
    #[schemars(extend("format" = null))]
    pub priority: i64,
    /// Names of the namespaces whose Services may draw from the pool. Neither names nor selectors of namespaces: all namespaces.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Namespaces by their labels, beside those named. A namespace that one of them selects is enough.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub namespace_selectors: Vec<LabelSelector>,
    /// Services by their labels: in the namespaces above, only a Service that one of them selects may draw from the pool. None:
    /// every Service there.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub service_selectors: Vec<LabelSelector>,
}

/// How full the pool is, and whether it is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6"]))]
pub struct IPAddressPoolStatus {
    /// IPv4 addresses that Services have. One that several Services share counts once.
    #[serde(rename = "assignedIPv4", deserialize_with = "null_default")]
    pub assigned_ipv4: i64,
    /// IPv6 addresses that Services have. One that several Services share counts once.
    #[serde(rename = "assignedIPv6", deserialize_with = "null_default")]
    pub assigned_ipv6: i64,
    /// IPv4 addresses that are left.
    #[serde(rename = "availableIPv4", deserialize_with = "null_default")]
    pub available_ipv4: i64,
    /// IPv6 addresses that are left; 9223372036854775807 where there are as many or more.
    #[serde(rename = "availableIPv6", deserialize_with = "null_default")]
    pub available_ipv6: i64,
    /// Accepted: whether the pool is in force as written, and if not what is wrong with it.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Condition>", extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Which addresses are announced, for which Services, by which nodes and on which interfaces. Left empty, everything everywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct L2AdvertisementSpec {
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
    /// The nodes that may answer, by their labels. A node that one of them selects may; none: every node.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub node_selectors: Vec<LabelSelector>,
    /// Names of the interfaces on which nodes answer, as `ip link` shows them. A node without any of them does not answer. None:
    /// every interface.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// The Services that are announced, by their labels, among those with addresses of the pools. None: all of them.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Selector>")]
    pub service_selectors: Vec<LabelSelector>,
    /// Nodes that are better than others. Among those that may answer, the one whose entries here weigh most does; if it fails,
    /// the next.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub preferred_node_selectors: Vec<PreferredNode>,
}

/// Nodes that are better than others, and by how much.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreferredNode {
    /// How much better, from 1 to 100. A node that several entries select has the sum of their weights.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,
    /// Which nodes, by their labels. An empty one selects every node.
    #[schemars(with = "schema::Selector")]
    pub preference: LabelSelector,
}

/// Whether the object is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AcceptedStatus {
    /// Accepted: whether the object is in force as written, and if not what is wrong with it.
    #[serde(deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Condition>", extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Who answers for which Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceL2StatusStatus {
    /// Name of the node that answers.
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
    /// The interfaces on which the node answers; none: every interface that can.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<InterfaceInfo>,
}

/// An interface of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceInfo {
    /// Name of the interface.
    #[serde(default, deserialize_with = "null_default")]
    pub name: String,
}
