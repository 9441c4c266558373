//! The page that Prometheus reads, over HTTPS for those who may, and over HTTP for whoever is on the machine.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use axum_server::tls_rustls::RustlsConfig;
use futures::FutureExt as _;
use prometheus::{TEXT_FORMAT, TextEncoder, proto::MetricFamily};
use rustls::ServerConfig;
use tokio::sync::{Semaphore, watch};

use super::{
    MetricsArgs,
    access::{Access, Denied},
    files,
    port::Port,
    tls::{Parameters, Served as Certificate, TlsError},
};
use crate::program::with_causes;

/// The one path.
const PATH: &str = "/metrics";
/// Pages that are made at once: who asks more often waits.
const AT_ONCE: usize = 1;
/// How long a connection may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Makes the page, or says in a sentence why there is none.
pub type Collect = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// A server that runs until it is dropped, or why it ended.
pub type Server = Pin<Box<dyn Future<Output = Result<(), ServeError>> + Send>>;

/// Everything that the flags ask for. `client`: to ask who may read.
///
/// # Errors
/// A certificate cannot be made, or there is nobody to ask.
pub fn servers(
    args: &MetricsArgs,
    tls: &Parameters,
    client: Option<&kube::Client>,
    collect: &Collect,
) -> Result<Vec<Server>, ServeError> {
    let mut servers: Vec<Server> = Vec::new();
    if let Some(port) = args.https(client.is_some()) {
        let client = client.ok_or(ServeError::NobodyToAsk)?.clone();
        let certificate = Arc::new(match args.metrics_cert_dir {
            None => Certificate::self_signed("metrics")?,
            Some(_) => Certificate::default(),
        });
        if let Some(folder) = args.metrics_cert_dir.clone() {
            let following = files::follow(folder, Arc::clone(&certificate), watch::Sender::default());
            servers.push(Box::pin(following.map(Ok)));
        }
        let endpoint = Endpoint::Https { port, tls: tls.server(certificate)?, access: Arc::new(Access::new(client)) };
        servers.push(Box::pin(serve(endpoint, Arc::clone(collect))));
    }
    if let Some(address) = args.metrics_http {
        servers.push(Box::pin(serve(Endpoint::Http(address), Arc::clone(collect))));
    }
    Ok(servers)
}

/// Where the page is served, and to whom.
enum Endpoint {
    /// To everybody who reaches the address: a loopback address.
    Http(SocketAddr),
    /// On all addresses, to those who may read.
    Https {
        /// The port.
        port: u16,
        /// Certificate, versions, cipher suites.
        tls: Arc<ServerConfig>,
        /// Who may read.
        access: Arc<Access>,
    },
}

/// Metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Without Kubernetes.
    #[error(
        "--port: without Kubernetes no API server can check tokens; serve metrics on this machine with --metrics-http"
    )]
    NobodyToAsk,
    /// There is no certificate.
    #[error("serve metrics with TLS")]
    Tls(#[from] TlsError),
    /// The server ended.
    #[error("serve metrics")]
    Serve(#[source] std::io::Error),
}

/// What a request needs.
struct Served {
    collect: Collect,
    access: Option<Arc<Access>>,
    making: Semaphore,
}

/// Serves until it is dropped. An address that is taken is no reason to give up: nothing else depends on it.
async fn serve(endpoint: Endpoint, collect: Collect) -> Result<(), ServeError> {
    let listener = endpoint.port().open_when_free().await.into_std().map_err(ServeError::Serve)?;
    let (tls, access) = match endpoint {
        Endpoint::Http(_) => (None, None),
        Endpoint::Https { tls, access, .. } => (Some(tls), Some(access)),
    };
    let served = Served { collect, access, making: Semaphore::new(AT_ONCE) };
    let router = Router::new().route(PATH, get(page)).with_state(Arc::new(served)).into_make_service();
    let served = match tls {
        Some(tls) => {
            let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls));
            let server = server.map_err(ServeError::Serve)?;
            server.map(|acceptor| acceptor.handshake_timeout(HANDSHAKE)).serve(router).await
        }
        None => axum_server::from_tcp(listener).map_err(ServeError::Serve)?.serve(router).await,
    };
    served.map_err(ServeError::Serve)
}

impl Endpoint {
    const fn port(&self) -> Port {
        match self {
            Self::Http(address) => Port::at(*address, "metrics", "--metrics-http"),
            Self::Https { port, .. } => Port::everywhere(*port, "metrics", "--port"),
        }
    }
}

/// Families of metrics in the text format of Prometheus. Those without samples are left out.
///
/// # Errors
/// One has a name that cannot be.
pub fn encode(families: &[MetricFamily]) -> Result<String, prometheus::Error> {
    let mut page = String::new();
    for family in families.iter().filter(|family| !family.get_metric().is_empty()) {
        TextEncoder::new().encode_utf8(std::slice::from_ref(family), &mut page)?;
    }
    Ok(page)
}

async fn page(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    if let Some(access) = &served.access {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Err(denied) = access.check(authorization, PATH).await {
            return refuse(&denied);
        }
    }
    let Ok(_one_at_a_time) = served.making.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match (served.collect)().await {
        Ok(page) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], page).into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{reason}\n")).into_response(),
    }
}

fn refuse(denied: &Denied) -> Response {
    let status = match denied {
        Denied::Unknown => StatusCode::UNAUTHORIZED,
        Denied::Forbidden { .. } => StatusCode::FORBIDDEN,
        Denied::Unasked(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match denied {
        // The cause is of no use to a caller that is not known.
        Denied::Unasked(_) => {
            tracing::warn!("metrics were refused: {}", with_causes(denied));
            denied.to_string()
        }
        Denied::Unknown | Denied::Forbidden { .. } => denied.to_string(),
    };
    let mut response = (status, format!("{text}\n")).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn the_page_is_served_on_a_loopback_address() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        let collect: Collect = Arc::new(|| Box::pin(async { Ok("arpeggio_up 1\n".to_owned()) }));
        let taken = Endpoint::Http(address).port().open().await.unwrap_err();
        assert!(taken.to_string().contains("--metrics-http"), "{taken}");
        drop(free);
        let serving = tokio::spawn(serve(Endpoint::Http(address), collect));
        let connected = async {
            loop {
                match TcpStream::connect(address).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let mut stream = connected.await;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\narpeggio_up 1\n"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        serving.abort();
    }
}
