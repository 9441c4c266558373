//! Who may call the API server, and the files that clients need for it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::sh;

/// Users with every right, told apart in the audit log.
pub(super) const ADMINS: [&str; 4] = ["admin", "kube-controller-manager", "kube-scheduler", "kube-proxy"];

/// Writes the key that signs the tokens of service accounts.
pub(super) fn signing_key(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("service-accounts.key");
    let mut command = Command::new("openssl");
    // In the one form that the API server reads for both, signing and checking.
    command.args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]).arg(&path);
    sh::run(command)?;
    Ok(path)
}

/// Writes the API server's token file: a line for each administrator, and one for the kubelet of each node. The names serve as
/// tokens: nobody but the lab's own processes reaches this server.
pub(super) fn token_file(directory: &Path, nodes: &[&str]) -> Result<PathBuf> {
    let path = directory.join("tokens.csv");
    fs::write(&path, tokens(nodes)).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn tokens(nodes: &[&str]) -> String {
    let admins = ADMINS.iter().map(|name| format!("{},{name},{name},system:masters\n", token(name)));
    let kubelets = nodes.iter().map(|name| {
        let user = kubelet_user(name);
        format!("{},{user},{user},system:nodes\n", token(&user))
    });
    admins.chain(kubelets).collect()
}

/// The user of the kubelet of a node, as the Node authorizer knows it.
pub(super) fn kubelet_user(node: &str) -> String {
    format!("system:node:{node}")
}

/// The token of a user in the token file.
pub(super) fn token(user: &str) -> String {
    format!("lab-{}", user.replace(':', "-"))
}

/// Writes a kubeconfig with this token for the API server at this URL.
pub(super) fn kubeconfig(path: &Path, authority: &Path, server: &str, token: &str) -> Result<()> {
    let config = config(server, &json!({"certificate-authority": authority}), token);
    // Replaced in one step: a client that looks meanwhile reads the old one or the new one.
    let draft = path.with_extension("draft");
    fs::write(&draft, config.to_string()).with_context(|| format!("write {}", draft.display()))?;
    fs::rename(&draft, path).with_context(|| format!("rename {} to {}", draft.display(), path.display()))
}

/// A kubeconfig. JSON is YAML.
pub(super) fn config(server: &str, trust: &serde_json::Value, token: &str) -> serde_json::Value {
    let mut cluster = json!({"server": server});
    if let (Some(cluster), Some(trust)) = (cluster.as_object_mut(), trust.as_object()) {
        cluster.extend(trust.clone());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelets_are_no_administrators() {
        let text = tokens(&["node-a"]);
        assert!(text.contains("lab-admin,admin,admin,system:masters\n"), "{text}");
        assert!(
            text.ends_with("lab-system-node-node-a,system:node:node-a,system:node:node-a,system:nodes\n"),
            "{text}"
        );
    }

    #[test]
    fn a_kubeconfig_is_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.kubeconfig");
        kubeconfig(&path, Path::new("/ca.crt"), "https://198.51.100.100:6443", "one").unwrap();
        kubeconfig(&path, Path::new("/ca.crt"), "https://198.51.100.100:6443", "two").unwrap();
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read["users"][0]["user"]["token"], "two");
        assert_eq!(read["clusters"][0]["cluster"]["server"], "https://198.51.100.100:6443");
        assert_eq!(read["clusters"][0]["cluster"]["certificate-authority"], "/ca.crt");
    }
}
