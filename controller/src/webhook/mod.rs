//! The webhooks: what the API server asks before it stores a change of the configuration, and how it makes one version of a kind
//! out of another. Every replica serves them; what they answer depends on the objects alone, not on who leads.
//!
//! [`review`] and [`convert`] turn the bytes of a request into those of an answer and know nothing of connections; [`server`] is the
//! HTTPS server, [`limits`] what a source may take of it, [`certificates`] makes and renews the certificate or reads it.

pub mod certificates;
pub mod convert;
mod gate;
pub mod limits;
pub mod review;
pub mod server;

use std::{path::PathBuf, sync::Arc};

use arpeggio_common::{
    api::admission::{Change, ConfigurationKind},
    model::Fault,
    serve::tls,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use self::certificates::decide::Lifetimes;

/// What a change is judged by: the rules over the objects that are there now. `None`: they are not known yet.
pub type Judge = dyn Fn(&Change<'_>) -> Option<Result<Vec<String>, Vec<Fault>>> + Send + Sync;

/// A judge that may be asked from several threads.
pub type SharedJudge = Arc<Judge>;

/// What to serve, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of the HTTPS server.
    pub port: u16,
    /// Versions and cipher suites.
    pub tls: tls::Parameters,
    /// Where the certificate comes from.
    pub source: Source,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Somebody else makes it: `tls.crt` and `tls.key` in this folder, read again when they change.
    Files(PathBuf),
    /// We make it.
    Secret(Own),
}

/// The certificate that we make ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Name of the Secret that holds it.
    pub secret: String,
    /// Name of the Service through which the API server reaches the webhooks.
    pub service: String,
    /// Name of the configuration that says what the webhooks are asked.
    pub configuration: String,
    /// How long certificates last.
    pub lifetimes: Lifetimes,
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The status: 200, or what is wrong with the request.
    pub status: u16,
    /// JSON, or for a status other than 200 a string of text.
    pub body: Value,
}

impl Reply {
    fn done(body: Value) -> Self {
        Self { status: 200, body }
    }

    fn refused(status: u16, text: impl Into<String>) -> Self {
        Self { status, body: Value::String(text.into()) }
    }
}

/// What the API server sends: a request in an envelope that says what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<R> {
    api_version: String,
    kind: String,
    request: R,
}

/// The request in a body that has to be `kind` of `version`.
///
/// # Errors
/// A reply of status 400 if it is anything else.
fn request<R: DeserializeOwned>(body: &[u8], version: &str, kind: &str) -> Result<R, Reply> {
    let envelope: Envelope<R> = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(error) => return Err(Reply::refused(400, format!("this is no {kind}: {error}"))),
    };
    if (envelope.api_version.as_str(), envelope.kind.as_str()) != (version, kind) {
        let told =
            format!("{} {:?} cannot be answered; ask with {version} {kind}", envelope.kind, envelope.api_version);
        return Err(Reply::refused(400, told));
    }
    Ok(envelope.request)
}

/// Where a kind is judged, as in MetalLB (behaviour 3.3).
pub const fn path(kind: ConfigurationKind) -> &'static str {
    match kind {
        ConfigurationKind::Pool => "/validate-metallb-io-v1beta1-ipaddresspool",
        ConfigurationKind::L2Advertisement => "/validate-metallb-io-v1beta1-l2advertisement",
        ConfigurationKind::BgpAdvertisement => "/validate-metallb-io-v1beta1-bgpadvertisement",
        ConfigurationKind::Peer => "/validate-metallb-io-v1beta2-bgppeer",
        ConfigurationKind::Community => "/validate-metallb-io-v1beta1-community",
        ConfigurationKind::BfdProfile => "/validate-metallb-io-v1beta1-bfdprofile",
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
