//! The server's side of TLS: which versions and cipher suites, and the one certificate, which can be exchanged while connections
//! are open.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

/// What may be negotiated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// TLS 1.2 too, not only 1.3.
    pub tls12: bool,
    /// Names of the cipher suites of TLS 1.2 that may be used, as [`suites`] lists them; empty: all.
    pub suites: Vec<String>,
    /// Offer HTTP/2 beside HTTP/1.1.
    pub http2: bool,
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// These parameters make no sense to the library.
    #[error("set up TLS; check --tls-min-version and --tls-cipher-suites")]
    Parameters(#[source] rustls::Error),
    /// A certificate or a key is not what it should be.
    #[error("read the {what} of the server; it has to be PEM")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// What the library says.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate.
    #[error("the certificate of the server is empty")]
    Empty,
    /// The certificate and the key are not a pair, or of a kind that is not supported.
    #[error("use the certificate of the server with its key; they have to be a pair")]
    Pair(#[source] rustls::Error),
    /// None could be made.
    #[error("make a certificate; give one with --metrics-cert-dir")]
    Make(#[source] rcgen::Error),
}

/// The names of the cipher suites of TLS 1.2 that there are.
pub fn suites() -> Vec<String> {
    ring::ALL_CIPHER_SUITES.iter().filter(|suite| suite.version() == &TLS12).map(name).collect()
}

fn name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite())
}

/// What is served: nothing until [`Served::exchange`]; then each handshake gets the newest certificate. Connections that are open
/// stay as they are.
#[derive(Debug, Default)]
pub struct Served(RwLock<Option<Arc<CertifiedKey>>>);

impl Served {
    /// Serves another certificate (PEM, with those between it and the authority, if any) from now on.
    ///
    /// # Errors
    /// If it cannot be served: then the one before stays.
    pub fn exchange(&self, certificate: &str, key: &str) -> Result<(), TlsError> {
        let pem = |what| move |source| TlsError::Pem { what, source };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(pem("certificate"))?;
        if chain.is_empty() {
            return Err(TlsError::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(pem("key"))?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Pair)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pair));
        Ok(())
    }
}

impl Served {
    /// A certificate that nobody vouches for: the connection is encrypted, and the client does not know whom it talks to.
    ///
    /// # Errors
    /// If the library cannot make one for this name.
    pub fn self_signed(name: &str) -> Result<Self, TlsError> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).map_err(TlsError::Make)?;
        let served = Self::default();
        served.exchange(&made.cert.pem(), &made.signing_key.serialize_pem())?;
        Ok(served)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Parameters {
    /// The configuration of a server that shows `served`.
    ///
    /// # Errors
    /// If nothing could be negotiated.
    pub fn server(&self, served: Arc<Served>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut provider: CryptoProvider = ring::default_provider();
        if !self.suites.is_empty() {
            // Those of TLS 1.3 are all as good as each other, and are never taken away, as in Go.
            provider.cipher_suites.retain(|suite| suite.version() == &TLS13 || self.suites.contains(&name(suite)));
        }
        let versions: &[&'static SupportedProtocolVersion] = if self.tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .map_err(TlsError::Parameters)?
            .with_no_client_auth()
            .with_cert_resolver(served);
        let protocols: &[&[u8]] = if self.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}
