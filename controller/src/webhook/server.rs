//! The HTTPS server of the webhooks. Every request has bounds: see [`Limits`].

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arpeggio_common::api::{admission::ConfigurationKind, names::CONVERSION_PATH};
use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequest as _, Request},
    http::{StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse, Json, Response},
    routing::post,
};
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use rustls::ServerConfig;
use tokio::{net::TcpListener, time::timeout};

use super::{
    Reply, SharedJudge, convert,
    gate::Gate,
    limits::{Limits, Sort, Sources},
    path, review,
};

/// Largest review, bytes: as much as the API server takes in a request. It stores objects of half of that.
const REVIEW: usize = 3 << 20;
/// Largest conversion, bytes: the objects of a page, or of a whole list where somebody asks for one without pages.
const CONVERSION: usize = 32 << 20;
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
    let sources = Arc::new(Sources::new(Limits::DEFAULT));
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(tls)).handshake_timeout(HANDSHAKE);
    axum_server::from_tcp(listener.into_std()?)?
        .acceptor(acceptor.acceptor(Gate::new(&sources)))
        .handle(handle)
        .serve(router(&judge, &sources).into_make_service_with_connect_info::<SocketAddr>())
        .await
}

/// Every path of the webhooks.
pub fn router(judge: &SharedJudge, sources: &Arc<Sources>) -> Router {
    let mut router = Router::new();
    for kind in ConfigurationKind::ALL {
        let (judge, sources) = (Arc::clone(judge), Arc::clone(sources));
        let handler = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| async move {
            let answer = move |body: Bytes| review::answer(kind, &body, &*judge);
            bounded((&sources, peer, Sort::Review), request, answer).await
        };
        router = router.route(path(kind), post(handler));
    }
    let sources = Arc::clone(sources);
    let conversion = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| async move {
        bounded((&sources, peer, Sort::Conversion), request, |body: Bytes| convert::answer(&body)).await
    };
    let conversion = Router::new().route(CONVERSION_PATH, post(conversion));
    router.layer(DefaultBodyLimit::max(REVIEW)).merge(conversion.layer(DefaultBodyLimit::max(CONVERSION)))
}

/// Reads and answers a request when it is its turn.
async fn bounded(
    (sources, peer, sort): (&Sources, SocketAddr, Sort),
    request: Request,
    answer: impl FnOnce(Bytes) -> Reply + Send + 'static,
) -> Response {
    let largest = if sort == Sort::Review { REVIEW } else { CONVERSION };
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > largest) {
        return (StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {largest} bytes")).into_response();
    }
    let Some(_turn) = sources.turn(peer.ip(), sort).await else {
        let told = "too many requests wait for an answer; try again in a moment";
        return (StatusCode::SERVICE_UNAVAILABLE, told).into_response();
    };
    match timeout(sources.limits().body, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => aside(move || answer(body)).await,
        Ok(Err(rejection)) => rejection.into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").into_response(),
    }
}

/// On a thread of its own: thousands of objects may take milliseconds, and the loop of the server has other things to do.
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

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
