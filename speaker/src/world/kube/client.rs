//! The way to the API server.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{net::lookup_host, time::timeout};

/// A server that does not even take a connection for so long is taken for unreachable.
const CONNECTING: Duration = Duration::from_secs(5);
/// The longest time without a byte: watches end after [`super::follow::WATCH`], all else is answered sooner.
const SILENCE: Duration = Duration::from_secs(75);

/// How long the name of the server may take to be resolved.
const RESOLVING: Duration = Duration::from_millis(500);

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file that was named.
    #[error("the kubeconfig {0} cannot be used; name another with --kubeconfig")]
    Kubeconfig(PathBuf, #[source] kube::config::KubeconfigError),
    /// `$KUBECONFIG`.
    #[error("the file named by $KUBECONFIG cannot be used")]
    Environment(#[source] kube::config::KubeconfigError),
    /// No file was named, and this is no pod.
    #[error(
        "there is no ServiceAccount of a pod here to reach the API server with; give --kubeconfig FILE, or --config FILE for \
         static mode"
    )]
    NoPod(#[source] kube::config::InClusterError),
    /// Certificates or keys cannot be used.
    #[error(
        "certificates or keys for the API server cannot be used; look into the kubeconfig or the ServiceAccount's files"
    )]
    Client(#[source] kube::Error),
}

/// A client, its default namespace, and where it leads to.
pub(super) struct Way {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) server: String,
    /// Where the server answers, as far as that is known now.
    pub(super) addresses: BTreeSet<IpAddr>,
}

/// By the named file, else `$KUBECONFIG`, else as the pod that this is. Nothing is sent yet.
///
/// # Errors
/// See [`ClientError`].
pub(super) async fn find(kubeconfig: Option<PathBuf>) -> Result<Way, ClientError> {
    let mut config = configuration(kubeconfig).await?;
    config.connect_timeout = Some(CONNECTING);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let (namespace, server) = (config.default_namespace.clone(), config.cluster_url.to_string());
    let addresses = addresses(config.cluster_url.host().unwrap_or_default()).await;
    let client = Client::try_from(config).map_err(ClientError::Client)?;
    Ok(Way { client, namespace, server: server.trim_end_matches('/').to_owned(), addresses })
}

/// The addresses behind the host of a URL. A name that is not resolved soon is left at that: starting must not wait for it.
async fn addresses(host: &str) -> BTreeSet<IpAddr> {
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
        return [address].into();
    }
    match timeout(RESOLVING, lookup_host((host, 443))).await {
        Ok(Ok(found)) => found.map(|socket| socket.ip().to_canonical()).collect(),
        Ok(Err(_)) | Err(_) => BTreeSet::new(),
    }
}

async fn configuration(kubeconfig: Option<PathBuf>) -> Result<Config, ClientError> {
    let options = KubeConfigOptions::default();
    if let Some(file) = kubeconfig {
        let failed = |error| ClientError::Kubeconfig(file.clone(), error);
        let content = Kubeconfig::read_from(&file).map_err(failed)?;
        return Config::from_custom_kubeconfig(content, &options).await.map_err(failed);
    }
    if std::env::var_os("KUBECONFIG").is_some_and(|files| !files.is_empty()) {
        return Config::from_kubeconfig(&options).await.map_err(ClientError::Environment);
    }
    Config::incluster().map_err(ClientError::NoPod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_host_of_a_url_is_an_address_or_is_resolved() {
        for (host, address) in [("192.0.2.100", "192.0.2.100"), ("[2001:db8::1]", "2001:db8::1")] {
            assert_eq!(addresses(host).await, [address.parse().unwrap()].into());
        }
        assert!(addresses("localhost").await.iter().all(IpAddr::is_loopback));
        assert!(addresses("").await.is_empty());
    }
}
