//! Makes certificates, with rcgen: ECDSA on P-256, which every API server knows.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

use super::{
    decide::{BACKDATED, Lifetimes, Step},
    stored::{Pair, Stored},
};

/// A certificate that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make {what} for the webhooks; if it lasts, empty the Secret and restart the controllers")]
pub struct MakeError {
    what: &'static str,
    source: rcgen::Error,
}

/// For whom, how long, and when.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// DNS names of the server.
    pub names: &'a [String],
    /// How long certificates last.
    pub lifetimes: Lifetimes,
    /// Seconds since 1970.
    pub now: i64,
}

/// What the Secret is to hold after a step.
///
/// # Errors
/// If the library refuses, for example what the Secret holds as an authority.
pub fn apply(step: Step, stored: &Stored, order: &Order<'_>) -> Result<Stored, MakeError> {
    let mut new = stored.clone();
    match step {
        Step::Keep => {}
        Step::Begin => {
            let ca = authority(order)?;
            let leaf = leaf(&ca, order)?;
            new = Stored { ca, leaf, ..Stored::default() };
        }
        Step::Issue => new.leaf = leaf(&stored.ca, order)?,
        Step::Introduce => new.next = authority(order)?,
        Step::Switch => {
            new.leaf = leaf(&stored.next, order)?;
            new.previous.clone_from(&stored.ca.certificate);
            new.ca = std::mem::take(&mut new.next);
        }
        Step::Retire => new.previous.clear(),
    }
    Ok(new)
}

fn authority(order: &Order<'_>) -> Result<Pair, MakeError> {
    let failed = |source| MakeError { what: "an authority", source };
    let mut parameters = CertificateParams::default();
    // Names of their own: who finds two authorities in a bundle takes the right one.
    parameters.distinguished_name.push(DnType::CommonName, format!("arpeggio-webhook-ca-{}", order.now));
    parameters.distinguished_name.push(DnType::OrganizationName, "arpeggio");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    span(&mut parameters, order.now, order.lifetimes.authority, failed)?;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn leaf(ca: &Pair, order: &Order<'_>) -> Result<Pair, MakeError> {
    let failed = |source| MakeError { what: "a certificate", source };
    let issuer =
        KeyPair::from_pem(&ca.key).and_then(|key| Issuer::from_ca_cert_pem(&ca.certificate, key)).map_err(failed)?;
    let mut parameters = CertificateParams::new(order.names.to_vec()).map_err(failed)?;
    parameters.distinguished_name.push(DnType::CommonName, order.names.first().map_or("webhook", String::as_str));
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    span(&mut parameters, order.now, order.lifetimes.leaf, failed)?;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = parameters.signed_by(&key, &issuer).map_err(failed)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Says from when to when it is valid.
fn span(
    parameters: &mut CertificateParams,
    now: i64,
    lasts: Duration,
    failed: impl Fn(rcgen::Error) -> MakeError,
) -> Result<(), MakeError> {
    let moment =
        |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_out_of_range| failed(rcgen::Error::Time));
    parameters.not_before = moment(now - BACKDATED)?;
    let lasts = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    parameters.not_after = moment(now.saturating_add(lasts))?;
    Ok(())
}

#[cfg(test)]
#[path = "make_tests.rs"]
mod tests;
