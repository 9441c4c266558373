//! The flags of metrics and of TLS: MetalLB's, with its defaults (behaviour 6).

use std::{net::SocketAddr, path::PathBuf};

use clap::ValueEnum;

use super::tls::{self, Parameters};

/// Where metrics can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Port of /metrics (HTTPS, for callers whose token may get /metrics); 0 for none [default: 9120, none without Kubernetes]
    #[arg(long, env = "ARPEGGIO_PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// Folder with tls.crt and tls.key for metrics, read again when they change [default: a self-signed certificate]
    #[arg(long, env = "ARPEGGIO_METRICS_CERT_DIR", value_name = "FOLDER")]
    pub metrics_cert_dir: Option<PathBuf>,
    /// Loopback address of /metrics without TLS and without tokens, such as 127.0.0.1:7472.
    #[arg(long, env = "ARPEGGIO_METRICS_HTTP", value_name = "ADDRESS:PORT", value_parser = loopback)]
    pub metrics_http: Option<SocketAddr>,
}

/// The port of MetalLB 0.16.
const PORT: u16 = 9120;

impl MetricsArgs {
    /// The port of HTTPS, if there is one. Without Kubernetes nobody could say who may read.
    #[must_use]
    pub fn https(&self, in_kubernetes: bool) -> Option<u16> {
        let usual = if in_kubernetes { PORT } else { 0 };
        Some(self.port.unwrap_or(usual)).filter(|port| *port != 0)
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_no_address| "write an address and a port, such as 127.0.0.1:7472".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("is no loopback address: what is open to others is served with TLS, on --port".to_owned())
    }
}

/// Which versions and cipher suites of TLS.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Oldest version of TLS.
    #[arg(long, env = "ARPEGGIO_TLS_MIN_VERSION", value_enum, value_name = "VERSION", default_value_t = MinVersion::Tls13)]
    pub tls_min_version: MinVersion,
    /// Cipher suites of TLS 1.2, separated by commas; only with VersionTLS12 [default: all]
    #[arg(long, env = "ARPEGGIO_TLS_CIPHER_SUITES", value_name = "NAMES", value_delimiter = ',')]
    pub tls_cipher_suites: Vec<String>,
}

/// As Go names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MinVersion {
    /// 1.2
    #[value(name = "VersionTLS12")]
    Tls12,
    /// 1.3
    #[value(name = "VersionTLS13")]
    Tls13,
}

/// Flags of TLS that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum TlsArgsError {
    /// The suites of TLS 1.3 cannot be chosen.
    #[error(
        "--tls-cipher-suites: TLS 1.3 has nothing to choose; say --tls-min-version=VersionTLS12 too, or leave them out"
    )]
    SuitesOfTls13,
    /// There is no such suite.
    #[error("--tls-cipher-suites: {name:?} is not known; there are {known}")]
    Suite {
        /// What was written.
        name: String,
        /// What could be.
        known: String,
    },
}

impl TlsArgs {
    /// What they say.
    ///
    /// # Errors
    /// A suite that there is not, or one of TLS 1.2 for TLS 1.3.
    pub fn parameters(&self) -> Result<Parameters, TlsArgsError> {
        let tls12 = self.tls_min_version == MinVersion::Tls12;
        let suites: Vec<String> = self.tls_cipher_suites.iter().filter(|name| !name.is_empty()).cloned().collect();
        if !tls12 && !suites.is_empty() {
            return Err(TlsArgsError::SuitesOfTls13);
        }
        let known = tls::suites();
        if let Some(unknown) = suites.iter().find(|name| !known.contains(name)) {
            return Err(TlsArgsError::Suite { name: unknown.clone(), known: known.join(", ") });
        }
        Ok(Parameters { tls12, suites, http2: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_else_reaches_goes_without_tls() {
        assert_eq!(loopback("127.0.0.1:7472"), Ok(SocketAddr::from(([127, 0, 0, 1], 7472))));
        assert!(loopback("[::1]:7472").is_ok());
        for wrong in ["0.0.0.0:7472", "[::]:7472", "192.0.2.1:7472", "7472", "localhost:7472"] {
            assert!(loopback(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_kubernetes_there_is_no_https_unless_it_is_asked_for() {
        let args = |port| MetricsArgs { port, ..MetricsArgs::default() };
        assert_eq!([true, false].map(|kubernetes| args(None).https(kubernetes)), [Some(9120), None]);
        assert_eq!([Some(0), Some(7472)].map(|port| args(port).https(true)), [None, Some(7472)]);
    }
}
