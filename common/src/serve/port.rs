//! Ports: opened at once, or as soon as they are free.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, time::sleep};

use crate::program::with_causes;

/// Pause before a port that is taken is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// A port that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for {what}; choose another port with {flag}")]
pub struct BindError {
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
    source: std::io::Error,
}

/// Where to listen, what for, and the flag that says so.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// The one address; `None`: every address, of both families where there are both.
    address: Option<SocketAddr>,
    port: u16,
    what: &'static str,
    flag: &'static str,
}

impl Port {
    /// On every address.
    #[must_use]
    pub const fn everywhere(port: u16, what: &'static str, flag: &'static str) -> Self {
        Self { address: None, port, what, flag }
    }

    /// On this address only.
    #[must_use]
    pub const fn at(address: SocketAddr, what: &'static str, flag: &'static str) -> Self {
        Self { address: Some(address), port: address.port(), what, flag }
    }

    /// Opens it, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// If it is taken.
    pub async fn open(self) -> Result<TcpListener, BindError> {
        let Self { address, port, what, flag } = self;
        if address.is_none()
            && let Ok(listener) = TcpListener::bind(SocketAddr::from(([0_u16; 8], port))).await
        {
            return Ok(listener);
        }
        let address = address.unwrap_or_else(|| SocketAddr::from(([0_u8; 4], port)));
        TcpListener::bind(address).await.map_err(|source| BindError { address, what, flag, source })
    }

    /// The same as soon as it is free: one that is taken is no reason to give up where nothing else depends on it.
    pub async fn open_when_free(self) -> TcpListener {
        let mut told = false;
        loop {
            match self.open().await {
                Ok(listener) => return listener,
                Err(error) if !told => {
                    tracing::warn!("the {} are not served, trying again: {}", self.what, with_causes(&error));
                    told = true;
                }
                Err(_) => {}
            }
            sleep(AGAIN).await;
        }
    }
}
