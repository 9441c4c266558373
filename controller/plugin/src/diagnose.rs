//! A directory with everything that helps others to understand a cluster, and no secret.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Error, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, LogParams},
};
use serde_json::{Value, json};

/// Group, version, kind and plural of what is written down; the last word: only in the namespace of Arpeggio.
const KINDS: [(&str, &str, &str, &str, bool); 21] = [
    ("", "v1", "Service", "services", false),
    ("", "v1", "Node", "nodes", false),
    ("", "v1", "Namespace", "namespaces", false),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", false),
    ("metallb.io", "v1beta1", "IPAddressPool", "ipaddresspools", false),
    ("metallb.io", "v1beta1", "L2Advertisement", "l2advertisements", false),
    ("metallb.io", "v1beta1", "BGPAdvertisement", "bgpadvertisements", false),
    ("metallb.io", "v1beta2", "BGPPeer", "bgppeers", false),
    ("metallb.io", "v1beta1", "Community", "communities", false),
    ("metallb.io", "v1beta1", "BFDProfile", "bfdprofiles", false),
    ("metallb.io", "v1beta1", "ServiceL2Status", "servicel2statuses", false),
    ("metallb.io", "v1beta1", "ServiceBGPStatus", "servicebgpstatuses", false),
    ("metallb.io", "v1beta1", "ConfigurationState", "configurationstates", false),
    ("arpeggio.io", "v1alpha1", "Announcement", "announcements", false),
    ("arpeggio.io", "v1alpha1", "Speaker", "speakers", false),
    ("coordination.k8s.io", "v1", "Lease", "leases", true),
    ("apps", "v1", "Deployment", "deployments", true),
    ("apps", "v1", "DaemonSet", "daemonsets", true),
    ("", "v1", "Pod", "pods", true),
    ("", "v1", "ConfigMap", "configmaps", true),
    ("", "v1", "Event", "events", false),
];
/// Last lines of the log of each container.
const LINES: i64 = 2000;
/// What is written in place of a secret.
const HIDDEN: &str = "(removed)";
/// Parts of names whose values are secrets.
const SECRET: [&str; 4] = ["password", "secret", "token", "credential"];

/// Writes the objects, logs and versions into a directory. What could not be read, and why.
///
/// # Errors
/// A file cannot be written.
pub async fn collect(client: &Client, namespace: &str, directory: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let mut missing = Vec::new();
    for (group, version, kind, plural, is_ours) in KINDS {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api: Api<DynamicObject> = if is_ours {
            Api::namespaced_with(client.clone(), namespace, &resource)
        } else {
            Api::all_with(client.clone(), &resource)
        };
        match api.list(&ListParams::default()).await {
            Ok(list) => {
                let mut items = serde_json::to_value(list.items)?;
                redact(&mut items);
                let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
                write(directory, &format!("{plural}.json"), &serde_json::to_string_pretty(&list)?)?;
            }
            Err(Error::Api(status)) if status.code == 404 => {}
            Err(error) => missing.push(format!("{plural}: {error}")),
        }
    }
    logs(client, namespace, directory, &mut missing).await?;
    let server = client.apiserver_version().await.map(|info| info.git_version);
    let server = server.unwrap_or_else(|error| format!("unknown: {error}"));
    let versions = format!("plugin {}\nAPI server {server}\n", env!("CARGO_PKG_VERSION"));
    write(directory, "versions.txt", &versions)?;
    Ok(missing)
}

async fn logs(client: &Client, namespace: &str, directory: &Path, missing: &mut Vec<String>) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = match api.list(&ListParams::default()).await {
        Ok(pods) => pods.items,
        Err(_told_above) => return Ok(()),
    };
    for pod in pods {
        let name = pod.name_any();
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            let params =
                LogParams { container: Some(container.name.clone()), tail_lines: Some(LINES), ..LogParams::default() };
            match api.logs(&name, &params).await {
                Ok(text) => write(directory, &format!("log-{name}-{}.txt", container.name), &text)?,
                Err(error) => missing.push(format!("log of {name}: {error}")),
            }
        }
    }
    Ok(())
}

/// Writes one file of the bundle.
///
/// # Errors
/// It cannot be written.
pub fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let path: PathBuf = directory.join(name);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

/// Takes out what is secret, and what is only noise: passwords, values of variables that are named as secrets, and the copies of
/// both that `kubectl apply` keeps.
pub fn redact(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            fields.remove("managedFields");
            fields.remove("kubectl.kubernetes.io/last-applied-configuration");
            let is_secret = |name: &str| SECRET.iter().any(|part| name.to_lowercase().contains(part));
            // A variable of a container: its name says what its value is.
            if fields.get("name").and_then(Value::as_str).is_some_and(is_secret)
                && let Some(value) = fields.get_mut("value")
            {
                *value = HIDDEN.into();
            }
            for (name, value) in fields.iter_mut() {
                if is_secret(name) && value.is_string() {
                    *value = HIDDEN.into();
                } else {
                    redact(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left() {
        let mut object = json!([{"kind": "BGPPeer", "metadata": {"name": "rack", "managedFields": [{"manager": "x"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"password\": \"hunter2\"}", "a": "b"}},
            "spec": {"password": "hunter2", "passwordSecret": {"name": "rack-password"}, "peerASN": 1,
                "env": [{"name": "API_TOKEN", "value": "hunter2"}, {"name": "LEVEL", "value": "info"}]}}]);
        redact(&mut object);
        let text = object.to_string();
        assert!(!text.contains("hunter2") && !text.contains("managedFields"), "{text}");
        for kept in ["rack-password", "\"info\"", "\"a\":\"b\"", "\"peerASN\":1"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn secrets_are_not_among_the_kinds() {
        assert!(KINDS.iter().all(|(_, _, kind, ..)| *kind != "Secret"));
    }
}
