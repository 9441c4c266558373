//! One address and who may speak for it: what the controller pushes to the nodes. The documentation of types and fields is what
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
    /// An address of a Service, and the nodes that may announce it, in the order of succession. The controller writes one object
    /// for each address. The node that answers writes the status; the controller does where no node may answer. The name is the
    /// address; IPv6 is written in full, with '-' for ':'.
    Announcement, "arpeggio.io", "v1alpha1", "announcements", ClusterResourceScope, AnnouncementSpec, AnnouncementStatus,
    spec_required: true,
    short_names: &["ann"],
    categories: &["arpeggio"],
    columns: &[
        Column::new("Address", "string", ".spec.address"),
        Column::new("Namespace", "string", ".spec.services[0].namespace"),
        Column::new("Service", "string", ".spec.services[0].name"),
        Column::new("Owner", "string", ".status.owner"),
        Column::new("First", "string", ".spec.l2.candidates[0]"),
        Column::new("Second", "string", ".spec.l2.candidates[1]"),
        Column::new("Announced", "string", ".status.conditions[?(@.type==\"Announced\")].status"),
        Column::new("Age", "date", ".metadata.creationTimestamp"),
        Column::new("Third", "string", ".spec.l2.candidates[2]").wide(),
        Column::new("Pool", "string", ".spec.pool").wide(),
        Column::new("Since", "date", ".status.since").wide(),
        Column::new("Interface", "string", ".status.interfaces[0].name").wide(),
        Column::new("MAC", "string", ".status.interfaces[0].mac").wide(),
        Column::new("BGP Prefix", "string", ".spec.bgp[0].prefix").wide(),
        Column::new("BGP Nodes", "string", ".spec.bgp[0].nodes").wide(),
        Column::new("Reason", "string", ".status.conditions[?(@.type==\"Announced\")].reason").wide(),
    ],
}

/// The address, its Services, and the nodes that may answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["address"]))]
pub struct AnnouncementSpec {
    /// The address in its short form: 192.0.2.10, 2001:db8::a.
    #[serde(default)]
    #[schemars(
        length(max = 45),
        regex(pattern = "^[0-9A-Fa-f:.]{2,45}$"),
        extend("x-kubernetes-validations" = [{
            "rule": "self == oldSelf",
            "message": "the address cannot be changed; every address has an object of its own",
        }])
    )]
    pub address: String,
    /// Name of the pool that the address is from.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub pool: String,
    /// The Services that have the address, by namespace and name; several if they share it.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceReference>,
    /// Announcement at layer 2; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<L2>,
    /// What is announced to BGP peers for the address; none: nothing. Nodes unite entries of one prefix, also those of other
    /// addresses.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub bgp: Vec<Route>,
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

/// Layer 2: ARP and IPv6 neighbour discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["candidates"]))]
pub struct L2 {
    /// Names of the nodes that may answer, in the order of succession. The first one answers while it lives. Without a name no
    /// node answers.
    #[serde(default, deserialize_with = "null_default")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-validations" = [{
            "rule": "self.all(one, self.exists_one(other, other == one))",
            "message": "a node is listed twice; name each node once, the preferred owner first",
        }])
    )]
    pub candidates: Vec<String>,
    /// Names of the interfaces on which to answer; none: every interface that is not excluded.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// Exclusive: one node answers all clients. Shared: the clients are divided over the live candidates.
    #[serde(default)]
    #[schemars(extend("x-default" = "Exclusive"))]
    pub mode: Mode,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_unset(local_pref: &u32) -> bool {
    *local_pref == 0
}

/// A prefix that nodes announce to BGP peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["prefix"], "x-kubernetes-validations" = [{
    "rule": "(has(self.communities) ? size(self.communities) : 0) + \
        (has(self.largeCommunities) ? size(self.largeCommunities) : 0) <= 63",
    "message": "a route carries at most 63 communities, large ones included",
}]))]
pub struct Route {
    /// The network, which holds the address: 192.0.2.10/32, or a wider one that several addresses have in common.
    #[serde(default, deserialize_with = "null_default")]
    #[schemars(length(max = 49), regex(pattern = "^[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}$"))]
    pub prefix: String,
    /// How iBGP peers prefer it (LOCAL_PREF): higher is better. Absent or 0: as the routers have it.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "is_unset")]
    #[schemars(range(max = 4_294_967_295u32), extend("format" = "int64"))]
    pub local_pref: u32,
    /// BGP communities (RFC 1997): 64512:100.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 63), inner(length(max = 11), regex(pattern = "^[0-9]{1,5}:[0-9]{1,5}$")))]
    pub communities: Vec<String>,
    /// Large BGP communities (RFC 8092): 64512:100:1.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 63), inner(length(max = 32), regex(pattern = "^[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}$")))]
    pub large_communities: Vec<String>,
    /// Names of the BGPPeers that get it; none: all of them.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(min = 1, max = 253)))]
    pub peers: Vec<String>,
    /// Names of the nodes that announce it; absent: every node. A node with the condition NetworkUnavailable, or with the label
    /// that excludes it from load balancers, announces nothing in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5000), inner(length(min = 1, max = 253)))]
    pub nodes: Option<Vec<String>>,
}

/// Whether one node answers all clients or the candidates share them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// One node answers all clients.
    #[default]
    Exclusive,
    /// The clients are divided over the live candidates.
    Shared,
}

/// The owner's report. The owner writes it by server-side apply, with one field manager for all speakers: a new owner replaces
/// the whole of it. So does the controller where no node may answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "The report of the owner; where no node may answer, the reason from the controller.")]
pub struct AnnouncementStatus {
    /// Name of the node that answers; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The interfaces on which the owner answers, and the MAC addresses in the answers.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<OwnedInterface>,
    /// Time since which the owner answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Announced: whether a node answers for the address. If False, the reason: another machine uses it, no interface fits, no
    /// node may answer, no speaker lives, or no endpoint is ready.
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::Condition>", extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// An interface on which a node answers for the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnedInterface {
    /// Name of the interface.
    pub name: String,
    /// The MAC address in the answers.
    pub mac: String,
}
