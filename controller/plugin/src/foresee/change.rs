//! Makes the change in the controller's index.

use std::collections::BTreeSet;

use arpeggio_common::api::{Decoded, condition::Conditioned, names};
use arpeggio_controller::cluster::{
    index::{Delta, Index},
    project::{Id, Kind, Version, Watched},
};
use k8s_openapi::api::core::v1::{Namespace, Node, Service};
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::Scenario;
use crate::{
    objects::{Objects, put},
    output::Finding,
};

/// Makes the change. What is to be said about the change itself.
pub(super) fn make(index: &mut Index, objects: &Objects, scenario: &Scenario) -> Vec<Finding> {
    let mut change = Change { index, objects, findings: Vec::new(), named: BTreeSet::new(), others: 0 };
    scenario.documents.iter().for_each(|document| change.document(document));
    if scenario.prune {
        change.prune();
    }
    scenario.down.iter().for_each(|node| change.kill(node));
    scenario.evacuate.iter().for_each(|node| change.evacuate(node));
    let Change { mut findings, others, .. } = change;
    if others > 0 {
        let message = format!("{others} objects are of kinds that do not take part in the plan");
        findings.push(Finding::warning("the files", message, ""));
    }
    findings
}

struct Change<'a> {
    index: &'a mut Index,
    objects: &'a Objects,
    findings: Vec<Finding>,
    /// Objects of the configuration in the documents: kind and name.
    named: BTreeSet<(Kind, String)>,
    others: usize,
}

impl Change<'_> {
    fn document(&mut self, document: &Value) {
        let kind = document["kind"].as_str().unwrap_or_default();
        let api = document["apiVersion"].as_str().unwrap_or_default();
        let is_whole = |part: &str| document.get(part).is_none_or(|value| value.is_object() || value.is_null());
        if document["metadata"]["name"].as_str().is_none() || !is_whole("spec") {
            let message = "has no metadata.name, or a spec that is no object";
            self.findings.push(Finding::problem(format!("an object of kind {kind:?}"), message, "correct the file"));
            return;
        }
        match (api.split('/').next().unwrap_or_default(), kind) {
            ("metallb.io", "IPAddressPool") => self.configure(&self.objects.pools, document),
            ("metallb.io", "L2Advertisement") => self.configure(&self.objects.l2_advertisements, document),
            ("metallb.io", "BGPAdvertisement") => self.configure(&self.objects.bgp_advertisements, document),
            ("metallb.io", "BGPPeer") => self.configure(&self.objects.peers, document),
            ("metallb.io", "Community") => self.configure(&self.objects.communities, document),
            ("metallb.io", "BFDProfile") => self.configure(&self.objects.bfd_profiles, document),
            ("v1", "Service") => self.service(document),
            ("v1", "Namespace") => {
                let known = self.objects.namespaces.iter().find(|one| is_named(*one, None, document));
                self.merge::<Namespace>(known, document);
            }
            ("v1", "Node") => {
                let known = self.objects.nodes.iter().find(|one| is_named(*one, None, document));
                self.merge::<Node>(known, document);
            }
            _ => self.others += 1,
        }
    }

    /// An object of the configuration, in place of the one of its name.
    fn configure<K>(&mut self, known: &[Decoded<K>], document: &Value)
    where
        K: Conditioned + Serialize,
        Decoded<K>: Watched,
    {
        let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or(&self.objects.namespace);
        if namespace != self.objects.namespace {
            let subject = format!("{} {namespace}/{name}", K::kind(&()));
            let message = format!("is read nowhere: the configuration is in namespace {}", self.objects.namespace);
            self.findings.push(Finding::problem(subject, message, "correct metadata.namespace"));
            return;
        }
        let mut object = document.clone();
        let there = known.iter().find(|one| one.meta().name.as_deref() == Some(name.as_str()));
        object["metadata"]["namespace"] = self.objects.namespace.clone().into();
        // Newer than what is there, whatever version the file was exported from.
        object["metadata"]["resourceVersion"] = Value::Null;
        object["metadata"]["uid"] =
            there.map_or_else(|| format!("new-{name}"), |there| there.uid().unwrap_or_default()).into();
        // Which of two that exclude each other came first is read from the status.
        if let Some(Ok(there)) = there.map(|there| &there.0)
            && let Ok(mut there) = serde_json::to_value(there)
        {
            object["status"] = there["status"].take();
        }
        self.named.insert((<Decoded<K> as Watched>::KIND, name));
        self.put::<Decoded<K>>(object);
    }

    fn service(&mut self, document: &Value) {
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
        let known = self.objects.services.iter().find(|one| is_named(*one, Some(&namespace), document));
        if known.is_some() {
            return self.merge(known, document);
        }
        let mut object = document.clone();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        complete(&mut object, &namespace, self.is_dual());
        self.put::<Service>(object);
        // It is judged as if every node served it: nobody knows yet where its pods will run.
        let nodes = self.objects.nodes.iter();
        let endpoints: Vec<Value> =
            nodes.map(|node| json!({"addresses": ["192.0.2.1"], "nodeName": node.name_any()})).collect();
        self.put::<k8s_openapi::api::discovery::v1::EndpointSlice>(json!({"addressType": "IPv4", "endpoints": endpoints,
            "metadata": {"name": format!("{name}-planned"), "namespace": namespace, "uid": format!("slice-{namespace}-{name}"),
                "labels": {"kubernetes.io/service-name": name}}}));
    }

    /// Whether a Service of the cluster has addresses of both families.
    fn is_dual(&self) -> bool {
        let both = |one: &Service| {
            one.spec.as_ref().is_some_and(|spec| spec.cluster_ips.as_ref().is_some_and(|all| all.len() > 1))
        };
        self.objects.services.iter().any(both)
    }

    /// The document over what is there, as `kubectl apply` does.
    fn merge<K: Watched + Serialize>(&mut self, known: Option<&K>, document: &Value) {
        let mut object = known.and_then(|known| serde_json::to_value(known).ok()).unwrap_or_else(|| json!({}));
        patch(&mut object, document);
        object["metadata"]["resourceVersion"] = Value::Null;
        self.put::<K>(object);
    }

    fn put<K: Watched>(&mut self, object: Value) {
        let (kind, name) = (K::kind(&()), object["metadata"]["name"].as_str().unwrap_or_default().to_owned());
        match serde_json::from_value::<K>(object) {
            Ok(object) => put(self.index, object),
            Err(error) => {
                self.findings.push(Finding::problem(format!("{kind} {name}"), format!("cannot be read: {error}"), ""));
            }
        }
    }

    /// Deletes every object of the configuration that no document names.
    fn prune(&mut self) {
        let objects = self.objects;
        self.prune_kind(&objects.pools);
        self.prune_kind(&objects.l2_advertisements);
        self.prune_kind(&objects.bgp_advertisements);
        self.prune_kind(&objects.peers);
        self.prune_kind(&objects.communities);
        self.prune_kind(&objects.bfd_profiles);
    }

    fn prune_kind<K: Watched>(&mut self, known: &[K]) {
        for object in known {
            if !self.named.contains(&(K::KIND, object.name_any())) {
                self.remove(object);
            }
        }
    }

    fn remove<K: Watched>(&mut self, object: &K) {
        let id = Id { namespace: object.namespace().unwrap_or_default(), name: object.name_any() };
        let version = Version { uid: object.uid().unwrap_or_default(), resource_version: String::new() };
        #[expect(clippy::disallowed_methods, reason = "any instant will do: time does not pass in a plan")]
        self.index.feed(K::KIND, Delta::Deleted(id, version), std::time::Instant::now());
    }

    /// The speaker of a node does not renew its lease any more.
    fn kill(&mut self, node: &str) {
        let objects = self.objects;
        match objects.lease(&names::speaker_lease(node)) {
            Some(lease) => self.remove(lease),
            None => self.findings.push(Finding::warning(
                format!("node {node}"),
                "no speaker of it has a lease",
                "kubectl get nodes",
            )),
        }
    }

    fn evacuate(&mut self, node: &str) {
        let objects = self.objects;
        let known = objects.nodes.iter().find(|one| one.metadata.name.as_deref() == Some(node));
        if known.is_none() {
            self.findings.push(Finding::problem(format!("node {node}"), "there is no such node", "kubectl get nodes"));
            return;
        }
        let annotations = json!({ names::EVACUATE: "true" });
        self.merge::<Node>(known, &json!({"metadata": {"annotations": annotations}}));
    }
}

fn is_named<K: Resource>(object: &K, namespace: Option<&str>, document: &Value) -> bool {
    object.meta().name.as_deref() == document["metadata"]["name"].as_str()
        && namespace.is_none_or(|namespace| object.meta().namespace.as_deref() == Some(namespace))
}

/// A new Service as the API server would complete it.
fn complete(object: &mut Value, namespace: &str, is_dual: bool) {
    object["metadata"]["namespace"] = namespace.into();
    object["metadata"]["resourceVersion"] = Value::Null;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    object["metadata"]["uid"] = format!("new-{namespace}-{name}").into();
    object["status"] = Value::Null;
    let spec = &mut object["spec"];
    if spec["ipFamilies"].is_null() {
        let wants_both = matches!(spec["ipFamilyPolicy"].as_str(), Some("RequireDualStack" | "PreferDualStack"));
        spec["ipFamilies"] = if wants_both && is_dual { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
    }
    if spec["clusterIPs"].is_null() && spec["clusterIP"].as_str() != Some("None") {
        let address = |family: &Value| if family == "IPv6" { "fd00::1" } else { "10.0.0.1" };
        let addresses: Vec<&str> = spec["ipFamilies"].as_array().into_iter().flatten().map(address).collect();
        spec["clusterIPs"] = json!(addresses);
    }
}

/// A JSON merge patch (RFC 7396), with lists replaced.
fn patch(object: &mut Value, with: &Value) {
    let Value::Object(fields) = with else {
        *object = with.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in fields {
        if name == "status" {
            continue;
        }
        patch(&mut object[name], value);
    }
}
