//! Talking to the API server: kubectl, tokens, kubeconfigs, and what the server was asked.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Cluster, audit, audit::Request, credentials, install::enter};
use crate::sh;

/// kubectl in the network of the control plane.
pub(super) struct Kubectl {
    namespace: PathBuf,
    program: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    pub(super) fn command(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = enter(&self.namespace, &self.program);
        command.arg("--kubeconfig").arg(kubeconfig).args(arguments);
        // Discovery is remembered in the lab, not at home, and no setting of the user takes part.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &self.home);
        command
    }
}

impl Cluster {
    /// The administrator's kubeconfig, for programs in the control plane and on the nodes.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.plane.admin
    }

    /// A kubeconfig of the administrator for programs outside of the namespaces, such as this one: it goes through
    /// [`api_address`](Self::api_address).
    #[must_use]
    pub fn outside_kubeconfig(&self) -> String {
        let trust = json!({"certificate-authority": self.plane.authority, "tls-server-name": "kubernetes.default.svc"});
        let server = format!("https://{}", self.api_address());
        credentials::config(&server, &trust, &credentials::token("admin")).to_string()
    }

    /// A kubeconfig of the administrator for programs in the namespace of the client; needs [`super::Options::client_manages`].
    #[must_use]
    pub fn client_kubeconfig(&self) -> String {
        let trust = json!({"certificate-authority": self.plane.authority});
        credentials::config(&self.plane.families.api_url(), &trust, &credentials::token("admin")).to_string()
    }

    /// A port of this machine's loopback interface that leads to the API server.
    #[must_use]
    pub fn api_address(&self) -> SocketAddr {
        self.forward.address()
    }

    /// kubectl as the administrator; returns what it prints.
    ///
    /// # Errors
    /// If it fails; the message holds what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        sh::read(self.kubectl_command(&self.plane.admin, arguments))
    }

    /// kubectl with a kubeconfig, for example that of a service account.
    ///
    /// # Errors
    /// If it fails, for example because of missing rights; the message holds what it printed.
    pub fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<String> {
        sh::read(self.kubectl_command(kubeconfig, arguments))
    }

    /// The program that is kubectl here.
    #[must_use]
    pub fn kubectl_program(&self) -> &Path {
        &self.plane.kubectl
    }

    /// The kubectl command itself, to be shown or run in another way.
    #[must_use]
    pub fn kubectl_command(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        self.client().command(kubeconfig, arguments)
    }

    /// What it takes to run kubectl, for whatever outlasts a borrow of the cluster.
    pub(super) fn client(&self) -> Kubectl {
        Kubectl {
            namespace: self.plane.namespace.path(),
            program: self.plane.kubectl.clone(),
            home: self.segment.lab.directory().to_owned(),
        }
    }

    /// `kubectl get … -o json`.
    ///
    /// # Errors
    /// If it fails.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&text).with_context(|| format!("kubectl get {arguments:?} printed no JSON:\n{text}"))
    }

    /// `kubectl apply` of a text: YAML, several documents too, or JSON.
    ///
    /// # Errors
    /// If the text is refused.
    pub fn apply(&self, text: &str) -> Result<()> {
        let file = self.scratch("apply.yaml", text)?;
        self.kubectl(&["apply", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// `kubectl create` of such a text: one request for an object instead of two.
    ///
    /// # Errors
    /// If the text is refused, or one of the objects is there already.
    pub fn create(&self, text: &str) -> Result<()> {
        let file = self.scratch("create.yaml", text)?;
        self.kubectl(&["create", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// `kubectl delete` of what a text describes; what is not there is no error.
    ///
    /// # Errors
    /// If the text is refused.
    pub fn delete(&self, text: &str) -> Result<()> {
        let file = self.scratch("delete.yaml", text)?;
        self.kubectl(&["delete", "--ignore-not-found", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// A file that no other thread writes.
    fn scratch(&self, name: &str, text: &str) -> Result<PathBuf> {
        let thread = format!("{:?}", std::thread::current().id());
        let digits: String = thread.chars().filter(char::is_ascii_digit).collect();
        let path = self.segment.lab.directory().join(format!("{digits}-{name}"));
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// A token of a service account, valid for a day, by the API server's TokenRequest.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn token(&self, namespace: &str, account: &str) -> Result<String> {
        self.kubectl(&["create", "token", account, "--namespace", namespace, "--duration", "24h"])
    }

    /// A kubeconfig of a service account with a fresh token, for programs in the control plane and on the nodes.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn service_account(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let path = self.segment.lab.directory().join(format!("{namespace}-{account}.kubeconfig"));
        let url = self.plane.families.api_url();
        credentials::kubeconfig(&path, &self.plane.authority, &url, &self.token(namespace, account)?)?;
        Ok(path)
    }

    /// Waits until the API server says that it is ready, for example after a restart.
    ///
    /// # Errors
    /// If it ends or is not ready in time; the message holds the end of its log.
    pub fn wait_ready(&self) -> Result<()> {
        self.plane.wait_ready()
    }

    /// Every request that was answered so far, and every watch that has begun. Needs [`super::Options::audit`].
    ///
    /// # Errors
    /// If requests are not recorded.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let log = self.plane.audit.as_ref().context("requests are not recorded: set Options::audit")?;
        audit::read(log)
    }
}
