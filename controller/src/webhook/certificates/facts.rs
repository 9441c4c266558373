//! What certificates say, read with x509-parser.

use rcgen::KeyPair;
use rustls::{
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, pem::Pem};

use super::{
    decide::{Authority, BACKDATED, Facts, Leaf, Life},
    stored::{Pair, Stored},
};

/// What the Secret holds, for a server of this DNS name.
pub fn facts(stored: &Stored, name: &str) -> Facts {
    Facts {
        ca: authority(&stored.ca),
        next: authority(&stored.next),
        previous: is_readable(&stored.previous),
        leaf: leaf(&stored.leaf, &stored.ca.certificate, name),
    }
}

/// Whether it is a certificate that can be read.
pub fn is_readable(pem: &str) -> bool {
    with(pem, |_| ()).is_some()
}

/// The first certificate of a text in PEM.
fn with<T>(pem: &str, ask: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    Some(ask(&certificate))
}

fn life(certificate: &X509Certificate<'_>) -> Life {
    let validity = certificate.validity();
    // The second that it ends in is still part of it (RFC 5280, 4.1.2.5).
    Life { begins: validity.not_before.timestamp() + BACKDATED, ends: validity.not_after.timestamp() + 1 }
}

fn authority(pair: &Pair) -> Option<Authority> {
    with(&pair.certificate, |certificate| {
        let key = KeyPair::from_pem(&pair.key).ok();
        let is_ours = |key: &KeyPair| certificate.public_key().subject_public_key.data == key.public_key_raw();
        Authority { life: life(certificate), signs: key.is_some_and(|key| is_ours(&key)) && certificate.is_ca() }
    })
}

fn leaf(pair: &Pair, authority: &str, name: &str) -> Option<Leaf> {
    with(&pair.certificate, |certificate| {
        let signed = with(authority, |ca| {
            ca.subject() == certificate.issuer() && certificate.verify_signature(Some(ca.public_key())).is_ok()
        });
        let named = certificate.subject_alternative_name().ok().flatten().is_some_and(|names| {
            names.value.general_names.iter().any(|one| matches!(one, GeneralName::DNSName(dns) if *dns == name))
        });
        Leaf { life: life(certificate), fits: signed == Some(true) && named && has_key(pair, certificate) }
    })
}

/// Whether the key belongs to the certificate; asked of the library that serves them, so any kind it can serve will do.
fn has_key(pair: &Pair, certificate: &X509Certificate<'_>) -> bool {
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).ok();
    let key = key.and_then(|key| ring::sign::any_supported_type(&key).ok());
    let public = key.and_then(|key| key.public_key().map(|public| public.to_vec()));
    public.is_some_and(|public| public == certificate.public_key().raw)
}
