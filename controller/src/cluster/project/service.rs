//! Services and their EndpointSlices.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    api::{
        condition,
        names::{self, OLD_PREFIX},
    },
    model::NodeName,
};
use k8s_openapi::api::{
    core::v1::{LoadBalancerIngress, Service as ApiService, ServiceSpec, ServiceStatus},
    discovery::v1::EndpointSlice,
};

use super::{Kind, Object, Watched, rival::rival, stray::strays};
use crate::cluster::{
    API_SERVER, Endpoints, Family, FamilyPolicy, Node, Port, Protocol, Refusal, Requests, Service, ServiceKey,
};

/// Type of our condition on Services: whether the Service has the address it asks for. Only there once it was refused.
pub const ALLOCATED: &str = "arpeggio.io/Allocated";
/// Type of our condition on Services that have an address: whether somebody announces it. Only there once nobody did.
pub const ANNOUNCED: &str = "arpeggio.io/Announced";
/// Type of our condition on Services whose status another program writes as well. Only there while it does.
pub const CONFLICT: &str = "arpeggio.io/StatusConflict";
/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The prefix of MetalLB's annotations.
const PREFIX: &str = "metallb.io/";

/// What one EndpointSlice adds to a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The Service; `None`: of nobody.
    pub service: Option<ServiceKey>,
    /// What it adds.
    pub endpoints: Endpoints,
}

impl Watched for ApiService {
    const KIND: Kind = Kind::Service;

    fn project(self) -> Result<Object, String> {
        let Self { metadata, spec, status } = self;
        let spec = spec.unwrap_or_default();
        let status = status.unwrap_or_default();
        let annotations = metadata.annotations.unwrap_or_default();
        let ingress =
            status.load_balancer.as_ref().and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
        let addresses: Vec<IpAddr> = ingress.iter().filter_map(address).collect();
        let status_differs = ingress.iter().any(is_foreign);
        let allocated_from = annotations.get(names::ALLOCATED_FROM).cloned();
        let local = spec.external_traffic_policy.as_deref() == Some("Local");
        let is_undone = status_differs || addresses.is_empty() || allocated_from.is_none();
        Ok(Object::Service(Box::new(Service {
            key: ServiceKey::new(metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default()),
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            load_balancer: spec.type_.as_deref() == Some("LoadBalancer"),
            cluster_ips: cluster_ips(&spec),
            family_policy: family_policy(spec.ip_family_policy.as_deref()),
            families: families(spec.ip_families.as_deref().unwrap_or_default()),
            ports: ports(&spec),
            local,
            requests: Requests {
                strays: strays(
                    metadata.labels.iter().flatten().map(|(key, _)| &**key),
                    annotations.keys().map(|key| &**key),
                ),
                ..requests(&annotations, spec.load_balancer_ip)
            },
            labels: metadata.labels.unwrap_or_default(),
            class: spec.load_balancer_class,
            selector: spec.selector.filter(|_| local).unwrap_or_default(),
            ingress: addresses,
            status_differs,
            rival: rival(metadata.managed_fields.as_deref().unwrap_or_default(), is_undone),
            allocated_from,
            refusal: says(&status, ALLOCATED, false),
            silence: says(&status, ANNOUNCED, false),
            conflict: says(&status, CONFLICT, true).map(Box::new),
        })))
    }
}

/// The addresses; an older API server gives only the first one, and `None` is the word for a headless Service.
fn cluster_ips(spec: &ServiceSpec) -> Vec<IpAddr> {
    match &spec.cluster_ips {
        Some(all) if !all.is_empty() => all.iter().filter_map(|text| text.parse().ok()).collect(),
        Some(_) | None => spec.cluster_ip.iter().filter_map(|text| text.parse().ok()).collect(),
    }
}

fn family_policy(policy: Option<&str>) -> FamilyPolicy {
    match policy {
        Some("PreferDualStack") => FamilyPolicy::Prefer,
        Some("RequireDualStack") => FamilyPolicy::Require,
        Some(_) | None => FamilyPolicy::Single,
    }
}

fn families(families: &[String]) -> Vec<Family> {
    let one = |family: &String| match family.as_str() {
        "IPv4" => Some(Family::V4),
        "IPv6" => Some(Family::V6),
        _ => None,
    };
    families.iter().filter_map(one).collect()
}

fn ports(spec: &ServiceSpec) -> BTreeSet<Port> {
    let protocol = |name: Option<&str>| match name {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(_) | None => Protocol::Tcp,
    };
    let port = |port: &k8s_openapi::api::core::v1::ServicePort| {
        let number = u16::try_from(port.port).ok()?;
        Some(Port { protocol: protocol(port.protocol.as_deref()), number })
    };
    spec.ports.iter().flatten().filter_map(port).collect()
}

/// Reads both prefixes; what is written with the new one wins. Empty requests are none, except for the sharing key, whose
/// presence alone means something (MetalLB behaviour 2.4).
fn requests(annotations: &BTreeMap<String, String>, load_balancer_ip: Option<String>) -> Requests {
    let find = |name: &str| {
        let bare = name.strip_prefix(PREFIX).unwrap_or(name);
        annotations.get(name).or_else(|| annotations.get(&format!("{OLD_PREFIX}{bare}"))).cloned()
    };
    let given = |text: &String| !text.is_empty();
    Requests {
        pool: find(names::POOL).filter(given),
        addresses: find(names::ADDRESSES).filter(given),
        load_balancer_ip: load_balancer_ip.filter(given),
        sharing_key: find(names::SHARING),
        deprecated: annotations.keys().filter(|name| name.starts_with(OLD_PREFIX)).cloned().collect(),
        strays: Vec::new(),
    }
}

fn address(ingress: &LoadBalancerIngress) -> Option<IpAddr> {
    ingress.ip.as_deref()?.parse().ok()
}

/// Whether it is something by which traffic goes another way than we mean. No `ipMode` at all is an API server before 1.29, where it
/// means the same. A name or ports beside the address harm nobody: whoever adds them may.
fn is_foreign(ingress: &LoadBalancerIngress) -> bool {
    address(ingress).is_none() || ingress.ip_mode.as_deref().is_some_and(|mode| mode != "VIP")
}

/// Reason and message of a condition that holds, or does not.
fn says(status: &ServiceStatus, type_: &str, holds: bool) -> Option<Refusal> {
    let found = condition::find(status.conditions.as_deref().unwrap_or_default(), type_)?;
    (condition::holds(found) == Some(holds))
        .then(|| Refusal { reason: found.reason.clone(), message: found.message.clone() })
}

impl Watched for EndpointSlice {
    const KIND: Kind = Kind::EndpointSlice;

    fn project(self) -> Result<Object, String> {
        let namespace = self.metadata.namespace.unwrap_or_default();
        let name = self.metadata.labels.and_then(|mut labels| labels.remove(SERVICE_NAME));
        let mut endpoints = Endpoints::default();
        let (mut nodes, mut with_ready) = (BTreeSet::new(), BTreeSet::new());
        for endpoint in &self.endpoints {
            let conditions = endpoint.conditions.as_ref();
            let ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
            let serving = conditions.and_then(|conditions| conditions.serving).unwrap_or(false);
            if ready || serving {
                let node = endpoint.node_name.as_deref().and_then(|node| NodeName::try_from(node).ok());
                endpoints.any = true;
                with_ready.extend(node.clone().filter(|_| ready));
                nodes.extend(node);
            }
        }
        endpoints.ending = nodes.difference(&with_ready).cloned().collect();
        endpoints.nodes = nodes.into();
        if name.as_deref().map(|name| (namespace.as_str(), name)) == Some(API_SERVER) {
            let all = self.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
            let all = all.filter_map(|text| Some(text.parse::<IpAddr>().ok()?.to_canonical()));
            endpoints.api_server = all.filter(Node::may_have).collect();
        }
        Ok(Object::Slice(Slice { service: name.map(|name| ServiceKey::new(namespace, name)), endpoints }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(object: Value) -> Service {
        let object = serde_json::from_value::<ApiService>(object).unwrap().project().unwrap();
        let Object::Service(service) = object else { panic!("{object:?}") };
        *service
    }

    fn slice(object: Value) -> Slice {
        let object = serde_json::from_value::<EndpointSlice>(object).unwrap().project().unwrap();
        let Object::Slice(slice) = object else { panic!("{object:?}") };
        slice
    }

    #[test]
    fn a_service_is_read_as_written() {
        let service = service(json!({
            "metadata": {"namespace": "shop", "name": "web", "uid": "u1", "resourceVersion": "7", "labels": {"a": "b"},
                "annotations": {"metallb.io/address-pool": "gold", "metallb.universe.tf/address-pool": "old",
                    "metallb.universe.tf/allow-shared-ip": "k", "metallb.io/loadBalancerIPs": "",
                    "metallb.io/ip-allocated-from-pool": "gold"}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"],
                "ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack", "externalTrafficPolicy": "Local",
                "loadBalancerIP": "192.0.2.9", "loadBalancerClass": "x/y", "selector": {"app": "web"},
                "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}, {"ip": "2001:db8::1"}]},
                "conditions": [{"type": "arpeggio.io/Allocated", "status": "False", "reason": "AllocationFailed",
                    "message": "pool gold is full", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                    {"type": "arpeggio.io/Announced", "status": "False", "reason": "NoEndpoints", "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"},
                    {"type": "arpeggio.io/StatusConflict", "status": "True", "reason": "StatusOverwritten",
                    "message": "x writes", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }));
        assert_eq!(service.key.to_string(), "shop/web");
        assert_eq!((service.uid.as_str(), service.resource_version.as_str()), ("u1", "7"));
        assert!(service.load_balancer && service.local && !service.status_differs);
        assert_eq!(service.cluster_ips, ["10.0.0.1".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
        assert_eq!((service.family_policy, service.families), (FamilyPolicy::Prefer, vec![Family::V6, Family::V4]));
        let ports = [Port { protocol: Protocol::Tcp, number: 80 }, Port { protocol: Protocol::Udp, number: 53 }];
        assert_eq!(service.ports, BTreeSet::from(ports));
        assert_eq!(service.requests.pool.as_deref(), Some("gold"), "the new prefix wins");
        assert_eq!(service.requests.sharing_key.as_deref(), Some("k"), "the old prefix is read");
        assert_eq!(service.requests.addresses, None, "an empty request is none");
        assert_eq!(service.requests.load_balancer_ip.as_deref(), Some("192.0.2.9"));
        assert_eq!(service.requests.deprecated.len(), 2);
        assert_eq!(service.ingress.len(), 2);
        assert_eq!(service.allocated_from.as_deref(), Some("gold"));
        assert_eq!(service.refusal.unwrap().message, "pool gold is full");
        assert_eq!(service.silence.unwrap().reason, "NoEndpoints");
        assert_eq!(service.conflict.unwrap().message, "x writes");
        assert_eq!((service.class.as_deref(), service.selector.len()), (Some("x/y"), 1));
    }

    #[test]
    fn what_others_wrote_into_the_status_is_seen() {
        for (ingress, differs, addresses) in [
            (json!([]), false, 0),
            (json!([{"ip": "192.0.2.1"}]), false, 1),
            (json!([{"ip": "192.0.2.1", "ipMode": "Proxy"}]), true, 1),
            (json!([{"hostname": "lb.example.org"}]), true, 0),
            (json!([{"ip": "192.0.2.1", "ports": [{"port": 80, "protocol": "TCP"}]}]), false, 1),
            (json!([{"ip": "192.0.2.1", "hostname": "lb.example.org", "ipMode": "VIP"}]), false, 1),
            (json!([{"ip": "192.0.2.1"}, {"hostname": "lb.example.org"}]), true, 1),
        ] {
            let service =
                service(json!({"metadata": {"name": "a"}, "status": {"loadBalancer": {"ingress": ingress.clone()}}}));
            assert_eq!((service.status_differs, service.ingress.len()), (differs, addresses), "{ingress}");
        }
    }

    #[test]
    fn a_condition_that_was_cured_is_no_refusal_and_a_headless_service_has_no_address() {
        let service = service(json!({"metadata": {"name": "a"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"]},
            "status": {"conditions": [{"type": "arpeggio.io/Allocated", "status": "True", "reason": "Allocated",
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}));
        assert_eq!((service.refusal, service.cluster_ips.len(), service.load_balancer), (None, 0, false));
    }

    #[test]
    fn an_endpoint_serves_if_it_is_ready_or_says_nothing_or_serves_while_it_ends() {
        let endpoint = |node: &str, conditions: Value| json!({"addresses": ["10.1.0.1"], "nodeName": node, "conditions": conditions});
        let slice = slice(json!({
            "metadata": {"namespace": "shop", "name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [
                endpoint("node-a", json!({})),
                endpoint("node-b", json!({"ready": true})),
                endpoint("node-c", json!({"ready": false, "serving": true, "terminating": true})),
                endpoint("node-d", json!({"ready": false, "serving": false})),
                endpoint("node-e", json!({"ready": false})),
            ],
        }));
        assert_eq!(slice.service.unwrap().to_string(), "shop/web");
        let nodes: Vec<_> = slice.endpoints.nodes.iter().map(NodeName::as_str).collect();
        assert_eq!(nodes, ["node-a", "node-b", "node-c"]);
        assert!(slice.endpoints.any);
        let ending: Vec<_> = slice.endpoints.ending.iter().map(NodeName::as_str).collect();
        assert_eq!(ending, ["node-c"], "served by nothing that is ready");
    }

    #[test]
    fn of_the_api_server_alone_the_addresses_are_known() {
        let of = |namespace: &str| {
            let slice = slice(json!({
                "metadata": {"namespace": namespace, "name": "x", "labels": {"kubernetes.io/service-name": "kubernetes"}},
                "addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.7"]}, {"addresses": ["192.0.2.8"],
                    "conditions": {"ready": false}}]}));
            slice.endpoints.api_server.len()
        };
        assert_eq!((of("default"), of("shop")), (2, 0));
    }

    #[test]
    fn a_slice_without_endpoints_or_service_adds_nothing() {
        let slice = slice(json!({"metadata": {"name": "x"}, "addressType": "IPv4", "endpoints": null}));
        assert_eq!(slice, Slice::default());
    }
}
