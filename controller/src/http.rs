//! The probes: `/healthz`, `/livez` and `/readyz`; and ports.
//!
//! Alive: the process answers, and its one loop with it. Ready: every watch has had its first list, so the controller knows the
//! cluster and can lead, and there is a certificate for the webhooks, if they are served. A standby is ready too: else a rolling
//! update would wait for a leader that waits for the update.

use std::net::SocketAddr;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

/// A port that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for {what}; choose another port with {flag}")]
pub struct BindError {
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
    source: std::io::Error,
}

/// Opens the port for probes.
///
/// # Errors
/// If it is taken.
pub async fn bind_probes(port: u16) -> Result<TcpListener, BindError> {
    bind(port, "probes", "--health-probe-port").await
}

/// Opens the port for webhooks.
///
/// # Errors
/// If it is taken.
pub async fn bind_webhooks(port: u16) -> Result<TcpListener, BindError> {
    bind(port, "webhooks", "--webhook-port").await
}

/// All addresses, both families where there are both.
async fn bind(port: u16, what: &'static str, flag: &'static str) -> Result<TcpListener, BindError> {
    let any6 = SocketAddr::from(([0_u16; 8], port));
    let any4 = SocketAddr::from(([0_u8; 4], port));
    match TcpListener::bind(any6).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(any4).await.map_err(|source| BindError { address: any4, what, flag, source }),
    }
}

/// What has to be true for the probe to say ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// Every watch has had its first list.
    pub lists: watch::Receiver<bool>,
    /// There is a certificate for the webhooks; `None`: they are not served.
    pub certificate: Option<watch::Receiver<bool>>,
}

/// Serves probes until the process ends.
pub async fn serve_probes(listener: TcpListener, ready: Readiness) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get("ok"))
        .route("/livez", get("ok"))
        .route("/readyz", get(readiness))
        .with_state(ready);
    axum::serve(listener, router).await
}

async fn readiness(State(ready): State<Readiness>) -> (StatusCode, &'static str) {
    if !*ready.lists.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "reading the cluster for the first time")
    } else if ready.certificate.is_some_and(|loaded| !*loaded.borrow()) {
        (StatusCode::SERVICE_UNAVAILABLE, "there is no certificate for the webhooks yet; the log says why")
    } else {
        (StatusCode::OK, "ok")
    }
}
