//! The probes: `/healthz`, `/livez` and `/readyz`.
//!
//! Alive: the process answers, and its one loop with it. Ready: every watch has had its first list, so the controller knows the
//! cluster and can lead, and there is a certificate for the webhooks, if they are served. A standby is ready too: else a rolling
//! update would wait for a leader that waits for the update.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

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
