//! How the API server reaches the webhooks of controllers that are processes: endpoints of the Service, which a kubelet and the
//! controllers of Kubernetes would write for pods; and the configuration of the webhooks, for the scenarios that want it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Cluster, NAMESPACE, api::Kubectl, network};
use crate::{lab::eventually, manifests, sh, ui};

/// The Service of the webhooks, as `manifests/` names it.
const SERVICE: &str = "metallb-webhook-service";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/metallb-system/endpointslices";
/// How long it may take until the API server asks; a few seconds are usual.
const ASKED: Duration = Duration::from_secs(60);

/// A replica of the controller as an endpoint of the webhooks' Service.
pub(super) struct Endpoint {
    name: String,
    file: PathBuf,
    slice: Value,
    kubectl: Kubectl,
    /// Of the administrator.
    kubeconfig: PathBuf,
    there: AtomicBool,
}

impl Endpoint {
    /// That of the n-th replica; it is not there yet.
    pub(super) fn new(cluster: &Cluster, replica: u8) -> Self {
        let name = format!("{SERVICE}-{replica}");
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {
                    "kubernetes.io/service-name": SERVICE,
                    "endpointslice.kubernetes.io/managed-by": "lab",
                },
            },
            "addressType": "IPv4",
            "endpoints": [{
                "addresses": [format!("198.51.100.{}", network::CONTROLLERS + replica)],
                "conditions": {"ready": true},
            }],
            "ports": [{"port": network::WEBHOOK_PORT, "protocol": "TCP"}],
        });
        let file = cluster.segment().lab.directory().join(format!("{name}.json"));
        let (kubectl, kubeconfig) = (cluster.client(), cluster.admin_kubeconfig().to_owned());
        Self { name, file, slice, kubectl, kubeconfig, there: AtomicBool::new(false) }
    }

    /// From now on the API server may ask it.
    pub(super) fn add(&self) -> Result<()> {
        if self.there.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        std::fs::write(&self.file, self.slice.to_string()).with_context(|| format!("write {}", self.file.display()))?;
        match self.kubectl(&["create", "--raw", SLICES, "-f", &self.file.to_string_lossy()]) {
            // One of the same number was killed before.
            Err(error) if format!("{error:#}").contains("AlreadyExists") => Ok(()),
            result => result,
        }
    }

    /// It may not be asked any more.
    pub(super) fn remove(&self) -> Result<()> {
        if !self.there.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        match self.kubectl(&["delete", "--raw", &format!("{SLICES}/{}", self.name)]) {
            // Its namespace was deleted before, or the cluster ends.
            Err(error) if format!("{error:#}").contains("NotFound") => Ok(()),
            result => result,
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        let command = self.kubectl.command(&self.kubeconfig, &[&["--request-timeout", "10s"], arguments].concat());
        sh::run(command)
    }
}

/// While it is there, the API server asks the webhooks before it stores a change of the configuration.
pub struct Guarded<'a> {
    cluster: &'a Cluster,
}

impl Cluster {
    /// Applies the configuration of the webhooks, and waits until a controller judges: one has to be ready, or become so.
    ///
    /// # Errors
    /// If nobody judges within a minute; the message says what the API server says.
    pub fn guard(&self) -> Result<Guarded<'_>> {
        let is_it = |object: &Value| object["kind"] == "ValidatingWebhookConfiguration";
        let configuration = manifests::objects()?.into_iter().find(is_it).context("manifests/ has no webhooks")?;
        self.apply(&configuration.to_string())?;
        let guarded = Guarded { cluster: self };
        self.wait_judged()?;
        Ok(guarded)
    }

    /// Waits until a controller judges what is asked; the configuration of the webhooks has to be there.
    pub(super) fn wait_judged(&self) -> Result<()> {
        // It would come from a foreign namespace: no rule of a schema says so.
        let file = self.segment().lab.directory().join("judged.json");
        for (kind, name) in [("IPAddressPool", "judged-pool"), ("Community", "judged-community")] {
            let object = json!({
                "apiVersion": "metallb.io/v1beta1",
                "kind": kind,
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"addresses": ["198.18.255.255/32"], "communities": []},
            });
            std::fs::write(&file, object.to_string()).with_context(|| format!("write {}", file.display()))?;
            let create = ["create", "--dry-run=server", "--validate=false", "-f", &file.to_string_lossy()];
            eventually(ASKED, "a controller to judge", || match self.kubectl(&create) {
                Ok(_) => bail!("the {kind} was taken unasked"),
                Err(error) => {
                    let told = format!("{error:#}");
                    ensure!(told.contains("denied the request"), "{told}");
                    Ok(())
                }
            })?;
        }
        Ok(())
    }
}

impl Guarded<'_> {
    /// Waits until a controller judges, for example after the API server was restarted.
    ///
    /// # Errors
    /// If nobody does within a minute.
    pub fn wait_judged(&self) -> Result<()> {
        self.cluster.wait_judged()
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        let name = "metallb-webhook-configuration";
        if let Err(error) = self.cluster.kubectl(&["delete", "validatingwebhookconfiguration", name]) {
            ui::warn(format_args!("remove the configuration of the webhooks: {error:#}"));
        }
    }
}
