//! Tells the API server whom to trust: the `caBundle` of every webhook, and of the conversion of `BGPPeer`.

use k8s_openapi::{
    ByteString, api::admissionregistration::v1::ValidatingWebhookConfiguration,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tracing::info;

/// The definition whose versions are converted.
pub const DEFINITION: &str = "bgppeers.metallb.io";

/// A place that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {what} {name}; see whether the service account may get and patch it")]
pub struct BundleError {
    verb: &'static str,
    what: &'static str,
    name: String,
    #[source]
    source: kube::Error,
}

/// The two places.
#[derive(Clone, Debug)]
pub struct Bundles {
    configurations: Api<ValidatingWebhookConfiguration>,
    /// Name of the configuration of our webhooks.
    configuration: String,
    definitions: Api<CustomResourceDefinition>,
}

impl Bundles {
    /// Those of a cluster.
    pub fn new(client: &Client, configuration: &str) -> Self {
        Self {
            configurations: Api::all(client.clone()),
            configuration: configuration.to_owned(),
            definitions: Api::all(client.clone()),
        }
    }

    /// Writes the bundle (PEM) where another one is, and says whether that was anywhere. What is not there needs none: webhooks may be
    /// left out of an installation.
    ///
    /// # Errors
    /// If a place cannot be read or written, the other one being written nevertheless.
    pub async fn put(&self, bundle: &str) -> Result<bool, BundleError> {
        let one = self.configure(bundle).await;
        let other = self.define(bundle).await;
        Ok(one? | other?)
    }

    async fn configure(&self, bundle: &str) -> Result<bool, BundleError> {
        let name = self.configuration.as_str();
        let failed = |verb| {
            move |source| BundleError { verb, what: "validatingwebhookconfiguration", name: name.to_owned(), source }
        };
        let Some(found) = self.configurations.get_opt(name).await.map_err(failed("get"))? else {
            return Ok(false);
        };
        let Some(patch) = configuration_patch(&found, bundle) else { return Ok(false) };
        let patch = Patch::Strategic(patch);
        self.configurations.patch(name, &PatchParams::default(), &patch).await.map_err(failed("patch"))?;
        info!(configuration = name, "wrote the authority that the API server trusts");
        Ok(true)
    }

    async fn define(&self, bundle: &str) -> Result<bool, BundleError> {
        let failed = |verb| {
            move |source| BundleError { verb, what: "customresourcedefinition", name: DEFINITION.to_owned(), source }
        };
        let Some(found) = self.definitions.get_opt(DEFINITION).await.map_err(failed("get"))? else { return Ok(false) };
        let Some(patch) = definition_patch(&found, bundle) else { return Ok(false) };
        let patch = Patch::Merge(patch);
        self.definitions.patch(DEFINITION, &PatchParams::default(), &patch).await.map_err(failed("patch"))?;
        info!(definition = DEFINITION, "wrote the authority that the API server trusts");
        Ok(true)
    }
}

/// A strategic merge by the names of the webhooks; those of other servers (without a Service) are left alone. It carries the version
/// that was read: whoever writes at the same time is not overwritten.
fn configuration_patch(found: &ValidatingWebhookConfiguration, bundle: &str) -> Option<Value> {
    let bundle = ByteString(bundle.as_bytes().to_vec());
    let differs = found.webhooks.iter().flatten().filter(|webhook| {
        webhook.client_config.service.is_some() && webhook.client_config.ca_bundle.as_ref() != Some(&bundle)
    });
    let webhooks: Vec<Value> =
        differs.map(|webhook| json!({ "name": webhook.name, "clientConfig": { "caBundle": &bundle } })).collect();
    (!webhooks.is_empty())
        .then(|| json!({ "metadata": { "resourceVersion": found.metadata.resource_version }, "webhooks": webhooks }))
}

/// Nothing for a definition that says nothing of a webhook, as those of MetalLB did once.
fn definition_patch(found: &CustomResourceDefinition, bundle: &str) -> Option<Value> {
    let bundle = ByteString(bundle.as_bytes().to_vec());
    let config = found.spec.conversion.as_ref()?.webhook.as_ref()?.client_config.as_ref()?;
    config.service.as_ref()?;
    (config.ca_bundle.as_ref() != Some(&bundle)).then(|| {
        json!({
            "metadata": { "resourceVersion": found.metadata.resource_version },
            "spec": { "conversion": { "webhook": { "clientConfig": { "caBundle": bundle } } } },
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;

    use super::*;

    #[test]
    fn only_what_differs_is_written_and_other_servers_are_left_alone() {
        let bundle = json!(ByteString(b"new".to_vec()));
        let webhook = |name: &str, config: Value| json!({ "name": name, "clientConfig": config, "admissionReviewVersions": ["v1"], "sideEffects": "None" });
        let service = json!({ "name": "s", "namespace": "n" });
        let found: ValidatingWebhookConfiguration = from_value(json!({
            "metadata": { "name": "x", "resourceVersion": "7" },
            "webhooks": [
                webhook("old", json!({ "service": service, "caBundle": ByteString(b"old".to_vec()) })),
                webhook("none", json!({ "service": service })),
                webhook("right", json!({ "service": service, "caBundle": bundle })),
                webhook("theirs", json!({ "url": "https://192.0.2.1/" })),
            ],
        }))
        .unwrap();
        let patch = configuration_patch(&found, "new").unwrap();
        let names: Vec<_> = patch["webhooks"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(names, ["old", "none"]);
        assert_eq!(
            (&patch["metadata"]["resourceVersion"], &patch["webhooks"][1]["clientConfig"]["caBundle"]),
            (&json!("7"), &bundle)
        );
    }

    #[test]
    fn a_definition_without_a_webhook_is_left_alone() {
        let definition = |conversion: Value| -> CustomResourceDefinition {
            let names = json!({ "kind": "K", "plural": "ks" });
            let spec = json!({ "group": "g", "names": names, "scope": "Namespaced", "versions": [], "conversion": conversion });
            from_value(json!({ "metadata": { "resourceVersion": "7" }, "spec": spec })).unwrap()
        };
        let config = |bundle: &str| {
            let config = json!({ "service": { "name": "s", "namespace": "n" }, "caBundle": ByteString(bundle.as_bytes().to_vec()) });
            definition(
                json!({ "strategy": "Webhook", "webhook": { "clientConfig": config, "conversionReviewVersions": ["v1"] } }),
            )
        };
        assert_eq!(definition_patch(&definition(json!({ "strategy": "None" })), "new"), None);
        assert_eq!(definition_patch(&config("new"), "new"), None);
        let patch = definition_patch(&config("old"), "new").unwrap();
        assert_eq!(
            patch["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"],
            json!(ByteString(b"new".to_vec()))
        );
    }
}
