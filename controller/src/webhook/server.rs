//! The HTTPS server of the webhooks.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arpeggio_common::api::{admission::ConfigurationKind, names::CONVERSION_PATH};
use axum::{
    Router,
    body::Bytes,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{IntoResponse, Json, Response},
    routing::post,
};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::{Reply, SharedJudge, convert, path, review};

/// Largest review, bytes: the object as it was and as it is to be; the API server takes 3 MiB for one.
const REVIEW: usize = 8 << 20;
/// Largest conversion, bytes: the objects of a whole list.
const CONVERSION: usize = 64 << 20;
/// How long a connection may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves until `handle` ends it.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    judge: SharedJudge,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let config = RustlsConfig::from_config(tls);
    axum_server::from_tcp_rustls(listener.into_std()?, config)?
        .map(|acceptor| acceptor.handshake_timeout(HANDSHAKE))
        .handle(handle)
        .serve(router(&judge).into_make_service())
        .await
}

/// Every path of the webhooks.
pub fn router(judge: &SharedJudge) -> Router {
    let mut router = Router::new();
    for kind in ConfigurationKind::ALL {
        let judge = Arc::clone(judge);
        let handler = move |body: Bytes| aside(move || review::answer(kind, &body, &*judge));
        router = router.route(path(kind), post(handler));
    }
    let conversion = post(|body: Bytes| aside(move || convert::answer(&body)));
    router
        .layer(DefaultBodyLimit::max(REVIEW))
        .merge(Router::new().route(CONVERSION_PATH, conversion).layer(DefaultBodyLimit::max(CONVERSION)))
}

/// On a thread of its own: thousands of objects may take milliseconds, and the loop of the controller has other things to do.
async fn aside(work: impl FnOnce() -> Reply + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(reply) => response(reply),
        Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the review failed; the log of the controller says why").into_response()
        }
    }
}

fn response(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match reply.body.as_str() {
        Some(text) => (status, text.to_owned()).into_response(),
        None => (status, Json(reply.body)).into_response(),
    }
}
