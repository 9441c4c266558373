//! What kubelet asks: `/healthz` and `/livez`, which the agent answers as long as its thread turns, and `/readyz`, which it
//! answers with 200 once its configuration is known and every interface is served or has a reason not to be.
//!
//! On 127.0.0.1 only, as MetalLB's speaker (MetalLB behaviour 6.2): pods of the host network are probed there.

use std::{io, net::Ipv4Addr};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

/// The port, unless another one is given.
pub(crate) const PORT: u16 = 17472;

/// Nobody can be answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on 127.0.0.1:{port} for probes; choose another --health-probe-port, or 0 for none")]
pub(crate) struct ProbeError {
    port: u16,
    source: io::Error,
}

/// Whether the agent is ready, or what it waits for.
pub(crate) type Readiness = Result<(), String>;

/// The listening socket.
#[derive(Debug)]
pub(crate) struct Probes(TcpListener);

impl Probes {
    /// Listens in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The port is taken.
    pub(crate) async fn bind(port: u16) -> Result<Self, ProbeError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        listener.map(Self).map_err(|source| ProbeError { port, source })
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(self, readiness: watch::Receiver<Readiness>) {
        let alive = || async { "ok\n" };
        let router = Router::new()
            .route("/healthz", get(alive))
            .route("/livez", get(alive))
            .route("/readyz", get(ready))
            .with_state(readiness);
        if let Err(error) = axum::serve(self.0, router).await {
            tracing::warn!("probes are not answered any more: {error}");
        }
    }
}

async fn ready(State(readiness): State<watch::Receiver<Readiness>>) -> (StatusCode, String) {
    match &*readiness.borrow() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    async fn ask(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn ready_is_who_is_ready_and_alive_who_answers() {
        let probes = Probes::bind(0).await.unwrap();
        let port = probes.0.local_addr().unwrap().port();
        assert!(Probes::bind(port).await.unwrap_err().to_string().contains("--health-probe-port"));
        let (tell, told) = watch::channel(Err("no configuration yet".to_owned()));
        let serving = tokio::spawn(probes.serve(told));
        for path in ["/healthz", "/livez"] {
            assert!(ask(port, path).await.starts_with("HTTP/1.1 200"));
        }
        let answer = ask(port, "/readyz").await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.ends_with("not ready: no configuration yet\n"),
            "{answer}"
        );
        assert!(tell.send_replace(Ok(())).is_err());
        assert!(ask(port, "/readyz").await.starts_with("HTTP/1.1 200"));
        serving.abort();
    }
}
