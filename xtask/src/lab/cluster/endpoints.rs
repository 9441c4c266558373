//! EndpointSlices whose endpoints are the backends on the nodes, as somebody writes them who has no pods.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Cluster, backend::PORT};
use crate::lab::Node;

/// The state of a backend, as kube-proxy is to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Name of the node.
    pub node: &'a str,
    /// Takes new connections.
    pub ready: bool,
    /// Would answer them.
    pub serving: bool,
    /// Is going away.
    pub terminating: bool,
}

impl<'a> Endpoint<'a> {
    /// One that is ready.
    #[must_use]
    pub fn ready(node: &'a str) -> Self {
        Self { node, ready: true, serving: true, terminating: false }
    }

    /// One that is not.
    #[must_use]
    pub fn unready(node: &'a str) -> Self {
        Self { node, ready: false, serving: false, terminating: false }
    }

    /// One that is going away and still answers.
    #[must_use]
    pub fn terminating(node: &'a str) -> Self {
        Self { node, ready: false, serving: true, terminating: true }
    }
}

impl Cluster {
    /// Makes these backends the endpoints of a Service without a selector, for both families; replaces earlier ones.
    /// The port has no name: neither may the Service's.
    ///
    /// # Errors
    /// If there is no such node or the API server refuses.
    pub fn endpoints(&self, namespace: &str, service: &str, endpoints: &[Endpoint<'_>]) -> Result<()> {
        let named = endpoints.iter().map(|endpoint| Ok((*endpoint, self.segment().node(endpoint.node)?)));
        let named: Vec<(Endpoint<'_>, &Node)> = named.collect::<Result<_>>()?;
        let slices: Vec<Value> =
            ["IPv4", "IPv6"].iter().map(|family| slice((namespace, service), family, &named)).collect();
        self.apply(&json!({"apiVersion": "v1", "kind": "List", "items": slices}).to_string())
    }
}

fn slice((namespace, service): (&str, &str), family: &str, endpoints: &[(Endpoint<'_>, &Node)]) -> Value {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|(endpoint, node)| {
            let address = if family == "IPv4" { node.ipv4.to_string() } else { node.ipv6.to_string() };
            let Endpoint { node, ready, serving, terminating } = endpoint;
            json!({
                "addresses": [address],
                "nodeName": node,
                "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-{}", family.to_lowercase()),
            "namespace": namespace,
            "labels": {
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "lab",
            },
        },
        "addressType": family,
        "endpoints": endpoints,
        "ports": [{"port": PORT, "protocol": "TCP"}],
    })
}
