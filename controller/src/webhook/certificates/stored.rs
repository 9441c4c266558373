//! What the Secret holds: MetalLB's four keys, and three of our own while an authority is replaced.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::facts;

/// The authority that signed the certificate (PEM); as in MetalLB.
pub const CA: [&str; 2] = ["ca.crt", "ca.key"];
/// The certificate of the server and its key (PEM); as in MetalLB.
pub const LEAF: [&str; 2] = ["tls.crt", "tls.key"];
/// The authority that will replace it.
const NEXT: [&str; 2] = ["next-ca.crt", "next-ca.key"];
/// The certificate of the authority that it has replaced.
const PREVIOUS: &str = "previous-ca.crt";

/// A certificate and its key, PEM; empty where there is none. There is no way to print it: keys belong into no log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// The content of the Secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The authority that signed the certificate.
    pub ca: Pair,
    /// The one that will replace it.
    pub next: Pair,
    /// The certificate of the one that it has replaced.
    pub previous: String,
    /// The certificate of the server.
    pub leaf: Pair,
}

impl Stored {
    /// What a Secret holds. What is missing or no text is empty.
    pub fn read(secret: &Secret) -> Self {
        let text = |key: &str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(key));
            bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).unwrap_or_default()
        };
        let pair = |[certificate, key]: [&str; 2]| Pair { certificate: text(certificate), key: text(key) };
        Self { ca: pair(CA), next: pair(NEXT), previous: text(PREVIOUS), leaf: pair(LEAF) }
    }

    /// Writes it into the Secret; keys of others stay.
    pub fn write(&self, secret: &mut Secret) {
        let data: &mut BTreeMap<String, ByteString> = secret.data.get_or_insert_default();
        let all = [
            (CA[0], &self.ca.certificate),
            (CA[1], &self.ca.key),
            (NEXT[0], &self.next.certificate),
            (NEXT[1], &self.next.key),
            (PREVIOUS, &self.previous),
            (LEAF[0], &self.leaf.certificate),
            (LEAF[1], &self.leaf.key),
        ];
        for (key, text) in all {
            if text.is_empty() {
                data.remove(key);
            } else {
                data.insert(key.to_owned(), ByteString(text.clone().into_bytes()));
            }
        }
    }

    /// The authorities that the API server has to trust, as a `caBundle` (PEM, before base64). The order depends on nothing but the
    /// set, so that a replacement that changes roles changes no bundle.
    pub fn trusted(&self) -> String {
        let all = [&self.ca.certificate, &self.next.certificate, &self.previous];
        let readable: BTreeSet<&str> =
            all.into_iter().map(|pem| pem.trim()).filter(|pem| facts::is_readable(pem)).collect();
        readable.into_iter().map(|pem| format!("{pem}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_was_written_and_the_keys_of_others_stay() {
        let pair = |word: &str| Pair { certificate: format!("{word}-crt"), key: format!("{word}-key") };
        let stored = Stored { ca: pair("ca"), next: pair("next"), previous: "old".to_owned(), leaf: pair("leaf") };
        let mut secret = Secret::default();
        secret.data.get_or_insert_default().insert("theirs".to_owned(), ByteString(vec![0xff]));
        assert!(Stored::read(&secret) == Stored::default());
        stored.write(&mut secret);
        assert!(Stored::read(&secret) == stored);
        Stored::default().write(&mut secret);
        let keys: Vec<&String> = secret.data.as_ref().unwrap().keys().collect();
        assert_eq!(keys, ["theirs"]);
    }
}
